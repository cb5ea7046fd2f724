//! The filters of `DescribeInstances` and `DescribeDisks`.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use jiff::Timestamp;

use crate::aliyun::error::ApiError;
use crate::aliyun::params::Params;
use crate::world::model::{Holding, Instance, Minute, Status, Tag};

/// No more than so many resources are listed by tag or resource group.
pub(super) const MOST_BY_TAG: usize = 1000;

/// Most tags that may be asked for.
const MOST_TAGS: usize = 20;

/// Filters that the vendor has and this cloud has not. To ignore one would
/// list what was not asked for.
const NOT_SIMULATED: [&str; 8] = [
    "HpcClusterId",
    "HttpEndpoint",
    "HttpPutResponseHopLimit",
    "HttpTokens",
    "Ipv6Address.1",
    "KeyPairName",
    "NeedSaleCycle",
    "RdmaIpAddresses",
];

/// What `DescribeInstances` is asked to list.
pub(super) struct InstanceFilter {
    pub ids: Option<BTreeSet<u64>>,
    name: Option<String>,
    status: Option<Status>,
    vpc: Option<bool>,
    vswitch: Option<Vec<u8>>,
    zone: Option<String>,
    /// The group's number; one that no region has fits nothing.
    group: Option<Option<u8>>,
    image: Option<String>,
    spec: Option<String>,
    family: Option<String>,
    charge: Option<String>,
    internet_charge: Option<String>,
    classic: Option<bool>,
    resource_group: Option<String>,
    lock: Option<String>,
    flags: Vec<bool>,
    addresses: Vec<(AddressKind, BTreeSet<String>)>,
    tags: Vec<(String, Option<String>)>,
    created_after: Option<Minute>,
}

#[derive(Clone, Copy)]
enum AddressKind {
    Private,
    Inner,
    Public,
    Eip,
}

impl InstanceFilter {
    /// Reads the filters of a request.
    pub(super) fn read(params: &Params, holding: &Holding) -> Result<Self, ApiError> {
        if let Some(name) = NOT_SIMULATED.iter().find(|name| params.given(name).is_some()) {
            return Err(ApiError::not_simulated(name));
        }
        let text = |name: &str| params.given(name).map(str::to_owned);
        let ids = params.json_list("InstanceIds")?;
        Ok(Self {
            ids: ids.map(|ids| ids.iter().filter_map(|id| holding.find(id)).collect()),
            name: text("InstanceName"),
            status: params.given("Status").map(status).transpose()?,
            vpc: params.given("VpcId").map(|id| id == holding.vpc_id()),
            vswitch: params.given("VSwitchId").map(|id| switches(id, holding)),
            zone: text("ZoneId"),
            group: params.given("SecurityGroupId").map(|id| {
                (0..crate::world::model::GROUPS).find(|group| holding.group_id(*group) == id)
            }),
            image: text("ImageId"),
            spec: text("InstanceType"),
            family: text("InstanceTypeFamily"),
            charge: text("InstanceChargeType"),
            internet_charge: text("InternetChargeType"),
            classic: params.given("InstanceNetworkType").map(|word| word == "classic"),
            resource_group: text("ResourceGroupId"),
            lock: text("LockReason"),
            flags: ["IoOptimized", "DeviceAvailable"]
                .iter()
                .filter_map(|name| params.flag(name).transpose())
                .collect::<Result<_, _>>()?,
            addresses: addresses(params)?,
            tags: tags(params)?,
            created_after: created_after(params)?,
        })
    }

    /// Tells whether there is any filter beside ids.
    pub(super) fn is_filter(&self) -> bool {
        let texts = [
            &self.name,
            &self.zone,
            &self.image,
            &self.spec,
            &self.family,
            &self.charge,
            &self.internet_charge,
            &self.resource_group,
            &self.lock,
        ];
        texts.iter().any(|text| text.is_some())
            || self.status.is_some()
            || self.vpc.is_some()
            || self.vswitch.is_some()
            || self.group.is_some()
            || self.classic.is_some()
            || self.created_after.is_some()
            || !(self.flags.is_empty() && self.addresses.is_empty() && self.tags.is_empty())
    }

    /// Returns how many may be listed at most.
    pub(super) fn most(&self) -> usize {
        let limited = !self.tags.is_empty() || self.resource_group.is_some();
        if limited { MOST_BY_TAG } else { usize::MAX }
    }

    /// Tells whether an instance is asked for.
    pub(super) fn matches(&self, holding: &Holding, instance: &Instance) -> bool {
        let is = |wanted: &Option<String>, given: &str| {
            wanted.as_deref().is_none_or(|wanted| wanted == given)
        };
        self.name.as_deref().is_none_or(|pattern| fits(pattern, &instance.name))
            && self.status.is_none_or(|status| status == instance.status)
            && self.vpc.is_none_or(|here| here && !instance.classic)
            && self.vswitch.as_ref().is_none_or(|zones| {
                !instance.classic && zones.contains(&instance.zone)
            })
            && self.zone.as_deref().is_none_or(|zone| zone == holding.zone_id(instance.zone))
            && self.group.is_none_or(|group| {
                group.is_some_and(|group| instance.groups.contains(&group))
            })
            && is(&self.image, instance.image().id)
            && is(&self.spec, instance.spec().id)
            && is(&self.family, instance.spec().family)
            && is(&self.charge, instance.charge_type())
            && is(&self.internet_charge, super::instance_view::INTERNET_CHARGE)
            && self.classic.is_none_or(|classic| classic == instance.classic)
            && self.resource_group.as_deref().is_none_or(|group| {
                group == holding.resource_group_id(instance.resource_group)
            })
            && self.lock.as_deref().is_none_or(|lock| instance.locks().contains(&lock))
            // Every instance is I/O optimised and available.
            && self.flags.iter().all(|flag| *flag)
            && self.addresses.iter().all(|(kind, wanted)| kind.any_of(instance, wanted))
            && self.created_after.is_none_or(|minute| instance.created > minute)
            && has_tags(instance.tags.as_deref().unwrap_or(&[]), &self.tags)
    }
}

