//! `cloud-sync simulate`: the whole service under faults, seed by seed.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use simulation::{FaultSet, Options, Report, Size, simulate};

use super::{FAILED, SUCCESS};
use crate::output::Output;
use crate::table::{Column, count, table};

/// After so many seeds that failed, no more are tried.
const MOST_FAILURES: usize = 20;

/// What to simulate.
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
The real service runs in virtual time over tables and queues in memory and a simulated cloud,
while everything goes wrong that the seed drew. Then every invariant is checked. One seed is
one schedule: the same seed gives the same run on every machine.

Examples:
  cloud-sync simulate --seeds 10000
  cloud-sync simulate --seeds 1000 --faults crash,index-lag
  cloud-sync simulate --from 42 --seeds 1 --trace

Exit codes: 0 every invariant held, 1 one was violated.")]
pub struct SimulateArgs {
    /// How many seeds to try
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u64).range(1..))]
    pub seeds: u64,
    /// The first seed
    #[arg(long, value_name = "SEED", default_value_t = 0)]
    pub from: u64,
    /// What may go wrong: all, none, or names with commas between them
    #[arg(long, value_name = "LIST", default_value = "all")]
    pub faults: FaultSet,
    /// How large the worlds are
    #[arg(long, value_enum, default_value_t = WorldSize::Small)]
    pub size: WorldSize,
    /// How many seeds to try at a time; as many as there are processors without
    #[arg(long, value_name = "N")]
    pub threads: Option<usize>,
    /// Show everything that happens, step by step (for one seed)
    #[arg(long)]
    pub trace: bool,
}

/// How large the worlds are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum WorldSize {
    /// A few accounts and regions, dozens of instances
    Small,
    /// Hundreds of instances a region
    Large,
}

/// What all seeds come to.
#[derive(Debug, Serialize)]
struct Summary {
    seeds: u64,
    failed: Vec<Report>,
    seconds: f64,
    seeds_a_minute: f64,
    /// How often what happened, over all seeds.
    stats: BTreeMap<&'static str, u64>,
}

pub(super) fn run(args: &SimulateArgs, output: &Output) -> anyhow::Result<u8> {
    if args.trace && args.seeds != 1 {
        return Err(super::UsageError::new("--trace shows one seed: add --seeds 1").into());
    }
    let bar = output.has_bars().then(|| {
        let bar = output.bars().add(ProgressBar::new(args.seeds));
        let template = "{bar:30} {pos}/{len} seeds, {per_sec}, {eta} left {msg}";
        bar.set_style(ProgressStyle::with_template(template).unwrap_or_else(|_| style()));
        bar.enable_steady_tick(Duration::from_millis(250));
        bar
    });
    let summary = try_all(args, output, bar.as_ref());
    if let Some(bar) = bar {
        bar.finish_and_clear();
    }
    show(args, output, &summary)?;
    Ok(if summary.failed.is_empty() { SUCCESS } else { FAILED })
}

fn style() -> ProgressStyle {
    ProgressStyle::default_bar()
}

/// Tries every seed, on several threads.
fn try_all(args: &SimulateArgs, output: &Output, bar: Option<&ProgressBar>) -> Summary {
    let threads =
        args.threads.or_else(|| std::thread::available_parallelism().ok().map(Into::into));
    let options = Options {
        faults: args.faults.clone(),
        size: match args.size {
            WorldSize::Small => Size::Small,
            WorldSize::Large => Size::Large,
        },
        trace: args.trace,
    };
    let (next, is_enough) = (AtomicU64::new(args.from), AtomicBool::default());
    let end = args.from.saturating_add(args.seeds);
    let (sender, reports) = mpsc::channel();
    let started = Instant::now();
    let mut summary = Summary {
        seeds: 0,
        failed: Vec::new(),
        seconds: 0.0,
        seeds_a_minute: 0.0,
        stats: BTreeMap::new(),
    };
    std::thread::scope(|scope| {
        for _ in 0..threads.unwrap_or(1).max(1) {
            let (sender, next, is_enough, options) = (sender.clone(), &next, &is_enough, &options);
            scope.spawn(move || {
                while !is_enough.load(Ordering::Relaxed) {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    // Nobody listens any more once it is enough.
                    if seed >= end || sender.send(simulate(seed, options)).is_err() {
                        return;
                    }
                }
            });
        }
        drop(sender);
        for report in reports {
            summary.seeds += 1;
            if let Some(bar) = bar {
                bar.set_position(summary.seeds);
            } else if summary.seeds.is_multiple_of(5000) {
                output.remark(format!("{} seeds, {} failed", summary.seeds, summary.failed.len()));
            }
            for (what, count) in &report.stats {
                *summary.stats.entry(what).or_default() += count;
            }
            for line in report.trace.iter().filter(|_| !output.is_json()) {
                // Who closes the pipe has seen enough.
                if output.text(line).is_err() {
                    break;
                }
            }
            if !report.violations.is_empty() {
                tell(args, output, &report);
                summary.failed.push(Report { trace: Vec::new(), ..report });
                is_enough.store(summary.failed.len() >= MOST_FAILURES, Ordering::Relaxed);
            }
        }
    });
    summary.failed.sort_by_key(|report| report.seed);
    summary.seconds = started.elapsed().as_secs_f64();
    #[allow(clippy::cast_precision_loss, reason = "no run has 2^52 seeds")]
    let seeds = summary.seeds as f64;
    summary.seeds_a_minute = seeds * 60.0 / summary.seconds.max(1e-9);
    summary
}

/// Tells of a seed that failed as soon as it does, with what replays it.
fn tell(args: &SimulateArgs, output: &Output, report: &Report) {
    output.problem(format!("seed {} violates:", report.seed));
    for violation in report.violations.iter().take(5) {
        output.problem(format!("  {}: {}", violation.invariant, violation.text));
    }
    if !args.trace {
        let size = match args.size {
            WorldSize::Small => "",
            WorldSize::Large => " --size large",
        };
        output.problem(format!(
            "  replay it: cloud-sync simulate --from {} --seeds 1 --faults {}{size} --trace",
            report.seed, args.faults
        ));
    }
}

fn show(args: &SimulateArgs, output: &Output, summary: &Summary) -> anyhow::Result<()> {
    if output.is_json() {
        return Ok(output.json(summary)?);
    }
    const COLUMNS: [Column; 2] = [("what happened", false), ("times", true)];
    let mut happened = table(&COLUMNS);
    for (what, times) in &summary.stats {
        happened.add_row([(*what).to_owned(), count(*times)]);
    }
    output.text(happened.to_string())?;
    let last = args.from.saturating_add(summary.seeds).saturating_sub(1);
    let found = match summary.failed.len() {
        0 => "every invariant held".to_owned(),
        failed => format!("{failed} violated an invariant"),
    };
    output.text(format!(
        "{} seeds ({} to {last}), faults {}: {found}; {:.0} s, {:.0} seeds a minute",
        summary.seeds, args.from, args.faults, summary.seconds, summary.seeds_a_minute
    ))?;
    Ok(())
}
