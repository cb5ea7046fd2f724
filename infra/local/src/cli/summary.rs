//! What tasks came to, for people.

use std::io;

use cloud_sync_core::task::{RegionResult, SyncTask, TaskStatus};
use cloud_sync_dispatch::Problem;

use crate::output::Output;
use crate::service::{SyncReport, TaskReport};
use crate::table::{bars, cell, count, duration, table, time};

/// At most so many errors of a task are shown.
const MOST_ERRORS: usize = 20;

/// At most so many regions are drawn.
const MOST_BARS: usize = 30;

/// Shows what a sync came to.
pub(super) fn sync(report: &SyncReport, output: &Output) -> io::Result<()> {
    let tasks: Vec<_> = report.tasks.iter().map(|report| &report.task).collect();
    if !tasks.is_empty() {
        output.text(task_table(&tasks).to_string())?;
    }
    for report in &report.tasks {
        regions(report, output)?;
    }
    problems(&report.problems, output);
    let held: u64 = tasks.iter().map(|task| task.counts.held_count).sum();
    if held > 0 {
        output.remark(format!(
            "{} resources are missing, more than is plausible, and are not recorded as deleted \
             before further syncs agree",
            count(held)
        ));
    }
    Ok(())
}

/// Returns a table of tasks, one a line.
pub(super) fn task_table(tasks: &[&SyncTask]) -> comfy_table::Table {
    let mut table = table(&[
        ("TASK", false),
        ("ACCOUNT", false),
        ("KIND", false),
        ("MODE", false),
        ("STATUS", false),
        ("STARTED (UTC)", false),
        ("TOOK", true),
        ("TOTAL", true),
        ("ADDED", true),
        ("UPDATED", true),
        ("DELETED", true),
        ("UNCHANGED", true),
        ("ERRORS", true),
        ("API CALLS", true),
        ("READ UNITS", true),
        ("WRITE UNITS", true),
    ]);
    for task in tasks {
        let (counts, cost) = (&task.counts, &task.cost);
        table.add_row([
            cell(&task.task_id),
            cell(&task.account_id),
            cell(task.resource_type.as_str()),
            cell(task.mode.as_str()),
            cell(task.status.as_str()),
            cell(time(task.start_time)),
            cell(task.duration_ms.map_or_else(|| "-".to_owned(), duration)),
            cell(count(counts.total_count)),
            cell(count(counts.added_count)),
            cell(count(counts.updated_count)),
            cell(count(counts.deleted_count)),
            cell(count(counts.unchanged_count)),
            cell(count(counts.error_count)),
            cell(count(cost.api_calls)),
            cell(format!("{:.1}", cost.read_units)),
            cell(format!("{:.1}", cost.write_units)),
        ]);
    }
    table
}

/// Draws what a task listed in each region, and shows its errors.
pub(super) fn regions(report: &TaskReport, output: &Output) -> io::Result<()> {
    let mut counts: Vec<_> = report.region_results.iter().map(region_count).collect();
    counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    if counts.len() > 1 {
        let (task, more) = (&report.task, counts.len().saturating_sub(MOST_BARS));
        counts.truncate(MOST_BARS);
        let title = format!("{} of {} by region", task.resource_type, task.account_id);
        output.text(format!("\n{title}\n{}", bars(&counts)))?;
        if more > 0 {
            output.text(format!("  and {more} more regions"))?;
        }
    }
    errors(report, output)
}

fn region_count(result: &RegionResult) -> (String, u64) {
    let label = match result.status {
        _ if result.skipped => format!("{} (not offered)", result.region),
        TaskStatus::Success => result.region.clone(),
        status => format!("{} ({})", result.region, status.as_str()),
    };
    (label, result.counts.total_count)
}

fn errors(report: &TaskReport, output: &Output) -> io::Result<()> {
    let all = || {
        report.region_results.iter().flat_map(|r| r.errors.iter().map(move |e| (&r.region, e)))
    };
    if all().next().is_none() {
        return Ok(());
    }
    let mut table = table(&[
        ("REGION", false),
        ("RESOURCE", false),
        ("CLASS", false),
        ("CODE", false),
        ("ERROR", false),
    ]);
    for (region, error) in all().take(MOST_ERRORS) {
        table.add_row([
            cell(region),
            cell(error.resource_id.as_deref().unwrap_or("-")),
            cell(error.class.as_str()),
            cell(&error.code),
            cell(&error.error),
        ]);
    }
    output.text(format!("\nErrors of {}\n{table}", report.task.task_id))?;
    let (shown, all) = (all().count().min(MOST_ERRORS), report.task.counts.error_count);
    if all > shown as u64 {
        let id = &report.task.task_id;
        output.text(format!("  {shown} of {} errors; `cloud-sync tasks {id} --json` shows those kept", count(all)))?;
    }
    Ok(())
}

/// Says for which accounts nothing could be started, and why.
fn problems(problems: &[Problem], output: &Output) {
    for problem in problems {
        output.problem(format!(
            "account '{}': nothing could be started: {}: {} ({})",
            problem.account_id,
            problem.code,
            problem.message,
            problem.class.as_str()
        ));
    }
}
