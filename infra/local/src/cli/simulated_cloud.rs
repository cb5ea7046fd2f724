//! `simulated-cloud`: the vendor alone, to point an account at.

use std::time::Duration;

use serde::Serialize;
use simulated_cloud::{AccessKey, Churn, Plan, SimulatedCloud, World, spread};
use tokio::time::{Instant, sleep_until};

use super::SUCCESS;
use super::args::SimulatedCloudArgs;
use crate::output::Output;
use crate::signals::cancelled_by_ctrl_c;
use crate::table::count;

/// The account of the simulated cloud, and of the configuration shown.
const ACCOUNT: &str = "simulated";

/// So much changes at a time.
const CHURN_PERCENT: f64 = 1.0;

/// How to reach the cloud. Its secret is none: it opens nothing else.
#[derive(Serialize)]
struct Access {
    endpoint: String,
    access_key_id: String,
    access_key_secret: String,
    accounts_toml: String,
}

/// Runs the command.
pub(super) async fn run(args: &SimulatedCloudArgs, output: &Output) -> anyhow::Result<u8> {
    let key_id = format!("LTAI5tSimulated{}", args.seed);
    let secret = format!("simulated-secret-{}", args.seed);
    let regions = spread(args.instances, usize::from(args.regions));
    let plan = Plan::new(args.seed).account(ACCOUNT, AccessKey::new(&key_id, &secret), regions);
    let world = World::new(&plan)?;
    world.set_latency(Duration::from_millis(args.latency_ms));
    let cloud = SimulatedCloud::start(world.clone(), args.listen).await?;
    let cancel = cancelled_by_ctrl_c()?;
    write_truth(args, &world)?;
    let access = Access {
        accounts_toml: accounts_toml(&cloud.url(), world.regions().first().unwrap_or(&"")),
        endpoint: cloud.url(),
        access_key_id: key_id,
        access_key_secret: secret,
    };
    if output.is_json() {
        output.json(&access)?;
    } else {
        output.text(introduction(&access, &world))?;
    }
    let ended = tokio::select! {
        never = change(args, &world, output) => never,
        () = cancel.cancelled() => Ok(()),
    };
    cloud.shutdown().await;
    ended.map(|()| SUCCESS)
}

fn accounts_toml(endpoint: &str, region: &str) -> String {
    format!(
        "[[accounts]]\nid = \"{ACCOUNT}\"\nprovider = \"aliyun\"\ndefault_region = \"{region}\"\n\
         kinds = [\"aliyun.ecs.instance\"]\nendpoint = \"{endpoint}\"\ncredentials = {{ env = \"SIMULATED\" }}\n"
    )
}

fn introduction(access: &Access, world: &World) -> String {
    format!(
        "A simulated Alibaba Cloud with {} instances in {} regions runs on {}; Ctrl-C stops it.

To sync it, in another terminal:

cat > simulated.toml <<'END'
{}END
export SIMULATED_ACCESS_KEY_ID={}
export SIMULATED_ACCESS_KEY_SECRET={}
cloud-sync sync --config simulated.toml --db simulated.db
",
        count(world.len() as u64),
        world.regions().len(),
        access.endpoint,
        access.accounts_toml,
        access.access_key_id,
        access.access_key_secret,
    )
}

/// Lets the cloud change, as often as asked for.
async fn change(args: &SimulatedCloudArgs, world: &World, output: &Output) -> anyhow::Result<()> {
    let Some(every) = args.churn_every else {
        return std::future::pending().await;
    };
    let mut next = Instant::now();
    for round in 1.. {
        next += every.unsigned_abs();
        sleep_until(next).await;
        let churn = Churn::percent(world, CHURN_PERCENT);
        let report = world.churn(&churn, args.seed.wrapping_add(round));
        write_truth(args, world)?;
        output.remark(format!(
            "{} instances created, {} released, {} changed; now there are {}",
            report.created.len(),
            report.released.len(),
            report.changed.len(),
            count(world.len() as u64)
        ));
    }
    Ok(())
}

fn write_truth(args: &SimulatedCloudArgs, world: &World) -> anyhow::Result<()> {
    match &args.truth {
        Some(path) => Ok(world.write_truth(path)?),
        None => Ok(()),
    }
}
