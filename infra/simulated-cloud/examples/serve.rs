//! Serves a simulated Alibaba Cloud until it is interrupted, so that the
//! vendor's own clients can be run against it.
#![expect(clippy::print_stdout, reason = "a program says where it listens")]

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Parser;
use simulated_cloud::{Churn, DEMO_KEY_ID, DEMO_KEY_SECRET, Plan, SimulatedCloud, World};

#[derive(Parser)]
struct Options {
    /// The address to listen on; port 0 takes a free one.
    #[arg(long, default_value = "127.0.0.1:8790")]
    listen: SocketAddr,
    /// The same seed gives the same cloud.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many instances there are.
    #[arg(long, default_value_t = 3000)]
    instances: u32,
    /// How many regions they are spread over.
    #[arg(long, default_value_t = 12)]
    regions: usize,
    /// How many percent of them change before it serves, which it records.
    #[arg(long, default_value_t = 0.0)]
    churn: f64,
    /// Where to write what there is, as JSON.
    #[arg(long)]
    truth: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    let world = World::new(&Plan::demo(options.seed, options.instances, options.regions))?;
    if options.churn > 0.0 {
        world.churn(&Churn::percent(&world, options.churn), options.seed);
    }
    let running = SimulatedCloud::start(world, options.listen).await?;
    if let Some(path) = &options.truth {
        running.world.write_truth(path)?;
    }
    println!("{} key {DEMO_KEY_ID} secret {DEMO_KEY_SECRET}", running.url());
    tokio::signal::ctrl_c().await?;
    running.shutdown().await;
    Ok(())
}
