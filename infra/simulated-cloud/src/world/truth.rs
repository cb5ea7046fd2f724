//! What is really there, for tests to compare with.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use serde::Serialize;
use thiserror::Error;

use super::family::Family;
use super::model::{Account, Holding, Instance};
use super::truth_managed::{self, TruthManaged, TruthVolume};
use super::{Provider, World};

/// A data disk of an instance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TruthDisk {
    /// Its id.
    pub id: String,
    /// Its size in GiB.
    pub size_gib: u32,
    /// Its category: `cloud_essd`.
    pub category: String,
}

/// An instance as it is. Lists are sorted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TruthInstance {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// The vendor's word for its state.
    pub status: String,
    /// Its instance type.
    pub instance_type: String,
    /// Its zone.
    pub zone: String,
    /// Its image.
    pub image: String,
    /// The vendor's word for how it is paid: `PrePaid` or `PostPaid`.
    pub charge_type: String,
    /// Its network; empty on the classic one.
    pub vpc: String,
    /// Its resource group, or whatever the vendor has instead; may be empty.
    pub resource_group: String,
    /// Its private addresses: those of its network or, on the classic one,
    /// the inner one, and those of its further interfaces, where the vendor
    /// says them.
    pub private_ips: Vec<Ipv4Addr>,
    /// Its public addresses: elastic or its own.
    pub public_ips: Vec<Ipv4Addr>,
    /// Its elastic address, also among the public ones.
    pub eip: Option<Ipv4Addr>,
    /// Its security groups.
    pub security_groups: Vec<String>,
    /// Its data disks.
    pub data_disks: Vec<TruthDisk>,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
}

impl TruthInstance {
    pub(crate) fn of(holding: &Holding, code: u64, instance: &Instance) -> Self {
        let eip = instance.eip.map(|eip| eip.ip);
        let mut security_groups: Vec<String> =
            instance.groups.iter().map(|group| holding.group_id(*group)).collect();
        security_groups.sort();
        let mut private_ips = holding.private_ips_of(instance);
        private_ips.sort();
        let mut data_disks: Vec<TruthDisk> = instance
            .disks
            .iter()
            .filter_map(|code| holding.disks.get(code).map(|disk| (code, disk)))
            .filter(|(_, disk)| !disk.system)
            .map(|(code, disk)| TruthDisk {
                id: holding.disk_id(*code),
                size_gib: disk.size_gib,
                category: holding.category_of(disk).to_owned(),
            })
            .collect();
        data_disks.sort_by(|a, b| a.id.cmp(&b.id));
        let tags = instance.tags.as_deref().unwrap_or(&[]).iter();
        let mut tags: BTreeMap<String, String> =
            tags.map(|(key, value)| (key.to_string(), value.to_string())).collect();
        let catalog = holding.catalog();
        if holding.region.provider == Provider::Aws {
            // There a name is a tag.
            tags.insert("Name".to_owned(), instance.name.to_string());
        }
        Self {
            id: holding.instance_id(code),
            name: instance.name.to_string(),
            status: catalog.status_word(instance.status).to_owned(),
            instance_type: holding.type_of(instance).id.to_owned(),
            zone: holding.zone_id(instance.zone),
            image: holding.image_of(instance).id.to_owned(),
            charge_type: catalog.charge_word(instance.expires.is_some()).to_owned(),
            vpc: if holding.is_classic(instance) { String::new() } else { holding.vpc_id() },
            resource_group: holding.resource_group_id(instance.resource_group),
            private_ips,
            public_ips: instance.public_ip.into_iter().chain(eip).collect(),
            eip,
            security_groups,
            data_disks,
            tags,
        }
    }
}

/// An account as it is, without its secrets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TruthAccount {
    /// The account's id within the world.
    pub id: String,
    /// Its vendor: `aliyun`.
    pub provider: &'static str,
    /// Its access keys' public parts.
    pub access_key_ids: Vec<String>,
    /// Its instances by region, ordered by id. Regions without one are there too.
    pub regions: BTreeMap<String, Vec<TruthInstance>>,
    /// Its disks by region.
    pub volumes: BTreeMap<String, Vec<TruthVolume>>,
    /// Its managed resources by family and region. Buckets are with the region
    /// they are in.
    pub managed: BTreeMap<Family, BTreeMap<String, Vec<TruthManaged>>>,
}

/// Everything that is there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TruthFile {
    /// The world's seed.
    pub seed: u64,
    /// The number of the latest event.
    pub sequence: u64,
    /// Its accounts.
    pub accounts: Vec<TruthAccount>,
}

/// The truth could not be written.
#[derive(Debug, Error)]
#[error("cannot write what the simulated cloud holds to {path}: {source}")]
pub struct TruthWriteError {
    /// The file.
    pub path: PathBuf,
    /// What went wrong.
    pub source: std::io::Error,
}

impl World {
    /// Returns everything that is there, at one moment.
    pub fn truth(&self) -> TruthFile {
        let state = self.state();
        let accounts = state.accounts.iter().map(|account| TruthAccount {
            id: account.id.clone(),
            provider: account.provider.name(),
            access_key_ids: account.keys.iter().map(|key| key.id.clone()).collect(),
            regions: by_region(account, instances),
            volumes: by_region(account, truth_managed::volumes),
            managed: Family::MANAGED
                .into_iter()
                .map(|family| {
                    let of = |holding: &Holding| truth_managed::managed(holding, family);
                    (family, by_region(account, of))
                })
                .collect(),
        });
        TruthFile { seed: self.seed(), sequence: state.sequence, accounts: accounts.collect() }
    }

    /// Writes everything that is there to a file, as one JSON document. The
    /// file appears whole, so one may wait for it.
    ///
    /// # Errors
    ///
    /// The file cannot be written.
    pub fn write_truth(&self, path: &Path) -> Result<(), TruthWriteError> {
        let partial = path.with_extension("partial");
        let write = || {
            let mut file = std::io::BufWriter::new(std::fs::File::create(&partial)?);
            serde_json::to_writer(&mut file, &self.truth())?;
            file.flush()?;
            std::fs::rename(&partial, path)
        };
        write().map_err(|source| TruthWriteError { path: path.to_owned(), source })
    }
}

fn by_region<T>(account: &Account, of: impl Fn(&Holding) -> T) -> BTreeMap<String, T> {
    account.holdings.iter().map(|(region, holding)| ((*region).to_owned(), of(holding))).collect()
}

pub(crate) fn instances(holding: &Holding) -> Vec<TruthInstance> {
    let each = holding.instances.iter();
    each.map(|(code, instance)| TruthInstance::of(holding, *code, instance)).collect()
}
