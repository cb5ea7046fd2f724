//! Vendors: what each kind of resource is asked for, and the engine that asks.
//!
//! A kind is declared as data; paging, retries, rate limits and error classes
//! are the engine's. The crate never names tables, queues or Lambda.

pub mod aliyun;
pub mod aws;
mod conformance;
mod engine;
pub mod events;
pub mod huawei;
mod registry;
pub mod tencent;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use async_trait::async_trait;
use cloud_sync_core::account::{Account, InvalidAccount, Region};
use cloud_sync_core::credentials::Credentials;
use cloud_sync_core::error::{ErrorClass, VendorError};
use cloud_sync_core::feed::{FeedPage, FeedTerms};
use cloud_sync_core::identity::Identity;
use cloud_sync_core::listing::Page;
use cloud_sync_core::meter::Meter;
use cloud_sync_core::pace::Paces;
use cloud_sync_core::resource::{Disk, Resource, Status};
use cloud_sync_core::scope::Kind;
use cloud_sync_core::types::TypeSpec;
use jiff::Timestamp;

pub use self::conformance::conformance;
pub use self::engine::Surroundings;
pub use self::engine::http::{Reply, Transport};
pub use self::engine::retry::RetryPolicy;
pub use self::registry::{KindFacts, NoClient, Registry, Settings, UnknownProvider};

/// What a vendor answers.
pub type Result<T> = std::result::Result<T, VendorError>;

/// What secondary calls told of the resources asked for. One that is not in it
/// has nothing of what they tell.
pub type Details = HashMap<String, Detail>;

/// What secondary calls tell of one resource.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Detail {
    /// Its data disks.
    pub disks: BTreeSet<Disk>,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
    /// Its public addresses.
    pub public_ips: BTreeSet<String>,
    /// Its private addresses.
    pub private_ips: BTreeSet<String>,
    /// Its security groups.
    pub security_groups: BTreeSet<String>,
    /// Why the vendor does not tell it, where it does not: nothing of it is
    /// known then.
    pub refused: Option<VendorError>,
}

impl Detail {
    /// Adds what another call told.
    fn add(&mut self, more: Self) {
        self.disks.extend(more.disks);
        self.tags.extend(more.tags);
        self.public_ips.extend(more.public_ips);
        self.private_ips.extend(more.private_ips);
        self.security_groups.extend(more.security_groups);
        self.refused = self.refused.take().or(more.refused);
    }

    /// Puts it into the resource it is of. One that was refused leaves the
    /// resource as it is: unknown stays unknown.
    pub fn put_into(self, resource: &mut Resource) {
        if self.refused.is_some() {
            return;
        }
        resource.set_disks(self.disks);
        if resource.is_deferred {
            resource.tags.extend(self.tags);
            resource.public_ips.extend(self.public_ips);
            resource.private_ips.extend(self.private_ips);
            resource.security_groups.extend(self.security_groups);
        }
    }
}

/// An account of an organisation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// The vendor's number of it.
    pub number: String,
    /// The name a person gave it.
    pub name: String,
}

/// What secondary calls a kind has. The primary list of one that has them
/// leaves what they tell unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SecondaryCalls {
    /// None.
    None,
    /// One that lists the data disks of a region.
    Listed,
    /// Some that are asked about given resources only.
    Asked,
}

/// One page of a region's data disks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DetailsPage {
    /// Each disk with the id of the resource it is attached to. After every
    /// page, a resource that was on none has none.
    pub disks: Vec<(String, Disk)>,
    /// The token of the next page; `None` on the last.
    pub next: Option<String>,
}

/// Whether an account may see resources of a kind in a region.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Permission {
    /// The vendor says it may.
    Granted,
    /// The vendor has no way to ask.
    NoProbe,
}

