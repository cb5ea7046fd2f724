//! Accounts, one item each.

use async_trait::async_trait;
use aws_sdk_dynamodb::types::ReturnValue;
use cloud_sync_core::account::{Account, AccountRecord, RegionCache, Suspension};
use cloud_sync_core::budget::Spent;
use cloud_sync_core::identity::KnownIdentity;
use jiff::Timestamp;

use super::DynamoStore;
use super::items::{Item, attribute, decode, item, number, require, text};
use super::requests::{Update, Want, Written};
use crate::store::tables::Table;
use crate::store::{AccountStore, Result, keys};

const fn want(operation: &'static str) -> Want {
    Want { operation, table: Table::Accounts }
}

fn key(id: &str) -> Item {
    item([(keys::ACCOUNT_ID, text(id))])
}

/// Tells whether an account was not removed.
fn is_there(item: &Item) -> bool {
    !item.contains_key(keys::REMOVED)
}

/// Returns the condition that an account is of a revision.
fn of_revision(revision: u64, values: &mut Item) -> &'static str {
    if revision == 0 {
        return keys::NO_REVISION;
    }
    values.insert(":revision".to_owned(), number(revision));
    keys::SAME_REVISION
}

impl DynamoStore {
    /// Changes an account. Returns whether the condition held.
    async fn update_account(
        &self,
        want: Want,
        id: &str,
        update: &str,
        condition: Option<&str>,
        values: Item,
    ) -> Result<bool> {
        let update =
            Update { key: key(id), update, condition, values, returned: ReturnValue::None };
        Ok(self.update(want, update).await?.is_done())
    }
}

#[async_trait]
impl AccountStore for DynamoStore {
    async fn account(&self, id: &str) -> Result<Option<AccountRecord>> {
        let want = want("reading an account");
        let found = self.get(want, key(id)).await?.filter(is_there);
        found.map(|item| decode(self.call(want, "GetItem"), item)).transpose()
    }

    async fn accounts(&self) -> Result<Vec<AccountRecord>> {
        let want = want("reading the accounts");
        let found = self.scan(want).await?;
        let mut accounts = found
            .into_iter()
            .filter(is_there)
            .map(|item| decode::<AccountRecord>(self.call(want, "Scan"), item))
            .collect::<Result<Vec<_>>>()?;
        accounts.sort_unstable_by(|a, b| a.account.id.cmp(&b.account.id));
        Ok(accounts)
    }

    async fn put_account(&self, account: &Account) -> Result<()> {
        let want = want("writing an account");
        let value = attribute(self.call(want, "UpdateItem"), account)?;
        let values = item([(":account", value), (":one", number(1))]);
        self.update_account(want, &account.id, keys::SET_ACCOUNT, None, values).await.map(drop)
    }

    async fn replace_account(
        &self,
        account: &Account,
        revision: Option<u64>,
    ) -> Result<Option<u64>> {
        let want = want("replacing an account");
        let call = self.call(want, "UpdateItem");
        let mut values = item([(":account", attribute(call, account)?), (":one", number(1))]);
        let condition = match revision {
            None => keys::ACCOUNT_IS_NEW,
            Some(revision) => of_revision(revision, &mut values),
        };
        let update = Update {
            key: key(&account.id),
            update: keys::SET_ACCOUNT,
            condition: Some(condition),
            values,
            returned: ReturnValue::AllNew,
        };
        match self.update(want, update).await? {
            Written::Done(mut item) => require(call, &mut item, keys::REVISION).map(Some),
            Written::Unmet(_) => Ok(None),
        }
    }

    async fn remove_account(&self, id: &str, revision: u64, at: Timestamp) -> Result<bool> {
        let want = want("removing an account");
        let mut values = item([(":removed", text(keys::time(at))), (":one", number(1))]);
        let condition = Some(of_revision(revision, &mut values));
        self.update_account(want, id, keys::REMOVE_ACCOUNT, condition, values).await
    }

    async fn put_regions(&self, id: &str, regions: &RegionCache) -> Result<()> {
        let want = want("writing an account's regions");
        let value = attribute(self.call(want, "UpdateItem"), regions)?;
        let exists = Some(keys::ACCOUNT_EXISTS);
        let values = item([(":regions", value)]);
        self.update_account(want, id, keys::SET_REGIONS, exists, values).await.map(drop)
    }

    async fn put_identity(&self, id: &str, identity: &KnownIdentity) -> Result<bool> {
        let want = want("writing an account's identity");
        let value = attribute(self.call(want, "UpdateItem"), identity)?;
        let values = item([(":identity", value), (":number", text(&identity.account_number))]);
        let condition = Some(keys::SAME_IDENTITY);
        self.update_account(want, id, keys::SET_IDENTITY, condition, values).await
    }

    async fn forget_identity(&self, id: &str) -> Result<()> {
        let want = want("forgetting an account's identity");
        let exists = Some(keys::ACCOUNT_EXISTS);
        self.update_account(want, id, keys::FORGET_IDENTITY, exists, Item::new()).await.map(drop)
    }

    async fn suspend(&self, id: &str, suspension: &Suspension) -> Result<bool> {
        let want = want("suspending an account");
        let value = attribute(self.call(want, "UpdateItem"), suspension)?;
        let condition = Some(keys::NOT_SUSPENDED);
        let values = item([(":suspended", value)]);
        self.update_account(want, id, keys::SUSPEND, condition, values).await
    }

    async fn add_spent(&self, id: &str, spent: &Spent) -> Result<Option<Spent>> {
        let want = want("counting what an account has spent");
        let call = self.call(want, "UpdateItem");
        let day = || (":day", text(&spent.day));
        for _ in 0..2 {
            let add = Update {
                key: key(id),
                update: keys::ADD_SPENT,
                condition: Some(keys::SAME_DAY),
                values: item([day(), (":calls", number(spent.calls))]),
                returned: ReturnValue::AllNew,
            };
            if let Written::Done(mut item) = self.update(want, add).await? {
                return require(call, &mut item, keys::SPENT).map(Some);
            }
            let values = item([day(), (":spent", attribute(call, spent)?)]);
            let earlier = Some(keys::EARLIER_DAY);
            if self.update_account(want, id, keys::SET_SPENT, earlier, values).await? {
                return Ok(Some(spent.clone()));
            }
            // Another worker may have begun the day between the two.
        }
        Ok(None)
    }

    async fn resume(&self, id: &str) -> Result<()> {
        let want = want("resuming an account");
        let exists = Some(keys::ACCOUNT_EXISTS);
        self.update_account(want, id, keys::RESUME, exists, Item::new()).await.map(drop)
    }
}
