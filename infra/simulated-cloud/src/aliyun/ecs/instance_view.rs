//! An instance as `DescribeInstances` writes it, with every field that the
//! vendor's own client knows.

use std::net::Ipv4Addr;

use serde::Serialize;

use super::minute;
use crate::world::id::{render, scatter};
use crate::world::model::{Holding, Instance, Status, Tag};

/// How traffic is paid for; all instances pay so.
pub(super) const INTERNET_CHARGE: &str = "PayByTraffic";

/// Pay-as-you-go instances expire at the end of the century.
const NEVER: &str = "2099-12-31T15:59Z";

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct InstanceView<'a> {
    instance_id: String,
    instance_name: &'a str,
    host_name: String,
    description: &'a str,
    status: &'static str,
    stopped_mode: &'static str,
    region_id: &'static str,
    zone_id: String,
    cluster_id: &'static str,
    instance_type: &'static str,
    instance_type_family: &'static str,
    cpu: u16,
    memory: u32,
    #[serde(rename = "GPUAmount")]
    gpu_amount: u8,
    #[serde(rename = "GPUSpec")]
    gpu_spec: &'static str,
    local_storage_amount: u8,
    local_storage_capacity: u32,
    io_optimized: bool,
    #[serde(rename = "OSName")]
    os_name: &'static str,
    #[serde(rename = "OSNameEn")]
    os_name_en: &'static str,
    #[serde(rename = "OSType")]
    os_type: &'static str,
    image_id: &'static str,
    image_options: ImageOptions,
    instance_charge_type: &'static str,
    internet_charge_type: &'static str,
    internet_max_bandwidth_in: i32,
    internet_max_bandwidth_out: u16,
    #[serde(rename = "ISP")]
    isp: &'static str,
    spot_strategy: &'static str,
    spot_price_limit: f64,
    spot_duration: u8,
    spot_interruption_behavior: &'static str,
    sale_cycle: &'static str,
    creation_time: String,
    start_time: String,
    expired_time: String,
    auto_release_time: &'static str,
    deletion_protection: bool,
    device_available: bool,
    recyclable: bool,
    credit_specification: &'static str,
    serial_number: String,
    resource_group_id: String,
    deployment_set_id: &'static str,
    deployment_set_group_no: u8,
    hpc_cluster_id: &'static str,
    key_pair_name: &'static str,
    #[serde(rename = "EnableNVS")]
    enable_nvs: bool,
    vlan_id: &'static str,
    instance_network_type: &'static str,
    public_ip_address: IpAddresses,
    inner_ip_address: IpAddresses,
    rdma_ip_address: IpAddresses,
    eip_address: EipAddress,
    vpc_attributes: VpcAttributes,
    security_group_ids: SecurityGroupIds,
    network_interfaces: NetworkInterfaces,
    operation_locks: OperationLocks,
    additional_info: AdditionalInfo,
    clock_options: ClockOptions,
    dedicated_host_attribute: DedicatedHostAttribute,
    dedicated_instance_attribute: DedicatedInstanceAttribute,
    ecs_capacity_reservation_attr: EcsCapacityReservationAttr,
    cpu_options: CpuOptions,
    metadata_options: MetadataOptions,
    hibernation_options: HibernationOptions,
    private_dns_name_options: PrivateDnsNameOptions,
    security_options: SecurityOptions,
    #[serde(skip_serializing_if = "Option::is_none")]
    tags: Option<Tags<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ImageOptions {
    login_as_non_root: bool,
    #[serde(rename = "CurrentOSNVMeSupported")]
    current_os_nvme_supported: bool,
}