/// An account at a vendor, ready to be asked. Every method is one or more
/// requests, each retried in place as its error's class says.
#[async_trait]
pub trait Vendor: Send + Sync {
    /// Returns the regions that the account has.
    async fn regions(&self) -> Result<Vec<Region>>;
    /// Returns one page of the primary list; `token` is `None` for the first.
    async fn page(&self, kind: &Kind, region: &Region, token: Option<&str>) -> Result<Page>;
    /// Returns those of the given resources that exist, however many are asked
    /// for, as one page without a next token.
    async fn reread(&self, kind: &Kind, region: &Region, ids: &[String]) -> Result<Page>;
    /// Tells what secondary calls the kind has.
    fn secondary_calls(&self, kind: &Kind) -> SecondaryCalls;
    /// Returns one page of what the secondary call tells of a whole region;
    /// `token` is `None` for the first.
    async fn details_page(
        &self,
        kind: &Kind,
        region: &Region,
        token: Option<&str>,
    ) -> Result<DetailsPage>;
    /// Makes the secondary calls for the given resources, one or more each.
    /// What is refused of one resource alone is in its own detail.
    async fn details(
        &self,
        kind: &Kind,
        region: &Region,
        resources: &[Resource],
    ) -> Result<Details>;
    /// Returns common status and vendor's word of those that exist, by the
    /// cheapest call there is.
    async fn statuses(
        &self,
        kind: &Kind,
        region: &Region,
        ids: &[String],
    ) -> Result<BTreeMap<String, (Status, String)>>;
    /// Returns what throttling taught of the region's APIs so far.
    fn paces(&self, region: &Region) -> Paces;
    /// Takes over what throttling taught others of the region's APIs.
    fn recall(&self, region: &Region, paces: &Paces);
    /// Asks the vendor whether the account may see resources of the kind.
    /// A refusal is an error of class auth.
    async fn probe(&self, kind: &Kind, region: &Region) -> Result<Permission>;
    /// Returns what those of the named instance types are that the vendor
    /// knows; nothing where the kind has no types.
    async fn types(
        &self,
        _kind: &Kind,
        _region: &Region,
        _names: &[String],
    ) -> Result<BTreeMap<String, TypeSpec>> {
        Ok(BTreeMap::new())
    }
    /// Returns who the vendor says is calling; `None` where it cannot be
    /// asked.
    async fn identity(&self) -> Result<Option<Identity>> {
        Ok(None)
    }
    /// Returns the accounts of the organisation that this one heads.
    async fn members(&self) -> Result<Vec<Member>> {
        Err(no_members(""))
    }
    /// Returns the vendor's name of a role in a member; `None` where it has no
    /// organisations.
    fn role_in(&self, _member: &Member, _role: &str) -> Option<String> {
        None
    }
    /// Returns what the vendor promises of its feed of changes to resources
    /// of the kind; `None` where it has none.
    fn feed_terms(&self, _kind: &Kind) -> Option<FeedTerms> {
        None
    }
    /// Returns one page of the feed's events from the first of two moments to
    /// the last; `token` is `None` for the first page.
    async fn feed_page(
        &self,
        kind: &Kind,
        _region: &Region,
        _span: [Timestamp; 2],
        _token: Option<&str>,
    ) -> Result<FeedPage> {
        Err(no_feed(kind))
    }
}

/// Returns the error of a vendor that is asked for an organisation.
fn no_members(provider: &str) -> VendorError {
    let text = format!("provider '{provider}' has no organisations whose members can be listed");
    VendorError::new(ErrorClass::Internal, "", "NoOrganizations", text)
}

/// Returns the error of a vendor that is asked for a feed it does not have.
fn no_feed(kind: &Kind) -> VendorError {
    let text = format!("there is no feed of changes to {kind}");
    VendorError::new(ErrorClass::Internal, "", "NoFeed", text)
}

/// Opens accounts at their vendors.
pub trait Vendors: Send + Sync {
    /// Returns a client for an account, which counts its requests on `meter`.
    ///
    /// # Errors
    ///
    /// The account's provider or endpoint is unknown or malformed.
    fn open(
        &self,
        account: &Account,
        credentials: Credentials,
        meter: Arc<Meter>,
    ) -> std::result::Result<Arc<dyn Vendor>, InvalidAccount>;
    /// Returns the kinds of an account: those configured, or its vendor's
    /// machines where none are.
    ///
    /// # Errors
    ///
    /// The account's provider or one of its kinds is unknown.
    fn kinds(&self, account: &Account) -> std::result::Result<Vec<Kind>, InvalidAccount>;
    /// Tells whether a kind has one scope an account instead of one a region.
    fn is_global(&self, _kind: &Kind) -> bool {
        false
    }
}
