//! What a world is made from.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use secrecy::SecretString;
use thiserror::Error;

use super::catalog::{self, Catalog, RegionFacts};
use super::family::Family;

/// A vendor of clouds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Provider {
    /// Alibaba Cloud.
    #[default]
    Aliyun,
    /// Tencent Cloud.
    Tencent,
    /// Huawei Cloud.
    Huawei,
    /// Amazon Web Services.
    Aws,
}

impl Provider {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Aliyun, Self::Tencent, Self::Huawei, Self::Aws];

    /// Returns its short name: `aliyun`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Aliyun => "aliyun",
            Self::Tencent => "tencent",
            Self::Huawei => "huawei",
            Self::Aws => "aws",
        }
    }
}

/// A key that requests are signed with.
#[derive(Clone, Debug)]
pub struct AccessKey {
    /// The public part.
    pub id: String,
    /// The secret part.
    pub secret: SecretString,
    /// The security token that goes with a temporary key.
    pub token: Option<SecretString>,
    /// When a temporary key ends.
    pub expires: Option<Timestamp>,
    /// Whether it is in use. A key can be switched off.
    pub active: bool,
    /// What a key that came with a role is called: `role/session`.
    pub session: Option<String>,
}

impl AccessKey {
    /// Makes a lasting key.
    pub fn new(id: &str, secret: &str) -> Self {
        Self {
            id: id.to_owned(),
            secret: secret.into(),
            token: None,
            expires: None,
            active: true,
            session: None,
        }
    }

    /// Makes a temporary key of it.
    #[must_use]
    pub fn with_token(mut self, token: &str) -> Self {
        self.token = Some(token.into());
        self
    }
}

/// An account of a world to be.
#[derive(Clone, Debug)]
pub struct AccountPlan {
    /// The account's id within the world.
    pub id: String,
    /// Whose account it is.
    pub provider: Provider,
    /// The key that its requests are signed with.
    pub key: AccessKey,
    /// How many instances it has in which regions.
    pub regions: Vec<(String, u32)>,
    /// How much else it has in which regions.
    pub managed: Vec<(String, Counts)>,
    /// Its roles, each with the accounts that may assume it.
    pub roles: BTreeMap<String, BTreeSet<String>>,
    /// The account that heads the organisation it is in.
    pub member_of: Option<String>,
}

/// The role that every member of an organisation has, for its head to assume.
pub const MEMBERS_ROLE: &str = "ResourceDirectoryAccountAccessRole";

/// How many managed resources there are in a region.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Databases.
    pub databases: u32,
    /// Caches.
    pub caches: u32,
    /// Buckets.
    pub buckets: u32,
    /// Addresses that are free, beside those of instances.
    pub addresses: u32,
    /// Load balancers.
    pub balancers: u32,
    /// Whether disks have tags, as some instances have.
    pub tagged_disks: bool,
}

impl Counts {
    /// Asks for so many of each, and for disks with tags.
    pub fn of_each(count: u32) -> Self {
        Self {
            databases: count,
            caches: count,
            buckets: count,
            addresses: count,
            balancers: count,
            tagged_disks: true,
        }
    }

    pub(crate) fn by_family(&self) -> [(Family, u32); 5] {
        [
            (Family::Database, self.databases),
            (Family::Cache, self.caches),
            (Family::Bucket, self.buckets),
            (Family::Address, self.addresses),
            (Family::Balancer, self.balancers),
        ]
    }
}

/// What the vendor says its regions' hosts are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Endpoints {
    /// The real vendor's: `ecs.cn-hangzhou.aliyuncs.com`. A client has to have
    /// its endpoint configured.
    #[default]
    Vendor,
    /// The address of the server that answers.
    Server,
}

/// The access key id of [`Plan::demo`]'s account.
pub const DEMO_KEY_ID: &str = "LTAI5tSimulatedCloudDemo";
/// The secret that goes with it. It opens nothing but simulated clouds.
pub const DEMO_KEY_SECRET: &str = "simulated-secret-of-the-demo";

/// What a world is made from.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The seed: the same plan with the same seed gives the same world.
    pub seed: u64,
    /// The accounts.
    pub accounts: Vec<AccountPlan>,
    /// Regions that are offered beside those where an account has something.
    pub more_regions: Vec<String>,
    /// What the vendor says its regions' hosts are.
    pub endpoints: Endpoints,
    /// When the world begins. Everything in it is older.
    pub now: Timestamp,
}

