//! `status`: an overview.

use std::collections::BTreeMap;

use cloud_sync_core::account::Suspension;
use cloud_sync_core::lease::ScopeState;
use cloud_sync_core::task::SyncTask;
use cloud_sync_runtime::store::{Store, TaskQuery};
use jiff::Timestamp;
use serde::Serialize;

use super::args::StatusArgs;
use super::{SUCCESS, statuses, summary};
use crate::connect::Tables;
use crate::output::Output;
use crate::table::{bars, cell, count, table, time};

/// So many tasks are shown.
const TASKS: usize = 5;

/// The overview, also as `--json` prints it.
#[derive(Serialize)]
struct Overview {
    accounts: Vec<AccountLine>,
    scopes: Vec<ScopeLine>,
    running: Vec<SyncTask>,
    tasks: Vec<SyncTask>,
}

#[derive(Serialize)]
struct AccountLine {
    account_id: String,
    name: String,
    provider: String,
    enabled: bool,
    suspended: Option<Suspension>,
}

#[derive(Serialize)]
struct ScopeLine {
    account_id: String,
    kind: String,
    region: String,
    live_count: u64,
    held_count: u64,
    last_complete_at: Option<Timestamp>,
    fed_until: Option<Timestamp>,
    last_changed_at: Option<Timestamp>,
}

impl From<ScopeState> for ScopeLine {
    fn from(state: ScopeState) -> Self {
        Self {
            account_id: state.scope.account_id,
            kind: state.scope.kind.into(),
            region: state.scope.region,
            live_count: state.findings.live_count,
            held_count: state.findings.held_count,
            last_complete_at: state.findings.last_complete_at,
            fed_until: state.findings.fed_until,
            last_changed_at: state.findings.last_changed_at,
        }
    }
}

/// Runs the command.
pub(super) async fn run(args: &StatusArgs, output: &Output) -> anyhow::Result<u8> {
    let tables = Tables::read(&args.storage).await?;
    if let (Some(account), Some(region)) = (&args.account, &args.region) {
        let what = (account.as_str(), args.kind.as_ref(), region.as_str(), args.ids.as_slice());
        let compared = statuses::compare(&tables.store, what, output).await;
        tables.close().await;
        return compared;
    }
    let overview = look(tables.store.as_ref()).await;
    tables.close().await;
    let overview = overview?;
    if output.is_json() {
        output.json(&overview)?;
    } else {
        show(&overview, output)?;
    }
    Ok(SUCCESS)
}

async fn look(store: &dyn Store) -> anyhow::Result<Overview> {
    let (mut accounts, mut scopes) = (Vec::new(), Vec::new());
    for record in store.accounts().await? {
        let states = store.scopes(&record.account.id).await?;
        scopes.extend(states.into_iter().map(ScopeLine::from));
        accounts.push(AccountLine {
            account_id: record.account.id,
            name: record.account.name,
            provider: record.account.provider,
            enabled: record.account.enabled,
            suspended: record.suspended,
        });
    }
    let running = store.open_tasks().await?;
    let tasks = store.tasks(&TaskQuery { limit: TASKS, ..TaskQuery::default() }).await?;
    Ok(Overview { accounts, scopes, running, tasks })
}

fn show(overview: &Overview, output: &Output) -> anyhow::Result<()> {
    if overview.accounts.is_empty() {
        output
            .text("there is no account yet; `cloud-sync sync --config accounts.toml` adds some")?;
        return Ok(());
    }
    output.text(account_table(overview).to_string())?;
    let mut by_region: BTreeMap<String, u64> = BTreeMap::new();
    for scope in &overview.scopes {
        *by_region.entry(scope.region.clone()).or_default() += scope.live_count;
    }
    let mut by_region: Vec<_> = by_region.into_iter().collect();
    by_region.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    output.text(format!("\nResources by region\n{}", bars(&by_region)))?;
    if !overview.running.is_empty() {
        let tasks: Vec<_> = overview.running.iter().collect();
        output.text(format!("\nRunning\n{}", summary::task_table(&tasks)))?;
    }
    if !overview.tasks.is_empty() {
        let tasks: Vec<_> = overview.tasks.iter().collect();
        output.text(format!("\nLast tasks\n{}", summary::task_table(&tasks)))?;
    }
    for account in &overview.accounts {
        if let Some(suspension) = &account.suspended {
            output.text(format!(
                "\naccount '{}' is suspended since {}: {}: {}. Scheduled syncs leave it out until \
                 its credentials change; `cloud-sync sync --account {}` tries it again",
                account.account_id,
                suspension.at,
                suspension.code,
                suspension.reason,
                account.account_id
            ))?;
        }
    }
    Ok(())
}

fn account_table(overview: &Overview) -> comfy_table::Table {
    let mut table = table(&[
        ("ACCOUNT", false),
        ("NAME", false),
        ("PROVIDER", false),
        ("STATE", false),
        ("SCOPES", true),
        ("RESOURCES", true),
        ("HELD", true),
        ("OLDEST COMPLETE SYNC (UTC)", false),
    ]);
    for account in &overview.accounts {
        let of_account =
            || overview.scopes.iter().filter(|scope| scope.account_id == account.account_id);
        let state = match account {
            AccountLine { suspended: Some(_), .. } => "suspended",
            AccountLine { enabled: false, .. } => "disabled",
            _ => "enabled",
        };
        // A scope that was never synced whole is the oldest of all.
        let oldest = of_account().map(|scope| scope.last_complete_at).min().flatten();
        table.add_row([
            cell(&account.account_id),
            cell(&account.name),
            cell(&account.provider),
            cell(state),
            cell(count(of_account().count() as u64)),
            cell(count(of_account().map(|scope| scope.live_count).sum())),
            cell(count(of_account().map(|scope| scope.held_count).sum())),
            cell(oldest.map_or_else(|| "never".to_owned(), time)),
        ]);
    }
    table
}
