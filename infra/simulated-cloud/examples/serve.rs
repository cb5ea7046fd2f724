//! Serves simulated clouds until it is interrupted, so that the vendors' own
//! clients can be run against them.
#![expect(clippy::print_stdout, reason = "a program says where it listens")]

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Parser;
use simulated_cloud::{
    AccessKey, Churn, Counts, DEMO_KEY_ID, DEMO_KEY_SECRET, Limits, Plan, Provider, SimulatedCloud,
    World, spread_of,
};

#[derive(Parser)]
struct Options {
    /// The address to listen on; port 0 takes a free one.
    #[arg(long, default_value = "127.0.0.1:8790")]
    listen: SocketAddr,
    /// The same seed gives the same cloud.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The vendors that are simulated, each with an account of its own.
    #[arg(long, value_delimiter = ',', default_value = "aliyun", value_parser = vendor)]
    vendors: Vec<Provider>,
    /// How many instances there are in each account.
    #[arg(long, default_value_t = 3000)]
    instances: u32,
    /// How many regions they are spread over.
    #[arg(long, default_value_t = 12)]
    regions: usize,
    /// How many managed resources of each family there are in each region. With
    /// any, Alibaba Cloud's account heads an organisation of two others.
    #[arg(long, default_value_t = 0)]
    managed: u32,
    /// How many percent of them change before it serves, which it records.
    #[arg(long, default_value_t = 0.0)]
    churn: f64,
    /// Lets everybody call as often as they like, whatever the vendors document.
    #[arg(long)]
    no_limits: bool,
    /// Where to write what there is, as JSON.
    #[arg(long)]
    truth: Option<PathBuf>,
}

fn vendor(name: &str) -> Result<Provider, String> {
    let known = Provider::ALL.into_iter().find(|vendor| vendor.name() == name);
    known.ok_or_else(|| "there are aliyun, tencent, huawei and aws".to_owned())
}

/// Returns a vendor's account, and its key: all have the same secret.
fn account_of(vendor: Provider) -> (String, AccessKey) {
    match vendor {
        Provider::Aliyun => ("demo".to_owned(), AccessKey::new(DEMO_KEY_ID, DEMO_KEY_SECRET)),
        other => {
            let id = format!("{DEMO_KEY_ID}-{}", other.name());
            (format!("demo-{}", other.name()), AccessKey::new(&id, DEMO_KEY_SECRET))
        }
    }
}

/// Adds two members to the organisation that an account heads, the second with
/// a role for the first.
fn organisation(mut plan: Plan, head: &str) -> Plan {
    for (name, instances) in [("member-1", 30), ("member-2", 0)] {
        let key = AccessKey::new(&format!("{DEMO_KEY_ID}-{name}"), DEMO_KEY_SECRET);
        plan = plan.account(name, key, [("cn-hangzhou", instances)]).member_of(head);
    }
    plan.role("chained", &["member-1"])
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    let mut plan = Plan::new(options.seed);
    for vendor in &options.vendors {
        let regions = spread_of(*vendor, options.instances, options.regions);
        let (account, key) = account_of(*vendor);
        let managed: Vec<_> = match options.managed {
            0 => Vec::new(),
            n => regions.iter().map(|(region, _)| (*region, Counts::of_each(n))).collect(),
        };
        plan = plan.account_of(*vendor, &account, key, regions).managed(managed);
        plan = plan.role("sync", &[&account]).role("closed", &[]);
        if options.managed > 0 && *vendor == Provider::Aliyun {
            plan = organisation(plan, &account);
        }
    }
    let world = World::new(&plan)?;
    if options.no_limits {
        world.set_limits(Limits::Off);
    }
    if options.churn > 0.0 {
        world.churn(&Churn::percent(&world, options.churn), options.seed);
    }
    let running = SimulatedCloud::start(world, options.listen).await?;
    if let Some(path) = &options.truth {
        running.world.write_truth(path)?;
    }
    println!("{} key {DEMO_KEY_ID}[-vendor] secret {DEMO_KEY_SECRET}", running.url());
    tokio::signal::ctrl_c().await?;
    running.shutdown().await;
    Ok(())
}
