//! An account as it is shown: without the digests by which credentials are
//! told from others, which are nobody else's business.

use cloud_sync_core::account::{Account, AccountRecord, RegionCache, Suspension};
use cloud_sync_core::budget::Spent;
use cloud_sync_core::identity::KnownIdentity;
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

/// An account: its configuration and what was learnt of it.
#[derive(Serialize, ToSchema)]
#[schema(as = AccountRecord)]
pub(super) struct AccountView {
    /// As configured.
    account: Account,
    /// Set after the vendor refused its credentials.
    suspended: Option<SuspensionView>,
    /// The regions it has.
    regions: Option<RegionCache>,
    /// The API calls it has spent; counted only where it has a budget.
    spent: Option<Spent>,
    /// Whose credentials it has, by the vendor's word.
    identity: Option<IdentityView>,
    /// Counts the times that the configuration was written.
    revision: u64,
}

/// Why an account is not synced on schedule for now.
#[derive(Serialize, ToSchema)]
#[schema(as = Suspension)]
struct SuspensionView {
    /// Since when.
    at: Timestamp,
    /// The vendor's error code.
    code: String,
    /// The vendor's message.
    reason: String,
    /// The task that met it.
    task_id: String,
}

/// Whose an account's credentials are.
#[derive(Serialize, ToSchema)]
#[schema(as = KnownIdentity)]
struct IdentityView {
    /// The vendor's number of the account whose resources are stored.
    account_number: String,
    /// The vendor's name of the user or role.
    principal: String,
    /// When the vendor was asked.
    checked_at: Timestamp,
}

impl From<AccountRecord> for AccountView {
    fn from(record: AccountRecord) -> Self {
        let AccountRecord { account, suspended, regions, spent, identity, revision } = record;
        let suspended = suspended.map(|suspension| {
            let Suspension { at, code, reason, task_id, credentials_digest: _ } = suspension;
            SuspensionView { at, code, reason, task_id }
        });
        let identity = identity.map(|known| {
            let KnownIdentity { account_number, principal, credentials_digest: _, checked_at } =
                known;
            IdentityView { account_number, principal, checked_at }
        });
        Self { account, suspended, regions, spent, identity, revision }
    }
}
