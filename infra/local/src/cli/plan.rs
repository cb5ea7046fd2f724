//! `plan`: what a sync would do, and what it would cost.

use std::collections::BTreeMap;
use std::io;

use cloud_sync_core::change::ChangeKind;
use cloud_sync_core::diff::Field;
use cloud_sync_core::message::Mode;
use cloud_sync_core::plan::{PlanTotals, PlannedChange, RegionPlan};

use super::args::PlanArgs;
use super::changes::what_changed;
use super::summary::{self, sheet};
use super::sync::run_in_mode;
use crate::output::Output;
use crate::service::{SyncReport, TaskReport};
use crate::table::{bars, cell, count, keep_whole, lines, table};

/// So many changes, and so many held resources, are shown to people.
const SHOWN: usize = 40;

/// Runs the command.
pub(super) async fn run(args: &PlanArgs, output: &Output) -> anyhow::Result<u8> {
    run_in_mode(&args.what, (Mode::Plan, None, &[]), "cloud-sync plan", output).await
}

/// Shows what syncs would do.
pub(super) fn show(report: &SyncReport, output: &Output) -> io::Result<()> {
    for task in &report.tasks {
        show_task(task, output)?;
    }
    summary::problems(&report.problems, output);
    if !report.tasks.is_empty() {
        output.remark("nothing of this was done; `cloud-sync sync` does it");
    }
    Ok(())
}

/// Shows what a sync would do, and what it would cost.
pub(super) fn show_task(report: &TaskReport, output: &Output) -> io::Result<()> {
    let task = &report.task;
    let counts = &task.counts;
    let mut columns = vec![
        ("account", task.account_id.clone()),
        ("kind", task.resource_type.to_string()),
        ("planned", task.status.as_str().to_owned()),
        ("listed", count(counts.total_count)),
        ("to add", count(counts.added_count)),
        ("to update", count(counts.updated_count)),
        ("to delete", count(counts.deleted_count)),
        ("to hold back from deletion", count(counts.held_count)),
        ("unchanged", count(counts.unchanged_count)),
        ("errors", count(counts.error_count)),
    ];
    // Without a plan of any region nothing would be done.
    let PlanTotals { api_calls, read_units, write_units, dollars } = task.plan.unwrap_or_default();
    columns.extend([
        ("API calls it takes", count(api_calls)),
        ("read units, about", format!("{read_units:.0}")),
        ("write units, about", format!("{write_units:.0}")),
        ("DynamoDB would cost, about", format!("${dollars:.6}")),
    ]);
    output.text(sheet(&[(task.task_id.clone(), columns)]).to_string())?;
    by_field(report, output)?;
    changes(report, output)?;
    held(report, output)?;
    summary::errors(report, output)
}

/// Returns the plans of a task's regions.
fn plans(report: &TaskReport) -> impl Iterator<Item = (&str, &RegionPlan)> {
    let results = report.region_results.iter();
    results.filter_map(|result| Some((result.region.as_str(), result.plan.as_ref()?)))
}

/// Draws how many resources would change in which field.
fn by_field(report: &TaskReport, output: &Output) -> io::Result<()> {
    let mut sums: BTreeMap<Field, u64> = BTreeMap::new();
    for (field, count) in plans(report).flat_map(|(_, plan)| &plan.by_field) {
        *sums.entry(*field).or_default() += count;
    }
    if sums.is_empty() {
        return Ok(());
    }
    let sums: Vec<_> = sums.into_iter().map(|(field, n)| (field.as_str().to_owned(), n)).collect();
    output.text(format!("\nTo update, by field that differs\n{}", bars(&sums)))
}

fn changes(report: &TaskReport, output: &Output) -> io::Result<()> {
    let all: Vec<_> = plans(report)
        .flat_map(|(region, plan)| plan.changes.iter().map(move |change| (region, change)))
        .collect();
    let more: u64 = plans(report).map(|(_, plan)| plan.more_changes).sum();
    if all.is_empty() {
        return output.text("\nNothing to write: everything is as it is stored");
    }
    let mut table = table(&[("TO DO", false), ("REGION", false), ("ID", false), ("WHAT", false)]);
    for (region, change) in all.iter().take(SHOWN) {
        let what = what_changed(change.change, &change.fields);
        table.add_row([cell(verb(change)), cell(region), cell(&change.id), lines(&what)]);
    }
    keep_whole(&mut table, &[0, 1, 2]);
    output.text(format!("\n{table}"))?;
    let more = more + all.len().saturating_sub(SHOWN) as u64;
    if more > 0 {
        let id = &report.task.task_id;
        let text = format!(
            "and {} more; `cloud-sync tasks {id} --json` has up to 500 a region",
            count(more)
        );
        output.text(text)?;
    }
    Ok(())
}

const fn verb(change: &PlannedChange) -> &'static str {
    match change.change {
        ChangeKind::Added => "add",
        ChangeKind::Updated => "update",
        ChangeKind::Deleted => "delete",
        ChangeKind::Restored => "restore",
    }
}

fn held(report: &TaskReport, output: &Output) -> io::Result<()> {
    let ids: Vec<_> = plans(report)
        .flat_map(|(region, plan)| plan.held.iter().map(move |id| format!("{id} ({region})")))
        .collect();
    if ids.is_empty() {
        return Ok(());
    }
    let shown = ids.iter().take(SHOWN).cloned().collect::<Vec<_>>().join(", ");
    let more = ids.len().saturating_sub(SHOWN);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    output.text(format!("\nMissing, and to be held back from deletion: {shown}{more}"))
}
