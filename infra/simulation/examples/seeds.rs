//! Simulates seeds and says which fail, without the rest of the program: what
//! the check of the simulation itself runs.
#![allow(clippy::print_stdout, reason = "a command whose output is its report")]

use std::collections::BTreeMap;
use std::process::ExitCode;

use simulation::{FaultSet, Options, Size, simulate};

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    let mut number = || args.next().and_then(|text| text.parse::<u64>().ok());
    let (from, count) = (number().unwrap_or(0), number().unwrap_or(100));
    let trace = count == 1;
    let faults = args.next().map_or(FaultSet::all(), |text| text.parse().expect("faults"));
    let options = Options { faults, size: Size::Small, trace };
    let started = std::time::Instant::now();
    let (mut failed, mut stats) = (0, BTreeMap::<&str, u64>::new());
    for seed in from..from + count {
        let report = simulate(seed, &options);
        for line in &report.trace {
            println!("{line}");
        }
        for (what, count) in &report.stats {
            *stats.entry(what).or_default() += count;
        }
        if let Some(first) = report.violations.first() {
            failed += 1;
            println!(
                "seed {seed}: {} violations: {}: {}",
                report.violations.len(),
                first.invariant,
                first.text
            );
        }
    }
    for (what, count) in stats {
        println!("{count:>9} {what}");
    }
    println!("{failed} of {count} failed, {:.1} s", started.elapsed().as_secs_f64());
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
