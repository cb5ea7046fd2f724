//! `status --ids`: resources' statuses, stored and at the vendor.

use std::sync::Arc;

use cloud_sync_core::account::Account;
use cloud_sync_core::scope::{Kind, Scope};
use cloud_sync_dispatch::DispatchError;
use cloud_sync_dispatch::statuses::{Stated, StatusChange};
use cloud_sync_provider::{Registry, Vendors};
use cloud_sync_runtime::store::Store;

use super::{FAILED, SUCCESS, UsageError};
use crate::connect;
use crate::output::Output;
use crate::table::{cell, table};

/// Compares the statuses of resources: of an account, of a kind unless it has
/// one only, in a region.
pub(super) async fn compare(
    store: &Arc<dyn Store>,
    (id, kind, region, ids): (&str, Option<&Kind>, &str, &[String]),
    output: &Output,
) -> anyhow::Result<u8> {
    let Some(record) = store.account(id).await? else {
        let text = format!("there is no account '{id}'; `cloud-sync accounts` lists them");
        return Err(UsageError::new(text).into());
    };
    let scope = Scope {
        account_id: id.to_owned(),
        kind: kind_of(&record.account, kind)?,
        region: region.to_owned(),
    };
    let dispatcher = connect::dispatcher(store, &[record.account]).await?;
    let compared = match dispatcher.compare_statuses(&scope, ids).await {
        Ok(Ok(compared)) => compared,
        Ok(Err(problem)) => {
            output.problem(format!("error: account '{id}': {}", problem.message));
            return Ok(FAILED);
        }
        Err(DispatchError::Invalid(error)) => return Err(UsageError::new(error.to_string()).into()),
        Err(error) => return Err(error.into()),
    };
    if output.is_json() {
        compared.iter().try_for_each(|one| output.json(one))?;
        return Ok(SUCCESS);
    }
    let mut table = table(&[("ID", false), ("STORED", false), ("VENDOR", false), ("", false)]);
    compared.iter().for_each(|one| {
        table.add_row(
            [&one.id, &words(one.stored.as_ref()), &words(one.vendor.as_ref()), &verdict(one)]
                .map(cell),
        );
    });
    output.text(table.to_string())?;
    Ok(SUCCESS)
}

/// Returns the kind that is meant.
fn kind_of(account: &Account, kind: Option<&Kind>) -> anyhow::Result<Kind> {
    if let Some(kind) = kind {
        return Ok(kind.clone());
    }
    let kinds = Registry::new()?.kinds(account)?;
    match kinds.as_slice() {
        [only] => Ok(only.clone()),
        kinds => {
            let kinds: Vec<_> = kinds.iter().map(Kind::as_str).collect();
            let text = format!(
                "account '{}' has several kinds; add --kind with one of: {}",
                account.id,
                kinds.join(", ")
            );
            Err(UsageError::new(text).into())
        }
    }
}

fn words(stated: Option<&Stated>) -> String {
    stated.map_or_else(
        || "-".to_owned(),
        |stated| format!("{} ({})", stated.status.as_str(), stated.vendor_status),
    )
}

fn verdict(one: &StatusChange) -> String {
    let text = match (&one.stored, &one.vendor) {
        (None, None) => "not found, neither here nor there",
        (None, Some(_)) => "not stored",
        (Some(_), None) => "not found at the vendor",
        _ if one.differs => "differs",
        _ => "same",
    };
    text.to_owned()
}