impl Plan {
    /// Makes a plan without accounts, which begins on 2026-11-01.
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            accounts: Vec::new(),
            more_regions: Vec::new(),
            endpoints: Endpoints::default(),
            now: Timestamp::constant(1_793_491_200, 0),
        }
    }

    /// Makes a plan with one account, `demo`, whose instances are spread over
    /// so many regions.
    pub fn demo(seed: u64, instances: u32, regions: usize) -> Self {
        let key = AccessKey::new(DEMO_KEY_ID, DEMO_KEY_SECRET);
        Self::new(seed).account("demo", key, spread(instances, regions))
    }

    /// Adds an account with instances in regions.
    #[must_use]
    pub fn account<'a>(
        self,
        id: &str,
        key: AccessKey,
        regions: impl IntoIterator<Item = (&'a str, u32)>,
    ) -> Self {
        self.account_of(Provider::default(), id, key, regions)
    }

    /// Adds an account of a vendor, with instances in that vendor's regions.
    #[must_use]
    pub fn account_of<'a>(
        mut self,
        provider: Provider,
        id: &str,
        key: AccessKey,
        regions: impl IntoIterator<Item = (&'a str, u32)>,
    ) -> Self {
        let regions = regions.into_iter().map(|(region, n)| (region.to_owned(), n)).collect();
        self.accounts.push(AccountPlan {
            id: id.to_owned(),
            provider,
            key,
            regions,
            managed: Vec::new(),
            roles: BTreeMap::new(),
            member_of: None,
        });
        self
    }

    /// Gives the account that was added last a role, which some accounts may
    /// assume.
    #[must_use]
    pub fn role(mut self, name: &str, trusted: &[&str]) -> Self {
        if let Some(account) = self.accounts.last_mut() {
            let trusted = trusted.iter().map(|id| (*id).to_owned());
            account.roles.entry(name.to_owned()).or_default().extend(trusted);
        }
        self
    }

    /// Makes the account that was added last a member of the organisation that
    /// another heads, with the role that members have for it.
    #[must_use]
    pub fn member_of(mut self, head: &str) -> Self {
        if let Some(account) = self.accounts.last_mut() {
            account.member_of = Some(head.to_owned());
        }
        self.role(MEMBERS_ROLE, &[head])
    }

    /// Adds managed resources in regions to the account that was added last.
    #[must_use]
    pub fn managed<'a>(mut self, regions: impl IntoIterator<Item = (&'a str, Counts)>) -> Self {
        if let Some(account) = self.accounts.last_mut() {
            let regions = regions.into_iter().map(|(region, counts)| (region.to_owned(), counts));
            account.managed.extend(regions);
        }
        self
    }

    /// Returns the regions to offer, in the catalogue's order.
    pub(crate) fn regions(&self) -> Result<Vec<&'static RegionFacts>, InvalidPlan> {
        let mut accounts = BTreeSet::new();
        let mut keys = BTreeSet::new();
        for account in &self.accounts {
            if !accounts.insert(&account.id) {
                return Err(InvalidPlan::Account(account.id.clone()));
            }
            if !keys.insert(&account.key.id) {
                return Err(InvalidPlan::Key(account.key.id.clone()));
            }
        }
        let mut heads = self.accounts.iter().filter_map(|account| account.member_of.as_ref());
        if let Some(unknown) = heads.find(|head| !accounts.contains(head)) {
            return Err(InvalidPlan::Head(unknown.clone()));
        }
        let mut named: BTreeSet<(Provider, &str)> = BTreeSet::new();
        for account in &self.accounts {
            named.extend(account.regions.iter().map(|(id, _)| (account.provider, id.as_str())));
            named.extend(account.managed.iter().map(|(id, _)| (account.provider, id.as_str())));
        }
        let mut vendors: BTreeSet<Provider> = self.accounts.iter().map(|a| a.provider).collect();
        if vendors.is_empty() {
            vendors.insert(Provider::default());
        }
        let is_known =
            |(provider, id): &(Provider, &str)| catalog::find_region(*provider, id).is_some();
        for id in &self.more_regions {
            let mut theirs = vendors.iter().map(|vendor| (*vendor, id.as_str())).peekable();
            let first = theirs.peek().copied();
            let known: Vec<_> = theirs.filter(is_known).collect();
            named.extend(if known.is_empty() { Vec::from_iter(first) } else { known });
        }
        if let Some((_, unknown)) = named.iter().find(|region| !is_known(region)) {
            return Err(InvalidPlan::Region((*unknown).to_owned()));
        }
        let all = vendors.iter().flat_map(|vendor| Catalog::of(*vendor).regions);
        Ok(all.filter(|region| named.contains(&(region.provider, region.id))).collect())
    }
}

/// Spreads a number of instances over Alibaba Cloud's first regions, as accounts
/// do: most in the first, fewer in each next one, none in the last.
pub fn spread(instances: u32, regions: usize) -> Vec<(&'static str, u32)> {
    spread_of(Provider::default(), instances, regions)
}

/// Spreads a number of instances over a vendor's first regions, likewise.
pub fn spread_of(provider: Provider, instances: u32, regions: usize) -> Vec<(&'static str, u32)> {
    let all = Catalog::of(provider).regions;
    let count = regions.clamp(1, all.len());
    let filled = count.saturating_sub(1).max(1);
    let weights: f64 = (1..=filled).map(|place| 1.0 / place as f64).sum();
    let mut left = instances;
    let mut spread: Vec<(&'static str, u32)> = all[..count].iter().map(|r| (r.id, 0)).collect();
    for (place, (_, share)) in spread.iter_mut().take(filled).enumerate() {
        let part = f64::from(instances) / weights / (place + 1) as f64;
        *share = (part.round() as u32).min(left);
        left -= *share;
    }
    spread[0].1 += left;
    spread
}

/// Why a world cannot be made from a plan.
#[derive(Debug, Error)]
pub enum InvalidPlan {
    /// A region that the vendor does not have.
    #[error(
        "the vendor has no region `{0}`; name one of its own, such as Alibaba Cloud's cn-hangzhou"
    )]
    Region(String),
    /// An account twice.
    #[error("the account `{0}` is there twice; give each its own id")]
    Account(String),
    /// An organisation's head that is not there.
    #[error("there is no account `{0}` to head an organisation; add it to the plan")]
    Head(String),
    /// An access key twice.
    #[error("the access key `{0}` is there twice; give each account its own key")]
    Key(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spreading_loses_no_instance_and_leaves_the_last_region_empty() {
        for (instances, regions) in [(3000, 12), (0, 3), (1, 1), (7, 2), (100_000, 99)] {
            let spread = spread(instances, regions);
            assert_eq!(spread.iter().map(|(_, n)| n).sum::<u32>(), instances);
            assert_eq!(spread.len(), regions.min(20));
            assert!(regions == 1 || spread.last().is_some_and(|(_, n)| *n == 0), "{spread:?}");
        }
    }
}
