//! An instance as `DescribeInstances` writes it.

use serde_json::{Value, json};

use crate::world::TruthInstance;
use crate::world::id::scatter;
use crate::world::model::{Disk, Holding, Instance, Status, second};

fn uuid(code: u64) -> String {
    uuid::Uuid::from_u64_pair(scatter(code), scatter(!code)).to_string()
}

pub(super) fn view(holding: &Holding, code: u64, instance: &Instance) -> Value {
    let truth = TruthInstance::of(holding, code, instance);
    let kind = holding.type_of(instance);
    let disks: Vec<(u64, &Disk)> = instance
        .disks
        .iter()
        .filter_map(|code| holding.disks.get(code).map(|disk| (*code, disk)))
        .collect();
    let system = disks.iter().find(|(_, disk)| disk.system);
    let data = disks.iter().filter(|(_, disk)| !disk.system);
    let mut item = json!({
        "Placement": {
            "Zone": truth.zone,
            "ProjectId": truth.resource_group.parse::<u64>().unwrap_or(0),
            "HostId": null,
        },
        "InstanceId": truth.id,
        "InstanceType": truth.instance_type,
        "CPU": kind.cpu,
        "Memory": kind.memory_mib / 1024,
        "RestrictState": restriction(instance),
        "InstanceName": truth.name,
        "InstanceChargeType": truth.charge_type,
        "SystemDisk": system.map(|(code, disk)| disk_view(holding, *code, disk)),
        "DataDisks": data.map(|(code, disk)| disk_view(holding, *code, disk)).collect::<Vec<_>>(),
        // The vendor does not say the addresses of further interfaces.
        "PrivateIpAddresses": holding.private_ips_of(instance),
        "PublicIpAddresses": some_list(truth.public_ips.iter().map(|ip| json!(ip)).collect()),
        "VirtualPrivateCloud": {
            "VpcId": holding.vpc_id(),
            "SubnetId": holding.vswitch_id(instance.zone),
            "AsVpcGateway": false,
        },
        "ImageId": truth.image,
        "CreatedTime": second(instance.created),
        "ExpiredTime": instance.expires.map(second),
        "RenewFlag": instance.expires.map(|_| "NOTIFY_AND_MANUAL_RENEW"),
        "OsName": holding.image_of(instance).english,
        "SecurityGroupIds": truth.security_groups,
        "LoginSettings": { "KeyIds": null },
        "InstanceState": truth.status,
        "Tags": instance.tags.as_ref().map(|tags| tags.iter().map(|(key, value)| {
            json!({ "Key": key, "Value": value })
        }).collect::<Vec<_>>()),
        "HostName": null,
    });
    more(&mut item, code, instance);
    item
}

/// Adds what says little about an instance.
fn more(item: &mut Value, code: u64, instance: &Instance) {
    let stopped = instance.status == Status::Stopped;
    let lock = instance.locks().first();
    item["InternetAccessible"] = json!({
        "InternetChargeType": "TRAFFIC_POSTPAID_BY_HOUR",
        "InternetMaxBandwidthOut": instance.eip.map_or(0, |eip| eip.bandwidth),
        "PublicIpAssigned": instance.public_ip.is_some(),
    });
    item["StopChargingMode"] = json!(match (stopped, instance.stop_charging) {
        (false, _) => "NOT_APPLICABLE",
        (true, true) => "STOP_CHARGING",
        (true, false) => "KEEP_CHARGING",
    });
    item["Uuid"] = json!(uuid(code));
    item["LatestOperation"] = json!(if stopped { "StopInstances" } else { "StartInstances" });
    item["LatestOperationState"] = json!("SUCCESS");
    item["LatestOperationRequestId"] = json!(uuid(code ^ 1));
    item["IsolatedSource"] = json!(if lock.is_some() { "ARREAR" } else { "NOTISOLATED" });
    item["IPv6Addresses"] = json!(
        instance
            .extra
            .as_ref()
            .filter(|extra| extra.ipv6)
            .map(|_| { [format!("2402:4e00::{:x}", code & 0xffff)] })
    );
}

fn restriction(instance: &Instance) -> &'static str {
    match instance.locks().first() {
        None => "NORMAL",
        Some(&"Recycling") => "EXPIRED",
        Some(_) => "PROTECTIVELY_ISOLATED",
    }
}

fn some_list(list: Vec<Value>) -> Option<Vec<Value>> {
    (!list.is_empty()).then_some(list)
}

fn disk_view(holding: &Holding, code: u64, disk: &Disk) -> Value {
    let mut view = json!({
        "DiskType": holding.category_of(disk),
        "DiskId": holding.disk_id(code),
        "DiskSize": disk.size_gib,
        "DiskName": &*disk.name,
        "Encrypt": disk.encrypted,
    });
    if !disk.system {
        view["DeleteWithInstance"] = json!(false);
    }
    view
}
