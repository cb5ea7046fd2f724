//! Random resources, drawn from few values so that they often nearly agree.

use std::collections::BTreeSet;

use cloud_sync_core::attributes::Attributes;
use cloud_sync_core::resource::{Disk, Resource, Status};
use jiff::Timestamp;
use proptest::collection::{btree_map, btree_set};
use proptest::option;
use proptest::prelude::*;

pub const STATUSES: [Status; 10] = [
    Status::Pending,
    Status::Starting,
    Status::Running,
    Status::Stopping,
    Status::Stopped,
    Status::Rebooting,
    Status::Terminating,
    Status::Terminated,
    Status::Error,
    Status::Unknown,
];

/// Texts that look like the inside of an encoding: separators, names of
/// fields, bytes of lengths, and short ones that join to each other.
pub fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => prop::sample::select(vec![
            "", "a", "b", "ab", "ba", "aa", ";", "=", "#", ",", "null", "[]", "\0", "\u{1}", "1",
            "name=", "a;", ";tags=", "running", "Running", "库", "a\0\0\0\0\0\0\0\0",
        ])
        .prop_map(str::to_owned),
        1 => "[ab;=\0]{0,8}",
        1 => any::<String>(),
    ]
}

pub fn timestamp() -> impl Strategy<Value = Timestamp> {
    (0..4_i64, 0..2_i32).prop_map(|(hours, nanos)| {
        Timestamp::new(1_800_000_000 + 3600 * hours, nanos).expect("a time of this century")
    })
}

pub fn status() -> impl Strategy<Value = Status> {
    prop::sample::select(STATUSES.to_vec())
}

fn disk() -> impl Strategy<Value = Disk> {
    let word = |words: &'static [&str]| prop::sample::select(words).prop_map(str::to_owned);
    (word(&["", "d", "d1"]), word(&["", "1", "ssd"]), option::of(0..3_u64))
        .prop_map(|(id, category, size_gib)| Disk { id, category, size_gib })
}

pub fn disks() -> impl Strategy<Value = Option<BTreeSet<Disk>>> {
    option::of(btree_set(disk(), 0..3))
}

pub fn resource() -> impl Strategy<Value = Resource> {
    let texts = (text(), text(), text(), text());
    let sets = (
        btree_set(text(), 0..3),
        btree_set(text(), 0..3),
        btree_set(text(), 0..3),
        btree_map(text(), text(), 0..3),
    );
    let times = (option::of(timestamp()), option::of(timestamp()));
    let attributes = btree_map("[A-C]", 0..3_u32, 0..2);
    (texts, status(), sets, disks(), times, attributes).prop_map(
        |(texts, status, sets, data_disks, times, attributes)| Resource {
            id: "i-1".to_owned(),
            name: texts.0,
            status,
            vendor_status: texts.1,
            spec: texts.2,
            zone: texts.3,
            public_ips: sets.0,
            private_ips: sets.1,
            security_groups: sets.2,
            data_disks,
            is_deferred: false,
            system_disk: String::new(),
            tags: sets.3,
            created_at: times.0,
            expires_at: times.1,
            attributes: attributes.into_iter().map(|(key, value)| (key, value.into())).collect(),
        },
    )
}

/// A resource and what may have become of it: some fields taken from another
/// one, most of them as they were.
pub fn successors() -> impl Strategy<Value = (Resource, Resource)> {
    (resource(), resource(), any::<u16>(), any::<u16>()).prop_map(|(old, other, a, b)| {
        let new = mixed(&old, &other, a & b);
        (old, new)
    })
}

/// Returns `old` with the fields whose bit is set taken from `other`.
pub fn mixed(old: &Resource, other: &Resource, bits: u16) -> Resource {
    let mut new = old.clone();
    macro_rules! take {
        ($($bit:literal $field:ident)*) => {
            $(if bits & (1 << $bit) != 0 { new.$field.clone_from(&other.$field); })*
        };
    }
    take!(0 name 1 status 2 vendor_status 3 spec 4 zone 5 public_ips 6 private_ips
        7 security_groups 8 data_disks 9 tags 10 created_at 11 expires_at 12 attributes);
    new
}

/// The parts that are tracked: all but the attributes.
pub fn tracked(resource: &Resource) -> Resource {
    Resource { attributes: Attributes::default(), ..resource.clone() }
}
