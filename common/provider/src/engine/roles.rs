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
