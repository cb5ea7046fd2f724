//! What the tables are, said once: [`create_tables`] makes them for one
//! machine and for tests, and a test compares `template.yaml` with them.

use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::create_table::CreateTableError;
use aws_sdk_dynamodb::types as sdk;
use futures::future::try_join_all;

use super::dynamo::errors::{Call, failure, refused, unavailable};
use super::keys;
use super::{Result, StoreError};

/// How often the state of a table in the making is asked for.
const POLL_EVERY: Duration = Duration::from_millis(500);

/// How often at most: a table is there within seconds, or something is wrong.
const MOST_POLLS: u32 = 240;

/// One of the tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Table {
    /// Configuration of accounts, their regions and suspensions.
    Accounts,
    /// Leases, checkpoints and findings of scopes.
    Scopes,
    /// Tasks and the results of their regions.
    Tasks,
    /// Live rows and tombstones.
    Resources,
    /// History and outbox.
    Changes,
}

impl Table {
    /// Every table.
    pub const ALL: [Self; 5] =
        [Self::Accounts, Self::Scopes, Self::Tasks, Self::Resources, Self::Changes];

    /// Returns the part of the table's name after the prefix.
    #[must_use]
    pub const fn suffix(self) -> &'static str {
        match self {
            Self::Accounts => "accounts",
            Self::Scopes => "scopes",
            Self::Tasks => "tasks",
            Self::Resources => "resources",
            Self::Changes => "changes",
        }
    }
}

/// The type of a key attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KeyType {
    /// A text: `S` in a template.
    Text,
    /// A number: `N` in a template.
    Number,
}

impl KeyType {
    /// Returns the letter that stands for it in a template.
    #[must_use]
    pub const fn letter(self) -> &'static str {
        match self {
            Self::Text => "S",
            Self::Number => "N",
        }
    }
}

/// An attribute that is part of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct KeyAttribute {
    /// Its name.
    pub name: &'static str,
    /// Its type.
    pub key_type: KeyType,
}

/// What an index holds besides the keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Projection {
    /// Whole items.
    All,
    /// These attributes.
    Include(&'static [&'static str]),
}

/// A global secondary index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IndexDefinition {
    /// Its name.
    pub name: &'static str,
    /// The partition key.
    pub partition: KeyAttribute,
    /// The sort key.
    pub sort: KeyAttribute,
    /// What it holds.
    pub projection: Projection,
}

/// What a stream tells of an item that was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamView {
    /// The item as it is then.
    New,
    /// That, and the item as it was before: to tell what an update changed.
    NewAndOld,
}

impl StreamView {
    /// Returns the name that stands for it in a template.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::New => "NEW_IMAGE",
            Self::NewAndOld => "NEW_AND_OLD_IMAGES",
        }
    }
}

/// A table, as it is to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableDefinition {
    /// Which table.
    pub table: Table,
    /// The partition key.
    pub partition: KeyAttribute,
    /// The sort key.
    pub sort: Option<KeyAttribute>,
    /// The indexes.
    pub indexes: Vec<IndexDefinition>,
    /// The attribute with the time (in seconds) after which an item goes.
    pub ttl: Option<&'static str>,
    /// What of its items goes to a stream.
    pub stream: Option<StreamView>,
}

impl TableDefinition {
    /// Returns every key attribute of the table and its indexes once, in the
    /// order of first use.
    #[must_use]
    pub fn key_attributes(&self) -> Vec<KeyAttribute> {
        let of_indexes = self.indexes.iter().flat_map(|index| [index.partition, index.sort]);
        let mut attributes = Vec::new();
        for attribute in [self.partition].into_iter().chain(self.sort).chain(of_indexes) {
            if !attributes.contains(&attribute) {
                attributes.push(attribute);
            }
        }
        attributes
    }
}

const fn text(name: &'static str) -> KeyAttribute {
    KeyAttribute { name, key_type: KeyType::Text }
}

