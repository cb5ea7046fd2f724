//! `stats`: how much there is of what, and what became of it day by day.

use std::collections::BTreeMap;

use cloud_sync_core::scope::Kind;
use cloud_sync_core::stats::{Day, Flow, Live, Stats, day_of};
use cloud_sync_runtime::query::stats::{days, now};
use cloud_sync_runtime::store::Store;
use comfy_table::Table;
use jiff::civil::Date;
use jiff::{Timestamp, ToSpan};
use serde::Serialize;

use super::SUCCESS;
use super::args::StatsArgs;
use crate::connect::Tables;
use crate::output::Output;
use crate::table::{bars, cell, count, sparkline, table, time};

/// What there is, also as `--json` prints it.
#[derive(Serialize)]
struct Overview {
    #[serde(flatten)]
    stats: Stats,
    days: Vec<Day>,
}

/// Runs the command.
pub(super) async fn run(args: &StatsArgs, output: &Output) -> anyhow::Result<u8> {
    let tables = Tables::read(&args.storage).await?;
    let today = day_of(Timestamp::now());
    let overview = look(tables.store.as_ref(), args, today).await;
    tables.close().await;
    let overview = overview?;
    if output.is_json() {
        output.json(&overview)?;
    } else {
        show(&overview, (args.days, today), output)?;
    }
    Ok(SUCCESS)
}

/// Returns the first of so many days up to today.
fn first_of(number: u16, today: Date) -> Date {
    today.saturating_sub((i64::from(number) - 1).days())
}

async fn look(store: &dyn Store, args: &StatsArgs, today: Date) -> anyhow::Result<Overview> {
    let filter = args.scopes.filter();
    let days = match args.days {
        0 => Vec::new(),
        number => days(store, &filter, (first_of(number, today), today)).await?,
    };
    Ok(Overview { stats: now(store, &filter).await?, days })
}

fn show(overview: &Overview, (number, today): (u16, Date), output: &Output) -> anyhow::Result<()> {
    let Overview { stats, days } = overview;
    if stats.scopes.is_empty() {
        output.remark("nothing was synced yet");
        return Ok(());
    }
    output.text(live_table(stats).to_string())?;
    let all = count(stats.live.total);
    let held = match stats.live.held {
        0 => String::new(),
        held => format!(", {} of them missing and held back from deletion", count(held)),
    };
    let as_of = match stats.as_of {
        Some(at) => format!("as of {} (UTC) or later", time(at)),
        None => "some of them never listed whole".to_owned(),
    };
    output.text(format!("{all} resources{held}, {as_of}"))?;
    let statuses = stats.live.by_status.iter();
    let statuses: Vec<_> = statuses.map(|(status, n)| (status.as_str().to_owned(), n)).collect();
    output.text(format!("\nBy status\n{}", bars(&statuses)))?;
    let mut regions = BTreeMap::<String, u64>::new();
    for scope in stats.scopes.iter().filter(|scope| scope.live.total > 0) {
        *regions.entry(scope.region.clone()).or_default() += scope.live.total;
    }
    let regions: Vec<_> = regions.into_iter().collect();
    output.text(format!("\nBy region\n{}", bars(&regions)))?;
    if !days.is_empty() {
        let by_day = by_day(days, first_of(number, today), today);
        output.text(format!("\nThe last {number} days (UTC), {today} last"))?;
        output.text(flow_lines(&by_day))?;
        output.text(day_table(&by_day).to_string())?;
    }
    Ok(())
}

/// Returns a table with a line for each account and kind.
fn live_table(stats: &Stats) -> Table {
    let mut lines = BTreeMap::<(&str, &Kind), (Live, u64)>::new();
    for scope in &stats.scopes {
        let key = (scope.account_id.as_str(), &scope.kind);
        let (live, regions) = lines.entry(key).or_default();
        live.add_all(&scope.live);
        *regions += u64::from(scope.live.total > 0);
    }
    let mut table = table(&[
        ("ACCOUNT", false),
        ("KIND", false),
        ("RESOURCES", true),
        ("HELD", true),
        ("REGIONS", true),
        ("STATUSES", false),
    ]);
    for ((account_id, kind), (live, regions)) in lines {
        let statuses = live.by_status.iter();
        let statuses: Vec<_> =
            statuses.map(|(status, n)| format!("{} {}", count(n), status.as_str())).collect();
        table.add_row([
            cell(account_id),
            cell(kind.as_str()),
            cell(count(live.total)),
            cell(count(live.held)),
            cell(count(regions)),
            cell(statuses.join(", ")),
        ]);
    }
    table
}

/// Returns every day with what became of all that is shown, and what was live.
/// A kind without a sync on a day is as on the day before.
fn by_day(days: &[Day], first: Date, last: Date) -> Vec<(Date, Flow, u64)> {
    let mut totals = BTreeMap::<(&str, &Kind), u64>::new();
    let all = first.series(1.day()).take_while(|day| *day <= last);
    all.map(|date| {
        let mut flow = Flow::default();
        for day in days.iter().filter(|day| day.day == date) {
            flow = flow.plus(day.flow);
            if let Some(snapshot) = &day.snapshot {
                totals.insert((&day.account_id, &day.kind), snapshot.live.total);
            }
        }
        (date, flow, totals.values().sum())
    })
    .collect()
}

/// Returns a small picture for each number.
fn flow_lines(days: &[(Date, Flow, u64)]) -> String {
    let line = |label: &str, of: &dyn Fn(&(Date, Flow, u64)) -> u64| {
        let numbers: Vec<_> = days.iter().map(of).collect();
        format!("  {label:9}  {}", sparkline(&numbers))
    };
    [
        line("resources", &|day| day.2),
        line("added", &|day| day.1.added),
        line("updated", &|day| day.1.updated),
        line("deleted", &|day| day.1.deleted),
    ]
    .join("\n")
}

/// Returns a table of the days on which a task ended.
fn day_table(days: &[(Date, Flow, u64)]) -> Table {
    let mut table = table(&[
        ("DAY (UTC)", false),
        ("RESOURCES", true),
        ("ADDED", true),
        ("UPDATED", true),
        ("DELETED", true),
        ("TASKS", true),
    ]);
    for (date, flow, total) in days.iter().filter(|(_, flow, _)| flow.tasks > 0) {
        let numbers = [*total, flow.added, flow.updated, flow.deleted, flow.tasks].map(count);
        table.add_row([cell(date.to_string())].into_iter().chain(numbers.map(cell)));
    }
    table
}
