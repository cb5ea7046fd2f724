//! The accounts file, checked against what is known of the vendors.

use std::path::Path;

use anyhow::Context;
use cloud_sync_core::account::{Account, CredentialsRef};
use cloud_sync_core::error::ErrorClass;
use cloud_sync_core::scope::Kind;
use cloud_sync_dispatch::Problem;
use cloud_sync_provider::{Registry, Vendors};
use cloud_sync_runtime::config::read_accounts;
use cloud_sync_runtime::secrets::CredentialSource;

use super::UsageError;

/// Reads an accounts file.
///
/// # Errors
///
/// Says where what is wrong, or which provider or kind is unknown.
pub(super) fn load(path: &Path, vendors: &Registry) -> anyhow::Result<Vec<Account>> {
    let accounts = read_accounts(path)?;
    for account in &accounts {
        vendors.kinds(account).with_context(|| path.display().to_string())?;
    }
    Ok(accounts)
}

/// Returns the accounts asked for; without any, all that are enabled.
///
/// # Errors
///
/// One of them is not in the file, or none is enabled.
pub(super) fn choose(all: &[Account], wanted: &[String]) -> Result<Vec<Account>, UsageError> {
    let known = |id: &String| all.iter().any(|account| account.id == *id);
    if let Some(unknown) = wanted.iter().find(|id| !known(id)) {
        let ids: Vec<_> = all.iter().map(|account| account.id.as_str()).collect();
        let text = format!("no account '{unknown}' in the file; it has: {}", ids.join(", "));
        return Err(UsageError::new(text));
    }
    let is_chosen = |account: &&Account| match wanted {
        [] => account.enabled,
        wanted => wanted.contains(&account.id),
    };
    let chosen: Vec<_> = all.iter().filter(is_chosen).cloned().collect();
    if chosen.is_empty() {
        return Err(UsageError::new("every account in the file has enabled = false"));
    }
    Ok(chosen)
}

/// Checks kinds given as options: each is of a chosen account.
///
/// # Errors
///
/// One is not; the error lists those there are.
pub(super) fn check_kinds(kinds: &[Kind], accounts: &[Account]) -> Result<(), UsageError> {
    for kind in kinds {
        if !accounts.iter().any(|account| account.provider == kind.provider()) {
            let text = format!("--kind {kind}: none of the chosen accounts is of that provider");
            return Err(UsageError::new(text));
        }
    }
    Ok(())
}

/// Divides accounts into those whose credentials can be had, and why those of
/// the others cannot.
pub(super) async fn with_credentials(
    accounts: Vec<Account>,
    source: &dyn CredentialSource,
) -> (Vec<Account>, Vec<Problem>) {
    let (mut ready, mut problems) = (Vec::new(), Vec::new());
    for account in accounts {
        match source.credentials(&account.credentials).await {
            Ok(_) => ready.push(account),
            Err(error) => problems.push(Problem {
                account_id: account.id,
                class: error.class(),
                code: "CredentialsUnavailable".to_owned(),
                message: error.to_string(),
            }),
        }
    }
    (ready, problems)
}

/// Returns what to do about the credentials that a vendor refused. Names the
/// key, which is no secret, and where it came from.
pub(super) async fn credentials_hint(
    account: &Account,
    source: &dyn CredentialSource,
) -> Option<String> {
    let credentials = source.credentials(&account.credentials).await.ok()?;
    let place = match &account.credentials {
        CredentialsRef::Env(prefix) => {
            format!("{prefix}_ACCESS_KEY_ID and {prefix}_ACCESS_KEY_SECRET")
        }
        CredentialsRef::SecretArn(secret) => format!("the secret {secret}"),
        CredentialsRef::Own => "the credentials of this process itself".to_owned(),
    };
    Some(format!(
        "account '{}': {} was asked with access key {} from {place}; put the right key there, or \
         give its owner the permissions that the vendor misses, and sync again",
        account.id, account.provider, credentials.access_key_id
    ))
}

/// Tells whether an error is the vendor's refusal of credentials.
pub(super) fn is_refusal(class: ErrorClass, code: &str) -> bool {
    class == ErrorClass::Auth && code != "CredentialsUnavailable"
}
