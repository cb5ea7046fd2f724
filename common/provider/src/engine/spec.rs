//! What is declared of a vendor and of a kind: data, and functions that read
//! one item of a reply. Everything that acts on it is the engine's.

use std::time::Duration;

use cloud_sync_core::account::{Account, InvalidAccount, Region, Role};
use cloud_sync_core::attributes::ReadAttributes;
use cloud_sync_core::credentials::Credentials;
use cloud_sync_core::diff::Field;
use cloud_sync_core::feed::{FeedEvent, FeedTerms};
use cloud_sync_core::identity::Identity;
use cloud_sync_core::resource::{Resource, Status};
use cloud_sync_core::types::TypeSpec;
use jiff::Timestamp;

use super::Protocol;
use super::decode::{Unreadable, attributes, read_item};
use super::fields::Item;
use super::params::Params;
use crate::events::DecodeEvent;
use crate::{Detail, Member};

/// Parameters that are the same in every request of a call.
pub(crate) type FixedParams = &'static [(&'static str, &'static str)];

/// Where in a reply something is: the names of the fields on the way, through
/// every element of the lists on it.
pub(crate) type Path = &'static [&'static str];

/// Reads one item of a list.
pub(crate) type Decode<T> = fn(&str) -> Result<T, Unreadable>;

/// Makes what signs an account's requests and reads the vendor's errors.
pub(crate) type Open = fn(&Account) -> Result<Box<dyn Protocol>, InvalidAccount>;

/// A vendor.
pub(crate) struct VendorSpec {
    /// Its name, the first word of its kinds.
    pub name: &'static str,
    /// Opens an account.
    pub open: Open,
    /// How its events are read, where that is known.
    pub events: Option<DecodeEvent>,
    /// The signatures that an account may have configured, the usual one
    /// first; empty where there is but one.
    pub signatures: &'static [&'static str],
    /// How it lists its regions.
    pub regions: RegionsSpec,
    /// How it is asked who is calling, where it can be.
    pub identity: Option<IdentitySpec>,
    /// How a role is taken on, where it can be.
    pub assume: Option<AssumeSpec>,
    /// How the members of an organisation are listed, where they can be.
    pub members: Option<MembersSpec>,
    /// What can be synced of it. The first, its machines, is what is synced
    /// where nobody says: more would need permissions that nobody granted.
    pub kinds: &'static [&'static KindSpec],
}

/// How a vendor lists its regions.
pub(crate) struct RegionsSpec {
    /// The call, asked of the account's default region.
    pub call: Call,
    /// Reads one region; `None` is one that the account has not opened.
    pub decode: Decode<Option<Region>>,
}

/// How a vendor is asked who is calling.
pub(crate) struct IdentitySpec {
    /// The call, whose answer is one object.
    pub call: Call,
    /// Reads the answer.
    pub decode: Decode<Identity>,
}

/// How a role is taken on.
pub(crate) struct AssumeSpec {
    /// The call, whose answer is one object.
    pub call: Call,
    /// Returns what it asks for.
    pub params: fn(&Role) -> Params,
    /// Reads the answer.
    pub decode: Decode<Lent>,
}

/// Credentials that are good for a while.
#[derive(Clone)]
pub(crate) struct Lent {
    /// The credentials.
    pub credentials: Credentials,
    /// Until when.
    pub until: Timestamp,
}

/// How the members of an organisation are listed.
pub(crate) struct MembersSpec {
    /// The call.
    pub call: Call,
    /// Reads one member; `None` is one that is no account of its own any more.
    pub decode: Decode<Option<Member>>,
    /// Returns the vendor's name of a role in a member.
    pub role: fn(&Member, &str) -> String,
}

