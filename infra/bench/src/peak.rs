//! The peak memory of a sync of one large region.
//!
//! The vendor and the tables run in another process, so that this one has
//! nothing but the service's own code path in it.

use std::fmt;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use anyhow::Context;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region};
use clap::Args;
use cloud_sync_core::message::Mode;
use cloud_sync_runtime::store::dynamo::DynamoStore;
use cloud_sync_runtime::store::tables::create_tables;
use serde::Serialize;
use tokio::net::TcpListener;

use crate::memory::peak_mib;
use crate::rig::{Rig, start_cloud};

/// What to sync.
#[derive(Clone, Copy, Debug, Args)]
pub struct Options {
    /// How many instances the region has.
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    instances: u32,
}

/// What was measured, in MiB.
#[derive(Debug, Serialize)]
pub struct Report {
    instances: u32,
    idle_mib: f64,
    first_sync_peak_mib: f64,
    unchanged_sync_peak_mib: f64,
}

/// Measures.
pub async fn run(options: Options) -> anyhow::Result<Report> {
    let (mut peers, endpoints) = start_peers(options.instances)?;
    let measured = measure(options, &endpoints).await;
    // They end with this process anyway.
    peers.kill().ok();
    measured
}

async fn measure(options: Options, endpoints: &[String; 2]) -> anyhow::Result<Report> {
    let config = aws_sdk_dynamodb::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("local"))
        .credentials_provider(Credentials::new("bench", "bench", None, None, "bench"))
        .endpoint_url(&endpoints[0])
        .build();
    let client = Client::from_conf(config);
    create_tables(&client, "").await?;
    let rig = Rig::new(Arc::new(DynamoStore::new(client, "")), &endpoints[1]).await?;
    let idle_mib = peak_mib().context("this system does not tell the peak memory")?;
    let first = rig.sync(Mode::Full).await?;
    remark(&format!("added {}", first.task.counts.added_count));
    let first_sync_peak_mib = peak_mib().unwrap_or_default();
    forget_peak()?;
    let second = rig.sync(Mode::Full).await?;
    remark(&format!("unchanged {}", second.task.counts.unchanged_count));
    let unchanged_sync_peak_mib = peak_mib().unwrap_or_default();
    let instances = options.instances;
    Ok(Report { instances, idle_mib, first_sync_peak_mib, unchanged_sync_peak_mib })
}

/// Lets the system count the peak anew, from what is resident now.
fn forget_peak() -> anyhow::Result<()> {
    std::fs::write("/proc/self/clear_refs", "5").context("the peak cannot be reset")
}

fn remark(text: &str) {
    // A closed terminal is no reason to stop measuring.
    writeln!(std::io::stderr(), "{text}").ok();
}

fn start_peers(instances: u32) -> anyhow::Result<(Child, [String; 2])> {
    let mut peers = Command::new(std::env::current_exe()?)
        .args(["peers", "--instances", &instances.to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut lines = BufReader::new(peers.stdout.take().context("no output")?).lines();
    let mut line = || lines.next().context("the peers did not start")?.map_err(anyhow::Error::from);
    let endpoints = [line()?, line()?];
    Ok((peers, endpoints))
}

/// Serves the vendor and the tables until standard input ends, and prints
/// where: first the tables, then the vendor.
pub async fn serve(options: Options) -> anyhow::Result<()> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let tables = listener.local_addr()?;
    let engine = dynoxide::Database::memory()?;
    let cloud = start_cloud(options.instances).await?;
    println!("http://{tables}\n{}", cloud.url());
    let ended = tokio::task::spawn_blocking(|| {
        std::io::stdin().lines().for_each(drop);
    });
    let served = dynoxide::server::serve_with_shutdown(listener, engine, async {
        ended.await.ok();
    });
    served.await.map_err(anyhow::Error::msg)
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "peak memory of syncing {} instances in one region", self.instances)?;
        writeln!(f, "{:<28}{:>8.1} MiB", "before", self.idle_mib)?;
        writeln!(f, "{:<28}{:>8.1} MiB", "first sync, all added", self.first_sync_peak_mib)?;
        write!(f, "{:<28}{:>8.1} MiB", "second sync, all unchanged", self.unchanged_sync_peak_mib)
    }
}
