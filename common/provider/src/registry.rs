//! The vendors and kinds that are known, and how accounts get to them.

use std::sync::Arc;

use cloud_sync_core::account::{Account, InvalidAccount};
use cloud_sync_core::credentials::Credentials;
use cloud_sync_core::meter::Meter;
use cloud_sync_core::scope::Kind;
use thiserror::Error;

use crate::engine::projects::Projects;
use crate::engine::retry::RetryPolicy;
use crate::engine::roles::Keyring;
use crate::engine::spec::{KindSpec, VendorSpec};
use crate::engine::{Client, Shared, Surroundings};
use crate::{Vendor, Vendors, aliyun, aws, huawei, tencent};

/// One line a kind.
pub(crate) const VENDORS: &[VendorSpec] = &[
    VendorSpec {
        name: "aliyun",
        open: aliyun::open,
        events: Some(aliyun::events::decode),
        signatures: aliyun::SIGNATURES,
        regions: aliyun::REGIONS,
        identity: Some(aliyun::IDENTITY),
        assume: Some(aliyun::ASSUME),
        members: Some(aliyun::MEMBERS),
        kinds: &[
            &aliyun::ecs_instance::KIND,
            &aliyun::ecs_disk::KIND,
            &aliyun::oss_bucket::KIND,
            &aliyun::rds_instance::KIND,
            &aliyun::redis_instance::KIND,
            &aliyun::slb_loadbalancer::KIND,
            &aliyun::vpc_eip::KIND,
        ],
    },
    VendorSpec {
        name: "tencent",
        open: tencent::open,
        events: Some(tencent::events::decode),
        signatures: &[],
        regions: tencent::REGIONS,
        identity: Some(tencent::IDENTITY),
        assume: Some(tencent::ASSUME),
        members: None,
        kinds: &[&tencent::cvm_instance::KIND, &tencent::cdb_instance::KIND],
    },
    VendorSpec {
        name: "huawei",
        open: huawei::open,
        events: None,
        signatures: &[],
        regions: huawei::REGIONS,
        identity: Some(huawei::IDENTITY),
        assume: None,
        members: None,
        kinds: &[&huawei::ecs_server::KIND],
    },
    VendorSpec {
        name: "aws",
        open: aws::open,
        events: Some(aws::events::decode),
        signatures: &[],
        regions: aws::REGIONS,
        identity: Some(aws::IDENTITY),
        assume: Some(aws::ASSUME),
        members: None,
        kinds: &[
            &aws::ec2_instance::KIND,
            &aws::rds_instance::KIND,
            &aws::elasticache_cluster::KIND,
            &aws::s3_bucket::KIND,
        ],
    },
];

/// How a process asks vendors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Retries in place.
    pub retry: RetryPolicy,
    /// Whether requests keep to the rates declared with the vendors' calls.
    /// Only for a vendor that is a simulation is it right not to.
    pub paced: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self { retry: RetryPolicy::default(), paced: true }
    }
}

/// Every known vendor, ready to open accounts at. One a process: it holds the
/// connections, and the rate limits of all accounts.
pub struct Registry {
    shared: Arc<Shared>,
}

/// What is declared of a kind beside its calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KindFacts {
    /// Whether it has one scope an account instead of one a region.
    pub is_global: bool,
    /// Whether the vendor can be asked whether an account may see it.
    pub has_probe: bool,
}

/// A provider's name is unknown.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("unknown provider '{name}'; known: {}", known_providers())]
pub struct UnknownProvider {
    /// The name.
    pub name: String,
}

/// A kind is unknown.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum UnknownKind {
    /// As its provider is.
    #[error(transparent)]
    Provider(#[from] UnknownProvider),
    /// Of a provider that is known.
    #[error("unknown kind {kind}; known of {provider}: {}", known_kinds(provider))]
    Kind {
        /// The kind.
        kind: Kind,
        /// The provider.
        provider: &'static str,
    },
}

