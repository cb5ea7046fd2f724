//! Syncing whole accounts, beside the least that it could take, and beside the
//! script that one would write instead. Vendor and tables are in another
//! process, so that the figures are those of whoever syncs.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use clap::{Args, ValueEnum};
use cloud_sync::database::store_at;
use cloud_sync_core::cost::table_dollars;
use cloud_sync_core::message::Mode;
use cloud_sync_core::task::Counts;
use cloud_sync_runtime::store::memory::MemoryStore;
use serde::Serialize;

use crate::baseline::{Baseline, Run};
use crate::peers::{Peers, PeersOptions, Tables};
use crate::rig::{Rig, WORKERS, regions};
use crate::usage::{cpu_time, forget_peak, peak_mib};

/// Hours in a month, as AWS reckons.
const HOURS_A_MONTH: f64 = 730.0;

/// As many instances, and as many disks, as the vendor puts on a page.
const INSTANCES_A_PAGE: u32 = 100;

/// What to sync. Several of a kind are measured one after another.
#[derive(Clone, Debug, Args)]
pub struct Options {
    /// How many instances there are, spread evenly over the regions.
    #[arg(long, value_delimiter = ',', default_value = "1000,3000")]
    instances: Vec<u32>,
    /// How many regions there are, synced five at a time.
    #[arg(long, value_delimiter = ',', default_value = "1")]
    regions: Vec<usize>,
    /// How long the vendor takes for each request, in milliseconds.
    #[arg(long, value_delimiter = ',', default_value = "0,50")]
    latency_ms: Vec<u64>,
    /// What the tables are.
    #[arg(long, value_enum, default_value = "database")]
    tables: TablesKind,
    /// How often to measure what does not change anything; the fastest counts.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100))]
    runs: u32,
    /// A Python that has what `infra/bench/baseline/requirements.txt` says;
    /// without it the script is left out.
    #[arg(long)]
    python: Option<PathBuf>,
}

/// What stands for the tables of the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum TablesKind {
    /// The embedded DynamoDB, over HTTP, in the other process.
    Database,
    /// The twin in memory: much faster at the first sync of many rows. It is
    /// in this process, so that processor time and memory are its own too.
    Memory,
}

/// What something took.
#[derive(Clone, Copy, Debug, Serialize)]
struct Figures {
    wall_ms: f64,
    cpu_ms: f64,
    peak_mib: f64,
    api_calls: u64,
    read_units: f64,
    write_units: f64,
    /// What its units would cost, done every hour.
    dollars_a_month: f64,
}

impl Figures {
    fn charged(self, (read_units, write_units): (f64, f64)) -> Self {
        let dollars_a_month = table_dollars(read_units, write_units) * HOURS_A_MONTH;
        Self { read_units, write_units, dollars_a_month, ..self }
    }

    fn of_script(run: &Run, api_calls: u64) -> Self {
        let figures = Self {
            wall_ms: 1000.0 * run.wall_seconds,
            cpu_ms: 1000.0 * run.cpu_seconds,
            peak_mib: run.peak_mib,
            api_calls,
            read_units: 0.0,
            write_units: 0.0,
            dollars_a_month: 0.0,
        };
        figures.charged((run.read_units, run.write_units))
    }

    /// Returns the best of both: a busy machine only ever adds.
    fn least(self, other: Self) -> Self {
        Self {
            wall_ms: self.wall_ms.min(other.wall_ms),
            cpu_ms: self.cpu_ms.min(other.cpu_ms),
            peak_mib: self.peak_mib.max(other.peak_mib),
            ..other
        }
    }
}

/// What was done, and what it took.
#[derive(Debug, Serialize)]
struct Line {
    what: &'static str,
    #[serde(flatten)]
    figures: Figures,
}

