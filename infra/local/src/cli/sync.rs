//! `sync`: sync accounts now and wait for the result.

use std::collections::BTreeSet;
use std::sync::Arc;

use cloud_sync_core::account::Account;
use cloud_sync_core::message::{Mode, SyncRequest};
use cloud_sync_core::task::TaskStatus;
use cloud_sync_dispatch::Problem;
use cloud_sync_runtime::secrets::CredentialSource;
use cloud_sync_runtime::store::Store;
use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use super::args::{ModeArg, SyncArgs, WhatArgs};
use super::config::{check_kinds, choose, credentials_hint, is_refusal, load, with_credentials};
use super::{FAILED, PARTIAL, SUCCESS, UsageError, plan, summary};
use crate::connect::{self, Tables};
use crate::output::Output;
use crate::progress::Progress;
use crate::service::{LocalService, Options, Parts, ServiceError, SyncReport};
use crate::signals::{INTERRUPTED, cancelled_by_ctrl_c};

/// Runs the command.
pub(super) async fn run(args: &SyncArgs, output: &Output) -> anyhow::Result<u8> {
    if args.since.is_some() && args.mode == ModeArg::Full {
        let text = "--since goes with --mode incremental; a full sync asks for everything anyway";
        return Err(UsageError::new(text).into());
    }
    let what = (args.mode.into(), args.since, args.ids.as_slice());
    run_in_mode(&args.what, what, "cloud-sync sync", output).await
}

/// Runs what `sync` and `plan` have in common.
pub(super) async fn run_in_mode(
    args: &WhatArgs,
    (mode, since, ids): (Mode, Option<Timestamp>, &[String]),
    command: &'static str,
    output: &Output,
) -> anyhow::Result<u8> {
    let vendors = Arc::new(connect::vendors(args.work.give_up_after)?);
    let all = load(&args.config, &vendors)?;
    let chosen = choose(&all, &args.scopes.accounts)?;
    check_kinds(&args.scopes.kinds, &chosen)?;
    let credentials = connect::credentials(&chosen).await?;
    let (ready, problems) = with_credentials(chosen.clone(), credentials.as_ref()).await;
    if ready.is_empty() {
        return Err(UsageError::new(without_credentials(&problems)).into());
    }
    let tables = Tables::write(&args.storage, args.write, command).await?;
    let cancel = cancelled_by_ctrl_c()?;
    let report = async {
        let parts = connect::parts(
            &tables,
            &args.storage,
            (&args.queues, args.write),
            vendors,
            credentials.clone(),
        );
        anyhow::Ok(sync(args, (mode, since, ids), &ready, parts.await?, &cancel, output).await?)
    }
    .await;
    tables.close().await;
    let mut report = report?;
    report.problems.extend(problems);
    if output.is_json() {
        output.json(&report)?;
    } else {
        match mode {
            Mode::Plan => plan::show(&report, output)?,
            Mode::Full | Mode::Incremental | Mode::Targeted | Mode::Status => {
                summary::sync(&report, output)?;
            }
        }
        hints(&report, &chosen, credentials.as_ref(), output).await;
    }
    Ok(exit_code(&report, cancel.is_cancelled()))
}

async fn sync(
    args: &WhatArgs,
    (mode, since, ids): (Mode, Option<Timestamp>, &[String]),
    accounts: &[Account],
    parts: Parts,
    cancel: &CancellationToken,
    output: &Output,
) -> Result<SyncReport, ServiceError> {
    let store = parts.store.clone();
    let give_up_after = args.work.give_up_after;
    let options = Options { workers: args.work.workers.into(), give_up_after };
    let service = LocalService::new(parts, options);
    service.recover().await?;
    put_accounts(store.as_ref(), accounts).await?;
    let request = SyncRequest {
        account_ids: accounts.iter().map(|account| account.id.clone()).collect(),
        kinds: args.scopes.kinds.clone(),
        regions: args.scopes.regions.clone(),
        mode,
        since,
        ids: ids.to_vec(),
    };
    let title = if mode == Mode::Plan { "planning" } else { "syncing" };
    let mut progress = Progress::new(output, title);
    service.sync(&request, cancel, &mut |reports| progress.observe(reports)).await
}

/// Writes accounts to the tables.
///
/// # Errors
///
/// The tables failed.
pub(super) async fn put_accounts(
    store: &dyn Store,
    accounts: &[Account],
) -> Result<(), ServiceError> {
    for account in accounts {
        store.put_account(account).await?;
    }
    Ok(())
}

fn without_credentials(problems: &[Problem]) -> String {
    let lines = problems
        .iter()
        .map(|problem| format!("account '{}': {}", problem.account_id, problem.message));
    lines.collect::<Vec<_>>().join("\nerror: ")
}

/// Says what to do about accounts whose vendor refused their credentials.
async fn hints(
    report: &SyncReport,
    accounts: &[Account],
    credentials: &dyn CredentialSource,
    output: &Output,
) {
    let of_problems = report.problems.iter().filter(|p| is_refusal(p.class, &p.code));
    let of_tasks = report.tasks.iter().filter(|report| {
        let mut errors = report.region_results.iter().flat_map(|result| &result.errors);
        errors.any(|error| is_refusal(error.class, &error.code))
    });
    let refused: BTreeSet<_> = of_problems
        .map(|problem| &problem.account_id)
        .chain(of_tasks.map(|report| &report.task.account_id))
        .collect();
    for account in accounts.iter().filter(|account| refused.contains(&account.id)) {
        if let Some(hint) = credentials_hint(account, credentials).await {
            output.problem(hint);
        }
    }
}

/// Returns the exit code that a report stands for.
fn exit_code(report: &SyncReport, interrupted: bool) -> u8 {
    let statuses = || report.tasks.iter().map(|report| report.task.status);
    if interrupted && (report.tasks.is_empty() || statuses().any(|s| s == TaskStatus::Cancelled)) {
        INTERRUPTED
    } else if statuses().all(|status| status == TaskStatus::Success) && report.problems.is_empty() {
        SUCCESS
    } else if statuses().all(|status| status == TaskStatus::Failed) {
        FAILED
    } else {
        PARTIAL
    }
}
