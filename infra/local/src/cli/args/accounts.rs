//! `accounts` and its commands.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{StorageArgs, WaitArgs, WriteArgs};

/// `accounts`.
#[derive(Args, Clone, Debug)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "\
Examples:
  cloud-sync accounts                                  what is configured, what is suspended
  cloud-sync accounts apply --config accounts.toml     write the file's accounts to the tables
  cloud-sync accounts apply --config accounts.toml --aws --table-prefix cloud-sync-
  cloud-sync accounts verify prod                      what its credentials work for
  cloud-sync accounts resume prod                      sync a suspended account again"
)]
pub struct AccountsArgs {
    /// What to do; list without one.
    #[command(subcommand)]
    pub command: Option<AccountsCommand>,
    /// Where to look.
    #[command(flatten)]
    pub storage: StorageArgs,
}

/// What can be done with accounts.
#[derive(Clone, Debug, Subcommand)]
pub enum AccountsCommand {
    /// List accounts
    List(ListArgs),
    /// Write the accounts of a file to the tables; others stay as they are
    Apply(ApplyArgs),
    /// Find the members of organisations and write them as accounts
    Discover(DiscoverArgs),
    /// Ask the vendors whose credentials they are and which kinds may be listed
    Verify(VerifyArgs),
    /// End an account's suspension: scheduled runs try its credentials again
    Resume(ResumeArgs),
}

/// `accounts discover`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Looks at every account that has organization = { role = \"…\" } in the accounts file, as ticks do \
once a day. A member becomes an account with the same settings and credentials, through that role \
in it. One that is listed no longer is disabled; nothing of it is deleted.")]
pub struct DiscoverArgs {
    /// Only this account's organisation
    #[arg(value_name = "ID")]
    pub id: Option<String>,
    /// Where the accounts are.
    #[command(flatten)]
    pub storage: StorageArgs,
    /// How to wait.
    #[command(flatten)]
    pub wait: WaitArgs,
}

/// `accounts verify`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Makes the cheapest calls there are, in each account's default region, and writes nothing. Exit code \
0: everything works, 1: something does not.")]
pub struct VerifyArgs {
    /// Only this account
    #[arg(value_name = "ID")]
    pub id: Option<String>,
    /// Where the accounts are.
    #[command(flatten)]
    pub storage: StorageArgs,
}

/// `accounts resume`.
#[derive(Args, Clone, Debug)]
pub struct ResumeArgs {
    /// The account
    #[arg(value_name = "ID")]
    pub id: String,
    /// Where the account is.
    #[command(flatten)]
    pub storage: StorageArgs,
    /// How to wait.
    #[command(flatten)]
    pub wait: WaitArgs,
}

/// `accounts apply`.
#[derive(Args, Clone, Debug)]
pub struct ApplyArgs {
    /// Accounts file
    #[arg(long, value_name = "FILE", default_value = "accounts.toml")]
    pub config: PathBuf,
    /// Where the accounts go.
    #[command(flatten)]
    pub storage: StorageArgs,
    /// How to begin.
    #[command(flatten)]
    pub write: WriteArgs,
}

/// `accounts list`.
#[derive(Args, Clone, Debug)]
pub struct ListArgs {
    /// Where to look.
    #[command(flatten)]
    pub storage: StorageArgs,
}
