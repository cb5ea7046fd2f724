//! What tasks came to, for people.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use cloud_sync_core::cost::Cost;
use cloud_sync_core::task::{Counts, RegionError, RegionResult, SyncTask, TaskStatus};
use cloud_sync_dispatch::Problem;
use comfy_table::Table;

use crate::output::Output;
use crate::service::{SyncReport, TaskReport};
use crate::table::{bars, bytes, cell, count, duration, keep_whole, table, time, titled};

/// At most so many tasks are shown side by side.
const MOST_COLUMNS: usize = 3;

/// At most so many sorts of errors of a task are shown.
const MOST_ERRORS: usize = 20;

/// At most so many regions are drawn.
const MOST_BARS: usize = 30;

/// Shows what a sync came to.
pub(super) fn sync(report: &SyncReport, output: &Output) -> io::Result<()> {
    let tasks: Vec<_> = report.tasks.iter().map(|report| &report.task).collect();
    match tasks.len() {
        0 => {}
        1..=MOST_COLUMNS => output.text(task_sheet(&tasks).to_string())?,
        _ => output.text(task_table(&tasks).to_string())?,
    }
    for report in &report.tasks {
        regions(report, output)?;
    }
    problems(&report.problems, output);
    let held: u64 = tasks.iter().map(|task| task.counts.held_count).sum();
    if held > 0 {
        output.remark(format!(
            "{} resources are missing, more than is plausible, and are not recorded as deleted \
             before further syncs agree; `cloud-sync deletions` shows them, to approve or reject",
            count(held)
        ));
    }
    Ok(())
}

/// Returns a table of tasks, one a line.
pub(super) fn task_table(tasks: &[&SyncTask]) -> Table {
    let mut table = table(&[
        ("TASK", false),
        ("ACCOUNT", false),
        ("KIND", false),
        ("MODE", false),
        ("STATUS", false),
        ("TOOK", true),
        ("TOTAL", true),
        ("ADDED", true),
        ("UPDATED", true),
        ("DELETED", true),
        ("ERRORS", true),
        ("CALLS", true),
        ("READ UNITS", true),
        ("WRITE UNITS", true),
        ("DYNAMODB", true),
    ]);
    for task in tasks {
        let (counts, cost) = (&task.counts, &task.cost);
        table.add_row([
            cell(&task.task_id),
            cell(&task.account_id),
            cell(task.resource_type.as_str()),
            cell(task.mode.as_str()),
            cell(task.status.as_str()),
            cell(task.duration_ms.map_or_else(|| "-".to_owned(), duration)),
            cell(count(counts.total_count)),
            cell(count(counts.added_count)),
            cell(count(counts.updated_count)),
            cell(count(counts.deleted_count)),
            cell(count(counts.error_count)),
            cell(count(cost.api_calls)),
            cell(format!("{:.1}", cost.read_units)),
            cell(format!("{:.1}", cost.write_units)),
            cell(format!("${:.6}", cost.table_dollars())),
        ]);
    }
    keep_whole(&mut table, &[0]);
    table
}

/// Returns everything about a few tasks, side by side.
pub(super) fn task_sheet(tasks: &[&SyncTask]) -> Table {
    let sheets = tasks.iter().map(|task| {
        let took = task.duration_ms.map_or_else(|| "-".to_owned(), duration);
        let mut lines = vec![
            ("account", task.account_id.clone()),
            ("kind", task.resource_type.to_string()),
            ("mode", task.mode.as_str().to_owned()),
            ("status", task.status.as_str().to_owned()),
            ("started (UTC)", time(task.start_time)),
        ];
        lines.extend(figures(&task.counts, &task.cost, took));
        (task.task_id.clone(), lines)
    });
    sheet(&sheets.collect::<Vec<_>>())
}

/// Returns what syncs counted, and what they cost.
pub(super) fn figures(counts: &Counts, cost: &Cost, took: String) -> Vec<(&'static str, String)> {
    vec![
        ("took", took),
        ("listed", count(counts.total_count)),
        ("added", count(counts.added_count)),
        ("updated", count(counts.updated_count)),
        ("deleted", count(counts.deleted_count)),
        ("unchanged", count(counts.unchanged_count)),
        ("held back from deletion", count(counts.held_count)),
        ("errors", count(counts.error_count)),
        ("API calls to the vendor", count(cost.api_calls)),
        ("throttled", count(cost.throttled_calls)),
        ("retries", count(cost.retried_calls)),
        ("received", bytes(cost.bytes_received)),
        ("rows written", count(cost.rows_written)),
        ("read units", format!("{:.1}", cost.read_units)),
        ("write units", format!("{:.1}", cost.write_units)),
        ("DynamoDB would cost", format!("${:.6}", cost.table_dollars())),
        ("workers' time", duration(cost.worker_ms.try_into().unwrap_or(i64::MAX))),
    ]
}

