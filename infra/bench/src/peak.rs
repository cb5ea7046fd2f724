//! The peak memory of syncing one large region, over many turns, and the time
//! of processors beside the least that it could take.
//!
//! The vendor and the tables run in another process, so that this one has
//! nothing but a worker's own code path in it.

use std::fmt;
use std::io::Write;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, ensure};
use clap::Args;
use cloud_sync_core::message::Mode;
use cloud_sync_core::task::Counts;
use serde::Serialize;

use crate::peers::{Peers, PeersOptions, Tables};
use crate::remote::RemoteStore;
use crate::rig::{account, credential_source, fetch, regions, registry};
use crate::usage::{cpu_time, forget_peak, peak_mib};
use crate::worker::Worker;

/// As many instances, and as many disks, as the vendor puts on a page.
const INSTANCES_A_PAGE: u32 = 100;
const DISKS_A_PAGE: u32 = 500;

/// What to sync.
#[derive(Clone, Copy, Debug, Args)]
pub struct Options {
    /// How many instances the region has.
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(100..=1_000_000))]
    instances: u32,
    /// In about how many turns a worker gets through it.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1000))]
    turns: u32,
    /// One instance in so many is created, changed or released between the
    /// first sync and the last.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(10..))]
    churn_one_in: u32,
}

/// What was measured, in MiB.
#[derive(Debug, Serialize)]
pub struct Report {
    instances: u32,
    idle_mib: f64,
    /// Fetching and decoding every page once, and nothing else.
    floor_seconds: f64,
    floor_cpu_seconds: f64,
    floor_calls: u64,
    first: Sync,
    unchanged: Sync,
    churned: Sync,
}

/// One sync.
#[derive(Debug, Serialize)]
struct Sync {
    peak_mib: f64,
    turns: u32,
    seconds: f64,
    cpu_seconds: f64,
    calls: u64,
    read_units: f64,
    /// Of rows and changes without their attributes: what is written is more
    /// in truth.
    write_units: f64,
    counts: Counts,
}

/// Measures.
pub async fn run(options: Options) -> anyhow::Result<Report> {
    let (instances, tables) = (options.instances, Tables::Twin);
    let mut peers = Peers::start(PeersOptions { instances, regions: 1, tables })?;
    measure(options, &mut peers).await
}

async fn measure(options: Options, peers: &mut Peers) -> anyhow::Result<Report> {
    let store = Arc::new(RemoteStore::connect(&peers.tables).await?);
    // A machine has some two disks.
    let instances = options.instances;
    let pages = instances.div_ceil(INSTANCES_A_PAGE) + (2 * instances).div_ceil(DISKS_A_PAGE);
    let pages = pages.div_ceil(options.turns);
    let account = account(&peers.cloud, regions(1)?);
    let vendors = registry()?;
    let (asked, source) = (account.clone(), credential_source());
    let worker = Worker::new(store, vendors.clone(), source, account, pages).await?;
    let idle_mib = peak_mib().context("this system does not tell the peak memory")?;

    let all = u64::from(options.instances);
    let first = sync(&worker, peers, "first").await?;
    let expected = Counts { total_count: all, added_count: all, ..Counts::default() };
    ensure!(first.counts == expected, "all should be added: {:?}", first.counts);

    let unchanged = sync(&worker, peers, "unchanged").await?;
    let expected = Counts { total_count: all, unchanged_count: all, ..Counts::default() };
    ensure!(unchanged.counts == expected, "nothing changed: {:?}", unchanged.counts);

    peers.calls()?;
    let (began, cpu_began) = (Instant::now(), cpu_time());
    fetch(&vendors, &asked, Mode::Full).await?;
    let floor_seconds = began.elapsed().as_secs_f64();
    let floor_cpu_seconds = cpu_time().saturating_sub(cpu_began).as_secs_f64();
    let floor_calls = peers.calls()?;
    remark(&format!("floor: {floor_cpu_seconds:.1} s of CPU"));

    let [created, changed, released] = peers.churn(options.churn_one_in)?;
    let churned = sync(&worker, peers, "churned").await?;
    let expected = Counts {
        total_count: all + created - released,
        added_count: created,
        updated_count: changed,
        deleted_count: released,
        unchanged_count: all - released - changed,
        ..Counts::default()
    };
    ensure!(churned.counts == expected, "{:?} is not {expected:?}", churned.counts);
    let instances = options.instances;
    Ok(Report {
        instances,
        idle_mib,
        floor_seconds,
        floor_cpu_seconds,
        floor_calls,
        first,
        unchanged,
        churned,
    })
}

async fn sync(worker: &Worker, peers: &mut Peers, task_id: &str) -> anyhow::Result<Sync> {
    peers.calls()?;
    peers.units()?;
    forget_peak()?;
    let (began, cpu_began) = (Instant::now(), cpu_time());
    let (result, turns) = worker.sync(task_id).await?;
    let peak_mib = peak_mib().unwrap_or_default();
    let seconds = began.elapsed().as_secs_f64();
    let cpu_seconds = cpu_time().saturating_sub(cpu_began).as_secs_f64();
    let calls = peers.calls()?;
    let (read_units, write_units) = peers.units()?;
    let counts = result.counts;
    let sync =
        Sync { peak_mib, turns, seconds, cpu_seconds, calls, read_units, write_units, counts };
    let Sync { peak_mib, seconds, cpu_seconds, .. } = &sync;
    remark(&format!("{task_id}: {peak_mib:.1} MiB, {seconds:.0} s, {cpu_seconds:.1} s of CPU"));
    Ok(sync)
}

fn remark(text: &str) {
    // A closed terminal is no reason to stop measuring.
    writeln!(std::io::stderr(), "{text}").ok();
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "peak memory of a worker that syncs {} instances", self.instances)?;
        writeln!(f, "{:<28}{:>8.1} MiB", "before", self.idle_mib)?;
        let Self { floor_seconds, floor_cpu_seconds, floor_calls, .. } = self;
        writeln!(
            f,
            "its floor takes {floor_seconds:.1} s ({floor_cpu_seconds:.1} s of CPU), \
             {floor_calls} calls"
        )?;
        let syncs = [
            ("first sync, all added", &self.first),
            ("second sync, all unchanged", &self.unchanged),
            ("third sync, some changed", &self.churned),
        ];
        for (number, (what, sync)) in syncs.into_iter().enumerate() {
            let Sync { peak_mib, turns, seconds, cpu_seconds, calls, counts, .. } = sync;
            if number > 0 {
                writeln!(f)?;
            }
            write!(f, "{what:<28}{peak_mib:>8.1} MiB in {turns} turns, {seconds:.0} s")?;
            write!(f, " ({cpu_seconds:.1} s of CPU), {calls} calls, ")?;
            write!(f, "{:.0} read and {:.0} write units: ", sync.read_units, sync.write_units)?;
            write!(
                f,
                "{} added, {} updated, {} deleted, {} unchanged",
                counts.added_count,
                counts.updated_count,
                counts.deleted_count,
                counts.unchanged_count
            )?;
        }
        Ok(())
    }
}
