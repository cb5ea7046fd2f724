//! The tables on one machine: an embedded DynamoDB, in memory or in a file.
//!
//! The service reaches it as it reaches the real one, through the SDK, over a
//! port of the loopback interface that only lives as long as the process.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region};
use cloud_sync_runtime::store::dynamo::DynamoStore;
use cloud_sync_runtime::store::tables::create_tables_without_streams;
use cloud_sync_runtime::store::{Store, StoreError};
use dynoxide::DynoxideError;
use thiserror::Error;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use crate::lock::{LockError, WriterLock, beside, real_path};

/// How long the server has for the requests that are still running.
const LONGEST_CLOSE: Duration = Duration::from_secs(5);

/// What every SQLite file begins with.
const MAGIC: &[u8] = b"SQLite format 3\0";

/// What a SQLite file may consist of, by what is added to its name.
const PARTS: [&str; 4] = ["", "-journal", "-wal", "-shm"];

/// The database cannot be used.
#[derive(Debug, Error)]
pub enum DatabaseError {
    /// Somebody else writes to it.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// There is nothing to read.
    #[error("there is no database {path}; `cloud-sync sync --db {path}` makes one", path = path.display())]
    Missing {
        /// Where it should be.
        path: PathBuf,
    },
    /// The file is something else, or damaged.
    #[error(
        "{} is not a database of cloud-sync, or is damaged: {reason}. It was left as it is; \
         move it away or choose another file with --db",
        path.display()
    )]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The file cannot be read or written.
    #[error("cannot open the database {}: {reason}", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// What the system says.
        reason: String,
    },
    /// The server in this process does not start.
    #[error("the embedded database does not start: {0}")]
    Server(String),
    /// The tables cannot be made.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// An embedded database with its tables, until [`Self::close`].
pub struct Database {
    store: Arc<DynamoStore>,
    endpoint: String,
    engine: dynoxide::Database,
    stop: oneshot::Sender<()>,
    server: thread::JoinHandle<()>,
    /// Kept until the server has ended.
    lock: Option<WriterLock>,
}

impl Database {
    /// Returns an empty database, in memory.
    ///
    /// # Errors
    ///
    /// The server does not start.
    pub async fn memory() -> Result<Self, DatabaseError> {
        let engine = dynoxide::Database::memory().map_err(server_error)?;
        Self::serve(engine, None, true).await
    }

    /// Opens or makes a database file for reading and writing, waiting up to
    /// `wait` for another writer to end. What has outlived its time is
    /// removed.
    ///
    /// # Errors
    ///
    /// Another process writes to it, or it is no database.
    pub async fn open(path: &Path, command: &str, wait: Duration) -> Result<Self, DatabaseError> {
        let lock = WriterLock::acquire(path, command, wait).await?;
        if !is_there(path) {
            make_file(path).await?;
        }
        let engine = open_file(path)?;
        // What it restores is SQLite's synchronous=NORMAL: a killed process
        // loses nothing, a power cut at most the last writes and never the
        // file. SQLite's default syncs the disk for every row written.
        engine.disable_bulk_loading().map_err(|error| file_error(path, &error))?;
        engine.sweep_ttl().map_err(|error| file_error(path, &error))?;
        Self::serve(engine, Some(lock), true).await
    }

    /// Opens a database file only to read it, also while another process
    /// writes to it.
    ///
    /// # Errors
    ///
    /// There is no such file, or it is no database.
    pub async fn read(path: &Path) -> Result<Self, DatabaseError> {
        Self::check_exists(path)?;
        Self::serve(open_file(path)?, None, false).await
    }

    /// Checks that there is a database file to work with.
    ///
    /// # Errors
    ///
    /// There is none.
    pub fn check_exists(path: &Path) -> Result<(), DatabaseError> {
        is_there(path).then_some(()).ok_or_else(|| DatabaseError::Missing { path: path.to_owned() })
    }

    /// Returns the tables.
    #[must_use]
    pub fn store(&self) -> Arc<dyn Store> {
        self.store.clone()
    }

    /// Returns the URL at which DynamoDB's clients reach it, on this machine
    /// and as long as it is open.
    #[must_use]
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// Removes what has outlived its time. Returns how much that was.
    ///
    /// # Errors
    ///
    /// The file cannot be read or written.
    pub async fn sweep(&self) -> Result<usize, DatabaseError> {
        let engine = self.engine.clone();
        let swept = tokio::task::spawn_blocking(move || engine.sweep_ttl()).await;
        swept.map_err(server_error)?.map_err(server_error)
    }

    /// Ends the server, and closes the file once nobody uses it any more.
    pub async fn close(self) {
        let Self { store, endpoint: _, engine, stop, server, lock } = self;
        drop((store, engine));
        // An error says that the server has ended already.
        stop.send(()).ok();
        let ended = tokio::task::spawn_blocking(move || server.join());
        match tokio::time::timeout(LONGEST_CLOSE, ended).await {
            Ok(Ok(Ok(()))) => {}
            // SQLite's log makes the file whole again when it is next opened.
            _ => tracing::warn!("the embedded database did not close in time"),
        }
        drop(lock);
    }

