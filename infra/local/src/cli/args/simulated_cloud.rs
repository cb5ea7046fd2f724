//! The arguments of `simulated-cloud`.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;
use jiff::SignedDuration;
use simulated_cloud::Provider;

use crate::cli::values::{parse_duration, parse_provider};

/// `simulated-cloud`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Example:
  cloud-sync simulated-cloud --listen 127.0.0.1:9000 --instances 5000 --churn-every 60s
  cloud-sync simulated-cloud --provider aliyun,aws,tencent,huawei --instances 500 --managed 5

It prints its endpoint, access keys, and an accounts file to use it with.")]
pub struct SimulatedCloudArgs {
    /// Where it listens
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:9000")]
    pub listen: SocketAddr,
    /// What it grows from: the same seed, the same cloud
    #[arg(long, default_value_t = 42)]
    pub seed: u64,
    /// Whose cloud it is; several vendors', each with an account, share it
    #[arg(long = "provider", value_name = "PROVIDER", value_delimiter = ',', default_value = "aliyun", value_parser = parse_provider)]
    pub providers: Vec<Provider>,
    /// How many instances each account has
    #[arg(long, value_name = "N", default_value_t = 3000, value_parser = clap::value_parser!(u32).range(0..=1_000_000))]
    pub instances: u32,
    /// How many databases, caches, buckets, addresses and balancers each region has
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=10_000))]
    pub managed: u32,
    /// Over how many regions
    #[arg(long, value_name = "N", default_value_t = 12, value_parser = clap::value_parser!(u16).range(1..=20))]
    pub regions: u16,
    /// How long each answer takes, in milliseconds
    #[arg(long, value_name = "MS", default_value_t = 25, value_parser = clap::value_parser!(u64).range(..=60_000))]
    pub latency_ms: u64,
    /// Keep writing what is really there to this file, as JSON
    #[arg(long, value_name = "FILE")]
    pub truth: Option<PathBuf>,
    /// Let about one instance in a hundred change so often
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    pub churn_every: Option<SignedDuration>,
}
