//! Benchmarks that compare the service with the obvious other way of doing
//! the same, in one run on one machine, so that the ratio means something
//! wherever they run. Build with `--release`.
#![allow(clippy::print_stdout, reason = "a command whose output is its report")]

mod baseline;
mod compare;
mod diff;
mod hooks;
mod peak;
mod peers;
mod remote;
mod rig;
mod schedule;
mod sync;
mod tick;
mod usage;
mod worker;

use std::fmt::Display;

use clap::{Parser, Subcommand};
use serde::Serialize;

/// Benchmarks that print ratios.
#[derive(Debug, Parser)]
#[command(name = "bench")]
struct Cli {
    #[command(subcommand)]
    benchmark: Benchmark,
    /// Print one JSON object instead of a table.
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Benchmark {
    /// Compare listed with stored instances: by fingerprint, and by whole rows.
    Diff(diff::Options),
    /// Sync a region in which nothing changed: against fetching its pages, and
    /// against reading its rows.
    Sync(sync::Options),
    /// Sync whole accounts, from the first time on: against fetching their
    /// pages, and against the script that one would write instead.
    Compare(compare::Options),
    /// Take the peak memory of syncing one large region over many turns.
    Memory(peak::Options),
    /// Schedule a year of changes: each scope by its own rhythm, against one
    /// interval for all.
    Schedule(schedule::Options),
    /// Dispatch one tick of the schedule over very many scopes.
    Tick(tick::Options),
    /// Post events of the vendor to the local service, until what changed is in
    /// the tables.
    Hooks(hooks::Options),
    /// Serve the vendor and the tables for another process (used by the others).
    #[command(hide = true)]
    Peers(peers::PeersOptions),
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let cli = Cli::parse();
    match cli.benchmark {
        Benchmark::Diff(options) => show(&diff::run(options)?, cli.json),
        Benchmark::Sync(options) => show(&sync::run(options).await?, cli.json),
        Benchmark::Compare(options) => show(&compare::run(&options).await?, cli.json),
        Benchmark::Memory(options) => show(&peak::run(options).await?, cli.json),
        Benchmark::Schedule(options) => {
            let report = schedule::run(options)?;
            show(&report, cli.json)?;
            report.check()
        }
        Benchmark::Tick(options) => {
            let report = tick::run(options).await?;
            show(&report, cli.json)?;
            report.check()
        }
        Benchmark::Hooks(options) => {
            let report = hooks::run(options).await?;
            show(&report, cli.json)?;
            report.check()
        }
        Benchmark::Peers(options) => peers::serve(options).await,
    }
}

/// Prints a report.
fn show<R: Display + Serialize>(report: &R, json: bool) -> anyhow::Result<()> {
    if json {
        println!("{}", serde_json::to_string(report)?);
    } else {
        println!("{report}");
    }
    Ok(())
}
