//! Whether an account's credentials work, and for what: the vendor's cheapest
//! calls, which write nothing. And what is done about those that did not.

use std::time::Duration;

use cloud_sync_core::account::{Account, AccountRecord, Region};
use cloud_sync_core::error::{ErrorClass, VendorError};
use cloud_sync_core::identity::ANOTHER_ACCOUNT;
use cloud_sync_core::scope::Kind;
use cloud_sync_provider::{Permission, Vendor};
use cloud_sync_runtime::store::{Store, StoreError};
use futures::future::join_all;
use serde::Serialize;

use crate::{DispatchError, Dispatcher, Problem};

/// So long a vendor may take for each answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// How a question to the vendor was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = Answered))]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// As it should be.
    Ok,
    /// The vendor refuses it.
    Refused,
    /// The vendor was asked too often: try again later.
    Throttled,
    /// There is no such service in the region, or the account has not opened
    /// it.
    NotOffered,
    /// The vendor could not be reached, or took too long.
    Unavailable,
    /// Something else is wrong.
    Failed,
}

impl Verdict {
    const fn of(class: ErrorClass) -> Self {
        match class {
            ErrorClass::Auth => Self::Refused,
            ErrorClass::Throttled => Self::Throttled,
            ErrorClass::NotOffered => Self::NotOffered,
            ErrorClass::Network => Self::Unavailable,
            ErrorClass::Data | ErrorClass::Internal => Self::Failed,
        }
    }
}

/// How one question was answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Check {
    /// How.
    pub verdict: Verdict,
    /// The vendor's code, or one of ours, where it is not ok.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// For a person, where it is not ok.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

impl Check {
    const OK: Self = Self { verdict: Verdict::Ok, code: None, message: None };

    fn failed(class: ErrorClass, code: &str, message: String) -> Self {
        let (code, message) = (Some(code.to_owned()), Some(message));
        Self { verdict: Verdict::of(class), code, message }
    }

    fn of_problem(problem: &Problem) -> Self {
        Self::failed(problem.class, &problem.code, problem.message.clone())
    }
}

/// Whether resources of a kind may be listed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct KindCheck {
    /// The kind.
    pub kind: Kind,
    /// The region that was asked.
    pub region: String,
    /// How that was answered.
    #[serde(flatten)]
    pub check: Check,
}

/// What works with an account's credentials.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Verification {
    /// The account.
    pub account_id: String,
    /// Whether everything does that was asked.
    pub works: bool,
    /// Whether there are credentials, and the vendor knows them.
    pub credentials: Check,
    /// The vendor's number of the account that they are of, where it says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account_number: Option<String>,
    /// The vendor's name of the user or role that they are of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub principal: Option<String>,
    /// What may be listed; empty where the credentials do not work.
    pub kinds: Vec<KindCheck>,
}

impl Dispatcher {
    /// Asks the vendor who an account's credentials are of, and for each of
    /// its kinds whether its resources may be listed: by the question for
    /// permission where there is one, else by the first page, both in the
    /// default region.
    ///
    /// # Errors
    ///
    /// The tables failed. What the vendor says is never an error.
    pub async fn verify(&self, record: &AccountRecord) -> Result<Verification, DispatchError> {
        let account = &record.account;
        let mut found = Verification {
            account_id: account.id.clone(),
            works: false,
            credentials: Check::OK,
            account_number: None,
            principal: None,
            kinds: Vec::new(),
        };
        let vendor = match self.open(record).await? {
            Ok((vendor, _)) => vendor,
            Err(problem) => {
                found.credentials = Check::of_problem(&problem);
                return Ok(found);
            }
        };
        match in_time(vendor.identity()).await {
            Ok(Some(identity)) => {
                let known = record.identity.as_ref();
                if let Some(Err(another)) = known.map(|one| one.check(&account.id, &identity)) {
                    let text = another.to_string();
                    found.credentials = Check::failed(ErrorClass::Auth, ANOTHER_ACCOUNT, text);
                }
                found.account_number = Some(identity.account_number);
                found.principal = Some(identity.principal);
            }
            Ok(None) => {}
            Err(check) => found.credentials = check,
        }
        if matches!(found.credentials.verdict, Verdict::Refused) {
            return Ok(found);
        }
        let kinds = match self.vendors.kinds(account) {
            Ok(kinds) => kinds,
            Err(error) => {
                let text = error.to_string();
                found.credentials = Check::failed(ErrorClass::Internal, "InvalidAccount", text);
                return Ok(found);
            }
        };
        let checks = kinds.into_iter().map(|kind| self.check_kind(vendor.as_ref(), record, kind));
        found.kinds = join_all(checks).await;
        let is_ok = |check: &Check| check.verdict == Verdict::Ok;
        found.works =
            is_ok(&found.credentials) && found.kinds.iter().all(|kind| is_ok(&kind.check));
        Ok(found)
    }

    async fn check_kind(
        &self,
        vendor: &dyn Vendor,
        record: &AccountRecord,
        kind: Kind,
    ) -> KindCheck {
        let region = if self.vendors.is_global(&kind) {
            Region::global()
        } else {
            home(&record.account, record)
        };
        let asked = async {
            match vendor.probe(&kind, &region).await? {
                Permission::Granted => Ok(()),
                Permission::NoProbe => vendor.page(&kind, &region, None).await.map(drop),
            }
        };
        let check = in_time(asked).await.map_or_else(|check| check, |()| Check::OK);
        KindCheck { kind, region: region.id, check }
    }
}

/// Ends an account's suspension. Whoever does so after the credentials were
/// another account's takes that one for the right one. Returns whether it was
/// suspended.
///
/// # Errors
///
/// The tables failed.
pub async fn resume(store: &dyn Store, record: &AccountRecord) -> Result<bool, StoreError> {
    let Some(suspension) = &record.suspended else {
        return Ok(false);
    };
    if suspension.code == ANOTHER_ACCOUNT {
        store.forget_identity(&record.account.id).await?;
    }
    store.resume(&record.account.id).await?;
    Ok(true)
}

/// Returns the default region, as the vendor described it where it did.
fn home(account: &Account, record: &AccountRecord) -> Region {
    let mut known = record.regions.iter().flat_map(|cache| &cache.regions);
    let known = known.find(|region| region.id == account.default_region).cloned();
    known.unwrap_or_else(|| Region::new(&account.default_region))
}

async fn in_time<T>(asked: impl Future<Output = Result<T, VendorError>>) -> Result<T, Check> {
    match tokio::time::timeout(PATIENCE, asked).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(error)) => {
            let text = format!("{}: {}", error.api, error.message);
            Err(Check::failed(error.class, &error.code, text))
        }
        Err(_) => {
            let text = format!("the vendor did not answer within {} s", PATIENCE.as_secs());
            Err(Check::failed(ErrorClass::Network, "NoAnswer", text))
        }
    }
}