/// A kind of resource.
pub(crate) struct KindSpec {
    /// `provider.service.type`.
    pub name: &'static str,
    /// Whether there is one scope an account, `global`, or one a region.
    pub is_global: bool,
    /// The call that lists it, page by page.
    pub list: Call,
    /// How it is asked for given resources.
    pub by_ids: ByIds,
    /// The field of an item that holds its id.
    pub id: &'static str,
    /// Reads one item. What the secondary calls tell it leaves unknown.
    pub decode: Decode<Resource>,
    /// The fields of an item that are no attributes.
    pub typed: &'static [&'static str],
    /// Makes attributes of all others.
    pub attributes: ReadAttributes,
    /// The tracked fields that the vendor tells, but for those `untold`.
    pub tracked: &'static [Field],
    /// The fields that it does not tell.
    pub untold: &'static [Field],
    /// Tells of an item that `decode` cannot read whether all it says is that
    /// the resource is not there, where the vendor has such items.
    pub is_absent: Option<fn(&str) -> bool>,
    /// The secondary calls, where the list does not tell everything.
    pub secondary: &'static [Secondary],
    /// The cheapest call for statuses, where it is another than the list.
    pub statuses: Option<StatusSpec>,
    /// How the vendor is asked for permission, where that is possible.
    pub probe: Option<Probe>,
    /// The vendor's feed of what was done to resources, where it has one.
    pub feed: Option<FeedSpec>,
    /// What its instance types are, where it has some.
    pub types: Option<TypesSpec>,
}

impl KindSpec {
    /// Returns a kind that is in regions, has nothing but its list, and tells
    /// every tracked field there.
    pub(crate) const fn new<T: Item>(
        name: &'static str,
        list: Call,
        by_ids: ByIds,
        id: &'static str,
    ) -> Self {
        Self {
            name,
            is_global: false,
            list,
            by_ids,
            id,
            decode: read_item::<T>,
            typed: T::TYPED,
            attributes,
            tracked: &Field::ALL,
            untold: &[],
            is_absent: None,
            secondary: &[],
            statuses: None,
            probe: None,
            feed: None,
            types: None,
        }
    }

    /// Returns the tracked fields that the vendor tells.
    pub(crate) fn told(&self) -> Vec<Field> {
        self.tracked.iter().filter(|field| !self.untold.contains(field)).copied().collect()
    }
}

/// One API of a vendor.
#[derive(Clone, Copy)]
pub(crate) struct Call {
    /// The vendor's name of the service, the first word of its hosts.
    pub product: &'static str,
    /// The version of the service's API.
    pub version: &'static str,
    /// The API's name.
    pub action: &'static str,
    /// The path, where the API has one of its own. `{name}` stands for a
    /// parameter, which is then in no query; `{project}` for the region's.
    pub path: &'static str,
    /// Parameters of every request.
    pub params: FixedParams,
    /// What the reply is written in.
    pub format: Format,
    /// Where in a reply the list of items is.
    pub items: Path,
    /// How the list goes on; `None` where it never does.
    pub paging: Option<Paging>,
    /// Requests a second that leave headroom below the vendor's limit, which
    /// is per API and `limit`, and shared with the account's others.
    pub per_second: u32,
    /// What the vendor counts requests by.
    pub limit: LimitScope,
    /// How long an answer may take, from connecting to its last byte.
    pub timeout: Duration,
    /// The one host that answers it, where it is not the region's.
    pub host: &'static str,
    /// Whether it is about one resource and nothing else, so that its refusal
    /// says nothing of others, nor of the account.
    pub is_of_one: bool,
}

impl Call {
    /// Returns a call that lists nothing, without parameters, in JSON.
    pub(crate) const fn new(
        product: &'static str,
        version: &'static str,
        action: &'static str,
    ) -> Self {
        Self {
            product,
            version,
            action,
            path: "/",
            params: &[],
            format: Format::Json,
            items: &[],
            paging: None,
            per_second: 20,
            limit: LimitScope::Region,
            timeout: Duration::from_secs(10),
            host: "",
            is_of_one: false,
        }
    }

    /// Returns it as one that lists items, page by page.
    pub(crate) const fn listing(self, items: Path, paging: Paging) -> Self {
        Self { paging: Some(paging), ..self.of(items) }
    }

    /// Returns it as one that lists items on a single page.
    pub(crate) const fn of(self, items: Path) -> Self {
        Self { items, ..self }
    }

    /// Returns it with parameters, instead of those that it had.
    pub(crate) const fn with(self, params: FixedParams) -> Self {
        Self { params, ..self }
    }
}

