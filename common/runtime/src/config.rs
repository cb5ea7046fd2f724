//! Configuration: a function's environment, and the accounts file.

use std::collections::HashMap;
use std::env::{self, VarError};
use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::ops::Range;
use std::path::{Path, PathBuf};

use cloud_sync_core::account::Account;
use serde::Deserialize;
use thiserror::Error;
use toml::Spanned;

/// The largest accounts file that is read.
const MOST_FILE_BYTES: u64 = 1024 * 1024;

/// A function's environment is not what it needs.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("environment variable {name} {problem}")]
pub struct ConfigError {
    /// The variable.
    pub name: &'static str,
    /// What is wrong with it and what to do.
    pub problem: String,
}

/// What every function is told by its environment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FunctionConfig {
    /// `TABLE_PREFIX`: what the names of the tables begin with.
    pub table_prefix: String,
    /// `WORK_QUEUE_URL`: the queue of scopes to sync.
    pub work_queue_url: String,
    /// `RESULTS_QUEUE_URL`: the queue of tasks to look at.
    pub results_queue_url: String,
    /// `NOTIFY_TOPIC_ARN`, if set: where notices to people go.
    pub notify_topic_arn: Option<String>,
    /// `METRICS_NAMESPACE`: the metrics' namespace, `CloudSync` by default.
    pub metrics_namespace: String,
}

impl FunctionConfig {
    /// Reads the environment.
    ///
    /// # Errors
    ///
    /// Names the first variable that is missing or wrong.
    pub fn from_env() -> Result<Self, ConfigError> {
        Self::from_variables(|name| env::var(name))
    }

    fn from_variables(
        read: impl Fn(&'static str) -> Result<String, VarError>,
    ) -> Result<Self, ConfigError> {
        let given = |name| match read(name) {
            Ok(value) => Ok(Some(value.trim().to_owned()).filter(|value| !value.is_empty())),
            Err(VarError::NotPresent) => Ok(None),
            Err(VarError::NotUnicode(_)) => {
                Err(ConfigError { name, problem: "is not valid UTF-8".to_owned() })
            }
        };
        let needed = |name, example: &str| {
            let problem = || format!("is not set or empty: set it to {example}");
            given(name)?.ok_or_else(|| ConfigError { name, problem: problem() })
        };
        let shaped = |name, value: String, shape: &str, is_right: fn(&str) -> bool| {
            if is_right(&value) {
                return Ok(value);
            }
            let shown: String = value.chars().take(80).collect();
            Err(ConfigError { name, problem: format!("is '{shown}': expected {shape}") })
        };
        let queue_url = |name| {
            let url = needed(name, "the queue's URL")?;
            shaped(name, url, "a URL, https://…", is_url)
        };
        let prefix = needed("TABLE_PREFIX", "what the names of the tables begin with")?;
        let shape = "up to 100 letters, digits, '-', '_' or '.'";
        let topic = given("NOTIFY_TOPIC_ARN")?;
        let topic = topic.map(|arn| {
            shaped("NOTIFY_TOPIC_ARN", arn, "an ARN, arn:…:sns:…", |arn| {
                arn.starts_with("arn:")
            })
        });
        let namespace = given("METRICS_NAMESPACE")?.unwrap_or_else(|| "CloudSync".to_owned());
        Ok(Self {
            table_prefix: shaped("TABLE_PREFIX", prefix, shape, is_table_prefix)?,
            work_queue_url: queue_url("WORK_QUEUE_URL")?,
            results_queue_url: queue_url("RESULTS_QUEUE_URL")?,
            notify_topic_arn: topic.transpose()?,
            metrics_namespace: shaped(
                "METRICS_NAMESPACE",
                namespace,
                "1 to 255 letters, digits, or any of . - _ / # :, not beginning with AWS/",
                is_namespace,
            )?,
        })
    }
}

fn is_url(text: &str) -> bool {
    text.starts_with("https://") || text.starts_with("http://")
}

fn is_table_prefix(text: &str) -> bool {
    let is_name = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    text.len() <= 100 && text.bytes().all(is_name)
}

/// The characters that CloudWatch allows in a namespace.
fn is_namespace(text: &str) -> bool {
    let is_name =
        |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_' | b'/' | b'#' | b':');
    text.len() <= 255 && text.bytes().all(is_name) && !text.starts_with("AWS/")
}

/// Where in a file something is wrong; lines and columns count from 1, columns
/// in characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The file, as it was named.
    pub path: PathBuf,
    /// The line.
    pub line: usize,
    /// The column.
    pub column: usize,
}

