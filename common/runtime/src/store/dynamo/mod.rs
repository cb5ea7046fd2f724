//! The tables in DynamoDB, through the official SDK.

mod accounts;
mod changes;
pub(crate) mod errors;
mod items;
mod requests;
mod resources;
mod scopes;
mod tasks;

use std::sync::Arc;

use aws_config::SdkConfig;
use aws_sdk_dynamodb::Client;
use cloud_sync_core::meter::Meter;

use super::Store;
use super::tables::Table;

/// The tables in DynamoDB. Clones are cheap and share one client.
#[derive(Clone, Debug)]
pub struct DynamoStore {
    client: Client,
    /// By [`Table`].
    names: Arc<[String; 5]>,
    meter: Arc<Meter>,
}

impl DynamoStore {
    /// Returns the tables whose names begin with `prefix`.
    #[must_use]
    pub fn new(client: Client, prefix: &str) -> Self {
        let names = Table::ALL.map(|table| format!("{prefix}{}", table.suffix()));
        Self { client, names: Arc::new(names), meter: Arc::default() }
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
}