/// Returns the definitions of all tables.
#[must_use]
pub fn tables() -> Vec<TableDefinition> {
    let index = |name, partition, sort, projection| IndexDefinition {
        name,
        partition: text(partition),
        sort: text(sort),
        projection,
    };
    vec![
        TableDefinition {
            table: Table::Accounts,
            partition: text(keys::ACCOUNT_ID),
            sort: None,
            indexes: Vec::new(),
            ttl: None,
            stream: Some(StreamView::NewAndOld),
        },
        TableDefinition {
            table: Table::Scopes,
            partition: text(keys::ACCOUNT_ID),
            sort: Some(text(keys::ENTRY)),
            indexes: Vec::new(),
            ttl: Some(keys::TTL),
            stream: None,
        },
        TableDefinition {
            table: Table::Tasks,
            partition: text(keys::TASK_ID),
            sort: Some(text(keys::PART)),
            indexes: vec![
                index(keys::BY_ACCOUNT, keys::ACCOUNT_ID, keys::START_TIME, Projection::All),
                index(keys::OPEN_TASKS, keys::OPEN, keys::DEADLINE, Projection::All),
            ],
            ttl: Some(keys::TTL),
            stream: Some(StreamView::NewAndOld),
        },
        TableDefinition {
            table: Table::Resources,
            partition: text(keys::SCOPE),
            sort: Some(text(keys::ID)),
            indexes: vec![index(
                keys::LIVE_ROWS,
                keys::LIVE,
                keys::ID,
                Projection::Include(&[keys::FINGERPRINT, keys::MISSING]),
            )],
            ttl: Some(keys::TTL),
            stream: None,
        },
        TableDefinition {
            table: Table::Changes,
            partition: text(keys::RESOURCE),
            sort: Some(KeyAttribute { name: keys::VERSION, key_type: KeyType::Number }),
            indexes: vec![
                index(keys::BY_TASK, keys::TASK_ID, keys::TASK_ORDER, Projection::All),
                index(keys::BY_ACCOUNT, keys::ACCOUNT_ID, keys::ACCOUNT_ORDER, Projection::All),
            ],
            ttl: Some(keys::TTL),
            stream: Some(StreamView::New),
        },
    ]
}

/// Creates the tables that do not exist, and returns once all can be used.
///
/// # Errors
///
/// [`StoreError::Refused`] where a table of that name has other keys or lacks
/// an index: it is another program's, or another version's.
pub async fn create_tables(client: &Client, prefix: &str) -> Result<()> {
    create(client, prefix, tables()).await
}

/// Creates the same tables without streams: for an embedded database, which
/// keeps for ever what its streams tell, and to which nobody listens.
///
/// # Errors
///
/// Those of [`create_tables`].
pub async fn create_tables_without_streams(client: &Client, prefix: &str) -> Result<()> {
    let quiet = tables().into_iter().map(|table| TableDefinition { stream: None, ..table });
    create(client, prefix, quiet.collect()).await
}

async fn create(client: &Client, prefix: &str, tables: Vec<TableDefinition>) -> Result<()> {
    try_join_all(tables.iter().map(|definition| create_table(client, prefix, definition)))
        .await
        .map(drop)
}

const OPERATION: &str = "creating the tables";

async fn create_table(client: &Client, prefix: &str, definition: &TableDefinition) -> Result<()> {
    let name = format!("{prefix}{}", definition.table.suffix());
    let call = |api| Call { operation: OPERATION, api, table: &name };
    let sent = request(client, &name, definition)?.send().await;
    if let Err(error) = sent {
        let exists =
            matches!(error.as_service_error(), Some(CreateTableError::ResourceInUseException(_)));
        if !exists {
            return Err(failure(call("CreateTable"), error));
        }
    }
    wait_until_active(client, &name, definition).await?;
    match definition.ttl {
        Some(attribute) => enable_ttl(client, &name, attribute).await,
        None => Ok(()),
    }
}

type CreateTable = aws_sdk_dynamodb::operation::create_table::builders::CreateTableFluentBuilder;

fn request(client: &Client, name: &str, definition: &TableDefinition) -> Result<CreateTable> {
    let attributes: std::result::Result<Vec<_>, _> = definition
        .key_attributes()
        .into_iter()
        .map(|key| {
            sdk::AttributeDefinition::builder()
                .attribute_name(key.name)
                .attribute_type(key.key_type.letter().into())
                .build()
        })
        .collect();
    let indexes: Result<Vec<_>> = definition.indexes.iter().map(index_request).collect();
    let indexes = indexes?;
    let stream = definition.stream.map(|view| {
        sdk::StreamSpecification::builder()
            .stream_enabled(true)
            .stream_view_type(view.as_str().into())
            .build()
    });
    Ok(client
        .create_table()
        .table_name(name)
        .billing_mode(sdk::BillingMode::PayPerRequest)
        .set_attribute_definitions(Some(attributes.map_err(malformed)?))
        .set_key_schema(Some(key_schema(definition.partition, definition.sort)?))
        .set_global_secondary_indexes((!indexes.is_empty()).then_some(indexes))
        .set_stream_specification(stream.transpose().map_err(malformed)?))
}