impl fmt::Display for Place {
    /// Writes `file:line:column`, as editors understand it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.path.display(), self.line, self.column)
    }
}

/// The accounts file cannot be used.
#[derive(Debug, Error)]
pub enum AccountsFileError {
    /// There is no such file.
    #[error("{}: no such file: create it with an [[accounts]] table for each account", path.display())]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// The file is there and cannot be read.
    #[error("{}: cannot be read: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file is larger than any list of accounts.
    #[error("{}: larger than {MOST_FILE_BYTES} bytes; is it an accounts file?", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// What it says is not a list of accounts.
    #[error("{place}: {problem}")]
    Wrong {
        /// Where.
        place: Place,
        /// What is wrong and what to do.
        problem: String,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AccountsFile {
    #[serde(default)]
    accounts: Vec<Spanned<Account>>,
}

/// Reads an accounts file: TOML with an `[[accounts]]` table for each account.
///
/// # Errors
///
/// Says where what is wrong, of the first thing that is.
pub fn read_accounts(path: &Path) -> Result<Vec<Account>, AccountsFileError> {
    let unreadable = |source: io::Error| match source.kind() {
        io::ErrorKind::NotFound => AccountsFileError::Missing { path: path.to_owned() },
        _ => AccountsFileError::Unreadable { path: path.to_owned(), source },
    };
    let file = File::open(path).map_err(unreadable)?;
    let mut bytes = Vec::new();
    file.take(MOST_FILE_BYTES + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    parse_accounts(path, &bytes)
}

/// Reads the content of an accounts file. `path` is what errors call it.
///
/// # Errors
///
/// Those of [`read_accounts`].
pub fn parse_accounts(path: &Path, content: &[u8]) -> Result<Vec<Account>, AccountsFileError> {
    if content.len() as u64 > MOST_FILE_BYTES {
        return Err(AccountsFileError::TooLarge { path: path.to_owned() });
    }
    let wrong = |at: usize, problem: String| AccountsFileError::Wrong {
        place: place(path, content, at),
        problem,
    };
    let text = std::str::from_utf8(content)
        .map_err(|error| wrong(error.valid_up_to(), "not valid UTF-8".to_owned()))?;
    let file: AccountsFile = toml::from_str(text).map_err(|error| {
        let at = error.span().map_or(0, |span: Range<usize>| span.start);
        wrong(at, error.message().to_owned())
    })?;
    if file.accounts.is_empty() {
        return Err(wrong(0, "no accounts: add an [[accounts]] table".to_owned()));
    }
    let mut lines = HashMap::new();
    let mut accounts = Vec::new();
    for account in file.accounts {
        let at = account.span().start;
        let account = account.into_inner();
        account.validate().map_err(|error| wrong(at, error.to_string()))?;
        if let Some(line) = lines.insert(account.id.clone(), place(path, content, at).line) {
            let problem = format!("a second account '{}': the first is at line {line}", account.id);
            return Err(wrong(at, problem));
        }
        accounts.push(account);
    }
    Ok(accounts)
}

fn place(path: &Path, content: &[u8], at: usize) -> Place {
    let before = &content[..at.min(content.len())];
    let line_start = before.iter().rposition(|&byte| byte == b'\n').map_or(0, |end| end + 1);
    Place {
        path: path.to_owned(),
        line: 1 + before.iter().filter(|&&byte| byte == b'\n').count(),
        column: 1 + String::from_utf8_lossy(&before[line_start..]).chars().count(),
    }
}
