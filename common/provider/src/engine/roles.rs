//! Whose credentials sign an account's requests: its own, or those of a role
//! that is taken on with them, and is taken on again before they expire.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use cloud_sync_core::account::{Account, Role};
use cloud_sync_core::credentials::Credentials;
use cloud_sync_core::error::{ErrorClass, Handling, VendorError};
use jiff::{SignedDuration, Timestamp};

use super::Client;
use super::redact::Secrets;
use super::reply;
use super::spec::{AssumeSpec, Lent};
use crate::Result;

/// A role is taken on again so long before its credentials expire. The longest
/// request takes less.
const MARGIN: SignedDuration = SignedDuration::from_mins(5);

/// Where the vendor cannot be asked, credentials serve until this is left.
const LAST_MOMENT: SignedDuration = SignedDuration::from_secs(45);

/// A place for the credentials of one chain of roles.
type Slot = Arc<tokio::sync::Mutex<Option<Lent>>>;

/// What the roles of a process's accounts have lent, by account and by the
/// credentials they were taken on with. One worker takes a role on for all.
#[derive(Default)]
pub(crate) struct Roles(Mutex<HashMap<(String, String), Slot>>);

impl Roles {
    /// With more slots than this, those that hold nothing that is still good
    /// are forgotten.
    const MOST: usize = 10_000;

    fn slot(&self, account: &str, digest: &str, now: Timestamp) -> Slot {
        let mut slots = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if slots.len() > Self::MOST {
            slots.retain(|_, slot| {
                let lent = slot.try_lock();
                lent.map_or(true, |lent| lent.as_ref().is_some_and(|lent| lent.until > now))
            });
        }
        slots.entry((account.to_owned(), digest.to_owned())).or_default().clone()
    }
}

/// An account's credentials.
pub(crate) struct Keyring {
    own: Credentials,
    digest: String,
    roles: Vec<Role>,
    /// Everything that must not be shown.
    secrets: RwLock<Secrets>,
}

impl Keyring {
    /// Returns those of an account.
    pub(crate) fn new(account: &Account, own: Credentials) -> Self {
        Self {
            digest: account.digest(&own),
            roles: account.roles.clone(),
            secrets: RwLock::new(Secrets::of(&own)),
            own,
        }
    }

    /// Returns a text without secrets.
    pub(crate) fn redacted(&self, text: &str) -> String {
        self.secrets().redacted(text)
    }

    /// Returns what must not be shown.
    pub(crate) fn secrets(&self) -> std::sync::RwLockReadGuard<'_, Secrets> {
        self.secrets.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn keep_secret(&self, lent: &Credentials) {
        if !self.secrets().contain(lent) {
            self.secrets.write().unwrap_or_else(PoisonError::into_inner).add(lent);
        }
    }
}

impl Client {
    /// Returns the credentials to sign with at this moment.
    pub(super) async fn credentials(&self) -> Result<Credentials> {
        if self.keyring.roles.is_empty() {
            return Ok(self.keyring.own.clone());
        }
        let now = (self.shared.around.now)();
        let slot = self.shared.roles.slot(&self.account, &self.keyring.digest, now);
        let mut slot = slot.lock().await;
        let left = slot.as_ref().map(|lent| lent.until.duration_since(now));
        if left.is_none_or(|left| left < MARGIN) {
            match self.take_on_roles().await {
                Ok(lent) => *slot = Some(lent),
                Err(error) if passes(&error) && left.is_some_and(|left| left > LAST_MOMENT) => {
                    let code = &error.code;
                    tracing::warn!(account = self.account, code, "a role is kept a little longer");
                }
                Err(error) => return Err(error),
            }
        }
        let lent = slot.as_ref().map(|lent| lent.credentials.clone());
        let lent = lent.unwrap_or_else(|| self.keyring.own.clone());
        self.keyring.keep_secret(&lent);
        Ok(lent)
    }

    /// Forgets a role's credentials, since the vendor refuses them: whatever
    /// is wrong with them, the next request takes the role on anew.
    pub(super) async fn forget_lent(&self, refused: &Credentials) {
        if self.keyring.roles.is_empty() {
            return;
        }
        let now = (self.shared.around.now)();
        let slot = self.shared.roles.slot(&self.account, &self.keyring.digest, now);
        let mut slot = slot.lock().await;
        let is_refused = |lent: &mut Lent| lent.credentials.access_key_id == refused.access_key_id;
        // Another worker may have taken it on anew already.
        slot.take_if(is_refused);
    }

