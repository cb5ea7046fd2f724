//! Questions to the inventory.

use clap::Args;
use cloud_sync_core::query::{Deleted, ResourceFilter, ScopeFilter, TagFilter};
use cloud_sync_core::resource::Status;
use cloud_sync_core::scope::Kind;

use super::StorageArgs;
use crate::cli::values::{parse_kind, parse_status, parse_tag};

/// Which scopes are meant; all where nothing is said.
#[derive(Args, Clone, Debug)]
pub struct ScopeArgs {
    /// Only this account; may be repeated
    #[arg(long = "account", value_name = "ID")]
    pub accounts: Vec<String>,
    /// Only this kind, aliyun.ecs.instance for one; may be repeated
    #[arg(long = "kind", value_name = "KIND", value_parser = parse_kind)]
    pub kinds: Vec<Kind>,
    /// Only this region; may be repeated
    #[arg(long = "region", value_name = "REGION")]
    pub regions: Vec<String>,
}

impl ScopeArgs {
    /// Returns the same for a question.
    pub(crate) fn filter(&self) -> ScopeFilter {
        ScopeFilter {
            account_ids: self.accounts.clone(),
            kinds: self.kinds.clone(),
            regions: self.regions.clone(),
        }
    }
}

/// `resources`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Examples:
  cloud-sync resources --region cn-hangzhou --status stopped
  cloud-sync resources --tag env=prod --name web- --json | jq -r .id
  cloud-sync resources --ip 47.96.1.2
  cloud-sync resources --deleted            tombstones too")]
pub struct ResourcesArgs {
    /// In which scopes.
    #[command(flatten)]
    pub scopes: ScopeArgs,
    /// Only of this status, running or stopped for two; may be repeated
    #[arg(long = "status", value_name = "STATUS", value_parser = parse_status)]
    pub statuses: Vec<Status>,
    /// Only with this tag, KEY=VALUE or KEY; repeated, with all of them
    #[arg(long = "tag", value_name = "KEY=VALUE", value_parser = parse_tag)]
    pub tags: Vec<TagFilter>,
    /// Only with a name that begins like this
    #[arg(long, value_name = "PREFIX")]
    pub name: Option<String>,
    /// Only with this address, public or private
    #[arg(long, value_name = "ADDRESS")]
    pub ip: Option<String>,
    /// Only with this id; may be repeated
    #[arg(long = "id", value_name = "ID")]
    pub ids: Vec<String>,
    /// Show deleted ones too
    #[arg(long)]
    pub deleted: bool,
    /// At most so many; 0 for all, which is also what --json gives
    #[arg(long, value_name = "N")]
    pub limit: Option<usize>,
    /// Where to look.
    #[command(flatten)]
    pub storage: StorageArgs,
}

impl ResourcesArgs {
    /// Returns which of their resources are meant.
    pub(crate) fn filter(&self) -> ResourceFilter {
        ResourceFilter {
            ids: self.ids.clone(),
            statuses: self.statuses.clone(),
            tags: self.tags.clone(),
            name: self.name.clone(),
            ip: self.ip.clone(),
            deleted: if self.deleted { Deleted::With } else { Deleted::Without },
        }
    }
}

/// `stats`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Examples:
  cloud-sync stats
  cloud-sync stats --account prod --days 7
  cloud-sync stats --json | jq .by_status

Days are not told apart by region: with --region they are those of all regions.")]
pub struct StatsArgs {
    /// Of which scopes.
    #[command(flatten)]
    pub scopes: ScopeArgs,
    /// The last so many days, in UTC; 0 for none
    #[arg(long, value_name = "N", default_value_t = 30, value_parser = clap::value_parser!(u16).range(..=366))]
    pub days: u16,
    /// Where to look.
    #[command(flatten)]
    pub storage: StorageArgs,
}
