//! The demo's pictures.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use cloud_sync_core::change::{Change, ChangeKind};
use cloud_sync_core::cost::{Cost, DOLLARS_A_MILLION_READS, DOLLARS_A_MILLION_WRITES};
use cloud_sync_core::diff::Field;
use cloud_sync_core::task::Counts;
use simulated_cloud::ChurnReport;

use super::super::changes::change_table;
use super::super::summary::{figures, sheet};
use crate::output::Output;
use crate::service::SyncReport;
use crate::table::{bars, cell, count, duration, table};

/// So many changes are shown.
const SAMPLES: usize = 12;

/// Shows some changes, of every kind and field that there is.
pub(super) fn changes(changes: &[Change], output: &Output) -> io::Result<()> {
    let mut seen: BTreeMap<(ChangeKind, Vec<Field>), usize> = BTreeMap::new();
    let mut samples: Vec<(usize, &Change)> = changes
        .iter()
        .map(|change| {
            // The first of each sort before the second of any.
            let nth = seen.entry(sort_of(change)).or_default();
            *nth += 1;
            (*nth, change)
        })
        .collect();
    samples.sort_by_key(|(nth, change)| (*nth, change.change));
    samples.truncate(SAMPLES);
    samples.sort_by_key(|(_, change)| change.change);
    let table = change_table(samples.into_iter().map(|(_, change)| change));
    output.text(format!("\nSome of the {} changes found\n{table}", count(changes.len() as u64)))
}

/// Returns what tells one sort of change from another.
fn sort_of(change: &Change) -> (ChangeKind, Vec<Field>) {
    let fields = match change.change {
        ChangeKind::Updated => change.fields.keys().copied().collect(),
        _ => Vec::new(),
    };
    (change.change, fields)
}

/// Compares what was found with what the cloud says happened.
pub(super) fn totals(churn: &ChurnReport, changes: &[Change], output: &Output) -> io::Result<()> {
    let found = |kinds: &[ChangeKind]| {
        changes.iter().filter(|change| kinds.contains(&change.change)).count() as u64
    };
    let mut totals = table(&[("", false), ("IN THE CLOUD", true), ("FOUND", true)]);
    let rows = [
        ("created", churn.created.len(), found(&[ChangeKind::Added, ChangeKind::Restored])),
        ("changed", churn.changed.len(), found(&[ChangeKind::Updated])),
        ("released", churn.released.len(), found(&[ChangeKind::Deleted])),
    ];
    for (what, happened, found) in rows {
        totals.add_row([cell(what), cell(count(happened as u64)), cell(count(found))]);
    }
    output.text(format!("\nWhat the cloud says happened, and what was found\n{totals}"))?;
    let by_change = churn.by_change();
    let by_change: Vec<_> =
        by_change.iter().map(|(change, n)| (change.to_string(), *n as u64)).collect();
    output.text(format!("\nIn the cloud, by what was done\n{}", bars(&by_change)))?;
    let mut by_field: BTreeMap<&str, u64> = BTreeMap::new();
    for change in changes.iter().filter(|change| change.change == ChangeKind::Updated) {
        for field in change.fields.keys().map(|field| field.as_str()).collect::<BTreeSet<_>>() {
            *by_field.entry(field).or_default() += 1;
        }
    }
    let by_field: Vec<_> = by_field.into_iter().map(|(field, n)| (field.to_owned(), n)).collect();
    output.text(format!("\nFound, by field that differs\n{}", bars(&by_field)))
}

/// Compares the two syncs.
pub(super) fn side_by_side(
    first: &SyncReport,
    second: &SyncReport,
    output: &Output,
) -> io::Result<()> {
    let sums = [first, second].map(|report| {
        let tasks = || report.tasks.iter().map(|report| &report.task);
        let counts = tasks().fold(Counts::default(), |sum, task| sum.plus(task.counts));
        let cost = tasks().fold(Cost::default(), |sum, task| sum.plus(&task.cost));
        let took = tasks().filter_map(|task| task.duration_ms).sum::<i64>();
        (counts, cost, took)
    });
    let column = |title: &str, (counts, cost, took): &(Counts, Cost, i64)| {
        (title.to_owned(), figures(counts, cost, duration(*took)))
    };
    let columns = [column("FIRST SYNC", &sums[0]), column("SECOND SYNC", &sums[1])];
    output.text(format!("\nThe two syncs\n{}", sheet(&columns)))?;
    let month = sums[1].1.table_dollars() * 24.0 * 30.0;
    output.text(format!(
        "A sync like the second every hour would cost ${month:.2} a month in DynamoDB requests (on \
         demand, us-east-1:\n${DOLLARS_A_MILLION_READS} a million read units, \
         ${DOLLARS_A_MILLION_WRITES} a million write units)."
    ))
}

/// Says how to go on.
pub(super) fn next_steps(output: &Output) -> io::Result<()> {
    output.text(
        "\nNext steps
  cloud-sync sync --help              sync your own accounts into a file
  cloud-sync simulated-cloud          run this cloud alone, to point an account at
  cloud-sync resources --help         search what was synced; changes, tasks and status too
(with cargo: `cargo run -- sync --help`)",
    )
}
