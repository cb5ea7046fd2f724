//! Makes sure, before anything is listed, that the credentials are those of
//! the account whose resources are stored.

use cloud_sync_core::account::{AccountRecord, Suspension};
use cloud_sync_core::error::{ErrorClass, Handling, VendorError};
use cloud_sync_core::identity::{ANOTHER_ACCOUNT, Identity, KnownIdentity, Question};
use cloud_sync_core::task::RegionError;
use cloud_sync_provider::Vendor;
use cloud_sync_runtime::store::Store;
use jiff::Timestamp;

use crate::RegionSync;
use crate::work::Stop;

/// Who is about to ask the vendor.
#[derive(Clone, Copy)]
pub(crate) struct Caller<'a> {
    /// The account at the vendor, opened with the credentials.
    pub(crate) vendor: &'a dyn Vendor,
    /// A digest of the credentials.
    pub(crate) digest: &'a str,
    /// The task that is worked on.
    pub(crate) task_id: &'a str,
    /// When its worker stops.
    pub(crate) deadline: Timestamp,
}

impl RegionSync {
    /// Checks that credentials are of the vendor's account that is remembered,
    /// and remembers it where none is. Others suspend the account.
    pub(crate) async fn check_identity(
        &self,
        store: &dyn Store,
        record: &AccountRecord,
        caller: Caller<'_>,
    ) -> Result<Result<(), RegionError>, Stop> {
        let now = self.clock.now();
        let question = KnownIdentity::question(record.identity.as_ref(), caller.digest, now);
        if question == Question::Settled {
            return Ok(Ok(()));
        }
        let found = match caller.vendor.identity().await {
            Ok(Some(found)) => found,
            Ok(None) => return Ok(Ok(())),
            Err(error) if question == Question::Desired => {
                let code = &error.code;
                tracing::warn!(
                    code,
                    error = error.message,
                    "nobody says whose credentials these are"
                );
                return Ok(Ok(()));
            }
            Err(error) => return self.refuse(store, record, caller, &error).await.map(Err),
        };
        match self.compare(store, record, caller, found).await? {
            Ok(()) => Ok(Ok(())),
            Err(error) => self.refuse(store, record, caller, &error).await.map(Err),
        }
    }

    /// Compares who is calling with what is remembered, and remembers it.
    async fn compare(
        &self,
        store: &dyn Store,
        record: &AccountRecord,
        caller: Caller<'_>,
        found: Identity,
    ) -> Result<Result<(), VendorError>, Stop> {
        let id = &record.account.id;
        let check = |known: Option<&KnownIdentity>| {
            known.map_or(Ok(()), |known| known.check(id, &found)).map_err(|other| {
                let api = "GetCallerIdentity";
                VendorError::new(ErrorClass::Auth, api, ANOTHER_ACCOUNT, other.to_string())
            })
        };
        if let Err(error) = check(record.identity.as_ref()) {
            return Ok(Err(error));
        }
        let now = self.clock.now();
        // Somebody may have put another key in its place since the vendor was
        // asked, and be about to say that it is the right one.
        if now >= caller.deadline {
            return Err(Stop::OutOfTime);
        }
        let identity = KnownIdentity::new(found.clone(), caller.digest, now);
        if store.put_identity(id, &identity).await? {
            return Ok(Ok(()));
        }
        // Another worker was first, with other credentials.
        let record = store.account(id).await?;
        Ok(check(record.and_then(|record| record.identity).as_ref()))
    }

    /// Returns the error that ends the region, having suspended the account
    /// where its class says so.
    async fn refuse(
        &self,
        store: &dyn Store,
        record: &AccountRecord,
        caller: Caller<'_>,
        error: &VendorError,
    ) -> Result<RegionError, Stop> {
        let now = self.clock.now();
        if error.class.handling() == Handling::StopAccount {
            let suspension = Suspension {
                at: now,
                code: error.code.clone(),
                reason: error.message.clone(),
                task_id: caller.task_id.to_owned(),
                credentials_digest: caller.digest.to_owned(),
            };
            self.suspend(store, &record.account, &suspension).await?;
        }
        Ok(RegionError::of_vendor(error, now))
    }
}