    /// Takes on each role with the credentials of the one before. They are
    /// good for as long as the shortest of them.
    async fn take_on_roles(&self) -> Result<Lent> {
        let Some(spec) = &self.spec.assume else {
            let text = format!("provider '{}' has no roles to take on", self.spec.name);
            return Err(VendorError::new(ErrorClass::Internal, "", "NoRoles", text));
        };
        let mut lent = Lent { credentials: self.keyring.own.clone(), until: Timestamp::MAX };
        for role in &self.keyring.roles {
            let next = self.take_on(spec, role, &lent.credentials).await?;
            self.keyring.keep_secret(&next.credentials);
            lent = Lent { until: lent.until.min(next.until), ..next };
        }
        tracing::info!(account = self.account, until = %lent.until, "took on the account's role");
        Ok(lent)
    }

    async fn take_on(&self, spec: &AssumeSpec, role: &Role, with: &Credentials) -> Result<Lent> {
        let read = |body: &[u8]| reply::read_object(&spec.call, body, spec.decode);
        let params = (spec.params)(role);
        let asked = self.call_as(Some(with), &spec.call, &self.home(), &params, read).await;
        asked.map_err(|error| VendorError {
            message: format!("role {}: {}", role.arn, error.message),
            ..error
        })
    }
}

/// Tells whether an error may pass by itself.
fn passes(error: &VendorError) -> bool {
    matches!(error.class.handling(), Handling::Retry | Handling::Wait)
}

#[cfg(test)]
mod tests {
    use cloud_sync_core::error::ErrorClass::{Auth, Network};
    use jiff::ToSpan;
    use serde_json::json;

    use super::*;
    use crate::Vendor;
    use crate::engine::testing::{FakeVendor, account, answer};

    const REFUSED: &str = "InvalidSecurityToken.Expired";

