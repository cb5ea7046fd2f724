//! What operators write: accounts, secrets, environments.

use std::collections::HashMap;
use std::env::VarError;
use std::path::Path;

use cloud_sync_core::account::Account;
use cloud_sync_runtime::config::{FunctionConfig, parse_accounts};
use cloud_sync_runtime::secrets::parse_credentials;
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use serde_json::json;

/// Stands for what must not be shown.
const CANARY: &str = "canary";

/// Gives a text to the parser that the first byte names.
///
/// # Panics
///
/// What was read does not print to what is read the same, or an error quotes
/// a secret.
pub fn config(data: &[u8]) {
    let Some((which, rest)) = data.split_first() else { return };
    match which % 3 {
        0 => accounts(rest),
        1 => secret(&String::from_utf8_lossy(rest)),
        _ => environment(&String::from_utf8_lossy(rest)),
    }
}

fn accounts(content: &[u8]) {
    #[derive(Serialize)]
    struct AccountsFile<'a> {
        accounts: &'a [Account],
    }

    let path = Path::new("accounts.toml");
    match parse_accounts(path, content) {
        Ok(accounts) => {
            let printed = toml::to_string(&AccountsFile { accounts: &accounts }).unwrap();
            let again = parse_accounts(path, printed.as_bytes());
            assert_eq!(again.unwrap(), accounts, "{printed}");
        }
        Err(error) => assert!(error.to_string().starts_with("accounts.toml:"), "{error}"),
    }
}

fn secret(text: &str) {
    match parse_credentials("secret", &SecretString::from(text)) {
        Ok(credentials) => {
            let shown = format!("{credentials:?}");
            let is_public = credentials.access_key_id.contains(CANARY);
            assert!(is_public || !shown.contains(CANARY), "{shown}");
            let token = credentials.security_token.as_ref().map(|token| token.expose_secret());
            let printed = json!({
                "access_key_id": credentials.access_key_id,
                "access_key_secret": credentials.access_key_secret.expose_secret(),
                "security_token": token,
            });
            let printed = SecretString::from(printed.to_string());
            if printed.expose_secret().len() <= text.len() {
                let again = parse_credentials("secret", &printed).unwrap();
                assert_eq!(again.digest([]), credentials.digest([]));
            }
        }
        Err(error) => assert!(!error.to_string().contains(CANARY), "{error}"),
    }
}

/// A variable a line, `NAME=value`.
fn environment(text: &str) {
    let lines = text.lines().filter_map(|line| line.split_once('='));
    let variables: HashMap<_, _> = lines.map(|(name, value)| (name, value.to_owned())).collect();
    let Ok(config) = read(&variables) else { return };
    let printed = HashMap::from([
        ("TABLE_PREFIX", config.table_prefix.clone()),
        ("WORK_QUEUE_URL", config.work_queue_url.clone()),
        ("RESULTS_QUEUE_URL", config.results_queue_url.clone()),
        ("NOTIFY_TOPIC_ARN", config.notify_topic_arn.clone().unwrap_or_default()),
        ("METRICS_NAMESPACE", config.metrics_namespace.clone()),
    ]);
    assert_eq!(read(&printed).unwrap(), config);
}

fn read(
    variables: &HashMap<&str, String>,
) -> Result<FunctionConfig, cloud_sync_runtime::config::ConfigError> {
    FunctionConfig::from_variables(|name| variables.get(name).cloned().ok_or(VarError::NotPresent))
}
