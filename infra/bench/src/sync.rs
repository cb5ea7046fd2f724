//! Syncing a region in which nothing changed, against merely fetching and
//! decoding its pages, and against reading its rows.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::ensure;
use clap::Args;
use cloud_sync::database::Database;
use cloud_sync_core::message::Mode;
use cloud_sync_core::meter::Meter;
use serde::Serialize;

use crate::rig::{Rig, regions, start_cloud};

/// What to sync.
#[derive(Clone, Copy, Debug, Args)]
pub struct Options {
    /// How many instances the region has.
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    instances: u32,
    /// How often to measure; the fastest counts.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100))]
    runs: u32,
    /// How long the vendor takes for each request, in milliseconds.
    #[arg(long, default_value_t = 0)]
    latency_ms: u64,
}

/// One mode of syncing beside its floor.
#[derive(Debug, Serialize)]
struct Compared {
    mode: &'static str,
    floor_ms: f64,
    sync_ms: f64,
    ratio: f64,
    api_calls: u64,
    read_units: f64,
    write_units: f64,
    rows_written: u64,
}

/// What was measured.
#[derive(Debug, Serialize)]
pub struct Report {
    instances: u32,
    latency_ms: u64,
    first_sync_ms: f64,
    row_read_units: f64,
    unchanged: Vec<Compared>,
    read_unit_ratio: f64,
}

/// Measures.
pub async fn run(options: Options) -> anyhow::Result<Report> {
    let regions = regions(1)?;
    let cloud = start_cloud(options.instances, &regions).await?;
    let database = Database::memory().await?;
    let rig = Rig::new(database.store(), &cloud.url(), regions).await?;
    let began = Instant::now();
    let first = rig.sync(Mode::Full).await?;
    let first_sync_ms = milliseconds(began.elapsed());
    ensure!(first.task.counts.added_count == u64::from(options.instances), "some are missing");

    cloud.world.set_latency(Duration::from_millis(options.latency_ms));
    let row_read_units = units_of_rows(&rig).await?;
    let mut unchanged = Vec::new();
    for mode in [Mode::Full, Mode::Incremental] {
        unchanged.push(compare(&rig, mode, options.runs).await?);
    }
    let most_read = unchanged.iter().map(|compared| compared.read_units).fold(0.0, f64::max);
    cloud.shutdown().await;
    Ok(Report {
        instances: options.instances,
        latency_ms: options.latency_ms,
        first_sync_ms,
        row_read_units,
        unchanged,
        read_unit_ratio: row_read_units / most_read,
    })
}

/// Alternates floor and sync, so that a slow moment of the machine hits both.
async fn compare(rig: &Rig, mode: Mode, runs: u32) -> anyhow::Result<Compared> {
    let (mut floor, mut fastest) = (Duration::MAX, Duration::MAX);
    let mut task = rig.sync(mode).await?.task;
    for _ in 0..runs {
        let began = Instant::now();
        rig.fetch(mode).await?;
        floor = floor.min(began.elapsed());
        let began = Instant::now();
        task = rig.sync(mode).await?.task;
        fastest = fastest.min(began.elapsed());
    }
    let counts = task.counts;
    ensure!(counts.unchanged_count == counts.total_count, "something changed: {counts:?}");
    Ok(Compared {
        mode: mode.as_str(),
        floor_ms: milliseconds(floor),
        sync_ms: milliseconds(fastest),
        ratio: fastest.as_secs_f64() / floor.as_secs_f64(),
        api_calls: task.cost.api_calls,
        read_units: task.cost.read_units,
        write_units: task.cost.write_units,
        rows_written: counts.added_count + counts.updated_count + counts.deleted_count,
    })
}

/// Returns what it costs to read every row, as a sync without an index would.
async fn units_of_rows(rig: &Rig) -> anyhow::Result<f64> {
    let meter = Arc::new(Meter::default());
    let (store, scope) = (rig.store.metered(meter.clone()), rig.scope()?);
    let mut cursor = None;
    loop {
        let slice = store.scope_rows(&scope, false, cursor.as_deref()).await?;
        cursor = slice.cursor;
        if cursor.is_none() {
            return Ok(meter.read().cost.read_units);
        }
    }
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { instances, latency_ms, .. } = self;
        writeln!(f, "{instances} instances in one region, vendor latency {latency_ms} ms")?;
        writeln!(f, "first sync: {:.0} ms", self.first_sync_ms)?;
        writeln!(f, "reading the rows takes {:.0} read units", self.row_read_units)?;
        writeln!(
            f,
            "\n{:<24}{:>12}{:>12}{:>8}{:>10}{:>12}{:>13}{:>14}",
            "unchanged, mode",
            "floor ms",
            "sync ms",
            "ratio",
            "calls",
            "read units",
            "write units",
            "rows written"
        )?;
        for of in &self.unchanged {
            writeln!(
                f,
                "{:<24}{:>12.0}{:>12.0}{:>8.2}{:>10}{:>12.1}{:>13.1}{:>14}",
                of.mode,
                of.floor_ms,
                of.sync_ms,
                of.ratio,
                of.api_calls,
                of.read_units,
                of.write_units,
                of.rows_written
            )?;
        }
        write!(
            f,
            "\nread units saved: {:.1} times fewer than reading the rows",
            self.read_unit_ratio
        )
    }
}
