//! The command line.

mod accounts;
mod inventory;
mod simulated_cloud;

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{ArgGroup, Args, Parser, Subcommand, ValueEnum};
use cloud_sync_core::message::Mode;
use cloud_sync_core::scope::Kind;
use jiff::{SignedDuration, Timestamp};

pub use self::accounts::{
    AccountsArgs, AccountsCommand, ApplyArgs, DiscoverArgs, ListArgs, ResumeArgs, VerifyArgs,
};
pub use self::inventory::{ResourcesArgs, ScopeArgs, StatsArgs};
pub use self::simulated_cloud::SimulatedCloudArgs;
use super::simulate::SimulateArgs;
use super::values::{parse_duration, parse_kind, parse_since};

/// The whole command line.
#[derive(Debug, Parser)]
#[command(
    name = "cloud-sync",
    version,
    about = "One inventory of your cloud resources: complete, fresh, and with the history of every change.",
    long_about = "One inventory of your cloud resources: complete, fresh, and with the history of \
every change.\n\nThe same service that runs on AWS Lambda, whole on this machine. Without a \
command it shows itself against a simulated cloud; nothing is needed for that, and nothing is \
left behind.",
    after_help = "\
Begin here:
  cloud-sync                              show everything against a simulated cloud
  cloud-sync sync --config accounts.toml  sync your accounts into cloud-sync.db
  cloud-sync status                       what is in it, and how the last syncs went

Exit codes: 0 success, 1 failed, 2 wrong usage or configuration, 3 partly failed,
130 cancelled with Ctrl-C.

`cloud-sync COMMAND --help` has an example for every command."
)]
pub struct Cli {
    /// What to do; the demo without one.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// What all commands have.
    #[command(flatten)]
    pub global: Global,
}

/// Options of all commands.
#[derive(Args, Clone, Debug)]
pub struct Global {
    /// Print results as JSON, and nothing else, on standard output
    #[arg(long, global = true)]
    pub json: bool,
    /// Show no progress
    #[arg(long, short, global = true)]
    pub quiet: bool,
    /// Log more to standard error; twice for still more
    #[arg(long, short, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Show everything against a simulated cloud: nothing needed, nothing left behind
    Demo(DemoArgs),
    /// Sync accounts now and wait for the result
    Sync(SyncArgs),
    /// Show what a sync would do, and what it would cost, without doing it
    Plan(PlanArgs),
    /// Give an overview: what is stored, what runs, how the last syncs went
    Status(StatusArgs),
    /// List resources
    Resources(ResourcesArgs),
    /// How much there is of what, and what became of it day by day
    Stats(StatsArgs),
    /// List changes of resources, oldest first
    Changes(ChangesArgs),
    /// List sync tasks, newest first, or show one with its regions and errors
    Tasks(TasksArgs),
    /// List deletions that are held, approve or reject them
    Deletions(DeletionsArgs),
    /// List accounts, write them from a file, or resume a suspended one
    Accounts(AccountsArgs),
    /// Keep accounts in sync on schedule, with an HTTP API, until Ctrl-C
    Serve(ServeArgs),
    /// Run the simulated cloud alone, to point an account at
    SimulatedCloud(SimulatedCloudArgs),
    /// Prove the service on seeds of a simulation in which everything goes wrong
    Simulate(SimulateArgs),
}

/// The database file of those who name none.
pub const DEFAULT_DATABASE: &str = "cloud-sync.db";

/// Where tables and queues are.
#[derive(Args, Clone, Debug)]
pub struct StorageArgs {
    /// Database file; made if it is not there
    #[arg(long, value_name = "FILE", default_value = DEFAULT_DATABASE, conflicts_with = "aws")]
    pub db: PathBuf,
    /// Use the tables and queues in AWS, or at AWS_ENDPOINT_URL, instead of a file
    #[arg(long, help_heading = "AWS")]
    pub aws: bool,
    /// What the names of the tables begin with (with --aws)
    #[arg(long, value_name = "PREFIX", env = "TABLE_PREFIX", help_heading = "AWS")]
    pub table_prefix: Option<String>,
}