fn index_request(index: &IndexDefinition) -> Result<sdk::GlobalSecondaryIndex> {
    let projection = sdk::Projection::builder();
    let projection = match index.projection {
        Projection::All => projection.projection_type(sdk::ProjectionType::All),
        Projection::Include(names) => projection
            .projection_type(sdk::ProjectionType::Include)
            .set_non_key_attributes(Some(names.iter().map(ToString::to_string).collect())),
    };
    sdk::GlobalSecondaryIndex::builder()
        .index_name(index.name)
        .set_key_schema(Some(key_schema(index.partition, Some(index.sort))?))
        .projection(projection.build())
        .build()
        .map_err(malformed)
}

fn key_schema(
    partition: KeyAttribute,
    sort: Option<KeyAttribute>,
) -> Result<Vec<sdk::KeySchemaElement>> {
    let element = |key: KeyAttribute, role| {
        sdk::KeySchemaElement::builder()
            .attribute_name(key.name)
            .key_type(role)
            .build()
            .map_err(malformed)
    };
    let partition = element(partition, sdk::KeyType::Hash);
    let sort = sort.map(|sort| element(sort, sdk::KeyType::Range));
    [partition].into_iter().chain(sort).collect()
}

fn malformed(error: impl std::fmt::Display) -> StoreError {
    StoreError::Refused { operation: OPERATION, reason: error.to_string() }
}

async fn wait_until_active(
    client: &Client,
    name: &str,
    definition: &TableDefinition,
) -> Result<()> {
    let call = Call { operation: OPERATION, api: "DescribeTable", table: name };
    for _ in 0..MOST_POLLS {
        let answer = client.describe_table().table_name(name).send().await;
        let answer = answer.map_err(|error| failure(call, error))?;
        if let Some(found) = answer.table() {
            check_is_ours(call, found, definition)?;
            if is_active(found) {
                return Ok(());
            }
        }
        tokio::time::sleep(POLL_EVERY).await;
    }
    Err(unavailable(call, "the table is still not active"))
}

fn is_active(table: &sdk::TableDescription) -> bool {
    // An index without a status is one of an emulator that has none.
    let is_index_active = |index: &sdk::GlobalSecondaryIndexDescription| {
        index.index_status().is_none_or(|status| *status == sdk::IndexStatus::Active)
    };
    table.table_status() == Some(&sdk::TableStatus::Active)
        && table.global_secondary_indexes().iter().all(is_index_active)
}

fn check_is_ours(
    call: Call,
    found: &sdk::TableDescription,
    definition: &TableDefinition,
) -> Result<()> {
    let same = found.key_schema() == key_schema(definition.partition, definition.sort)?;
    let has = |index: &IndexDefinition| {
        found.global_secondary_indexes().iter().any(|found| found.index_name() == Some(index.name))
    };
    if same && definition.indexes.iter().all(has) {
        return Ok(());
    }
    Err(refused(
        call,
        "a table of this name exists with other keys or without an index; \
         remove it or choose another prefix",
    ))
}

async fn enable_ttl(client: &Client, name: &str, attribute: &str) -> Result<()> {
    let call = |api| Call { operation: OPERATION, api, table: name };
    let answer = client.describe_time_to_live().table_name(name).send().await;
    let answer = answer.map_err(|error| failure(call("DescribeTimeToLive"), error))?;
    let status = answer.time_to_live_description().and_then(|ttl| ttl.time_to_live_status());
    if let Some(sdk::TimeToLiveStatus::Enabled | sdk::TimeToLiveStatus::Enabling) = status {
        return Ok(());
    }
    let wanted = sdk::TimeToLiveSpecification::builder()
        .enabled(true)
        .attribute_name(attribute)
        .build()
        .map_err(malformed)?;
    let sent = client.update_time_to_live().table_name(name).time_to_live_specification(wanted);
    match sent.send().await {
        Ok(_) => Ok(()),
        Err(error) => Err(failure(call("UpdateTimeToLive"), error)),
    }
}