/// What an account of one shape took.
#[derive(Debug, Serialize)]
struct Case {
    instances: u64,
    regions: usize,
    latency_ms: u64,
    lines: Vec<Line>,
    /// An unchanged sync to its floor, in full and incremental.
    wall_to_floor: [f64; 2],
    cpu_to_floor: [f64; 2],
    /// The longest a sync in full has to wait for the vendor, whatever it does
    /// meanwhile, and what it takes to that.
    least_waiting_ms: f64,
    wall_to_waiting: Option<f64>,
    /// The script's processor time to that of an unchanged sync in full.
    script_cpu: Option<f64>,
}

/// What was measured.
#[derive(Debug, Serialize)]
pub struct Report {
    workers: usize,
    idle_mib: f64,
    cases: Vec<Case>,
}

/// Measures.
pub async fn run(options: &Options) -> anyhow::Result<Report> {
    let idle_mib = peak_mib().context("this system does not tell the peak memory")?;
    // Before anything is measured: one of them may be impossible.
    let mut shapes = Vec::new();
    for &regions in &options.regions {
        for &instances in &options.instances {
            shapes.push((share(instances, regions)?, regions));
        }
    }
    let all = shapes.len() * options.latency_ms.len();
    let mut cases = Vec::new();
    for (share, regions) in shapes {
        let mut bench = Bench::start(options, share, regions).await?;
        for (number, latency) in options.latency_ms.iter().enumerate() {
            bench.number = format!("{} of {all}", cases.len() + 1);
            cases.push(bench.case(*latency, options.runs, number == 0).await?);
        }
    }
    Ok(Report { workers: WORKERS, idle_mib, cases })
}

/// Returns how many of the instances each region has.
fn share(instances: u32, regions: usize) -> anyhow::Result<u32> {
    let count = u32::try_from(regions)?;
    let share = instances.checked_div(count).filter(|share| share * count == instances);
    share.with_context(|| {
        format!("{instances} instances cannot be spread evenly over {regions} regions")
    })
}

/// Returns what is measured while nothing changes.
const fn names(mode: Mode) -> &'static [&'static str] {
    match mode {
        Mode::Incremental => &["floor, list only", "incremental"],
        _ => &["floor", "unchanged", "script, unchanged"],
    }
}

/// An account, and what syncs it.
struct Bench {
    /// How many instances each region had at first.
    instances: u32,
    regions: usize,
    peers: Peers,
    rig: Rig,
    script: Option<Baseline>,
    /// How many instances there are at this moment.
    total: u64,
    /// Which case this is.
    number: String,
}

impl Bench {
    async fn start(options: &Options, instances: u32, count: usize) -> anyhow::Result<Self> {
        let regions = regions(count)?;
        let tables = Tables::Database;
        let peers = Peers::start(PeersOptions { instances, regions: count, tables })?;
        let store = match options.tables {
            TablesKind::Database => store_at(&peers.tables),
            TablesKind::Memory => Arc::new(MemoryStore::default()),
        };
        let rig = Rig::new(store, &peers.cloud, regions.clone()).await?;
        let script = options.python.as_ref().map(|python| Baseline::new(python, &peers, &regions));
        let total = u64::from(instances) * count as u64;
        let number = String::new();
        Ok(Self { instances, regions: count, peers, rig, script, total, number })
    }