/// The HTTP client cannot be set up, for want of root certificates for one.
#[derive(Debug, Error)]
#[error("the HTTP client cannot be set up: {0}")]
pub struct NoClient(#[from] reqwest::Error);

impl Registry {
    /// Returns a registry with default settings.
    ///
    /// # Errors
    ///
    /// The HTTP client cannot be set up.
    pub fn new() -> Result<Self, NoClient> {
        Self::with(Settings::default())
    }

    /// Returns a registry with the given settings.
    ///
    /// # Errors
    ///
    /// The HTTP client cannot be set up.
    pub fn with(settings: Settings) -> Result<Self, NoClient> {
        Ok(Self::within(Surroundings::real()?, settings))
    }

    /// Returns a registry with surroundings of the caller's.
    #[must_use]
    pub fn within(around: Surroundings, settings: Settings) -> Self {
        Self { shared: Arc::new(Shared::new(around, settings.retry, settings.paced)) }
    }

    /// Returns every kind of a provider.
    ///
    /// # Errors
    ///
    /// The provider is unknown; the error lists those that are known.
    pub fn kinds_of(provider: &str) -> Result<Vec<Kind>, UnknownProvider> {
        Ok(kinds_of(vendor(provider)?).collect())
    }

    /// Checks that a kind is known.
    ///
    /// # Errors
    ///
    /// It is not; the error lists those that are.
    pub fn check_kind(kind: &Kind) -> Result<(), UnknownKind> {
        check_kind(kind, vendor(kind.provider())?)
    }

    /// Returns what is declared of a kind; `None` where it is unknown.
    #[must_use]
    pub fn facts_of(kind: &Kind) -> Option<KindFacts> {
        let spec = all_kinds().find(|spec| spec.name == kind.as_str())?;
        Some(KindFacts { is_global: spec.is_global, has_probe: spec.probe.is_some() })
    }
}

impl Vendors for Registry {
    fn open(
        &self,
        account: &Account,
        credentials: Credentials,
        meter: Arc<Meter>,
    ) -> Result<Arc<dyn Vendor>, InvalidAccount> {
        Ok(Arc::new(client_of(&self.shared, account, credentials, meter)?))
    }

    fn kinds(&self, account: &Account) -> Result<Vec<Kind>, InvalidAccount> {
        let vendor = vendor_of(account)?;
        check_roles(account, vendor)?;
        if account.kinds.is_empty() {
            return Ok(kinds_of(vendor).take(1).collect());
        }
        for kind in &account.kinds {
            check_kind(kind, vendor)
                .map_err(|error| invalid(account, "kinds", error.to_string()))?;
        }
        Ok(account.kinds.clone())
    }

    fn is_global(&self, kind: &Kind) -> bool {
        Self::facts_of(kind).is_some_and(|facts| facts.is_global)
    }
}

/// Returns an account at its vendor, as one of those of a process.
pub(crate) fn client_of(
    shared: &Arc<Shared>,
    account: &Account,
    credentials: Credentials,
    meter: Arc<Meter>,
) -> Result<Client, InvalidAccount> {
    let spec = vendor_of(account)?;
    check_roles(account, spec)?;
    Ok(Client {
        shared: Arc::clone(shared),
        spec,
        protocol: (spec.open)(account)?,
        keyring: Keyring::new(account, credentials),
        account: account.id.clone(),
        default_region: account.default_region.clone(),
        projects: Projects::default(),
        rates: account.rates,
        meter,
    })
}

fn all_kinds() -> impl Iterator<Item = &'static KindSpec> {
    VENDORS.iter().flat_map(|vendor| vendor.kinds.iter().copied())
}

pub(crate) fn vendor(provider: &str) -> Result<&'static VendorSpec, UnknownProvider> {
    let unknown = || UnknownProvider { name: provider.chars().take(80).collect() };
    VENDORS.iter().find(|vendor| vendor.name == provider).ok_or_else(unknown)
}

fn kinds_of(vendor: &VendorSpec) -> impl Iterator<Item = Kind> {
    vendor.kinds.iter().filter_map(|kind| kind.name.parse().ok())
}

fn check_kind(kind: &Kind, vendor: &VendorSpec) -> Result<(), UnknownKind> {
    let is_known = vendor.kinds.iter().any(|spec| spec.name == kind.as_str());
    let unknown = || UnknownKind::Kind { kind: kind.clone(), provider: vendor.name };
    is_known.then_some(()).ok_or_else(unknown)
}

fn vendor_of(account: &Account) -> Result<&'static VendorSpec, InvalidAccount> {
    let vendor = vendor(&account.provider)
        .map_err(|error| invalid(account, "provider", error.to_string()))?;
    match account.signature.as_deref() {
        Some(signature) if !vendor.signatures.contains(&signature) => {
            let signature: String = signature.chars().take(80).collect();
            let known = match vendor.signatures {
                [] => "leave it out: this vendor has but one".to_owned(),
                known => format!("expected {}", known.join(" or ")),
            };
            Err(invalid(account, "signature", format!("unknown signature '{signature}'; {known}")))
        }
        _ => Ok(vendor),
    }
}

/// Checks that the vendor has what the account is to use of it.
fn check_roles(account: &Account, vendor: &VendorSpec) -> Result<(), InvalidAccount> {
    let missing = |what: &str| format!("provider '{}' has no {what} here; remove it", vendor.name);
    if !account.roles.is_empty() && vendor.assume.is_none() {
        return Err(invalid(account, "roles", missing("roles to take on")));
    }
    if account.organization.is_some() && vendor.members.is_none() {
        return Err(invalid(account, "organization", missing("organisations")));
    }
    Ok(())
}

fn invalid(account: &Account, field: &'static str, reason: String) -> InvalidAccount {
    InvalidAccount { account: account.id.clone(), field, reason }
}

fn known_providers() -> String {
    VENDORS.iter().map(|vendor| vendor.name).collect::<Vec<_>>().join(", ")
}

fn known_kinds(provider: &str) -> String {
    let kinds = vendor(provider).into_iter().flat_map(|vendor| vendor.kinds);
    kinds.map(|kind| kind.name).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_named_after_its_vendor() {
        for vendor in VENDORS {
            let kinds = Registry::kinds_of(vendor.name).unwrap();
            assert_eq!(kinds.len(), vendor.kinds.len(), "a name is not a kind's");
            assert!(kinds.iter().all(|kind| kind.provider() == vendor.name));
        }
    }

    #[test]
    fn a_kind_has_one_secondary_call_where_that_lists_a_region() {
        for kind in all_kinds() {
            let listed = kind.secondary.iter().filter(|call| call.lists_region).count();
            assert!(listed == 0 || kind.secondary.len() == 1, "{}", kind.name);
        }
    }

    #[test]
    fn the_first_kind_of_a_vendor_is_its_machines() {
        let first: Vec<_> = VENDORS.iter().map(|vendor| vendor.kinds[0].name).collect();
        let machines = [
            "aliyun.ecs.instance",
            "aws.ec2.instance",
            "huawei.ecs.server",
            "tencent.cvm.instance",
        ];
        assert!(first.iter().all(|name| machines.contains(name)), "{first:?}");
    }

    #[test]
    fn an_unknown_provider_is_told_the_known_ones() {
        let error = Registry::kinds_of("alyiun").unwrap_err().to_string();
        assert!(error.starts_with("unknown provider 'alyiun'; known: aliyun, "), "{error}");
    }
}
