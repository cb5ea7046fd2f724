//! The tables in DynamoDB, through the official SDK.

mod accounts;
mod changes;
mod days;
pub(crate) mod errors;
mod items;
mod requests;
mod resources;
mod scopes;
mod tasks;
mod transactions;

use std::sync::Arc;
use std::time::Duration;

use aws_config::SdkConfig;
use aws_sdk_dynamodb::Client;
use cloud_sync_core::meter::Meter;

use super::Store;
use super::tables::Table;

/// An index of DynamoDB follows its table within a second as a rule, and
/// promises nothing; what must not miss anything waits so long.
pub const INDEX_LAG: Duration = Duration::from_secs(10);

/// The tables in DynamoDB. Clones are cheap and share one client.
#[derive(Clone, Debug)]
pub struct DynamoStore {
    client: Client,
    /// By [`Table`].
    names: Arc<[String; 5]>,
    meter: Arc<Meter>,
    index_lag: Duration,
}

impl DynamoStore {
    /// Returns the tables whose names begin with `prefix`.
    #[must_use]
    pub fn new(client: Client, prefix: &str) -> Self {
        let names = Table::ALL.map(|table| format!("{prefix}{}", table.suffix()));
        Self { client, names: Arc::new(names), meter: Arc::default(), index_lag: INDEX_LAG }
    }

    /// Returns the same tables, whose indexes never lag: an embedded database
    /// writes them with the items.
    #[must_use]
    pub fn without_index_lag(self) -> Self {
        Self { index_lag: Duration::ZERO, ..self }
    }

    /// Returns the tables of a region and account of AWS, or of an endpoint
    /// that stands for them.
    #[must_use]
    pub fn connect(config: &SdkConfig, prefix: &str) -> Self {
        Self::new(Client::new(config), prefix)
    }

    fn table_name(&self, table: Table) -> &str {
        &self.names[table as usize]
    }
}

impl Store for DynamoStore {
    fn metered(&self, meter: Arc<Meter>) -> Arc<dyn Store> {
        Arc::new(Self { meter, ..self.clone() })
    }

    fn index_lag(&self) -> Duration {
        self.index_lag
    }
}
