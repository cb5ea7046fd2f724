//! One writer a database file.
//!
//! The operating system holds the lock, so it ends with its process, however
//! that ends. What stands in the lock file is for people only.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use thiserror::Error;
use tokio::time::{Instant, sleep};

/// How often a lock that is held is asked for again.
const POLL_EVERY: Duration = Duration::from_millis(100);

/// More than this in a lock file is not ours.
const MOST_TEXT: u64 = 4096;

/// The process that holds a lock, by its own account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// Its process id.
    pub pid: u32,
    /// Since when.
    pub since: Timestamp,
    /// What it does: `cloud-sync sync`.
    pub command: String,
}

/// The lock was not to be had.
#[derive(Debug, Error)]
pub enum LockError {
    /// Another process has it.
    #[error("{}", held(path, holder.as_ref()))]
    Held {
        /// The database file.
        path: PathBuf,
        /// Who has it, where that can be read.
        holder: Option<Holder>,
    },
    /// The lock file cannot be made or locked.
    #[error("cannot lock {}: {source}; is the folder there, and may you write to it?", path.display())]
    Io {
        /// The lock file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

fn held(path: &Path, holder: Option<&Holder>) -> String {
    let who = holder.map_or_else(
        || "another process".to_owned(),
        |holder| {
            format!(
                "process {} ({}), since {}",
                holder.pid,
                holder.command.escape_default(),
                holder.since.strftime("%Y-%m-%d %H:%M:%S UTC")
            )
        },
    );
    format!(
        "{} is in use by {who}; one process at a time writes to a database. \
         Wait for it with --wait SECONDS, or choose another file with --db",
        path.display()
    )
}

/// The right to write a database file, until it is dropped.
#[derive(Debug)]
pub struct WriterLock {
    file: File,
}

impl WriterLock {
    /// Takes the lock, waiting up to `wait` for another process to end.
    /// `command` is what others are told that this process does.
    ///
    /// # Errors
    ///
    /// Another process still has it, or the lock file cannot be made.
    pub async fn acquire(
        database: &Path,
        command: &str,
        wait: Duration,
    ) -> Result<Self, LockError> {
        let path = lock_path(database);
        let failed = |source| LockError::Io { path: path.clone(), source };
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        let mut file = options.open(&path).map_err(failed)?;
        let give_up_at = Instant::now() + wait;
        loop {
            match file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) if Instant::now() < give_up_at => {
                    sleep(POLL_EVERY).await;
                }
                Err(TryLockError::WouldBlock) => {
                    let holder = read_holder(&mut file);
                    return Err(LockError::Held { path: database.to_owned(), holder });
                }
                Err(TryLockError::Error(source)) => return Err(failed(source)),
            }
        }
        let holder = Holder {
            pid: std::process::id(),
            since: Timestamp::now(),
            command: command.to_owned(),
        };
        write_holder(&mut file, &holder).map_err(failed)?;
        Ok(Self { file })
    }
}

impl Drop for WriterLock {
    fn drop(&mut self) {
        // The file stays: removing it would let two processes lock two files
        // of one name. A text that outlives its lock misleads nobody.
        if let Err(error) = self.file.set_len(0) {
            tracing::debug!(%error, "the lock file keeps its text");
        }
    }
}

/// Returns the lock file of a database.
fn lock_path(database: &Path) -> PathBuf {
    beside(&real_path(database), ".lock")
}

/// Returns where a database is, whatever link leads there.
pub(crate) fn real_path(database: &Path) -> PathBuf {
    database.canonicalize().unwrap_or_else(|_| database.to_owned())
}

/// Returns what is beside a file, by what is added to its name.
pub(crate) fn beside(file: &Path, suffix: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

fn write_holder(file: &mut File, holder: &Holder) -> io::Result<()> {
    file.set_len(0)?;
    file.seek(SeekFrom::Start(0))?;
    file.write_all(serde_json::to_string(holder)?.as_bytes())?;
    file.flush()
}

/// Returns who holds a lock; `None` where that cannot be read. Some systems
/// lock the text too, and its writer may have just begun.
fn read_holder(file: &mut File) -> Option<Holder> {
    let mut text = String::new();
    file.seek(SeekFrom::Start(0)).ok()?;
    file.take(MOST_TEXT).read_to_string(&mut text).ok()?;
    serde_json::from_str(&text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_second_is_told_who_the_first_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.db");
        let first = WriterLock::acquire(&path, "cloud-sync serve", Duration::ZERO).await.unwrap();
        let error = WriterLock::acquire(&path, "x", Duration::ZERO).await.unwrap_err();
        let text = error.to_string();
        assert!(text.contains(&format!("process {}", std::process::id())), "{text}");
        assert!(text.contains("cloud-sync serve") && text.contains("since 20"), "{text}");
        drop(first);
        WriterLock::acquire(&path, "x", Duration::ZERO).await.unwrap();
    }

    #[tokio::test]
    async fn waiting_helps_where_the_other_ends_in_time() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.db");
        let first = WriterLock::acquire(&path, "x", Duration::ZERO).await.unwrap();
        let second = WriterLock::acquire(&path, "x", Duration::from_secs(20));
        let end = async {
            sleep(Duration::from_millis(250)).await;
            drop(first);
        };
        let (second, ()) = tokio::join!(second, end);
        second.unwrap();
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn a_link_to_the_file_is_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let (path, link) = (folder.path().join("a.db"), folder.path().join("link.db"));
        std::fs::write(&path, "").unwrap();
        std::os::unix::fs::symlink(&path, &link).unwrap();
        let _first = WriterLock::acquire(&path, "x", Duration::ZERO).await.unwrap();
        let second = WriterLock::acquire(&link, "x", Duration::ZERO).await;
        assert!(matches!(second, Err(LockError::Held { .. })), "{second:?}");
    }

    #[tokio::test]
    async fn a_missing_folder_is_named() {
        let path = Path::new("no/such/folder/a.db");
        let error = WriterLock::acquire(path, "x", Duration::ZERO).await.unwrap_err();
        assert!(error.to_string().contains("no/such/folder/a.db"), "{error}");
    }
}
