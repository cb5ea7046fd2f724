//! What stands behind the ports: a database file and queues in memory, or
//! tables and queues in AWS.

use std::sync::Arc;
use std::time::Duration;

use aws_config::{BehaviorVersion, SdkConfig};
use cloud_sync_core::account::{Account, CredentialsRef};
use cloud_sync_dispatch::Dispatcher;
use cloud_sync_provider::{Registry, RetryPolicy, Settings};
use cloud_sync_runtime::clock::SystemClock;
use cloud_sync_runtime::notify::{LogNotifier, Notifier, SnsNotifier};
use cloud_sync_runtime::queue::Queue;
use cloud_sync_runtime::queue::memory::{MemoryQueue, MemoryQueueSettings};
use cloud_sync_runtime::queue::sqs::SqsQueue;
use cloud_sync_runtime::secrets::{CredentialSource, EnvAndSecretsManager};
use cloud_sync_runtime::store::Store;
use cloud_sync_runtime::store::dynamo::DynamoStore;
use cloud_sync_runtime::store::tables::create_tables;
use jiff::SignedDuration;

use crate::cli::UsageError;
use crate::cli::args::{QueueArgs, StorageArgs, WaitArgs, WriteArgs};
use crate::database::Database;
use crate::service::{LocalService, Options, Parts, RUN_TIME};
use crate::sqs::{Queues, create_queues};

/// A message may be in hand for the time a worker has, and some more.
const VISIBILITY: SignedDuration = SignedDuration::from_mins(20);
const _: () = assert!(VISIBILITY.as_secs() > RUN_TIME.as_secs());

/// A message that was delivered so often and not done with is given up. A
/// vendor's failures are given up by time, long before.
const MOST_RECEIVES: u32 = 20;

/// Where notices go, with `--aws`.
const NOTIFY_TOPIC: &str = "NOTIFY_TOPIC_ARN";

/// The tables, and what has to be closed after them.
pub struct Tables {
    /// The tables.
    pub store: Arc<dyn Store>,
    database: Option<Database>,
}

impl Tables {
    /// Returns the tables to be read.
    ///
    /// # Errors
    ///
    /// There is no such database, or the options contradict each other.
    pub async fn read(storage: &StorageArgs) -> anyhow::Result<Self> {
        if storage.aws {
            let prefix = table_prefix(storage)?;
            let store = DynamoStore::connect(&sdk().await?, prefix);
            return Ok(Self { store: Arc::new(store), database: None });
        }
        Ok(Self::in_database(Database::read(&storage.db).await?))
    }

    /// Returns the tables to be written, made where they are not there and
    /// may be made.
    ///
    /// # Errors
    ///
    /// Another process writes to the file, it is no database, or AWS refuses.
    pub async fn write(
        storage: &StorageArgs,
        write: WriteArgs,
        command: &str,
    ) -> anyhow::Result<Self> {
        if !storage.aws {
            let wait = Duration::from_secs(write.wait.seconds);
            return Ok(Self::in_database(Database::open(&storage.db, command, wait).await?));
        }
        let prefix = table_prefix(storage)?;
        let sdk = sdk().await?;
        if write.create {
            create_tables(&aws_sdk_dynamodb::Client::new(&sdk), prefix).await?;
        }
        Ok(Self { store: Arc::new(DynamoStore::connect(&sdk, prefix)), database: None })
    }

    /// Returns the tables to be written by a command that makes none.
    ///
    /// # Errors
    ///
    /// There is no such database, or it cannot be written.
    pub async fn update(
        storage: &StorageArgs,
        wait: WaitArgs,
        command: &str,
    ) -> anyhow::Result<Self> {
        if !storage.aws {
            Database::check_exists(&storage.db)?;
        }
        Self::write(storage, WriteArgs { create: false, wait }, command).await
    }

    fn in_database(database: Database) -> Self {
        Self { store: database.store(), database: Some(database) }
    }

    /// Returns the database in this process, where the tables are in one.
    #[must_use]
    pub const fn database(&self) -> Option<&Database> {
        self.database.as_ref()
    }

    /// Closes the database.
    pub async fn close(self) {
        drop(self.store);
        if let Some(database) = self.database {
            database.close().await;
        }
    }
}

/// Returns how vendors are asked by a process that gives up after so long.
///
/// # Errors
///
/// The HTTP client cannot be set up.
pub fn vendors(give_up_after: SignedDuration) -> anyhow::Result<Registry> {
    let retry = RetryPolicy::default();
    let total = retry.total.min(give_up_after.unsigned_abs());
    let throttle_wait = retry.throttle_wait.min(total);
    let retry = RetryPolicy { total, throttle_wait, ..retry };
    Ok(Registry::with(Settings { retry, ..Settings::default() })?)
}