    async fn serve(
        engine: dynoxide::Database,
        lock: Option<WriterLock>,
        is_writer: bool,
    ) -> Result<Self, DatabaseError> {
        let (stop, stopped) = oneshot::channel::<()>();
        let (ready, address) = oneshot::channel();
        // A thread of its own: SQLite blocks, and the service must not.
        let served = engine.clone();
        let server = thread::Builder::new()
            .name("database".to_owned())
            .spawn(move || serve_until(served, ready, stopped))
            .map_err(server_error)?;
        let port = match address.await {
            Ok(Ok(port)) => port,
            Ok(Err(error)) => return Err(server_error(error)),
            Err(_) => return Err(DatabaseError::Server("its thread ended".to_owned())),
        };
        let endpoint = format!("http://127.0.0.1:{port}");
        let client = client(&endpoint);
        let store = Arc::new(store_of(client.clone()));
        let database = Self { store, endpoint, engine, stop, server, lock };
        if is_writer {
            create_tables_without_streams(&client, "").await?;
        }
        Ok(database)
    }
}

/// Serves a database on a free port, which it tells, until it is stopped.
fn serve_until(
    engine: dynoxide::Database,
    ready: oneshot::Sender<io::Result<u16>>,
    stopped: oneshot::Receiver<()>,
) {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            ready.send(Err(error)).ok();
            return;
        }
    };
    runtime.block_on(async {
        let bound = TcpListener::bind(("127.0.0.1", 0)).await;
        let bound = bound.and_then(|listener| Ok((listener.local_addr()?.port(), listener)));
        let listener = match bound {
            Ok((port, listener)) => {
                ready.send(Ok(port)).ok();
                listener
            }
            Err(error) => {
                ready.send(Err(error)).ok();
                return;
            }
        };
        let stopped = async {
            // A sender that is gone says the same.
            stopped.await.ok();
        };
        if let Err(error) = dynoxide::server::serve_with_shutdown(listener, engine, stopped).await {
            tracing::error!(error, "the embedded database broke off");
        }
    });
}

/// Returns the tables of a database that another process has open, at its
/// [`Database::endpoint`].
#[must_use]
pub fn store_at(endpoint: &str) -> Arc<dyn Store> {
    Arc::new(store_of(client(endpoint)))
}

fn store_of(client: aws_sdk_dynamodb::Client) -> DynamoStore {
    DynamoStore::new(client, "").without_index_lag()
}

/// Returns a client that takes nothing from the environment: neither
/// endpoint nor credentials nor a proxy.
fn client(endpoint: &str) -> aws_sdk_dynamodb::Client {
    let config = aws_sdk_dynamodb::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("local"))
        .endpoint_url(endpoint)
        .credentials_provider(Credentials::new("local", "local", None, None, "embedded"))
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .build();
    aws_sdk_dynamodb::Client::from_conf(config)
}

fn is_there(path: &Path) -> bool {
    path.metadata().is_ok_and(|file| file.len() > 0)
}

/// Makes a database file with all its tables, where there is none. It gets
/// its name once it is whole: the engine makes a table in several steps, and
/// a process killed between two of them would leave a file that nobody can
/// use, and that no later one would mend.
async fn make_file(path: &Path) -> Result<(), DatabaseError> {
    let failed = |error: io::Error| cannot_open(path, error);
    // An empty file may be at the end of a link.
    let path = &real_path(path);
    let unfinished = beside(path, "-unfinished");
    remove_parts(&unfinished).map_err(failed)?;
    let whole = Database::memory().await?;
    let copied = whole.engine.vacuum_into(as_text(&unfinished)?);
    whole.close().await;
    copied.map_err(|error| file_error(path, &error))?;
    File::open(&unfinished).and_then(|file| file.sync_all()).map_err(failed)?;
    // What a file of this name left, SQLite would take for this one's.
    remove_parts(path).map_err(failed)?;
    fs::rename(&unfinished, path).map_err(failed)
}

fn remove_parts(path: &Path) -> io::Result<()> {
    for part in PARTS {
        match fs::remove_file(beside(path, part)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

fn open_file(path: &Path) -> Result<dynoxide::Database, DatabaseError> {
    check_file(path)?;
    dynoxide::Database::new(as_text(path)?).map_err(|error| file_error(path, &error))
}

fn as_text(path: &Path) -> Result<&str, DatabaseError> {
    path.to_str().ok_or_else(|| cannot_open(path, "its path is not UTF-8"))
}

/// Refuses what is plainly no SQLite file before SQLite touches it.
fn check_file(path: &Path) -> Result<(), DatabaseError> {
    let failed = |error: io::Error| cannot_open(path, error);
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed(error)),
    };
    let mut start = Vec::new();
    file.take(MAGIC.len() as u64).read_to_end(&mut start).map_err(failed)?;
    // An empty file is a database in which nothing was written yet.
    if start.is_empty() || start == MAGIC {
        return Ok(());
    }
    let reason = "it does not begin as a SQLite file does".to_owned();
    Err(DatabaseError::Corrupt { path: path.to_owned(), reason })
}

fn file_error(path: &Path, error: &DynoxideError) -> DatabaseError {
    let reason = error.to_string();
    let is_damaged =
        ["malformed", "not a database", "not a valid"].iter().any(|word| reason.contains(word));
    if is_damaged {
        DatabaseError::Corrupt { path: path.to_owned(), reason }
    } else {
        cannot_open(path, reason)
    }
}

fn cannot_open(path: &Path, reason: impl std::fmt::Display) -> DatabaseError {
    DatabaseError::Open { path: path.to_owned(), reason: reason.to_string() }
}

fn server_error(error: impl std::fmt::Display) -> DatabaseError {
    DatabaseError::Server(error.to_string())
}
