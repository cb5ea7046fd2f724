//! Which regions an account has: configured, or all that the vendor offers,
//! which is asked for once a day.

use std::sync::Arc;

use cloud_sync_core::account::{Account, AccountRecord, Organization, RegionCache, Suspension};
use cloud_sync_core::error::{ErrorClass, Handling};
use cloud_sync_core::meter::Meter;
use cloud_sync_core::scope::is_key_word;
use cloud_sync_provider::Vendor;
use cloud_sync_runtime::notify::Notice;
use cloud_sync_runtime::spending::Spending;
use cloud_sync_runtime::store::StoreError;
use jiff::SignedDuration;

use crate::{DispatchError, Dispatcher, Problem};

/// How long an account's regions are remembered.
const REGIONS_TTL: SignedDuration = SignedDuration::from_hours(24);

impl Dispatcher {
    /// Returns the regions that the vendor offers the account.
    ///
    /// Remembered ones serve for a day, and longer where the vendor cannot be
    /// asked: an answer that is old is better than a region left out.
    pub(crate) async fn offered_regions(
        &self,
        record: &AccountRecord,
    ) -> Result<Result<RegionCache, Problem>, DispatchError> {
        let now = self.clock.now();
        if let Some(cache) = &record.regions
            && now.duration_since(cache.fetched_at) < REGIONS_TTL
        {
            return Ok(Ok(cache.clone()));
        }
        let problem = match self.ask_for_regions(record).await? {
            Ok(regions) => {
                return match self.store.put_regions(&record.account.id, &regions).await {
                    Ok(()) => Ok(Ok(regions)),
                    // A list too long for an item would fail every account's
                    // tick or request with this one's.
                    Err(error @ StoreError::Refused { .. }) => {
                        Ok(Err(Problem::of_tables(record, &error)))
                    }
                    Err(error) => Err(error.into()),
                };
            }
            Err(problem) => problem,
        };
        match &record.regions {
            Some(cache) if problem.class.handling() != Handling::StopAccount => {
                tracing::warn!(
                    account = record.account.id,
                    code = problem.code,
                    error = problem.message,
                    "regions could not be asked for; going on with those remembered"
                );
                Ok(Ok(cache.clone()))
            }
            _ => Ok(Err(problem)),
        }
    }

    /// Opens an account at its vendor; whatever is asked of it counts against
    /// the account's budget. Returns a digest of its credentials too.
    pub(crate) async fn open(
        &self,
        record: &AccountRecord,
    ) -> Result<Result<(Arc<dyn Vendor>, String), Problem>, DispatchError> {
        let account = &record.account;
        let problem = |class: ErrorClass, code: &str, message: String| Problem {
            account_id: account.id.clone(),
            class,
            code: code.to_owned(),
            message,
        };
        let credentials = match self.credentials.credentials(&account.credentials).await {
            Ok(credentials) => credentials,
            Err(error) => {
                let code = "CredentialsUnavailable";
                return Ok(Err(problem(error.class(), code, error.to_string())));
            }
        };
        let digest = account.digest(&credentials);
        let meter = Arc::new(Meter::default());
        Spending::guard_each(record, &meter, &self.store, &self.clock);
        let opened = self.vendors.open(account, credentials, meter);
        Ok(opened
            .map(|vendor| (vendor, digest))
            .map_err(|error| problem(ErrorClass::Internal, "InvalidAccount", error.to_string())))
    }

    async fn ask_for_regions(
        &self,
        record: &AccountRecord,
    ) -> Result<Result<RegionCache, Problem>, DispatchError> {
        let account = &record.account;
        let (vendor, digest) = match self.open(record).await? {
            Ok(opened) => opened,
            Err(problem) => return Ok(Err(problem)),
        };
        match vendor.regions().await {
            Ok(mut regions) => {
                // A region's id becomes part of a key.
                regions.retain(|region| is_key_word(&region.id));
                if let Some(organization) = &account.organization {
                    self.look_for_members(account, organization, vendor.as_ref()).await?;
                }
                Ok(Ok(RegionCache { fetched_at: self.clock.now(), regions }))
            }
            Err(error) => {
                if error.class.handling() == Handling::StopAccount {
                    let suspension = Suspension {
                        at: self.clock.now(),
                        code: error.code.clone(),
                        reason: error.message.clone(),
                        task_id: String::new(),
                        credentials_digest: digest,
                    };
                    self.suspend(&account.id, &suspension).await?;
                }
                Ok(Err(Problem {
                    account_id: account.id.clone(),
                    class: error.class,
                    code: error.code,
                    message: format!("{}: {}", error.api, error.message),
                }))
            }
        }
    }

    /// Looks for an organisation's members as often as for regions. What
    /// keeps it from that keeps nobody from syncing the account itself.
    async fn look_for_members(
        &self,
        account: &Account,
        organization: &Organization,
        vendor: &dyn Vendor,
    ) -> Result<(), DispatchError> {
        if let Err(problem) = self.discover_with(account, organization, vendor).await? {
            let (account, code) = (&account.id, &problem.code);
            tracing::error!(account, code, error = problem.message, "members stay as they were");
        }
        Ok(())
    }

    async fn suspend(
        &self,
        account_id: &str,
        suspension: &Suspension,
    ) -> Result<(), DispatchError> {
        if self.store.suspend(account_id, suspension).await? {
            let notice = Notice::account_suspended(account_id, suspension);
            if let Err(error) = self.notifier.notify(&notice).await {
                tracing::error!(account = account_id, %error, "a notice could not be sent");
            }
        }
        Ok(())
    }
}
