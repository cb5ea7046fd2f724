//! `simulated-cloud`: the vendor alone, to point an account at.

use std::time::Duration;

use serde::Serialize;
use simulated_cloud::{AccessKey, Churn, Counts, Plan, Provider, SimulatedCloud, World, spread_of};
use tokio::time::{Instant, sleep_until};

use super::SUCCESS;
use super::args::SimulatedCloudArgs;
use crate::output::Output;
use crate::signals::cancelled_by_ctrl_c;
use crate::table::count;

/// What the id of each account of the simulated cloud begins with.
const ACCOUNT: &str = "simulated";

/// So much changes at a time.
const CHURN_PERCENT: f64 = 1.0;

/// How to reach the cloud. Its secrets are none: they open nothing else.
#[derive(Serialize)]
struct Access {
    endpoint: String,
    accounts: Vec<AccountAccess>,
    accounts_toml: String,
}

/// How to reach one vendor's account in it.
#[derive(Serialize)]
struct AccountAccess {
    provider: &'static str,
    /// What the names of the variables with its key begin with.
    env: String,
    access_key_id: String,
    access_key_secret: String,
}

/// Runs the command.
pub(super) async fn run(args: &SimulatedCloudArgs, output: &Output) -> anyhow::Result<u8> {
    let providers = &args.providers;
    let accounts: Vec<_> = providers.iter().map(|provider| access(*provider, args.seed)).collect();
    let plan = providers.iter().zip(&accounts).fold(Plan::new(args.seed), |plan, (of, account)| {
        let regions = spread_of(*of, args.instances, usize::from(args.regions));
        let key = AccessKey::new(&account.access_key_id, &account.access_key_secret);
        let managed = regions.iter().map(|(region, _)| (*region, Counts::of_each(args.managed)));
        let managed: Vec<_> = managed.filter(|_| args.managed > 0).collect();
        plan.account_of(*of, &id_of(*of), key, regions).managed(managed)
    });
    let world = World::new(&plan)?;
    world.set_latency(Duration::from_millis(args.latency_ms));
    let cloud = SimulatedCloud::start(world.clone(), args.listen).await?;
    let cancel = cancelled_by_ctrl_c()?;
    write_truth(args, &world)?;
    let configs: Vec<_> = plan
        .accounts
        .iter()
        .zip(&accounts)
        .map(|(planned, account)| {
            let region = planned.regions.first().map_or("", |(region, _)| region.as_str());
            account_toml(planned.provider, &account.env, &cloud.url(), region, args.managed > 0)
        })
        .collect();
    let access = Access { endpoint: cloud.url(), accounts, accounts_toml: configs.join("\n") };
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

/// Returns the id of a vendor's account. Alibaba Cloud's is the plain one.
fn id_of(provider: Provider) -> String {
    match provider {
        Provider::Aliyun => ACCOUNT.to_owned(),
        other => format!("{ACCOUNT}-{}", other.name()),
    }
}

fn access(provider: Provider, seed: u64) -> AccountAccess {
    let env = id_of(provider).to_uppercase().replace('-', "_");
    let (begin, tail) = match provider {
        Provider::Aliyun => ("LTAI5t", String::new()),
        other => ("AK", other.name().to_owned()),
    };
    AccountAccess {
        provider: provider.name(),
        env,
        access_key_id: format!("{begin}Simulated{tail}{seed}"),
        access_key_secret: format!("simulated-secret-{tail}{seed}"),
    }
}

/// Returns the configuration of one account: of its machines, or of every
/// kind that is simulated where there is more than machines.
fn account_toml(
    provider: Provider,
    env: &str,
    endpoint: &str,
    region: &str,
    has_all: bool,
) -> String {
    let kinds = simulation::shown_kinds(provider);
    let most = if has_all { kinds.len() } else { 1 };
    let kinds: Vec<_> = kinds.iter().take(most).map(|kind| format!("\"{kind}\"")).collect();
    format!(
        "[[accounts]]\nid = \"{}\"\nprovider = \"{}\"\ndefault_region = \"{region}\"\n\
         kinds = [{}]\nendpoint = \"{endpoint}\"\ncredentials = {{ env = \"{env}\" }}\n",
        id_of(provider),
        provider.name(),
        kinds.join(", ")
    )
}

fn introduction(access: &Access, world: &World) -> String {
    let exports: String = access
        .accounts
        .iter()
        .map(|account| {
            format!(
                "export {0}_ACCESS_KEY_ID={1}\nexport {0}_ACCESS_KEY_SECRET={2}\n",
                account.env, account.access_key_id, account.access_key_secret
            )
        })
        .collect();
    let providers: Vec<_> = access.accounts.iter().map(|account| account.provider).collect();
    format!(
        "A simulated cloud ({}) with {} instances in {} regions runs on {}; Ctrl-C stops it.

To sync it, in another terminal:

cat > simulated.toml <<'END'
{}END
{exports}cloud-sync sync --config simulated.toml --db simulated.db
",
        providers.join(", "),
        count(world.len() as u64),
        world.regions().len(),
        access.endpoint,
        access.accounts_toml,
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