    /// Measures with one latency; `is_first` where nothing was synced yet.
    async fn case(&mut self, latency_ms: u64, runs: u32, is_first: bool) -> anyhow::Result<Case> {
        self.peers.set_latency(latency_ms)?;
        let mut lines = Vec::new();
        if is_first {
            let all = self.total;
            self.changed(&mut lines, ["first sync", "script, first sync"], [all, 0, 0]).await?;
        }
        let full = self.beside_floor(Mode::Full, runs).await?;
        let incremental = self.beside_floor(Mode::Incremental, runs).await?;
        for (mode, figures) in [(Mode::Full, full.0), (Mode::Incremental, incremental.0)] {
            let named = names(mode).iter().zip(figures);
            lines.extend(named.map(|(what, figures)| Line { what, figures }));
        }
        let churn = self.peers.churn(100)?;
        let before = self.total;
        self.total = self.total + churn[0] - churn[2];
        ensure!(before > churn[2], "everything was released");
        self.changed(&mut lines, ["1 % churn", "script, 1 % churn"], churn).await?;

        let chain = self.instances.div_ceil(INSTANCES_A_PAGE);
        let pages = full.1 / WORKERS.min(self.regions) as f64;
        let least_waiting_ms = f64::from(chain).max(pages) * latency_ms as f64;
        let ratio = |of: fn(&Figures) -> f64, [floor, sync]: [&Figures; 2]| of(sync) / of(floor);
        let figure = |what: &str| lines.iter().find(|line| line.what == what).map(|l| &l.figures);
        let find = |what| figure(what).context("a figure is missing");
        let pairs = [
            [find("floor")?, find("unchanged")?],
            [find("floor, list only")?, find("incremental")?],
        ];
        let sync = pairs[0][1];
        Ok(Case {
            instances: u64::from(self.instances) * self.regions as u64,
            regions: self.regions,
            latency_ms,
            wall_to_floor: pairs.map(|pair| ratio(|f| f.wall_ms, pair)),
            cpu_to_floor: pairs.map(|pair| ratio(|f| f.cpu_ms, pair)),
            least_waiting_ms,
            wall_to_waiting: (latency_ms > 0).then(|| sync.wall_ms / least_waiting_ms),
            script_cpu: figure("script, unchanged").map(|script| script.cpu_ms / sync.cpu_ms),
            lines,
        })
    }

    /// Measures the floor, the service and, in full, the script in turns, so
    /// that a slow moment of the machine hits all. Returns their figures, and
    /// how many pages the floor has.
    async fn beside_floor(&mut self, mode: Mode, runs: u32) -> anyhow::Result<(Vec<Figures>, f64)> {
        let mut least: Vec<Figures> = Vec::new();
        let unchanged =
            Counts { total_count: self.total, unchanged_count: self.total, ..Counts::default() };
        for _ in 0..runs {
            let mut now = vec![self.fetch(mode).await?, self.sync(mode, &unchanged).await?];
            if mode == Mode::Full {
                now.extend(self.run_script(&unchanged).await?);
            }
            names(mode).iter().zip(&now).for_each(|(what, figures)| self.say(what, figures));
            least = match least.len() {
                0 => now,
                _ => least.into_iter().zip(now).map(|(a, b)| a.least(b)).collect(),
            };
        }
        let pages = least.first().map_or(0, |floor| floor.api_calls);
        Ok((least, pages as f64))
    }

