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
    /// `EVENT_BUS_NAME`, if set: where changes are told of; a name or an ARN.
    pub event_bus_name: Option<String>,
    /// `METRICS_NAMESPACE`: the metrics' namespace, `CloudSync` by default.
    pub metrics_namespace: String,
    /// `SECRETS_PREFIX`, if set: what the names of the secrets begin with that
    /// the function may write.
    pub secrets_prefix: Option<String>,
}

impl FunctionConfig {
    /// Reads the environment.
    ///
    /// # Errors
    ///
    /// Names the first variable that is missing or wrong.
    pub fn from_env() -> Result<Self, ConfigError> {
        Self::from_variables(env::var)
    }

    /// Reads an environment of the caller's.
    ///
    /// # Errors
    ///
    /// Those of [`Self::from_env`].
    pub fn from_variables(
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
        let bus = given("EVENT_BUS_NAME")?;
        let bus = bus.map(|name| {
            let shape = "the name or the ARN of an event bus";
            shaped("EVENT_BUS_NAME", name, shape, is_event_bus)
        });
        let prefix_of_secrets = given("SECRETS_PREFIX")?.map(|prefix| {
            let shape = "up to 200 letters, digits, or any of / _ + = . @ -";
            shaped("SECRETS_PREFIX", prefix, shape, is_secrets_prefix)
        });
        let namespace = given("METRICS_NAMESPACE")?.unwrap_or_else(|| "CloudSync".to_owned());
        Ok(Self {
            table_prefix: shaped("TABLE_PREFIX", prefix, shape, is_table_prefix)?,
            work_queue_url: queue_url("WORK_QUEUE_URL")?,
            results_queue_url: queue_url("RESULTS_QUEUE_URL")?,
            notify_topic_arn: topic.transpose()?,
            event_bus_name: bus.transpose()?,
            secrets_prefix: prefix_of_secrets.transpose()?,
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

/// The characters that EventBridge allows in the name or ARN of a bus.
fn is_event_bus(text: &str) -> bool {
    let is_name =
        |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_' | b'/' | b':');
    text.len() <= 1600 && text.bytes().all(is_name)
}

fn is_table_prefix(text: &str) -> bool {
    let is_name = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    text.len() <= 100 && text.bytes().all(is_name)
}

/// The characters that Secrets Manager allows in a name.
fn is_secrets_prefix(text: &str) -> bool {
    let is_name = |b: u8| b.is_ascii_alphanumeric() || b"/_+=.@-".contains(&b);
    text.len() <= 200 && text.bytes().all(is_name)
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

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use cloud_sync_core::account::CredentialsRef;
    use proptest::prelude::*;

    use super::*;

    const GOOD: &[(&str, &str)] = &[
        ("TABLE_PREFIX", "prod-"),
        ("WORK_QUEUE_URL", "https://sqs.eu-west-1.amazonaws.com/1/work.fifo"),
        ("RESULTS_QUEUE_URL", "https://sqs.eu-west-1.amazonaws.com/1/results"),
    ];

    fn config(changes: &[(&'static str, &'static str)]) -> Result<FunctionConfig, String> {
        let mut variables: HashMap<_, _> = GOOD.iter().copied().collect();
        variables.extend(changes.iter().copied());
        let read = |name: &'static str| match variables.get(name) {
            Some(&"not UTF-8") => Err(VarError::NotUnicode(OsString::new())),
            Some(value) => Ok((*value).to_owned()),
            None => Err(VarError::NotPresent),
        };
        FunctionConfig::from_variables(read).map_err(|error| error.to_string())
    }

    #[test]
    fn a_function_is_told_by_its_environment() {
        let minimal = config(&[("NOTIFY_TOPIC_ARN", "")]).unwrap();
        assert_eq!(minimal.table_prefix, "prod-");
        assert_eq!(minimal.notify_topic_arn, None, "an empty variable is an absent one");
        assert_eq!(minimal.metrics_namespace, "CloudSync");
        let arn = "arn:aws:sns:eu-west-1:1:notices";
        let full = config(&[
            ("NOTIFY_TOPIC_ARN", arn),
            ("METRICS_NAMESPACE", "Team/Sync"),
            ("SECRETS_PREFIX", "sync/"),
        ])
        .unwrap();
        assert_eq!((minimal.secrets_prefix, full.secrets_prefix.as_deref()), (None, Some("sync/")));
        assert_eq!(full.notify_topic_arn.as_deref(), Some(arn));
        assert_eq!(full.metrics_namespace, "Team/Sync");
    }

    #[test]
    fn an_error_names_the_variable() {
        for (name, value, expected) in [
            ("TABLE_PREFIX", "", "TABLE_PREFIX is not set or empty: set it to what the names"),
            ("TABLE_PREFIX", "a b", "TABLE_PREFIX is 'a b': expected up to 100 letters"),
            (
                "WORK_QUEUE_URL",
                " ",
                "WORK_QUEUE_URL is not set or empty: set it to the queue's URL",
            ),
            ("WORK_QUEUE_URL", "not UTF-8", "WORK_QUEUE_URL is not valid UTF-8"),
            ("RESULTS_QUEUE_URL", "results", "RESULTS_QUEUE_URL is 'results': expected a URL"),
            ("NOTIFY_TOPIC_ARN", "notices", "NOTIFY_TOPIC_ARN is 'notices': expected an ARN"),
            (
                "EVENT_BUS_NAME",
                "my bus",
                "EVENT_BUS_NAME is 'my bus': expected the name or the ARN",
            ),
            ("METRICS_NAMESPACE", "AWS/Sync", "METRICS_NAMESPACE is 'AWS/Sync': expected 1 to 255"),
            ("SECRETS_PREFIX", "a b", "SECRETS_PREFIX is 'a b': expected up to 200 letters"),
        ] {
            let error = config(&[(name, value)]).unwrap_err();
            let expected = format!("environment variable {expected}");
            assert!(error.starts_with(&expected), "{error}\nexpected {expected}");
        }
    }

    const ACCOUNT: &str = r#"
[[accounts]]
id = "prod"
provider = "aliyun"
default_region = "cn-hangzhou"
credentials = { env = "PROD" }
"#;

    fn accounts(text: &str) -> Result<Vec<Account>, String> {
        parse_accounts(Path::new("accounts.toml"), text.as_bytes())
            .map_err(|error| error.to_string())
    }

    #[test]
    fn accounts_are_read_with_their_defaults() {
        let accounts = accounts(&format!(
            "{ACCOUNT}\n[[accounts]]\nid = \"test\"\nname = \"Test 生产\"\nprovider = \"aliyun\"\n\
             default_region = \"cn-beijing\"\nregions = [\"cn-beijing\"]\n\
             kinds = [\"aliyun.ecs.instance\"]\nenabled = false\nendpoint = \"http://127.0.0.1:1\"\n\
             credentials = {{ secret_arn = \"arn:aws:secretsmanager:x\" }}\n\
             [accounts.deletion]\ntombstone_days = 7\n"
        ));
        let accounts = accounts.unwrap();
        assert_eq!(accounts.len(), 2);
        assert!(accounts[0].enabled && accounts[0].regions.is_empty());
        assert_eq!(accounts[0].credentials, CredentialsRef::Env("PROD".to_owned()));
        assert!(!accounts[1].enabled);
        assert_eq!(accounts[1].kinds[0].as_str(), "aliyun.ecs.instance");
        assert_eq!(accounts[1].deletion.tombstone_days, 7);
    }

    #[test]
    fn only_an_account_of_aws_has_the_credentials_of_this_process() {
        let own = ACCOUNT.replace("{ env = \"PROD\" }", "\"own\"");
        let error = accounts(&own).unwrap_err();
        assert!(error.contains("credentials: \"own\" are credentials of AWS"), "{error}");
        let accounts = accounts(&own.replace("aliyun", "aws")).unwrap();
        assert_eq!(accounts[0].credentials, CredentialsRef::Own);
    }

    #[test]
    fn an_error_says_where_and_what() {
        let twice = format!("{ACCOUNT}{ACCOUNT}");
        let with = |line: &str| format!("{ACCOUNT}{line}\n");
        for (text, expected) in [
            (with("colour = 1"), "accounts.toml:7:1: unknown field `colour`, expected one of `id`"),
            (with("  colour = 1"), "accounts.toml:7:3: unknown field `colour`"),
            (with("enabled = \"no\""), "accounts.toml:7:11: invalid type: string \"no\""),
            (with("kinds = [\"ecs\"]"), "accounts.toml:7:9: 'ecs' is not a kind"),
            (
                with("regions = [\"a#b\"]"),
                "accounts.toml:2:1: account 'prod': regions: 'a#b' is not",
            ),
            (with("[accounts.deletion]\nnever = true"), "accounts.toml:8:1: unknown field `never`"),
            (ACCOUNT.replace("id = \"prod\"", ""), "accounts.toml:2:1: missing field `id`"),
            (ACCOUNT.replace("env =", "file ="), "accounts.toml:6:17: unknown variant `file`"),
            (
                ACCOUNT.replace("[[accounts]]", "[[account]]"),
                "accounts.toml:2:3: unknown field `account`",
            ),
            (with("id = \"again\""), "accounts.toml:7:1: duplicate key"),
            (with("生产 = 1"), "accounts.toml:7:1:"),
            (with("name = \"生产\" x"), "accounts.toml:7:13:"),
            (twice, "accounts.toml:8:1: a second account 'prod': the first is at line 2"),
            (String::new(), "accounts.toml:1:1: no accounts: add an [[accounts]] table"),
        ] {
            let error = accounts(&text).unwrap_err();
            assert!(error.starts_with(expected), "{error}\nexpected {expected}");
            assert!(!error.contains('\n'), "one line: {error}");
        }
        let error = parse_accounts(Path::new("a.toml"), b"id = 1\n\xff").unwrap_err();
        assert_eq!(error.to_string(), "a.toml:2:1: not valid UTF-8");
    }

    #[test]
    fn a_missing_file_is_told_from_one_that_cannot_be_used() {
        let folder = tempfile::tempdir().unwrap();
        let missing = read_accounts(&folder.path().join("none.toml")).unwrap_err();
        assert!(matches!(missing, AccountsFileError::Missing { .. }), "{missing}");
        assert!(missing.to_string().contains("none.toml: no such file"), "{missing}");
        let unreadable = read_accounts(folder.path()).unwrap_err();
        assert!(matches!(unreadable, AccountsFileError::Unreadable { .. }), "{unreadable}");
        let path = folder.path().join("accounts.toml");
        std::fs::write(&path, vec![b'#'; 1024 * 1024 + 1]).unwrap();
        let large = read_accounts(&path).unwrap_err();
        assert!(matches!(large, AccountsFileError::TooLarge { .. }), "{large}");
        std::fs::write(&path, ACCOUNT).unwrap();
        assert_eq!(read_accounts(&path).unwrap().len(), 1);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = parse_accounts(Path::new("a.toml"), &bytes);
        }

        #[test]
        fn no_damage_to_a_good_file_makes_it_panic(
            at in 0..ACCOUNT.len(),
            cut in 0..20_usize,
            put in "\\PC{0,5}|[\\[\\]={}\"'\n#.]{0,5}",
        ) {
            let end = (at + cut).min(ACCOUNT.len());
            let damaged = format!("{}{put}{}", &ACCOUNT[..at], &ACCOUNT[end..]);
            let _ = accounts(&damaged);
        }
    }
}
