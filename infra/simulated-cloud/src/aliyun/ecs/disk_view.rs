//! A disk as `DescribeDisks` writes it.

use serde::Serialize;

use super::instance_view::Tags;
use super::minute;
use crate::world::catalog::DISK_CATEGORIES;
use crate::world::id::scatter;
use crate::world::model::{Attachment, Disk, Holding};

/// Pay-as-you-go disks expire at the end of the millennium.
const NEVER: &str = "2999-09-08T16:00Z";

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct DiskView<'a> {
    disk_id: String,
    disk_name: &'a str,
    description: &'static str,
    instance_id: String,
    #[serde(rename = "Type")]
    kind: &'static str,
    device: String,
    size: u32,
    category: &'static str,
    performance_level: &'static str,
    status: &'static str,
    region_id: &'static str,
    zone_id: String,
    disk_charge_type: &'static str,
    portable: bool,
    encrypted: bool,
    delete_with_instance: bool,
    delete_auto_snapshot: bool,
    enable_auto_snapshot: bool,
    enable_automated_snapshot_policy: bool,
    auto_snapshot_policy_id: &'static str,
    #[serde(rename = "KMSKeyId")]
    kms_key_id: &'static str,
    creation_time: String,
    attached_time: String,
    detached_time: &'static str,
    expired_time: &'static str,
    image_id: &'static str,
    source_snapshot_id: &'static str,
    source_disk_id: &'static str,
    product_code: &'static str,
    storage_set_id: &'static str,
    storage_cluster_id: &'static str,
    bdf_id: &'static str,
    serial_number: String,
    bursting_enabled: bool,
    provisioned_iops: u32,
    multi_attach: &'static str,
    mount_instance_num: usize,
    mount_instances: MountInstances,
    attachments: Attachments,
    operation_locks: OperationLocks,
    tags: Tags<'a>,
    resource_group_id: &'static str,
    #[serde(rename = "IOPS")]
    iops: u32,
    #[serde(rename = "IOPSRead")]
    iops_read: u32,
    #[serde(rename = "IOPSWrite")]
    iops_write: u32,
    throughput: u32,
    throughput_read: u32,
    throughput_write: u32,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct MountInstances {
    mount_instance: Vec<AttachmentView>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Attachments {
    attachment: Vec<AttachmentView>,
}

#[derive(Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
struct AttachmentView {
    instance_id: String,
    device: String,
    attached_time: String,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct OperationLocks {
    operation_lock: [(); 0],
}

impl<'a> DiskView<'a> {
    pub(super) fn of(holding: &Holding, code: u64, disk: &'a Disk) -> Self {
        let (category, performance_level) = DISK_CATEGORIES[usize::from(disk.category)];
        let attachment: Vec<AttachmentView> =
            disk.attached.iter().map(|attachment| view(holding, attachment)).collect();
        let first = attachment.first().cloned();
        let iops = if category == "cloud_essd" { 1800 + disk.size_gib * 50 } else { 0 };
        let shared = if disk.multi_attach { attachment.clone() } else { Vec::new() };
        let (instance_id, device, attached_time) = first.map_or_else(Default::default, |first| {
            (first.instance_id, first.device, first.attached_time)
        });
        Self {
            disk_id: holding.disk_id(code),
            disk_name: &disk.name,
            description: "",
            status: if instance_id.is_empty() { "Available" } else { "In_use" },
            instance_id,
            kind: if disk.system { "system" } else { "data" },
            device,
            size: disk.size_gib,
            category,
            performance_level,
            region_id: holding.region.id,
            zone_id: holding.zone_id(disk.zone),
            disk_charge_type: "PostPaid",
            portable: !disk.system,
            encrypted: disk.encrypted,
            delete_with_instance: disk.system,
            delete_auto_snapshot: false,
            enable_auto_snapshot: true,
            enable_automated_snapshot_policy: false,
            auto_snapshot_policy_id: "",
            kms_key_id: "",
            creation_time: minute(disk.created),
            attached_time,
            detached_time: "",
            expired_time: NEVER,
            image_id: "",
            source_snapshot_id: "",
            source_disk_id: "",
            product_code: "",
            storage_set_id: "",
            storage_cluster_id: "",
            bdf_id: "",
            serial_number: format!("bp1{:016x}", scatter(code)),
            bursting_enabled: false,
            provisioned_iops: 0,
            multi_attach: if disk.multi_attach { "Enabled" } else { "Disabled" },
            mount_instance_num: attachment.len(),
            mount_instances: MountInstances { mount_instance: shared },
            attachments: Attachments { attachment },
            operation_locks: OperationLocks { operation_lock: [] },
            tags: Tags::of(disk.tags.as_deref().unwrap_or(&[])),
            resource_group_id: "",
            iops,
            iops_read: iops,
            iops_write: iops,
            throughput: 180,
            throughput_read: 180,
            throughput_write: 180,
        }
    }
}

fn view(holding: &Holding, attachment: &Attachment) -> AttachmentView {
    AttachmentView {
        instance_id: holding.instance_id(attachment.instance),
        device: format!("/dev/xvd{}", char::from(attachment.letter)),
        attached_time: minute(attachment.at),
    }
}