    /// Measures a sync by service and script after so many instances were
    /// created, changed and released.
    async fn changed(
        &mut self,
        lines: &mut Vec<Line>,
        [service, script]: [&'static str; 2],
        [created, changed, released]: [u64; 3],
    ) -> anyhow::Result<()> {
        let expected = Counts {
            total_count: self.total,
            added_count: created,
            updated_count: changed,
            deleted_count: released,
            unchanged_count: self.total - created - changed,
            ..Counts::default()
        };
        let figures = self.sync(Mode::Full, &expected).await?;
        self.say(service, &figures);
        lines.push(Line { what: service, figures });
        let figures = self.run_script(&expected).await?;
        figures.iter().for_each(|figures| self.say(script, figures));
        lines.extend(figures.map(|figures| Line { what: script, figures }));
        Ok(())
    }

    /// Says what was just measured, to whoever waits for all of it.
    #[allow(clippy::print_stderr, reason = "the report alone goes to standard output")]
    fn say(&self, what: &str, figures: &Figures) {
        let Figures { wall_ms, cpu_ms, .. } = figures;
        eprintln!("case {}: {what}: {wall_ms:.0} ms, {cpu_ms:.0} ms of CPU", self.number);
    }

    async fn fetch(&mut self, mode: Mode) -> anyhow::Result<Figures> {
        let watch = Watch::start(&mut self.peers)?;
        self.rig.fetch(mode).await?;
        watch.stop(&mut self.peers)
    }

    async fn sync(&mut self, mode: Mode, expected: &Counts) -> anyhow::Result<Figures> {
        let before = self.rig.units();
        let watch = Watch::start(&mut self.peers)?;
        let task = self.rig.sync(mode).await?.task;
        let figures = watch.stop(&mut self.peers)?;
        ensure!(task.counts == *expected, "{:?} is not {expected:?}", task.counts);
        // The workers' own, and what dispatching and adding up took.
        let (read, write) = self.rig.units();
        let (read, write) = (read - before.0, write - before.1);
        Ok(figures.charged((task.cost.read_units + read, task.cost.write_units + write)))
    }

    async fn run_script(&mut self, expected: &Counts) -> anyhow::Result<Option<Figures>> {
        let Some(script) = &self.script else {
            return Ok(None);
        };
        self.peers.calls()?;
        let run = script.sync().await?;
        // It compares every attribute that the vendor has, more than the churn
        // and the service count as a change.
        let total = run.added + run.updated + run.unchanged;
        let is_right = total == expected.total_count
            && run.added == expected.added_count
            && run.updated >= expected.updated_count
            && run.deleted == expected.deleted_count;
        ensure!(is_right, "the script found {run:?}, not {expected:?}");
        Ok(Some(Figures::of_script(&run, self.peers.calls()?)))
    }
}

/// Measures what happens between its start and its stop.
struct Watch {
    began: Instant,
    cpu_began: Duration,
}

impl Watch {
    fn start(peers: &mut Peers) -> anyhow::Result<Self> {
        peers.calls()?;
        forget_peak()?;
        Ok(Self { began: Instant::now(), cpu_began: cpu_time() })
    }

    fn stop(self, peers: &mut Peers) -> anyhow::Result<Figures> {
        let milliseconds = |time: Duration| 1000.0 * time.as_secs_f64();
        Ok(Figures {
            wall_ms: milliseconds(self.began.elapsed()),
            cpu_ms: milliseconds(cpu_time().saturating_sub(self.cpu_began)),
            peak_mib: peak_mib().unwrap_or_default(),
            api_calls: peers.calls()?,
            read_units: 0.0,
            write_units: 0.0,
            dollars_a_month: 0.0,
        })
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { instances, regions, latency_ms, .. } = self;
        let plural = if *regions == 1 { "" } else { "s" };
        writeln!(
            f,
            "{instances} instances in {regions} region{plural}, vendor latency {latency_ms} ms"
        )?;
        writeln!(
            f,
            "{:<20}{:>10}{:>10}{:>10}{:>8}{:>12}{:>13}{:>14}",
            "", "wall ms", "CPU ms", "peak MiB", "calls", "read units", "write units", "$ a month"
        )?;
        for Line { what, figures } in &self.lines {
            writeln!(
                f,
                "{what:<20}{:>10.0}{:>10.0}{:>10.1}{:>8}{:>12.1}{:>13.1}{:>14.4}",
                figures.wall_ms,
                figures.cpu_ms,
                figures.peak_mib,
                figures.api_calls,
                figures.read_units,
                figures.write_units,
                figures.dollars_a_month
            )?;
        }
        let ([wall, wall_less], [cpu, cpu_less]) = (self.wall_to_floor, self.cpu_to_floor);
        write!(f, "unchanged to floor: {wall:.2} × the wall time, {cpu:.2} × the CPU; ")?;
        write!(f, "incremental: {wall_less:.2} × and {cpu_less:.2} ×")?;
        if let Some(ratio) = self.wall_to_waiting {
            let least = self.least_waiting_ms;
            write!(f, "\n{ratio:.2} × the {least:.0} ms that the vendor has it wait at least")?;
        }
        if let Some(ratio) = self.script_cpu {
            write!(f, "\nthe script takes {ratio:.1} × the CPU of an unchanged sync")?;
        }
        Ok(())
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} workers, {:.1} MiB resident before", self.workers, self.idle_mib)?;
        self.cases.iter().try_for_each(|case| write!(f, "\n\n{case}"))
    }
}
