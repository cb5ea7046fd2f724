//! Accounts, one item each.

use async_trait::async_trait;
use aws_sdk_dynamodb::types::ReturnValue;
use cloud_sync_core::account::{Account, AccountRecord, RegionCache, Suspension};
use cloud_sync_core::budget::Spent;
use cloud_sync_core::identity::KnownIdentity;

use super::DynamoStore;
use super::items::{Item, attribute, decode, item, number, text};
use super::requests::{Update, Want};
use crate::store::tables::Table;
use crate::store::{AccountStore, Result, keys};

const fn want(operation: &'static str) -> Want {
    Want { operation, table: Table::Accounts }
}

fn key(id: &str) -> Item {
    item([(keys::ACCOUNT_ID, text(id))])
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
        let found = self.get(want, key(id)).await?;
        found.map(|item| decode(self.call(want, "GetItem"), item)).transpose()
    }

    async fn accounts(&self) -> Result<Vec<AccountRecord>> {
        let want = want("reading the accounts");
        let found = self.scan(want).await?;
        let mut accounts = found
            .into_iter()
            .map(|item| decode::<AccountRecord>(self.call(want, "Scan"), item))
            .collect::<Result<Vec<_>>>()?;
        accounts.sort_unstable_by(|a, b| a.account.id.cmp(&b.account.id));
        Ok(accounts)
    }

    async fn put_account(&self, account: &Account) -> Result<()> {
        let want = want("writing an account");
        let value = attribute(self.call(want, "UpdateItem"), account)?;
        let values = item([(":account", value)]);
        self.update_account(want, &account.id, keys::SET_ACCOUNT, None, values).await.map(drop)
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

    async fn add_spent(&self, id: &str, spent: &Spent) -> Result<()> {
        let want = want("counting what an account has spent");
        let day = || (":day", text(&spent.day));
        for _ in 0..2 {
            let same = Some(keys::SAME_DAY);
            let values = item([day(), (":calls", number(spent.calls))]);
            if self.update_account(want, id, keys::ADD_SPENT, same, values).await? {
                break;
            }
            let value = attribute(self.call(want, "UpdateItem"), spent)?;
            let values = item([day(), (":spent", value)]);
            let earlier = Some(keys::EARLIER_DAY);
            if self.update_account(want, id, keys::SET_SPENT, earlier, values).await? {
                break;
            }
            // Another worker may have begun the day between the two.
        }
        Ok(())
    }

    async fn resume(&self, id: &str) -> Result<()> {
        let want = want("resuming an account");
        let exists = Some(keys::ACCOUNT_EXISTS);
        self.update_account(want, id, keys::RESUME, exists, Item::new()).await.map(drop)
    }
}
