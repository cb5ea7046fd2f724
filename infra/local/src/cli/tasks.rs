//! `tasks`: what syncs came to.

use cloud_sync_core::message::Mode;
use cloud_sync_runtime::store::{Store, TaskQuery};

use super::args::TasksArgs;
use super::{FAILED, SUCCESS, plan, summary};
use crate::connect::Tables;
use crate::output::Output;
use crate::service::TaskReport;

/// Runs the command.
pub(super) async fn run(args: &TasksArgs, output: &Output) -> anyhow::Result<u8> {
    let tables = Tables::read(&args.storage).await?;
    let shown = match &args.id {
        Some(id) => show(tables.store.as_ref(), id, output).await,
        None => list(tables.store.as_ref(), args, output).await,
    };
    tables.close().await;
    shown
}

async fn show(store: &dyn Store, id: &str, output: &Output) -> anyhow::Result<u8> {
    let Some(task) = store.task(id).await? else {
        output.problem(format!("error: there is no task '{id}'; `cloud-sync tasks` lists them"));
        return Ok(FAILED);
    };
    let mut region_results = store.region_results(id).await?;
    region_results.sort_unstable_by(|a, b| a.region.cmp(&b.region));
    let report = TaskReport { task, region_results };
    if output.is_json() {
        output.json(&report)?;
    } else if report.task.mode == Mode::Plan {
        plan::show_task(&report, output)?;
    } else {
        output.text(summary::task_sheet(&[&report.task]).to_string())?;
        summary::regions(&report, output)?;
    }
    Ok(SUCCESS)
}

async fn list(store: &dyn Store, args: &TasksArgs, output: &Output) -> anyhow::Result<u8> {
    let mut tasks = Vec::new();
    for account_id in accounts(&args.accounts) {
        let query = TaskQuery { account_id, limit: args.limit, ..TaskQuery::default() };
        tasks.extend(store.tasks(&query).await?);
    }
    tasks.sort_unstable_by(|a, b| (b.start_time, &b.task_id).cmp(&(a.start_time, &a.task_id)));
    tasks.truncate(args.limit);
    if output.is_json() {
        for task in &tasks {
            output.json(task)?;
        }
    } else if tasks.is_empty() {
        output.remark("there is no task; `cloud-sync sync` makes some");
    } else {
        output.text(summary::task_table(&tasks.iter().collect::<Vec<_>>()).to_string())?;
    }
    Ok(SUCCESS)
}

/// Returns what to ask for: each account wanted, or all at once.
fn accounts(wanted: &[String]) -> Vec<Option<String>> {
    match wanted {
        [] => vec![None],
        wanted => wanted.iter().cloned().map(Some).collect(),
    }
}