/// The queues, for commands that work.
#[derive(Args, Clone, Debug)]
pub struct QueueArgs {
    /// The work queue (with --aws)
    #[arg(long, value_name = "URL", env = "WORK_QUEUE_URL", help_heading = "AWS")]
    pub work_queue_url: Option<String>,
    /// The results queue (with --aws)
    #[arg(long, value_name = "URL", env = "RESULTS_QUEUE_URL", help_heading = "AWS")]
    pub results_queue_url: Option<String>,
}

/// How to begin writing.
#[derive(Args, Clone, Copy, Debug)]
pub struct WriteArgs {
    /// Create the tables (and queues) that do not exist, to try it out (with --aws)
    #[arg(long, requires = "aws", help_heading = "AWS")]
    pub create: bool,
    /// How to wait.
    #[command(flatten)]
    pub wait: WaitArgs,
}

/// How to wait for others to end.
#[derive(Args, Clone, Copy, Debug)]
pub struct WaitArgs {
    /// Wait so many seconds for another process to let go of the database file
    #[arg(long = "wait", value_name = "SECONDS", default_value_t = 0, conflicts_with = "aws")]
    pub seconds: u64,
}

/// How to work.
#[derive(Args, Clone, Copy, Debug)]
pub struct WorkArgs {
    /// Give a region up when its vendor still fails after so long
    #[arg(long, value_name = "TIME", default_value = "2m", value_parser = parse_duration)]
    pub give_up_after: SignedDuration,
    /// How many regions to sync at a time
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = workers())]
    pub workers: u16,
}

fn workers() -> clap::builder::RangedI64ValueParser<u16> {
    clap::value_parser!(u16).range(1..=64)
}

/// `demo`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Example:\n  cloud-sync demo --instances 10000 --seed 7")]
pub struct DemoArgs {
    /// What the simulated cloud grows from: the same seed, the same cloud
    #[arg(long, default_value_t = 42)]
    pub seed: u64,
    /// How many instances it has
    #[arg(long, value_name = "N", default_value_t = 3000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub instances: u32,
    /// Over how many regions
    #[arg(long, value_name = "N", default_value_t = 12, value_parser = clap::value_parser!(u16).range(1..=20))]
    pub regions: u16,
    /// How long each of its answers takes, in milliseconds
    #[arg(long, value_name = "MS", default_value_t = 25, value_parser = clap::value_parser!(u64).range(..=10_000))]
    pub latency_ms: u64,
}

impl Default for DemoArgs {
    fn default() -> Self {
        Self { seed: 42, instances: 3000, regions: 12, latency_ms: 25 }
    }
}

/// `sync`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Examples:
  cloud-sync sync --config accounts.toml
  cloud-sync sync --account prod --region cn-hangzhou --region cn-shanghai
  cloud-sync sync --mode incremental --since 2h --json

