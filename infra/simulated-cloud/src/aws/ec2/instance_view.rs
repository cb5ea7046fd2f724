//! An instance as `DescribeInstances` writes it.

use std::net::Ipv4Addr;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{tag_set, time};
use crate::world::TruthInstance;
use crate::world::id::{render, scatter};
use crate::world::model::{Holding, Instance, Status};

/// An instance that is shown.
#[derive(Clone, Copy)]
pub(super) enum Shown<'a> {
    /// It is there.
    Live(&'a Instance),
    /// It was terminated not long ago.
    Gone(&'a Instance, Timestamp),
}

impl<'a> Shown<'a> {
    pub(super) fn instance(&self) -> &'a Instance {
        match self {
            Self::Live(instance) | Self::Gone(instance, _) => instance,
        }
    }
}

/// Writes a state: code and name.
pub(super) fn state(shown: &Shown<'_>) -> Value {
    let (code, name) = match shown {
        Shown::Gone(..) => (48, "terminated"),
        Shown::Live(instance) => match instance.status {
            Status::Pending | Status::Starting => (0, "pending"),
            Status::Running => (16, "running"),
            Status::Stopping => (64, "stopping"),
            Status::Stopped => (80, "stopped"),
        },
    };
    json!({ "code": code, "name": name })
}

pub(super) fn view(holding: &Holding, code: u64, shown: &Shown<'_>, owner: &str) -> Value {
    let instance = shown.instance();
    let truth = TruthInstance::of(holding, code, instance);
    let launched = time(instance.created);
    let mut item = json!({
        "instanceId": truth.id,
        "imageId": truth.image,
        "instanceState": state(shown),
        "privateDnsName": "",
        "dnsName": "",
        "reason": "",
        "amiLaunchIndex": 0,
        "productCodes": null,
        "instanceType": truth.instance_type,
        "launchTime": launched,
        "placement": {
            "availabilityZone": truth.zone,
            "groupName": "",
            "tenancy": "default",
        },
        "monitoring": { "state": "disabled" },
        "architecture": if truth.instance_type.contains("g.") { "arm64" } else { "x86_64" },
        "rootDeviceType": "ebs",
        "rootDeviceName": "/dev/xvda",
        "virtualizationType": "hvm",
        "hypervisor": "xen",
        "ebsOptimized": false,
        "enaSupport": true,
        "clientToken": "",
        "blockDeviceMapping": null,
        "networkInterfaceSet": null,
        "groupSet": null,
        // The order of tags says nothing.
        "tagSet": tag_set(truth.tags.iter().map(|(key, value)| (&**key, &**value))),
    });
    if holding.image_of(instance).os == "windows" {
        item["platform"] = json!("windows");
    }
    match shown {
        Shown::Live(_) => place(&mut item, holding, code, (instance, &truth), owner),
        Shown::Gone(_, left) => {
            let when = left.strftime("%Y-%m-%d %H:%M:%S GMT");
            item["reason"] = json!(format!("User initiated ({when})"));
            item["stateReason"] = json!({
                "code": "Client.UserInitiatedShutdown",
                "message": "Client.UserInitiatedShutdown: User initiated shutdown",
            });
        }
    }
    item
}

/// Adds where an instance is reached and what hangs on it, which it has as
/// long as it is there.
fn place(
    item: &mut Value,
    holding: &Holding,
    code: u64,
    (instance, truth): (&Instance, &TruthInstance),
    owner: &str,
) {
    let groups = truth.security_groups.iter().map(|group| {
        json!({ "groupId": group, "groupName": format!("group-{}", &group[group.len() - 4..]) })
    });
    let groups = json!({ "item": groups.collect::<Vec<_>>() });
    item["vpcId"] = json!(truth.vpc);
    item["subnetId"] = json!(holding.vswitch_id(instance.zone));
    item["privateIpAddress"] = json!(instance.private_ip);
    item["privateDnsName"] = json!(internal_name(instance.private_ip));
    item["sourceDestCheck"] = json!(true);
    if let Some(public) = truth.public_ips.first() {
        item["ipAddress"] = json!(public);
        item["dnsName"] = json!(public_name(*public));
    }
    let attached = instance.disks.iter().filter_map(|disk| {
        let at = holding.disks.get(disk)?.attached.iter().find(|at| at.instance == code)?;
        let device = format!("/dev/xvd{}", char::from(at.letter));
        let ebs = json!({
            "volumeId": holding.disk_id(*disk),
            "status": "attached",
            "attachTime": time(at.at),
            "deleteOnTermination": at.letter == b'a',
        });
        Some(json!({ "deviceName": device, "ebs": ebs }))
    });
    item["blockDeviceMapping"] = json!({ "item": attached.collect::<Vec<_>>() });
    let interfaces = interfaces(holding, code, (instance, truth), (&groups, owner));
    item["networkInterfaceSet"] = json!({ "item": interfaces });
    item["groupSet"] = groups;
}

fn interfaces(
    holding: &Holding,
    code: u64,
    (instance, truth): (&Instance, &TruthInstance),
    (groups, owner): (&Value, &str),
) -> Vec<Value> {
    let extra = instance.extra.as_deref();
    let public = truth
        .public_ips
        .first()
        .map(|ip| json!({ "publicIp": ip, "publicDnsName": public_name(*ip), "ipOwnerId": owner }));
    let each = instance.interfaces().into_iter().enumerate();
    let each = each.map(|(place, ips)| {
        let own = scatter(code ^ place as u64);
        let association = public.as_ref().filter(|_| place == 0);
        let addresses: Vec<Value> = ips
            .iter()
            .enumerate()
            .map(|(number, ip)| address(*ip, association.filter(|_| number == 0), number == 0))
            .collect();
        let mut interface = json!({
            "networkInterfaceId": render("eni", holding.region, own),
            "subnetId": holding.vswitch_id(instance.zone),
            "vpcId": truth.vpc,
            "ownerId": owner,
            "status": "in-use",
            "macAddress": mac(own),
            "privateIpAddress": ips[0],
            "privateDnsName": internal_name(ips[0]),
            "sourceDestCheck": true,
            "groupSet": groups,
            "attachment": {
                "attachmentId": render("eni-attach", holding.region, scatter(own)),
                "deviceIndex": place,
                "status": "attached",
                "attachTime": time(instance.created),
                "deleteOnTermination": place == 0,
            },
            "privateIpAddressesSet": { "item": addresses },
            "interfaceType": "interface",
        });
        if let Some(association) = association {
            interface["association"] = association.clone();
        }
        if place == 0 && extra.is_some_and(|extra| extra.ipv6) {
            let ipv6 = format!("2600:1f18::{:x}", code & 0xffff);
            interface["ipv6AddressesSet"] = json!({ "item": [{ "ipv6Address": ipv6 }] });
        }
        interface
    });
    each.collect()
}

fn address(ip: Ipv4Addr, association: Option<&Value>, primary: bool) -> Value {
    let mut address = json!({ "privateIpAddress": ip, "primary": primary });
    if let Some(association) = association {
        address["association"] = association.clone();
    }
    address
}

fn mac(code: u64) -> String {
    let bytes = code.to_be_bytes();
    let bytes: Vec<String> = bytes[..5].iter().map(|byte| format!("{byte:02x}")).collect();
    format!("02:{}", bytes.join(":"))
}

fn internal_name(ip: Ipv4Addr) -> String {
    format!("ip-{}.ec2.internal", ip.to_string().replace('.', "-"))
}

fn public_name(ip: Ipv4Addr) -> String {
    format!("ec2-{}.compute.amazonaws.com", ip.to_string().replace('.', "-"))
}
