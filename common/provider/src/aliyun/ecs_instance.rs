//! `aliyun.ecs.instance`: virtual machines. Source: the vendor's reference of
//! the ECS API of 2014-05-26.

use std::collections::BTreeSet;
use std::time::Duration;

use cloud_sync_core::resource::{Disk, Resource, Status};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::engine::decode::{Unreadable, nullable, status_of, time, without_empty, wrapped};
use crate::engine::spec::{
    ByIds, Call, DetailSpec, FixedParams, IdForm, KindSpec, Paging, Probe, StatusSpec,
};

/// Virtual machines.
pub(crate) const KIND: KindSpec = KindSpec {
    name: "aliyun.ecs.instance",
    list: call("DescribeInstances", &[("MaxResults", "100")], &["Instances", "Instance"], 10),
    by_ids: ByIds { param: "InstanceIds", form: IdForm::JsonArray, most: 100 },
    id: "InstanceId",
    decode: decode_instance,
    details: Some(DetailSpec {
        call: call(
            "DescribeDisks",
            &[("DiskType", "data"), ("MaxResults", "500")],
            &["Disks", "Disk"],
            19,
        ),
        by_id: ByIds { param: "InstanceId", form: IdForm::Single, most: 1 },
        // As many pages of a region's disks hold 10,000 of them.
        most_by_id: 20,
        decode: decode_disk,
    }),
    statuses: StatusSpec {
        call: call(
            "DescribeInstanceStatus",
            &[("PageSize", "50")],
            &["InstanceStatuses", "InstanceStatus"],
            26,
        ),
        by_ids: ByIds { param: "InstanceId", form: IdForm::Numbered, most: 50 },
        decode: decode_status,
    },
    probe: Some(Probe { params: &[("DryRun", "true")], granted: "DryRunOperation" }),
};

/// The timeouts are those of the vendor's own SDK.
const fn call(
    action: &'static str,
    params: FixedParams,
    items: &'static [&'static str],
    seconds: u64,
) -> Call {
    Call {
        product: "ecs",
        version: "2014-05-26",
        action,
        params,
        items,
        paging: Some(Paging { param: "NextToken", field: "NextToken" }),
        per_second: 20,
        timeout: Duration::from_secs(seconds),
    }
}

/// No word for "released": a released instance is no longer listed.
const STATUSES: &[(&str, Status)] = &[
    ("Pending", Status::Pending),
    ("Starting", Status::Starting),
    ("Running", Status::Running),
    ("Stopping", Status::Stopping),
    ("Stopped", Status::Stopped),
];

/// The end of what has none: pay-as-you-go instances "expire" then.
const NEVER: &str = "2099-12-31T15:59Z";