accounts.toml:
  [[accounts]]
  id = \"prod\"
  provider = \"aliyun\"
  default_region = \"cn-hangzhou\"
  credentials = { env = \"PROD\" }   # PROD_ACCESS_KEY_ID and PROD_ACCESS_KEY_SECRET

Ctrl-C cancels: what runs ends as cancelled, nothing is left half-written.")]
pub struct SyncArgs {
    /// What to sync.
    #[command(flatten)]
    pub what: WhatArgs,
    /// How much to ask the vendor
    #[arg(long, value_enum, default_value_t = ModeArg::Full)]
    pub mode: ModeArg,
    /// With incremental: look closer since then instead of since each region's last success, at disks and the change feed; a time (2026-11-01T12:00:00Z, 2026-11-01) or how long ago (2h, 1d)
    #[arg(long, value_name = "TIME", value_parser = parse_since)]
    pub since: Option<Timestamp>,
    /// With targeted and status: the resources, of one account, kind and region; separated by commas
    #[arg(long, value_name = "IDS", value_delimiter = ',')]
    pub ids: Vec<String>,
}

/// `plan`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Examples:
  cloud-sync plan --config accounts.toml
  cloud-sync plan --account prod --region cn-hangzhou --json

The vendor is asked as a full sync asks it, which counts against its limits and the account's
budget. No resource and no change is written, only the task that shows the plan.")]
pub struct PlanArgs {
    /// What to plan for.
    #[command(flatten)]
    pub what: WhatArgs,
}

/// What to sync, and with what.
#[derive(Args, Clone, Debug)]
pub struct WhatArgs {
    /// Accounts file
    #[arg(long, value_name = "FILE", default_value = "accounts.toml")]
    pub config: PathBuf,
    /// Which scopes; without any, those of all accounts that are enabled.
    #[command(flatten)]
    pub scopes: ScopeArgs,
    /// How to work.
    #[command(flatten)]
    pub work: WorkArgs,
    /// Where the results go.
    #[command(flatten)]
    pub storage: StorageArgs,
    /// How to begin.
    #[command(flatten)]
    pub write: WriteArgs,
    /// Where the messages go.
    #[command(flatten)]
    pub queues: QueueArgs,
}

/// [`Mode`], as an option.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ModeArg {
    /// Everything, disks too
    Full,
    /// The list of resources, and the disks only of what changed
    Incremental,
    /// Only the resources named by --ids, whole
    Targeted,
    /// Only the statuses of the resources named by --ids
    Status,
}

impl From<ModeArg> for Mode {
    fn from(mode: ModeArg) -> Self {
        match mode {
            ModeArg::Full => Self::Full,
            ModeArg::Incremental => Self::Incremental,
            ModeArg::Targeted => Self::Targeted,
            ModeArg::Status => Self::Status,
        }
    }
}

/// `status`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Examples:
  cloud-sync status --db cloud-sync.db
  cloud-sync status --account prod --region cn-hangzhou --ids i-1,i-2   stored and at the vendor

`cloud-sync sync --mode status --ids …` writes what differs.")]
pub struct StatusArgs {
    /// Ask the vendor for the statuses of these resources, and compare; separated by commas
    #[arg(
        long,
        value_name = "IDS",
        value_delimiter = ',',
        requires = "account",
        requires = "region"
    )]
    pub ids: Vec<String>,
    /// The account of the resources
    #[arg(long, value_name = "ID", requires = "ids")]
    pub account: Option<String>,
    /// The kind of the resources; the account's, where it has one only
    #[arg(long, value_name = "KIND", requires = "ids", value_parser = parse_kind)]
    pub kind: Option<Kind>,
    /// The region of the resources
    #[arg(long, value_name = "REGION", requires = "ids")]
    pub region: Option<String>,
    /// Where to look.
    #[command(flatten)]
    pub storage: StorageArgs,
}

/// `changes`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Examples:
  cloud-sync changes --since 1d
  cloud-sync changes --kind aliyun.rds.instance
  cloud-sync changes --id i-bp1a2b3c4d5e6f7g8h9i --json
  cloud-sync changes --follow --json              what an event bus would get, as it happens")]
pub struct ChangesArgs {
    /// Go on, until Ctrl-C, with what happens from now on: changes, tasks that
    /// end, accounts that are suspended; with --json, as an event bus gets them
    #[arg(long, conflicts_with = "limit")]
    pub follow: bool,
    /// Of which scopes.
    #[command(flatten)]
    pub scopes: ScopeArgs,
    /// Only of the resource with this id
    #[arg(long, value_name = "ID")]
    pub id: Option<String>,
    /// Only from then on: a time, or how long ago (2h, 1d)
    #[arg(long, value_name = "TIME", value_parser = parse_since)]
    pub since: Option<Timestamp>,
    /// Only the last so many; 0 for all, which is also what --json gives
    #[arg(long, value_name = "N")]
    pub limit: Option<usize>,
    /// Where to look.
    #[command(flatten)]
    pub storage: StorageArgs,
}