/// What a vendor counts the requests to an API by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LimitScope {
    /// By account and region.
    Region,
    /// By account, all regions together.
    Account,
}

/// What a reply is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// JSON.
    Json,
    /// XML, which decoders get as JSON: an element is an object of those in
    /// it, or the text in it; one that occurs more than once is a list.
    Xml,
}

/// How a list goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Paging {
    /// By an opaque token: an absent or empty one ends the list.
    Token {
        /// The parameter that takes it.
        param: &'static str,
        /// Where in a reply the next one is.
        next: Path,
    },
    /// By the number of the page, from 1. Only an empty page ends the list.
    Pages {
        /// The parameter that takes it.
        param: &'static str,
    },
    /// By how many items were before the page. Only an empty page ends the
    /// list: one may be shorter than asked for, and totals may be wrong.
    Offset {
        /// The parameter that takes it.
        param: &'static str,
    },
}

/// How ids are given to a call.
#[derive(Clone, Copy)]
pub(crate) struct ByIds {
    /// Another call than the list, where it takes one.
    pub call: Option<Call>,
    /// The parameter.
    pub param: &'static str,
    /// Its form.
    pub form: IdForm,
    /// At most so many in one request.
    pub most: usize,
    /// Parameters that go with it.
    pub params: FixedParams,
    /// The codes by which the vendor says that a resource is not there,
    /// instead of leaving it out.
    pub absent: &'static [&'static str],
    /// What a secondary call knows a resource by, where it is not its id.
    pub name: Option<fn(&Resource) -> &str>,
}

impl ByIds {
    /// Returns a parameter of the list itself, which leaves out what is not
    /// there.
    pub(crate) const fn new(param: &'static str, form: IdForm, most: usize) -> Self {
        Self { call: None, param, form, most, params: &[], absent: &[], name: None }
    }

    /// Returns it as one that refuses what is not there, with these codes.
    pub(crate) const fn refusing(self, absent: &'static [&'static str]) -> Self {
        Self { absent, ..self }
    }
}

/// How a list of ids is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum IdForm {
    /// `P=["a","b"]`.
    JsonArray,
    /// `P.1=a&P.2=b`.
    Numbered,
    /// `P=a,b`.
    Commas,
    /// `P=a`, one a request.
    Single,
}

/// What a vendor's words for statuses mean; a status may have several lines.
pub(crate) type Statuses = &'static [(Status, &'static [&'static str])];

/// A call that tells what the list does not.
pub(crate) struct Secondary {
    /// The call.
    pub call: Call,
    /// Whether it lists a whole region's page by page.
    pub lists_region: bool,
    /// How it is asked for given resources'.
    pub by_ids: ByIds,
    /// Which region is to be asked about a resource, where it is not the
    /// scope's.
    pub region: Option<fn(&Resource) -> &str>,
    /// Reads one item, once for every resource that it is of. An empty id
    /// stands for the one resource that was asked for.
    pub decode: Decode<Vec<(String, Detail)>>,
}

impl Secondary {
    /// Returns a call that is asked about given resources only.
    pub(crate) const fn asked(
        call: Call,
        by_ids: ByIds,
        decode: Decode<Vec<(String, Detail)>>,
    ) -> Self {
        let call = Call { is_of_one: matches!(by_ids.form, IdForm::Single), ..call };
        Self { call, lists_region: false, by_ids, region: None, decode }
    }

    /// Returns a call that lists a whole region's, and can be asked too.
    pub(crate) const fn listed(
        call: Call,
        by_ids: ByIds,
        decode: Decode<Vec<(String, Detail)>>,
    ) -> Self {
        Self { call, lists_region: true, by_ids, region: None, decode }
    }
}

/// A call that tells statuses by id. Of its items as much is read as of the
/// list's, and nothing but the status is taken.
pub(crate) struct StatusSpec {
    /// The call.
    pub call: Call,
    /// How it is given ids.
    pub by_ids: ByIds,
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

impl Probe {
    /// The dry run, as the vendors that have one have it.
    pub(crate) const DRY_RUN: Self =
        Self { params: &[("DryRun", "true")], granted: "DryRunOperation" };
}