/// Attributes that say what the scope says, or that change while no tracked
/// field does, so that a row's would soon be wrong.
const UNKEPT: [&str; 2] = ["RegionId", "StartTime"];

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Instance {
    instance_id: String,
    #[serde(default, deserialize_with = "nullable")]
    instance_name: String,
    #[serde(default, deserialize_with = "nullable")]
    status: String,
    #[serde(default, deserialize_with = "nullable")]
    instance_type: String,
    #[serde(default, deserialize_with = "nullable")]
    zone_id: String,
    #[serde(default, deserialize_with = "nullable")]
    instance_charge_type: String,
    #[serde(default, deserialize_with = "wrapped")]
    public_ip_address: Vec<String>,
    #[serde(default, deserialize_with = "wrapped")]
    inner_ip_address: Vec<String>,
    #[serde(default, deserialize_with = "nullable")]
    eip_address: Eip,
    #[serde(default, deserialize_with = "nullable")]
    vpc_attributes: Vpc,
    #[serde(default, deserialize_with = "wrapped")]
    network_interfaces: Vec<Interface>,
    #[serde(default, deserialize_with = "wrapped")]
    security_group_ids: Vec<String>,
    #[serde(default, deserialize_with = "wrapped")]
    tags: Vec<Tag>,
    #[serde(default, deserialize_with = "nullable")]
    creation_time: String,
    #[serde(default, deserialize_with = "nullable")]
    expired_time: String,
    #[serde(flatten)]
    rest: Map<String, Value>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Eip {
    #[serde(default, deserialize_with = "nullable")]
    ip_address: String,
    #[serde(flatten)]
    rest: Map<String, Value>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Vpc {
    #[serde(default, deserialize_with = "wrapped")]
    private_ip_address: Vec<String>,
    #[serde(flatten)]
    rest: Map<String, Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Interface {
    #[serde(default, deserialize_with = "nullable")]
    primary_ip_address: String,
    #[serde(default, deserialize_with = "wrapped")]
    private_ip_sets: Vec<PrivateIp>,
    #[serde(flatten)]
    rest: Map<String, Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct PrivateIp {
    #[serde(default, deserialize_with = "nullable")]
    private_ip_address: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Tag {
    #[serde(default, deserialize_with = "nullable")]
    tag_key: String,
    #[serde(default, deserialize_with = "nullable")]
    tag_value: String,
}

fn decode_instance(item: &str) -> Result<Resource, Unreadable> {
    let mut item: Instance = serde_json::from_str(item)?;
    let created_at = time("CreationTime", &item.creation_time)?;
    let is_subscription = item.instance_charge_type == "PrePaid";
    let expires_at = match item.expired_time.as_str() {
        NEVER if !is_subscription => None,
        text => time("ExpiredTime", text)?,
    };
    let mut private_ips = std::mem::take(&mut item.vpc_attributes.private_ip_address);
    if private_ips.is_empty() {
        private_ips = std::mem::take(&mut item.inner_ip_address);
    }
    for interface in &mut item.network_interfaces {
        private_ips.push(std::mem::take(&mut interface.primary_ip_address));
        let more = interface.private_ip_sets.drain(..).map(|ip| ip.private_ip_address);
        private_ips.extend(more);
    }
    let mut public_ips = std::mem::take(&mut item.public_ip_address);
    public_ips.push(std::mem::take(&mut item.eip_address.ip_address));
    // A tag without a key has nothing to be known by.
    let tags = item.tags.drain(..).filter(|tag| !tag.tag_key.is_empty());
    Ok(Resource {
        status: status_of(STATUSES, &item.status),
        public_ips: set(public_ips),
        private_ips: set(private_ips),
        security_groups: set(std::mem::take(&mut item.security_group_ids)),
        data_disks: None,
        tags: tags.map(|tag| (tag.tag_key, tag.tag_value)).collect(),
        created_at,
        expires_at,
        id: std::mem::take(&mut item.instance_id),
        name: std::mem::take(&mut item.instance_name),
        vendor_status: std::mem::take(&mut item.status),
        spec: std::mem::take(&mut item.instance_type),
        zone: std::mem::take(&mut item.zone_id),
        attributes: attributes(item),
    })
}

/// Returns what no typed field holds, in the vendor's own shape.
fn attributes(item: Instance) -> Map<String, Value> {
    let mut rest = item.rest;
    for name in UNKEPT {
        rest.remove(name);
    }
    let interfaces = item.network_interfaces.into_iter().map(|interface| interface.rest.into());
    rest.insert("InstanceChargeType".into(), item.instance_charge_type.into());
    rest.insert("EipAddress".into(), item.eip_address.rest.into());
    rest.insert("VpcAttributes".into(), item.vpc_attributes.rest.into());
    rest.insert("NetworkInterfaces".into(), Value::Array(interfaces.collect()));
    without_empty(rest)
}

fn set(items: Vec<String>) -> BTreeSet<String> {
    items.into_iter().filter(|item| !item.is_empty()).collect()
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct DiskItem {
    disk_id: String,
    #[serde(default, deserialize_with = "nullable")]
    r#type: String,
    #[serde(default, deserialize_with = "nullable")]
    category: String,
    #[serde(default)]
    size: Option<u64>,
    #[serde(default, deserialize_with = "nullable")]
    instance_id: String,
    #[serde(default, deserialize_with = "wrapped")]
    attachments: Vec<Attachment>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Attachment {
    #[serde(default, deserialize_with = "nullable")]
    instance_id: String,
}

/// A disk that several instances share names them only as attachments.
fn decode_disk(item: &str) -> Result<Vec<(String, Disk)>, Unreadable> {
    let item: DiskItem = serde_json::from_str(item)?;
    if item.disk_id.is_empty() {
        return Err(Unreadable::value("DiskId", "", "an id"));
    }
    if item.r#type == "system" {
        return Ok(Vec::new());
    }
    let mut instances = set(item.attachments.into_iter().map(|at| at.instance_id).collect());
    if !item.instance_id.is_empty() {
        instances.insert(item.instance_id);
    }
    let disk = Disk { id: item.disk_id, category: item.category, size_gib: item.size };
    Ok(instances.into_iter().map(|instance| (instance, disk.clone())).collect())
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct StatusItem {
    instance_id: String,
    #[serde(default, deserialize_with = "nullable")]
    status: String,
}

fn decode_status(item: &str) -> Result<(String, Status, String), Unreadable> {
    let item: StatusItem = serde_json::from_str(item)?;
    Ok((item.instance_id, status_of(STATUSES, &item.status), item.status))
}