/// `tasks`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Examples:
  cloud-sync tasks --limit 5
  cloud-sync tasks 20261123T101500Z-3fa9c2d41b07   one task: its regions and errors")]
pub struct TasksArgs {
    /// One task, with its regions and errors
    #[arg(value_name = "ID")]
    pub id: Option<String>,
    /// Only of this account; may be repeated
    #[arg(long = "account", value_name = "ID")]
    pub accounts: Vec<String>,
    /// The newest so many
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub limit: usize,
    /// Where to look.
    #[command(flatten)]
    pub storage: StorageArgs,
}

/// `deletions`.
#[derive(Args, Clone, Debug)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "\
Examples:
  cloud-sync deletions                                     what is held
  cloud-sync deletions approve i-bp1a2b3c4d i-bp1e5f6g7h   these are really gone
  cloud-sync deletions approve --all --region cn-hangzhou  so is all that is held there
  cloud-sync deletions reject --all --account prod         they exist, whatever the vendor lists

Nothing is deleted by an approval: the next sync that still does not find the resources
deletes them. What was rejected stays until it is seen again, or approved after all."
)]
pub struct DeletionsArgs {
    /// What to do; list without one.
    #[command(subcommand)]
    pub command: Option<DeletionsCommand>,
    /// What to list.
    #[command(flatten)]
    pub list: HeldArgs,
}

/// What can be done with held deletions.
#[derive(Clone, Debug, Subcommand)]
pub enum DeletionsCommand {
    /// List what is held
    List(HeldArgs),
    /// Let the next sync that still does not find them delete them
    Approve(DecideArgs),
    /// Keep them until they are seen again, however many syncs do not find them
    Reject(DecideArgs),
}

/// `deletions list`, and which scopes the others mean.
#[derive(Args, Clone, Debug)]
pub struct HeldArgs {
    /// In which scopes.
    #[command(flatten)]
    pub scopes: ScopeArgs,
    /// Where to look.
    #[command(flatten)]
    pub storage: StorageArgs,
}

/// `deletions approve` and `deletions reject`.
#[derive(Args, Clone, Debug)]
#[command(group = ArgGroup::new("which").required(true).args(["ids", "all"]))]
pub struct DecideArgs {
    /// The resources
    #[arg(value_name = "RESOURCE")]
    pub ids: Vec<String>,
    /// Everything that is held, in the accounts, kinds and regions given
    #[arg(long)]
    pub all: bool,
    /// Who decides, for the record
    #[arg(long, value_name = "NAME", env = "USER", hide_env_values = true)]
    pub by: Option<String>,
    /// Where.
    #[command(flatten)]
    pub held: HeldArgs,
    /// How to wait.
    #[command(flatten)]
    pub wait: WaitArgs,
}

/// `serve`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Example:
  cloud-sync serve --config accounts.toml &
  curl -X POST localhost:8080/syncs -H 'content-type: application/json' -d '{\"account_ids\": [\"prod\"]}'
  curl localhost:8080/tasks/TASK_ID

With CLOUD_SYNC_API_TOKEN set, callers have to give it: Authorization: Bearer TOKEN.")]
pub struct ServeArgs {
    /// Accounts file
    #[arg(long, value_name = "FILE", default_value = "accounts.toml")]
    pub config: PathBuf,
    /// How often to look for what is due
    #[arg(long, value_name = "TIME", default_value = "5m", value_parser = parse_duration)]
    pub every: SignedDuration,
    /// Where the HTTP API listens; where other machines can call, only with a token in CLOUD_SYNC_API_TOKEN
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    pub listen: SocketAddr,
    /// How to work.
    #[command(flatten)]
    pub work: WorkArgs,
    /// Where the results go.
    #[command(flatten)]
    pub storage: StorageArgs,
    /// How to begin.
    #[command(flatten)]
    pub write: WriteArgs,
    /// Where the messages go.
    #[command(flatten)]
    pub queues: QueueArgs,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
