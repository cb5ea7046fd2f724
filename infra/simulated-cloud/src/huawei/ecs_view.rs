//! A server as the listing writes it.

use std::net::Ipv4Addr;

use serde_json::{Value, json};

use super::project_id;
use crate::world::TruthInstance;
use crate::world::id::{render, scatter};
use crate::world::model::{Holding, Instance, Status, second};

/// Returns the words that go with the status: state, task and power.
fn states(status: Status) -> (&'static str, Option<&'static str>, u8) {
    match status {
        Status::Pending => ("building", Some("spawning"), 0),
        Status::Starting => ("stopped", Some("powering-on"), 4),
        Status::Running => ("active", None, 1),
        Status::Stopping => ("active", Some("powering-off"), 1),
        Status::Stopped => ("stopped", None, 4),
    }
}

pub(super) fn view(holding: &Holding, code: u64, instance: &Instance) -> Value {
    let truth = TruthInstance::of(holding, code, instance);
    let kind = holding.type_of(instance);
    let (state, task, power) = states(instance.status);
    let groups = truth.security_groups.iter().enumerate();
    // Names may be the same.
    let groups = groups.map(|(n, id)| {
        let name = if n % 2 == 0 { "default" } else { "web" };
        json!({ "id": id, "name": name })
    });
    let mut item = json!({
        "id": truth.id,
        "name": truth.name,
        "status": truth.status,
        "created": second(instance.created),
        "updated": second(instance.started),
        "tenant_id": project_id(holding),
        "user_id": format!("{:016x}", scatter(holding.salt)),
        "flavor": {
            "id": kind.id,
            "name": kind.id,
            "vcpus": kind.cpu.to_string(),
            "ram": kind.memory_mib.to_string(),
            "disk": "0",
        },
        "image": { "id": truth.image },
        "addresses": { truth.vpc.as_str(): addresses(code, instance, &truth) },
        "security_groups": groups.collect::<Vec<_>>(),
        "os-extended-volumes:volumes_attached": volumes(holding, code, instance),
        "metadata": {
            "charging_mode": truth.charge_type,
            "vpc_id": truth.vpc,
            "os_type": holding.image_of(instance).os,
            "image_name": holding.image_of(instance).english,
            "metering.image_id": truth.image,
        },
        "sys_tags": [{ "key": "_sys_enterprise_project_id", "value": truth.resource_group }],
        "enterprise_project_id": truth.resource_group,
        "description": instance.extra.as_ref().map_or("", |extra| &*extra.description),
        "key_name": null,
        "locked": !instance.locks().is_empty(),
        "hostId": format!("{:016x}", scatter(!code)),
        "host_status": "UP",
        "progress": 0,
        "config_drive": "",
    });
    item["OS-EXT-AZ:availability_zone"] = json!(truth.zone);
    item["OS-EXT-STS:vm_state"] = json!(state);
    item["OS-EXT-STS:task_state"] = json!(task);
    item["OS-EXT-STS:power_state"] = json!(power);
    item["OS-SRV-USG:launched_at"] = json!(second(instance.started));
    if let Some(tags) = &instance.tags {
        let tags = tags.iter().map(|(key, value)| format!("{key}={value}"));
        item["tags"] = json!(tags.collect::<Vec<_>>());
    }
    item
}

/// Writes addresses: those of each interface, and the one that floats beside
/// the first.
fn addresses(code: u64, instance: &Instance, truth: &TruthInstance) -> Vec<Value> {
    let extra = instance.extra.as_deref();
    let mut written = Vec::new();
    for (place, ips) in instance.interfaces().into_iter().enumerate() {
        let port = scatter(code ^ place as u64);
        let each = ips.iter().map(|ip| (*ip, "fixed"));
        let floating = truth.public_ips.iter().filter(|_| place == 0).map(|ip| (*ip, "floating"));
        written.extend(each.chain(floating).map(|(ip, kind)| address(ip, kind, port)));
        if place == 0 && extra.is_some_and(|extra| extra.ipv6) {
            let mut ipv6 = address(Ipv4Addr::UNSPECIFIED, "fixed", port);
            ipv6["version"] = json!("6");
            ipv6["addr"] = json!(format!("2407:c080::{:x}", code & 0xffff));
            written.push(ipv6);
        }
    }
    written
}

fn address(ip: Ipv4Addr, kind: &str, port: u64) -> Value {
    let bytes = port.to_be_bytes();
    json!({
        "version": "4",
        "addr": ip,
        "OS-EXT-IPS:type": kind,
        "OS-EXT-IPS-MAC:mac_addr":
            format!("fa:16:3e:{:02x}:{:02x}:{:02x}", bytes[0], bytes[1], bytes[2]),
        "OS-EXT-IPS:port_id": uuid::Uuid::from_u64_pair(port, scatter(port)).to_string(),
    })
}

/// Writes what is attached, without sizes.
fn volumes(holding: &Holding, code: u64, instance: &Instance) -> Vec<Value> {
    let attached = instance.disks.iter().filter_map(|disk| {
        let found = holding.disks.get(disk)?;
        let at = found.attached.iter().find(|at| at.instance == code)?;
        Some(json!({
            "id": render("d", holding.region, *disk),
            "bootIndex": found.system.then_some("0"),
            "device": format!("/dev/vd{}", char::from(at.letter)),
            "delete_on_termination": found.system.to_string(),
        }))
    });
    attached.collect()
}