/// Returns a table with a column for each title, and its values below.
pub(super) fn sheet(columns: &[(String, Vec<(&'static str, String)>)]) -> Table {
    let mut sheet = titled(columns.iter().map(|(title, _)| title.as_str()));
    let labels = columns.first().map_or(&[][..], |(_, lines)| lines);
    for (index, (label, _)) in labels.iter().enumerate() {
        let values =
            columns.iter().map(|(_, lines)| cell(lines.get(index).map_or("", |(_, value)| value)));
        sheet.add_row([cell(label)].into_iter().chain(values));
    }
    sheet
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
    apis(&report.task, output)?;
    errors(report, output)
}

/// Shows what was asked of the vendor, by API.
fn apis(task: &SyncTask, output: &Output) -> io::Result<()> {
    if task.cost.apis.is_empty() {
        return Ok(());
    }
    let mut table = table(&[
        ("API", false),
        ("CALLS", true),
        ("THROTTLED", true),
        ("RETRIES", true),
        ("RECEIVED", true),
        ("P50 MS", true),
        ("P95 MS", true),
        ("P99 MS", true),
        ("MAX MS", true),
    ]);
    for (api, of) in &task.cost.apis {
        let percentile = |share| cell(count(of.latency.percentile(share)));
        table.add_row([
            cell(api),
            cell(count(of.calls)),
            cell(count(of.throttled)),
            cell(count(of.retried)),
            cell(bytes(of.bytes)),
            percentile(0.50),
            percentile(0.95),
            percentile(0.99),
            cell(count(of.latency.longest_ms())),
        ]);
    }
    let title = format!("Asked of the vendor for {} of {}", task.resource_type, task.account_id);
    output.text(format!("\n{title}\n{table}"))
}

fn region_count(result: &RegionResult) -> (String, u64) {
    let label = match result.status {
        _ if result.skipped => format!("{} (not offered)", result.region),
        TaskStatus::Success => result.region.clone(),
        status => format!("{} ({})", result.region, status.as_str()),
    };
    (label, result.counts.total_count)
}

/// Errors of one sort: of one class, code and call.
struct ErrorGroup<'a> {
    first: &'a RegionError,
    regions: BTreeSet<&'a str>,
    count: u64,
}

/// Shows the errors of a task, those of one sort as one.
pub(super) fn errors(report: &TaskReport, output: &Output) -> io::Result<()> {
    let mut groups: BTreeMap<_, ErrorGroup<'_>> = BTreeMap::new();
    for result in &report.region_results {
        for error in &result.errors {
            let call = error.error.split(':').next().unwrap_or_default();
            let group = groups.entry((error.class, &error.code, call)).or_insert(ErrorGroup {
                first: error,
                regions: BTreeSet::new(),
                count: 0,
            });
            group.regions.insert(&result.region);
            group.count += 1;
        }
    }
    if groups.is_empty() {
        return Ok(());
    }
    let mut table = table(&[
        ("ERRORS", true),
        ("WHERE", false),
        ("CLASS", false),
        ("CODE", false),
        ("FIRST OF THEM", false),
    ]);
    for group in groups.values().take(MOST_ERRORS) {
        let resource = group.first.resource_id.as_ref().map(|id| format!("{id}: "));
        table.add_row([
            cell(count(group.count)),
            cell(some_of(&group.regions)),
            cell(group.first.class.as_str()),
            cell(&group.first.code),
            cell(resource.unwrap_or_default() + &group.first.error),
        ]);
    }
    let id = &report.task.task_id;
    output.text(format!("\nErrors of {id}; `cloud-sync tasks {id} --json` has each\n{table}"))
}

/// Returns the first names of a set, and how many more there are.
fn some_of(names: &BTreeSet<&str>) -> String {
    const SHOWN: usize = 3;
    let shown: Vec<_> = names.iter().take(SHOWN).copied().collect();
    let shown = shown.join(", ");
    match names.len().saturating_sub(SHOWN) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

/// Says for which accounts nothing could be started, and why.
pub(super) fn problems(problems: &[Problem], output: &Output) {
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
