//! Accounts in memory.

use async_trait::async_trait;
use cloud_sync_core::account::{Account, AccountRecord, RegionCache, Suspension};
use cloud_sync_core::budget::Spent;
use cloud_sync_core::identity::KnownIdentity;

use jiff::Timestamp;

use super::units::{Bill, size};
use super::{MemoryStore, Tables, refused};
use crate::store::{AccountStore, Result, keys};

impl MemoryStore {
    /// Changes an account that is known. Returns what the change returns.
    fn change_account(
        &self,
        id: &str,
        change: impl FnOnce(&mut AccountRecord) -> bool,
    ) -> Result<bool> {
        self.request(|tables, bill| {
            let Some(record) = tables.accounts.get_mut(id) else { return Ok(false) };
            let done = change(record);
            bill.write(size(record), 0);
            Ok(done)
        })
    }
}

/// Writes an account and returns its revision.
fn put(tables: &mut Tables, bill: &mut Bill, account: &Account) -> u64 {
    let removed = tables.removed.remove(&account.id);
    let known = tables.accounts.remove(&account.id).or(removed);
    let account = account.clone();
    let record = match known {
        Some(known) => AccountRecord { account, revision: known.revision + 1, ..known },
        None => AccountRecord::new(account),
    };
    bill.write(size(&record), 0);
    let revision = record.revision;
    tables.accounts.insert(record.account.id.clone(), record);
    revision
}

#[async_trait]
impl AccountStore for MemoryStore {
    async fn account(&self, id: &str) -> Result<Option<AccountRecord>> {
        self.request(|tables, bill| {
            let found = tables.accounts.get(id).cloned();
            bill.read(size(&found));
            Ok(found)
        })
    }

    async fn accounts(&self) -> Result<Vec<AccountRecord>> {
        self.request(|tables, bill| {
            let found: Vec<_> = tables.accounts.values().cloned().collect();
            bill.read(size(&found));
            Ok(found)
        })
    }

    async fn put_account(&self, account: &Account) -> Result<()> {
        self.request(|tables, bill| {
            put(tables, bill, account);
            Ok(())
        })
    }

    async fn replace_account(
        &self,
        account: &Account,
        revision: Option<u64>,
    ) -> Result<Option<u64>> {
        self.request(|tables, bill| {
            let known = tables.accounts.get(&account.id).map(|record| record.revision);
            Ok((known == revision).then(|| put(tables, bill, account)))
        })
    }

    async fn remove_account(&self, id: &str, revision: u64, _: Timestamp) -> Result<bool> {
        self.request(|tables, bill| {
            let known = tables.accounts.get(id).is_some_and(|record| record.revision == revision);
            if let Some(record) = known.then(|| tables.accounts.remove(id)).flatten() {
                bill.write(size(&record), 0);
                let (identity, revision) = (record.identity, record.revision + 1);
                let removed =
                    AccountRecord { identity, revision, ..AccountRecord::new(record.account) };
                tables.removed.insert(id.to_owned(), removed);
            }
            Ok(known)
        })
    }

    async fn put_regions(&self, id: &str, regions: &RegionCache) -> Result<()> {
        let bytes = size(regions);
        if bytes > keys::LARGEST_ITEM {
            let reason = format!("the regions of account '{id}' have {bytes} bytes");
            return Err(refused("writing an account's regions", reason));
        }
        self.change_account(id, |record| {
            record.regions = Some(regions.clone());
            true
        })
        .map(drop)
    }

    async fn put_identity(&self, id: &str, identity: &KnownIdentity) -> Result<bool> {
        self.change_account(id, |record| {
            let number = &identity.account_number;
            let is_same =
                record.identity.as_ref().is_none_or(|known| known.account_number == *number);
            if is_same {
                record.identity = Some(identity.clone());
            }
            is_same
        })
    }

    async fn forget_identity(&self, id: &str) -> Result<()> {
        self.change_account(id, |record| record.identity.take().is_some()).map(drop)
    }

    async fn suspend(&self, id: &str, suspension: &Suspension) -> Result<bool> {
        self.change_account(id, |record| {
            let is_new = record.suspended.is_none();
            record.suspended.get_or_insert_with(|| suspension.clone());
            is_new
        })
    }

    async fn add_spent(&self, id: &str, spent: &Spent) -> Result<Option<Spent>> {
        let mut sum = None;
        self.change_account(id, |record| {
            match &mut record.spent {
                Some(sum) if sum.day == spent.day => sum.calls += spent.calls,
                Some(sum) if sum.day > spent.day => return false,
                sum => *sum = Some(spent.clone()),
            }
            sum.clone_from(&record.spent);
            true
        })?;
        Ok(sum)
    }

    async fn resume(&self, id: &str) -> Result<()> {
        self.change_account(id, |record| record.suspended.take().is_some()).map(drop)
    }
}
