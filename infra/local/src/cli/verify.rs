//! `accounts verify`: whether credentials work, and for what.

use std::sync::Arc;

use cloud_sync_dispatch::verify::{Check, Verdict, Verification};
use cloud_sync_runtime::store::Store;

use super::args::VerifyArgs;
use super::{FAILED, SUCCESS, UsageError};
use crate::connect::{self, Tables};
use crate::output::Output;
use crate::table::{cell, table};

/// Runs the command.
pub(super) async fn run(args: &VerifyArgs, output: &Output) -> anyhow::Result<u8> {
    let tables = Tables::read(&args.storage).await?;
    let verified = verify(&tables.store, args.id.as_deref(), output).await;
    tables.close().await;
    verified
}

async fn verify(store: &Arc<dyn Store>, id: Option<&str>, output: &Output) -> anyhow::Result<u8> {
    let mut records = store.accounts().await?;
    records.retain(|record| id.is_none_or(|id| record.account.id == id));
    if records.is_empty() {
        let text = id.map_or_else(
            || "there is no account; `cloud-sync accounts apply` writes those of a file".to_owned(),
            |id| format!("there is no account '{id}'; `cloud-sync accounts` lists them"),
        );
        return Err(UsageError::new(text).into());
    }
    let mut found = Vec::new();
    for record in &records {
        let account = std::slice::from_ref(&record.account);
        let dispatcher = connect::dispatcher(store, account).await?;
        found.push(dispatcher.verify(record).await?);
    }
    show(&found, output)?;
    let works = found.iter().all(|one| one.works);
    Ok(if works { SUCCESS } else { FAILED })
}

fn show(found: &[Verification], output: &Output) -> anyhow::Result<()> {
    if output.is_json() {
        return found.iter().try_for_each(|one| Ok(output.json(one)?));
    }
    let mut table = table(&[
        ("ACCOUNT", false),
        ("WHAT", false),
        ("REGION", false),
        ("ANSWER", false),
        ("WHY", false),
    ]);
    for one in found {
        let whose = one.principal.as_ref().map_or("credentials", String::as_str);
        table.add_row(cells(&one.account_id, whose, "", &one.credentials));
        for kind in &one.kinds {
            table.add_row(cells(&one.account_id, kind.kind.as_str(), &kind.region, &kind.check));
        }
    }
    output.text(table.to_string())?;
    Ok(())
}

fn cells(account: &str, what: &str, region: &str, check: &Check) -> [comfy_table::Cell; 5] {
    let answer = match check.verdict {
        Verdict::Ok => "ok",
        Verdict::Refused => "refused",
        Verdict::Throttled => "throttled",
        Verdict::NotOffered => "not offered",
        Verdict::Unavailable => "unavailable",
        Verdict::Failed => "failed",
    };
    let why = [&check.code, &check.message].into_iter().flatten().map(String::as_str);
    [
        cell(account),
        cell(what),
        cell(region),
        cell(answer),
        cell(why.collect::<Vec<_>>().join(": ")),
    ]
}