impl AddressKind {
    fn any_of(self, instance: &Instance, wanted: &BTreeSet<String>) -> bool {
        let addresses: Vec<Ipv4Addr> = match self {
            Self::Private if instance.classic => Vec::new(),
            Self::Private => instance.private_ips(),
            Self::Inner if instance.classic => vec![instance.private_ip],
            Self::Inner => Vec::new(),
            Self::Public => instance.public_ip.into_iter().collect(),
            Self::Eip => instance.eip.into_iter().map(|eip| eip.ip).collect(),
        };
        addresses.iter().any(|address| wanted.contains(&address.to_string()))
    }
}

/// Tells whether tags hold everything that is asked for. A key without a
/// value fits any value.
pub(in crate::aliyun) fn has_tags(tags: &[Tag], wanted: &[(String, Option<String>)]) -> bool {
    wanted.iter().all(|(key, value)| {
        tags.iter().any(|(found, with)| {
            **found == **key && value.as_deref().is_none_or(|value| value == &**with)
        })
    })
}

/// Tells whether a name fits a pattern in which `*` stands for anything. The
/// pattern's stars are tried from the left, each as short as it can be.
pub(super) fn fits(pattern: &str, name: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|head| name.strip_prefix(head)) else {
        return false;
    };
    let mut parts: Vec<&str> = parts.collect();
    let Some(tail) = parts.pop() else { return rest.is_empty() };
    for part in parts {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(tail)
}

/// Reads the tags that are asked for.
pub(in crate::aliyun) fn tags(params: &Params) -> Result<Vec<(String, Option<String>)>, ApiError> {
    let mut tags = Vec::new();
    for n in 1..=MOST_TAGS + 1 {
        let value = params.given(&format!("Tag.{n}.Value")).map(str::to_owned);
        match params.given(&format!("Tag.{n}.Key")) {
            Some(_) if n > MOST_TAGS => return Err(ApiError::invalid("Tag")),
            Some(key) => tags.push((key.to_owned(), value)),
            None if value.is_some() => return Err(ApiError::missing(&format!("Tag.{n}.Key"))),
            None => {}
        }
    }
    Ok(tags)
}

fn addresses(params: &Params) -> Result<Vec<(AddressKind, BTreeSet<String>)>, ApiError> {
    let mut addresses = Vec::new();
    for (name, kind) in [
        ("PrivateIpAddresses", AddressKind::Private),
        ("InnerIpAddresses", AddressKind::Inner),
        ("PublicIpAddresses", AddressKind::Public),
        ("EipAddresses", AddressKind::Eip),
    ] {
        if let Some(list) = params.json_list(name)? {
            addresses.push((kind, list.into_iter().collect()));
        }
    }
    Ok(addresses)
}

/// Reads the one filter that is written as `Filter.N`: created after a time.
fn created_after(params: &Params) -> Result<Option<Minute>, ApiError> {
    let mut after = None;
    for n in 1..=4 {
        let value = params.get(&format!("Filter.{n}.Value"));
        match params.given(&format!("Filter.{n}.Key")) {
            None => {}
            Some("CreationStartTime") => {
                let time: Option<Timestamp> =
                    value.strip_suffix('Z').and_then(|time| format!("{time}:00Z").parse().ok());
                let time = time.ok_or_else(|| ApiError::invalid(&format!("Filter.{n}.Value")))?;
                after = after.max(Some(time.as_second() / 60));
            }
            Some(_) => return Err(ApiError::invalid(&format!("Filter.{n}.Key"))),
        }
    }
    Ok(after)
}

fn status(word: &str) -> Result<Status, ApiError> {
    let known = Status::ALL.into_iter().find(|status| status.word() == word);
    known.ok_or_else(|| ApiError::invalid("Status"))
}

/// Returns the zones whose switch it is.
fn switches(id: &str, holding: &Holding) -> Vec<u8> {
    (0..u8::MAX).take(holding.region.zones.len()).filter(|z| holding.vswitch_id(*z) == id).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_anything() {
        for (pattern, name) in [
            ("web", "web"),
            ("*", ""),
            ("web*", "web-1"),
            ("*库*", "生产环境-数据库"),
            ("a*b*c", "a--b--b-c"),
            ("*report *", "report *nightly*"),
            ("**", "x"),
            ("ab*ba", "abba"),
        ] {
            assert!(fits(pattern, name), "{pattern} should fit {name}");
        }
        for (pattern, name) in
            [("web", "web-1"), ("*web", "web-1"), ("ab*ba", "aba"), ("a*b", "b"), ("WEB", "web")]
        {
            assert!(!fits(pattern, name), "{pattern} should not fit {name}");
        }
    }
}
