//! Simulates seeds without the rest of the program, which makes it quick to
//! build: it is what the check of the simulation itself runs, once for every
//! way of breaking the code. `cloud-sync simulate` is the one for people.
#![allow(clippy::print_stdout, reason = "a command whose output is its report")]

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use clap::Parser;
use simulation::{FaultSet, Options, Report, Size, simulate};

/// A simulation allocates and frees all the time, on threads of its own.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Simulate seeds.
#[derive(Parser)]
struct Args {
    /// The first seed
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// How many
    #[arg(long, default_value_t = 100)]
    seeds: u64,
    /// What may go wrong
    #[arg(long, default_value = "all")]
    faults: FaultSet,
    /// How many at a time
    #[arg(long, default_value_t = 1)]
    threads: u64,
    /// Stop at the first that fails
    #[arg(long)]
    first: bool,
    /// Say what happens
    #[arg(long)]
    trace: bool,
}

/// What all seeds come to.
#[derive(Default)]
struct Sum {
    stats: BTreeMap<&'static str, u64>,
    failed: u64,
    tried: u64,
}

impl Sum {
    fn add(&mut self, report: &Report) {
        self.tried += 1;
        for line in &report.trace {
            println!("{line}");
        }
        for (what, count) in &report.stats {
            *self.stats.entry(what).or_default() += count;
        }
        if let Some(first) = report.violations.first() {
            self.failed += 1;
            println!("seed {} violates {}: {}", report.seed, first.invariant, first.text);
        }
    }
}

fn main() -> ExitCode {
    let args = Args::parse();
    let options = Options { faults: args.faults, size: Size::Small, trace: args.trace };
    let (next, is_enough) = (AtomicU64::new(args.from), AtomicBool::default());
    let sum = Mutex::new(Sum::default());
    let started = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..args.threads.max(1) {
            scope.spawn(|| {
                while !is_enough.load(Ordering::Relaxed) {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= args.from.saturating_add(args.seeds) {
                        return;
                    }
                    let report = simulate(seed, &options);
                    let is_wrong = args.first && !report.violations.is_empty();
                    is_enough.fetch_or(is_wrong, Ordering::Relaxed);
                    sum.lock().expect("no thread panics").add(&report);
                }
            });
        }
    });
    let sum = sum.into_inner().expect("no thread panics");
    for (what, count) in sum.stats {
        println!("{count:>9} {what}");
    }
    let seconds = started.elapsed().as_secs_f64();
    let a_minute = f64::from(u32::try_from(sum.tried).unwrap_or(u32::MAX)) * 60.0 / seconds;
    println!("{} of {} failed, {seconds:.1} s, {a_minute:.0} a minute", sum.failed, sum.tried);
    if sum.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
