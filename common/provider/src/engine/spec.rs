//! What is declared of a vendor and of a kind: data, and functions that read
//! one item of a reply. Everything that acts on it is the engine's.

use std::time::Duration;

use cloud_sync_core::account::{Account, InvalidAccount, Region};
use cloud_sync_core::credentials::Credentials;
use cloud_sync_core::feed::{FeedEvent, FeedTerms};
use cloud_sync_core::identity::Identity;
use cloud_sync_core::resource::{Disk, Resource, Status};
use cloud_sync_core::types::TypeSpec;

use super::Protocol;
use super::decode::Unreadable;

/// Parameters that are the same in every request of a call.
pub(crate) type FixedParams = &'static [(&'static str, &'static str)];

/// Reads one item of a list.
pub(crate) type Decode<T> = fn(&str) -> Result<T, Unreadable>;

/// Makes what signs an account's requests and reads the vendor's errors.
pub(crate) type Open = fn(&Account, Credentials) -> Result<Box<dyn Protocol>, InvalidAccount>;

/// A vendor.
pub(crate) struct VendorSpec {
    /// Its name, the first word of its kinds.
    pub name: &'static str,
    /// Opens an account.
    pub open: Open,
    /// How it lists its regions.
    pub regions: RegionsSpec,
    /// How it is asked who is calling, where it can be.
    pub identity: Option<IdentitySpec>,
    /// What can be synced of it.
    pub kinds: &'static [&'static KindSpec],
}

/// How a vendor lists its regions.
pub(crate) struct RegionsSpec {
    /// The call, asked of the account's default region.
    pub call: Call,
    /// Reads one region.
    pub decode: Decode<Region>,
}

/// How a vendor is asked who is calling.
pub(crate) struct IdentitySpec {
    /// The call, whose answer is one object.
    pub call: Call,
    /// The one host that answers it.
    pub host: &'static str,
    /// Reads the answer.
    pub decode: Decode<Identity>,
}

/// A kind of resource.
pub(crate) struct KindSpec {
    /// `provider.service.type`.
    pub name: &'static str,
    /// The call that lists it, page by page.
    pub list: Call,
    /// How the same call is asked for given resources.
    pub by_ids: ByIds,
    /// The field of an item that holds its id.
    pub id: &'static str,
    /// Reads one item. Leaves data disks unknown where there is a detail call.
    pub decode: Decode<Resource>,
    /// The secondary call, where the list does not tell everything.
    pub details: Option<DetailSpec>,
    /// The cheapest call for statuses.
    pub statuses: StatusSpec,
    /// How the vendor is asked for permission, where that is possible.
    pub probe: Option<Probe>,
    /// The vendor's feed of what was done to resources, where it has one.
    pub feed: Option<FeedSpec>,
    /// What its instance types are, where it has some.
    pub types: Option<TypesSpec>,
}

/// One API of a vendor.
pub(crate) struct Call {
    /// The vendor's name of the service, the first word of its hosts.
    pub product: &'static str,
    /// The version of the service's API.
    pub version: &'static str,
    /// The API's name.
    pub action: &'static str,
    /// Parameters of every request.
    pub params: FixedParams,
    /// Where in a reply the list of items is.
    pub items: &'static [&'static str],
    /// How the list goes on; `None` where it never does.
    pub paging: Option<Paging>,
    /// Requests a second that leave headroom below the vendor's limit, which
    /// is per account, region and API and shared with the account's others.
    pub per_second: u32,
    /// How long an answer may take, from connecting to its last byte.
    pub timeout: Duration,
}

/// Paging by an opaque token: an absent or empty one ends the list.
pub(crate) struct Paging {
    /// The parameter that takes it.
    pub param: &'static str,
    /// The field of a reply that holds the next one.
    pub field: &'static str,
}

/// How ids are given to a call.
pub(crate) struct ByIds {
    /// The parameter.
    pub param: &'static str,
    /// Its form.
    pub form: IdForm,
    /// At most so many in one request.
    pub most: usize,
}

/// How a list of ids is written.
pub(crate) enum IdForm {
    /// `P=["a","b"]`.
    JsonArray,
    /// `P.1=a&P.2=b`.
    Numbered,
    /// `P=a`, one a request.
    Single,
}

/// A secondary call that tells the data disks.
pub(crate) struct DetailSpec {
    /// The call, which lists the disks of a region page by page.
    pub call: Call,
    /// How it is asked for one resource's.
    pub by_id: ByIds,
    /// Reads one disk, once for every resource it is attached to.
    pub decode: Decode<Vec<(String, Disk)>>,
}

/// A call that tells statuses by id and nothing else.
pub(crate) struct StatusSpec {
    /// The call.
    pub call: Call,
    /// How it is given ids.
    pub by_ids: ByIds,
    /// Reads one item: id, common status, the vendor's word.
    pub decode: Decode<(String, Status, String)>,
}

/// A call that lists what was done to an account in a region.
pub(crate) struct FeedSpec {
    /// The call, whose host is that of its own service in the region.
    pub call: Call,
    /// The parameters that take the first and the last moment.
    pub span: [&'static str; 2],
    /// What the vendor promises of it.
    pub terms: FeedTerms,
    /// Reads what one event is about.
    pub decode: Decode<FeedEvent>,
}

/// A call that tells what instance types are.
pub(crate) struct TypesSpec {
    /// The call.
    pub call: Call,
    /// How it is given names.
    pub by_ids: ByIds,
    /// Reads one type and its name.
    pub decode: Decode<(String, TypeSpec)>,
}

/// A list request that the vendor only checks.
pub(crate) struct Probe {
    /// Added to the list's own parameters.
    pub params: FixedParams,
    /// The error code by which the vendor says that the request is allowed.
    pub granted: &'static str,
}