#[derive(Default, Serialize)]
#[serde(rename_all = "PascalCase")]
struct IpAddresses {
    ip_address: Vec<Ipv4Addr>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct EipAddress {
    allocation_id: String,
    ip_address: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    bandwidth: Option<u16>,
    internet_charge_type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    is_support_unassociate: Option<bool>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct VpcAttributes {
    vpc_id: String,
    v_switch_id: String,
    nat_ip_address: &'static str,
    private_ip_address: IpAddresses,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct SecurityGroupIds {
    security_group_id: Vec<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct NetworkInterfaces {
    network_interface: Vec<NetworkInterface>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct NetworkInterface {
    network_interface_id: String,
    #[serde(rename = "Type")]
    kind: &'static str,
    mac_address: String,
    primary_ip_address: Ipv4Addr,
    private_ip_sets: PrivateIpSets,
    #[serde(rename = "Ipv6Sets", skip_serializing_if = "Option::is_none")]
    ipv6_sets: Option<Ipv6Sets>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct PrivateIpSets {
    private_ip_set: Vec<PrivateIpSet>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct PrivateIpSet {
    private_ip_address: Ipv4Addr,
    primary: bool,
}

#[derive(Serialize)]
struct Ipv6Sets {
    #[serde(rename = "Ipv6Set")]
    set: [Ipv6Set; 1],
}

#[derive(Serialize)]
struct Ipv6Set {
    #[serde(rename = "Ipv6Address")]
    address: String,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct OperationLocks {
    lock_reason: Vec<LockReason>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct LockReason {
    lock_reason: &'static str,
    lock_msg: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct AdditionalInfo {
    enable_high_density_mode: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ClockOptions {
    ptp_status: &'static str,
}

#[derive(Default, Serialize)]
#[serde(rename_all = "PascalCase")]
struct DedicatedHostAttribute {
    dedicated_host_id: &'static str,
    dedicated_host_name: &'static str,
    dedicated_host_cluster_id: &'static str,
}

#[derive(Default, Serialize)]
#[serde(rename_all = "PascalCase")]
struct DedicatedInstanceAttribute {
    tenancy: &'static str,
    affinity: &'static str,
}

#[derive(Default, Serialize)]
#[serde(rename_all = "PascalCase")]
struct EcsCapacityReservationAttr {
    capacity_reservation_id: &'static str,
    capacity_reservation_preference: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct CpuOptions {
    core_count: u16,
    threads_per_core: u8,
    numa: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct MetadataOptions {
    http_tokens: &'static str,
    http_endpoint: &'static str,
    http_put_response_hop_limit: u8,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct HibernationOptions {
    configured: bool,
}

#[derive(Serialize)]
struct PrivateDnsNameOptions {}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct SecurityOptions {
    enable_secure_boot: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Tags<'a> {
    tag: Vec<TagView<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct TagView<'a> {
    tag_key: &'a str,
    tag_value: &'a str,
}

impl<'a> Tags<'a> {
    pub(super) fn of(tags: &'a [Tag]) -> Self {
        let view = |(key, value): &'a Tag| TagView { tag_key: key, tag_value: value };
        Self { tag: tags.iter().map(view).collect() }
    }
}

impl<'a> InstanceView<'a> {
    #[allow(clippy::too_many_lines, reason = "one line for each of the vendor's 69 fields")]
    pub(super) fn of(holding: &Holding, code: u64, instance: &'a Instance) -> Self {
        let spec = instance.spec();
        let image = instance.image();
        let expires = instance.expires.map(minute);
        let lock_reason =
            instance.locks().iter().map(|lock| LockReason { lock_reason: lock, lock_msg: "" });
        let groups = instance.groups.iter().map(|group| holding.group_id(*group));
        let inner = instance.classic.then_some(instance.private_ip);
        let instance_id = holding.instance_id(code);
        Self {
            host_name: format!("iZ{}Z", &instance_id[2..]),
            instance_id,
            instance_name: &instance.name,
            description: instance.extra.as_deref().map_or("", |extra| &extra.description),
            status: instance.status.word(),
            stopped_mode: stopped_mode(instance),
            region_id: holding.region.id,
            zone_id: holding.zone_id(instance.zone),
            cluster_id: "",
            instance_type: spec.id,
            instance_type_family: spec.family,
            cpu: spec.cpu,
            memory: spec.memory_mib,
            gpu_amount: spec.gpus,
            gpu_spec: spec.gpu,
            local_storage_amount: spec.local.0,
            local_storage_capacity: spec.local.1,
            io_optimized: true,
            os_name: image.chinese,
            os_name_en: image.english,
            os_type: image.os,
            image_id: image.id,
            image_options: ImageOptions {
                login_as_non_root: false,
                current_os_nvme_supported: image.os == "linux",
            },
            instance_charge_type: instance.charge_type(),
            internet_charge_type: INTERNET_CHARGE,
            internet_max_bandwidth_in: -1,
            internet_max_bandwidth_out: if instance.wants_public { 5 } else { 0 },
            isp: "",
            spot_strategy: "NoSpot",
            spot_price_limit: 0.0,
            spot_duration: 0,
            spot_interruption_behavior: "Terminate",
            sale_cycle: if expires.is_some() { "Month" } else { "" },
            creation_time: minute(instance.created),
            start_time: minute(instance.started),
            expired_time: expires.unwrap_or_else(|| NEVER.to_owned()),
            auto_release_time: "",
            deletion_protection: false,
            device_available: true,
            recyclable: instance.locks().contains(&"Recycling"),
            credit_specification: if spec.family == "ecs.t6" { "Standard" } else { "" },
            serial_number: serial_number(code),
            resource_group_id: holding.resource_group_id(instance.resource_group),
            deployment_set_id: "",
            deployment_set_group_no: 0,
            hpc_cluster_id: "",
            key_pair_name: "",
            enable_nvs: false,
            vlan_id: "",
            instance_network_type: if instance.classic { "classic" } else { "vpc" },
            public_ip_address: IpAddresses { ip_address: instance.public_ip.into_iter().collect() },
            inner_ip_address: IpAddresses { ip_address: inner.into_iter().collect() },
            rdma_ip_address: IpAddresses::default(),
            eip_address: eip_address(holding, instance),
            vpc_attributes: vpc_attributes(holding, instance),
            security_group_ids: SecurityGroupIds { security_group_id: groups.collect() },
            network_interfaces: NetworkInterfaces {
                network_interface: network_interfaces(holding, code, instance),
            },
            operation_locks: OperationLocks { lock_reason: lock_reason.collect() },
            additional_info: AdditionalInfo { enable_high_density_mode: false },
            clock_options: ClockOptions { ptp_status: "disabled" },
            dedicated_host_attribute: DedicatedHostAttribute::default(),
            dedicated_instance_attribute: DedicatedInstanceAttribute::default(),
            ecs_capacity_reservation_attr: EcsCapacityReservationAttr::default(),
            cpu_options: CpuOptions {
                core_count: spec.cpu.div_ceil(2),
                threads_per_core: 2,
                numa: "ON",
            },
            metadata_options: MetadataOptions {
                http_tokens: "optional",
                http_endpoint: "enabled",
                http_put_response_hop_limit: 1,
            },
            hibernation_options: HibernationOptions { configured: false },
            private_dns_name_options: PrivateDnsNameOptions {},
            security_options: SecurityOptions { enable_secure_boot: false },
            tags: instance.tags.as_deref().map(Tags::of),
        }
    }
}

fn stopped_mode(instance: &Instance) -> &'static str {
    match instance.status {
        Status::Stopped if instance.stop_charging => "StopCharging",
        Status::Stopped => "KeepCharging",
        _ => "Not-applicable",
    }
}

fn serial_number(code: u64) -> String {
    let more = scatter(code);
    format!(
        "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
        code >> 32,
        (code >> 16) & 0xffff,
        code & 0xffff,
        more >> 48,
        more & 0xffff_ffff_ffff
    )
}

fn eip_address(holding: &Holding, instance: &Instance) -> EipAddress {
    match instance.eip {
        Some(eip) => EipAddress {
            allocation_id: render("eip", holding.region, eip.code),
            ip_address: eip.ip.to_string(),
            bandwidth: Some(eip.bandwidth),
            internet_charge_type: INTERNET_CHARGE,
            is_support_unassociate: Some(true),
        },
        // The vendor leaves the object there, with empty strings.
        None => EipAddress {
            allocation_id: String::new(),
            ip_address: String::new(),
            bandwidth: None,
            internet_charge_type: "",
            is_support_unassociate: None,
        },
    }
}

fn vpc_attributes(holding: &Holding, instance: &Instance) -> VpcAttributes {
    if instance.classic {
        return VpcAttributes {
            vpc_id: String::new(),
            v_switch_id: String::new(),
            nat_ip_address: "",
            private_ip_address: IpAddresses::default(),
        };
    }
    VpcAttributes {
        vpc_id: holding.vpc_id(),
        v_switch_id: holding.vswitch_id(instance.zone),
        nat_ip_address: "",
        private_ip_address: IpAddresses { ip_address: first_interface(instance) },
    }
}

/// Returns the addresses of the first interface.
fn first_interface(instance: &Instance) -> Vec<Ipv4Addr> {
    let more = instance.extra.iter().flat_map(|extra| extra.more_ips.iter().copied());
    std::iter::once(instance.private_ip).chain(more).collect()
}

fn network_interfaces(holding: &Holding, code: u64, instance: &Instance) -> Vec<NetworkInterface> {
    if instance.classic {
        return Vec::new();
    }
    let more = instance.extra.iter().flat_map(|extra| extra.more_interfaces.iter());
    let each = std::iter::once(first_interface(instance)).chain(more.map(|ip| vec![*ip]));
    each.zip(0_u64..)
        .map(|(addresses, number)| {
            let own = scatter(code.wrapping_add(number));
            let ipv6 = number == 0 && instance.extra.as_deref().is_some_and(|extra| extra.ipv6);
            NetworkInterface {
                network_interface_id: render("eni", holding.region, own),
                kind: if number == 0 { "Primary" } else { "Secondary" },
                mac_address: mac_address(own),
                primary_ip_address: addresses[0],
                private_ip_sets: PrivateIpSets {
                    private_ip_set: addresses
                        .iter()
                        .zip(0..)
                        .map(|(ip, place)| PrivateIpSet {
                            private_ip_address: *ip,
                            primary: place == 0,
                        })
                        .collect(),
                },
                ipv6_sets: ipv6.then(|| Ipv6Sets { set: [Ipv6Set { address: ipv6_address(own) }] }),
            }
        })
        .collect()
}

/// Returns a hardware address; the first half is that of virtual machines.
fn mac_address(code: u64) -> String {
    let [a, b, c, ..] = code.to_be_bytes();
    format!("00:16:3e:{a:02x}:{b:02x}:{c:02x}")
}

fn ipv6_address(code: u64) -> String {
    format!("2408:4005:3c5:{:x}::{:x}", (code >> 16) & 0xffff, code & 0xffff)
}