    /// Returns a vendor that lends keys for an hour, `STS.1` first, and tells
    /// its regions, unless `refuse` has a code for what it is asked.
    fn lending(
        refuse: impl Fn(&str, Timestamp) -> Option<(u16, &'static str)> + Send + Sync + 'static,
    ) -> Arc<FakeVendor> {
        FakeVendor::answering(move |asked, now, count| {
            if let Some((status, code)) = refuse(asked, now) {
                return answer(status, &json!({ "Code": code, "Message": "no" }));
            }
            if !asked.contains("Action=AssumeRole") {
                return answer(200, &json!({ "Regions": { "Region": [{ "RegionId": "r" }] } }));
            }
            let minutes = if asked.contains("short") { 30 } else { 60 };
            let keys = json!({
                "AccessKeyId": format!("STS.{}", count("Action=AssumeRole")),
                "AccessKeySecret": "lent", "SecurityToken": "token", "Expiration": now + minutes.minutes(),
            });
            answer(200, &json!({ "Credentials": keys }))
        })
    }

    fn opened(vendor: &Arc<FakeVendor>, roles: &[&str]) -> Arc<dyn Vendor> {
        let roles: Vec<_> = roles.iter().map(|arn| json!({ "arn": arn })).collect();
        vendor.open(&account(&json!({ "provider": "aliyun", "roles": roles })))
    }

    /// Asks something, and returns which keys signed it and how often a role
    /// was taken on so far.
    async fn signed(vendor: &FakeVendor, opened: &dyn Vendor) -> Result<(String, usize)> {
        opened.regions().await?;
        let asked = vendor.asked().pop().unwrap();
        let key = asked.split("AccessKeyId=").nth(1).and_then(|rest| rest.split('&').next());
        Ok((key.unwrap().to_owned(), vendor.count("Action=AssumeRole")))
    }

    #[tokio::test]
    async fn a_role_is_taken_on_once_and_again_five_minutes_before_it_expires() {
        let vendor = lending(|_, _| None);
        let opened = opened(&vendor, &["acs:ram::1:role/r"]);
        let mut expected = [(0, 1), (3300, 1), (3301, 2), (6601, 2), (6602, 3)].into_iter();
        for (second, taken) in expected.by_ref() {
            vendor.at(second);
            let told = signed(&vendor, &*opened).await.unwrap();
            assert_eq!(told, (format!("STS.{taken}"), taken), "{second}");
        }
    }

    #[tokio::test]
    async fn a_role_that_cannot_be_renewed_serves_to_its_last_moment_and_no_longer() {
        let busy = |asked: &str, now: Timestamp| {
            let is_later = now > FakeVendor::BEGIN && asked.contains("Action=AssumeRole");
            is_later.then_some((503, "ServiceUnavailable"))
        };
        let vendor = lending(busy);
        let opened = opened(&vendor, &["acs:ram::1:role/r"]);
        for second in [0, 3400, 3554] {
            vendor.at(second);
            assert_eq!(signed(&vendor, &*opened).await.unwrap().0, "STS.1", "{second}");
        }
        vendor.at(3555);
        let error = signed(&vendor, &*opened).await.unwrap_err();
        assert_eq!((error.class, &*error.code), (Network, "ServiceUnavailable"));
        assert!(error.message.contains("role acs:ram::1:role/r"), "{error}");
    }

    #[tokio::test]
    async fn a_role_that_is_no_longer_granted_is_not_kept() {
        let refused = |asked: &str, now: Timestamp| {
            let is_later = now > FakeVendor::BEGIN && asked.contains("Action=AssumeRole");
            is_later.then_some((403, "NoPermission"))
        };
        let vendor = lending(refused);
        let opened = opened(&vendor, &["acs:ram::1:role/r"]);
        assert!(signed(&vendor, &*opened).await.is_ok());
        vendor.at(3400);
        assert_eq!(signed(&vendor, &*opened).await.unwrap_err().class, Auth);
    }

    #[tokio::test]
    async fn of_a_chain_each_role_is_taken_on_with_the_one_before() {
        let vendor = lending(|_, _| None);
        let opened = opened(&vendor, &["first-short", "second"]);
        assert_eq!(signed(&vendor, &*opened).await.unwrap(), ("STS.2".to_owned(), 2));
        let asked = vendor.asked();
        let is = |at: usize, words: [&str; 2]| words.iter().all(|words| asked[at].contains(words));
        assert!(is(0, ["RoleArn=first-short", "AccessKeyId=LTAI&"]), "{asked:?}");
        assert!(is(1, ["RoleArn=second", "AccessKeyId=STS.1&"]), "{asked:?}");
        assert!(is(2, ["Action=DescribeRegions", "AccessKeyId=STS.2&"]), "{asked:?}");
        vendor.at(25 * 60 + 1);
        let (_, taken) = signed(&vendor, &*opened).await.unwrap();
        assert_eq!(taken, 4, "what the first lends is good for half an hour");
    }

    #[tokio::test]
    async fn what_the_vendor_refuses_is_forgotten_and_taken_on_anew() {
        let revoked = |asked: &str, _: Timestamp| {
            let is_revoked = asked.contains("AccessKeyId=STS.1&");
            is_revoked.then_some((403, REFUSED))
        };
        let vendor = lending(revoked);
        let opened = opened(&vendor, &["acs:ram::1:role/r"]);
        let error = signed(&vendor, &*opened).await.unwrap_err();
        assert_eq!((error.class, &*error.code), (Auth, REFUSED));
        assert_eq!(signed(&vendor, &*opened).await.unwrap(), ("STS.2".to_owned(), 2));
        assert_eq!(signed(&vendor, &*opened).await.unwrap(), ("STS.2".to_owned(), 2));
    }

    #[tokio::test]
    async fn what_another_worker_took_on_since_is_kept() {
        let vendor = lending(|_, _| None);
        let account = account(&json!({ "provider": "aliyun", "roles": [{ "arn": "r" }] }));
        let client = vendor.client(&account);
        let first = client.credentials().await.unwrap();
        vendor.at(3400);
        let second = client.credentials().await.unwrap();
        assert_ne!(first.access_key_id, second.access_key_id);
        client.forget_lent(&first).await;
        assert_eq!(client.credentials().await.unwrap().access_key_id, second.access_key_id);
        client.forget_lent(&second).await;
        assert_eq!(client.credentials().await.unwrap().access_key_id, "STS.3");
    }

    #[tokio::test]
    async fn a_role_of_tencents_signs_with_what_it_lends() {
        let vendor = FakeVendor::answering(|asked, now, _| {
            let response = if asked.contains("x-tc-action: AssumeRole") {
                let keys =
                    json!({ "TmpSecretId": "TMP", "TmpSecretKey": "lent", "Token": "token" });
                json!({ "Credentials": keys, "Expiration": now + 1.hour(), "RequestId": "R" })
            } else {
                json!({ "RegionSet": [{ "Region": "ap-guangzhou", "RegionState": "AVAILABLE" }] })
            };
            answer(200, &json!({ "Response": response }))
        });
        let roles = json!([{ "arn": "qcs::cam::uin/1:roleName/r", "external_id": "x" }]);
        let opened = vendor.open(&account(&json!({ "provider": "tencent", "roles": roles })));
        assert_eq!(opened.regions().await.unwrap()[0].id, "ap-guangzhou");
        assert_eq!(opened.regions().await.unwrap().len(), 1);
        let [role, regions, _] = vendor.asked().try_into().unwrap();
        assert!(role.contains("Credential=LTAI/") && role.contains("roleName/r"), "{role}");
        assert!(role.contains(r#""ExternalId":"x""#), "{role}");
        assert!(regions.contains("Credential=TMP/"), "{regions}");
        assert!(regions.contains("x-tc-token: token"), "{regions}");
    }
}
