//! What was listed, compared with what there is.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use cloud_sync_core::resource::Resource;
use simulated_cloud::{TruthInstance, TruthManaged};

fn texts(ips: &[Ipv4Addr]) -> BTreeSet<String> {
    ips.iter().map(ToString::to_string).collect()
}

/// Asserts that machines are as they really are. Addresses of the sixth
/// version are not among the truth.
pub fn assert_machines(found: &BTreeMap<String, Resource>, truth: &[TruthInstance]) {
    assert_eq!(found.len(), truth.len());
    for truth in truth {
        let found = &found[&truth.id];
        let disks = truth.data_disks.iter();
        let disks: BTreeSet<_> = disks
            .map(|disk| (disk.id.as_str(), disk.category.as_str(), Some(u64::from(disk.size_gib))))
            .collect();
        let told = found.data_disks.iter().flatten();
        let told = told.map(|disk| (disk.id.as_str(), disk.category.as_str(), disk.size_gib));
        assert_eq!(told.collect::<BTreeSet<_>>(), disks, "{}", truth.id);
        let mut private_ips = found.private_ips.clone();
        private_ips.retain(|address| !address.contains(':'));
        assert_eq!(private_ips, texts(&truth.private_ips), "{}", truth.id);
        assert_eq!(found.public_ips, texts(&truth.public_ips), "{}", truth.id);
        assert_eq!((&found.name, &found.vendor_status), (&truth.name, &truth.status));
        assert_eq!((&found.spec, &found.zone), (&truth.instance_type, &truth.zone));
        assert_eq!(found.tags, truth.tags, "{}", truth.id);
        assert_eq!(found.security_groups, truth.security_groups.iter().cloned().collect());
        assert!(found.created_at.is_some(), "{}", truth.id);
    }
}

/// Asserts that managed resources are as they really are.
pub fn assert_managed(found: &BTreeMap<String, Resource>, truth: &[TruthManaged]) {
    assert_eq!(found.len(), truth.len());
    for truth in truth {
        let found = &found[&truth.id];
        assert_eq!((&found.name, &found.vendor_status), (&truth.name, &truth.status));
        assert_eq!((&found.spec, &found.zone), (&truth.spec, &truth.zone));
        assert_eq!(found.tags, truth.tags, "{}", truth.id);
        assert_eq!(found.private_ips, texts(&truth.private_ips), "{}", truth.id);
        assert_eq!(found.public_ips, texts(&truth.public_ips), "{}", truth.id);
        assert_eq!(found.created_at, Some(truth.created), "{}", truth.id);
        assert_eq!(found.expires_at, truth.expires, "{}", truth.id);
    }
}