/// Returns where the credentials of these accounts are. AWS is only asked
/// where those of one are there, in a secret or of this process itself.
///
/// # Errors
///
/// One is, and AWS is not configured.
pub async fn credentials(accounts: &[Account]) -> Result<Arc<dyn CredentialSource>, UsageError> {
    let in_aws = |account: &Account| !matches!(account.credentials, CredentialsRef::Env(_));
    Ok(if accounts.iter().any(in_aws) {
        Arc::new(EnvAndSecretsManager::connect(&sdk().await?))
    } else {
        Arc::new(EnvAndSecretsManager::new(None))
    })
}

/// Returns what asks the vendors of some accounts, and starts nothing.
///
/// # Errors
///
/// Credentials are in AWS, and AWS is not configured.
pub async fn dispatcher(
    store: &Arc<dyn Store>,
    accounts: &[Account],
) -> anyhow::Result<Arc<Dispatcher>> {
    let vendors = Arc::new(Registry::with(Settings::default())?);
    let parts = local_parts(store.clone(), vendors, credentials(accounts).await?);
    Ok(LocalService::new(parts, Options::default()).dispatcher())
}

/// Returns everything the service works with on this machine alone.
#[must_use]
pub fn local_parts(
    store: Arc<dyn Store>,
    vendors: Arc<Registry>,
    credentials: Arc<dyn CredentialSource>,
) -> Parts {
    let queue = |fifo: bool, dead_letter: Option<Arc<MemoryQueue>>| {
        Arc::new(MemoryQueue::new(MemoryQueueSettings {
            fifo,
            visibility: VISIBILITY.unsigned_abs(),
            max_receives: MOST_RECEIVES,
            dead_letter,
            ..MemoryQueueSettings::default()
        }))
    };
    let dead_letters = queue(true, None);
    Parts {
        store,
        work: queue(true, Some(dead_letters.clone())),
        results: queue(false, None),
        dead_letters: Some(dead_letters),
        vendors,
        credentials,
        notifier: Arc::new(LogNotifier),
        clock: Arc::new(SystemClock),
        is_alone: true,
        poll: Duration::from_secs(20),
    }
}

/// Returns everything the service works with: the queues of AWS where the
/// tables are there, else queues in memory.
///
/// # Errors
///
/// The options lack a queue, or AWS refuses to make it.
pub async fn parts(
    tables: &Tables,
    storage: &StorageArgs,
    (queues, write): (&QueueArgs, WriteArgs),
    vendors: Arc<Registry>,
    credentials: Arc<dyn CredentialSource>,
) -> anyhow::Result<Parts> {
    let local = local_parts(tables.store.clone(), vendors, credentials);
    if !storage.aws {
        return Ok(local);
    }
    let sdk = sdk().await?;
    let client = aws_sdk_sqs::Client::new(&sdk);
    let urls = if write.create && queues.work_queue_url.is_none() {
        create_queues(&client, table_prefix(storage)?, VISIBILITY.unsigned_abs()).await?
    } else {
        given_queues(queues)?
    };
    let queue = |url: &str| -> Arc<dyn Queue> { Arc::new(SqsQueue::new(client.clone(), url)) };
    let notifier: Arc<dyn Notifier> = match std::env::var(NOTIFY_TOPIC) {
        Ok(topic) if !topic.is_empty() => {
            Arc::new(SnsNotifier::new(aws_sdk_sns::Client::new(&sdk), &topic))
        }
        _ => local.notifier,
    };
    Ok(Parts {
        work: queue(&urls.work),
        results: queue(&urls.results),
        // The finalizer function has a mapping to it.
        dead_letters: None,
        notifier,
        is_alone: false,
        poll: Duration::from_secs(2),
        ..local
    })
}

async fn sdk() -> Result<SdkConfig, UsageError> {
    let sdk = aws_config::load_defaults(BehaviorVersion::latest()).await;
    if sdk.region().is_none_or(|region| region.as_ref().is_empty()) {
        let text = "AWS needs a region: set AWS_REGION, or configure one with `aws configure`";
        return Err(UsageError::new(text));
    }
    Ok(sdk)
}

fn table_prefix(storage: &StorageArgs) -> Result<&str, UsageError> {
    storage.table_prefix.as_deref().ok_or_else(|| {
        UsageError::new(
            "--aws needs to know what the names of the tables begin with: give --table-prefix, or \
             set TABLE_PREFIX; a stack's outputs say it",
        )
    })
}

fn given_queues(queues: &QueueArgs) -> Result<Queues, UsageError> {
    let needed = |url: &Option<String>, option: &str, variable: &str| {
        url.clone().ok_or_else(|| {
            UsageError::new(format!(
                "--aws needs a queue: give {option}, or set {variable}; a stack's outputs say it, \
                 and --create makes queues to try it out"
            ))
        })
    };
    Ok(Queues {
        work: needed(&queues.work_queue_url, "--work-queue-url", "WORK_QUEUE_URL")?,
        results: needed(&queues.results_queue_url, "--results-queue-url", "RESULTS_QUEUE_URL")?,
    })
}
