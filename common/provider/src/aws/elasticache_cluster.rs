//! `aws.elasticache.cluster`: caches. Source: the vendor's reference of the API
//! of ElastiCache of 2015-02-02.

use cloud_sync_core::attributes::Attributes;
use cloud_sync_core::diff::Field;
use cloud_sync_core::resource::{Resource, Status};
use serde::Deserialize;

use super::{attributes, by_marker, decode_tag};
use crate::engine::decode::{Unreadable, elements, nullable, set, status_of, time};
use crate::engine::spec::{ByIds, Call, Format, IdForm, KindSpec, Secondary};

/// Caches, whose tags are told one by one.
pub(crate) const KIND: KindSpec = KindSpec {
    tracked: &[
        Field::Name,
        Field::Status,
        Field::VendorStatus,
        Field::Spec,
        Field::Zone,
        Field::SecurityGroups,
        Field::Tags,
        Field::CreatedAt,
    ],
    secondary: &[Secondary {
        call: Call {
            format: Format::Xml,
            per_second: 5,
            items: &["ListTagsForResourceResult", "TagList", "Tag"],
            ..Call::new("elasticache", "2015-02-02", "ListTagsForResource")
        },
        lists_region: false,
        by_ids: ByIds {
            absent: ABSENT,
            name: Some(name),
            ..ByIds::new("ResourceName", IdForm::Single, 1)
        },
        region: None,
        decode: decode_tag,
    }],
    ..KindSpec::new(
        "aws.elasticache.cluster",
        Call {
            per_second: 5,
            params: &[("MaxRecords", "100"), ("ShowCacheNodeInfo", "true")],
            ..by_marker(
                Call::new("elasticache", "2015-02-02", "DescribeCacheClusters"),
                &["DescribeCacheClustersResult", "CacheClusters", "CacheCluster"],
                &["DescribeCacheClustersResult", "Marker"],
            )
        },
        ByIds { absent: ABSENT, ..ByIds::new("CacheClusterId", IdForm::Single, 1) },
        "CacheClusterId",
        decode,
    )
};

const ABSENT: &[&str] = &["CacheClusterNotFound", "CacheClusterNotFoundFault"];

const STATUSES: &[(&str, Status)] = &[
    ("available", Status::Running),
    ("creating", Status::Pending),
    ("create-failed", Status::Error),
    ("deleted", Status::Terminated),
    ("deleting", Status::Terminating),
    ("incompatible-network", Status::Error),
    ("modifying", Status::Running),
    ("rebooting cache cluster nodes", Status::Rebooting),
    ("rebooting cluster nodes", Status::Rebooting),
    ("restore-failed", Status::Error),
    ("snapshotting", Status::Running),
];

/// What is no attribute: the fields that are typed.
const NO_ATTRIBUTES: [&str; 6] = [
    "CacheClusterCreateTime",
    "CacheClusterId",
    "CacheClusterStatus",
    "CacheNodeType",
    "PreferredAvailabilityZone",
    "SecurityGroups",
];

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Cluster {
    cache_cluster_id: String,
    #[serde(default, deserialize_with = "nullable")]
    cache_cluster_status: String,
    #[serde(default, deserialize_with = "nullable")]
    cache_node_type: String,
    #[serde(default, deserialize_with = "nullable")]
    preferred_availability_zone: String,
    #[serde(default, deserialize_with = "nullable")]
    cache_cluster_create_time: String,
    #[serde(default, deserialize_with = "elements")]
    security_groups: Vec<Group>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Group {
    #[serde(default, deserialize_with = "nullable")]
    security_group_id: String,
}

/// A person chose the id, so it is the name.
fn decode(text: &str) -> Result<Resource, Unreadable> {
    let item: Cluster = serde_json::from_str(text)?;
    Ok(Resource {
        name: item.cache_cluster_id.clone(),
        id: item.cache_cluster_id,
        status: status_of(STATUSES, &item.cache_cluster_status),
        vendor_status: item.cache_cluster_status,
        spec: item.cache_node_type,
        zone: item.preferred_availability_zone,
        security_groups: set(item.security_groups.into_iter().map(|it| it.security_group_id)),
        created_at: time("CacheClusterCreateTime", &item.cache_cluster_create_time)?,
        attributes: Attributes::unread(text, &NO_ATTRIBUTES, attributes),
        ..Resource::default()
    })
}

/// Returns the name that a cluster has beyond its region and account.
fn name(cluster: &Resource) -> &str {
    cluster.attributes.get("ARN").and_then(serde_json::Value::as_str).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::tests::items;
    use crate::engine::testing::told;

    const SAMPLE: &str = include_str!("../../testdata/sample_aws_describe_cache_clusters.xml");
    const TAGS: &str = include_str!("../../testdata/sample_aws_list_tags_for_resource.xml");

    fn samples() -> Vec<Resource> {
        let items = items(SAMPLE, KIND.list.items);
        items.iter().map(|item| decode(item).unwrap()).collect()
    }

    #[test]
    fn reads_every_typed_field() {
        let session = samples().remove(0);
        assert_eq!((&*session.id, &*session.name), ("session-001", "session-001"));
        assert_eq!((session.status, &*session.vendor_status), (Status::Running, "available"));
        assert_eq!((&*session.spec, &*session.zone), ("cache.t4g.micro", "us-west-2c"));
        assert_eq!(session.security_groups, ["sg-0c1".to_owned()].into());
        assert_eq!(session.created_at, "2025-05-08T01:02:03.4Z".parse().ok());
        assert_eq!(
            name(&session),
            "arn:aws:elasticache:us-west-2:123456789012:cluster:session-001"
        );
        assert_eq!(session.attributes["CacheNodes"][0]["Endpoint"]["Port"], "6379");
    }

    #[test]
    fn what_is_tracked_is_what_the_vendor_tells() {
        let mut session = samples().remove(0);
        for tag in items(TAGS, KIND.secondary[0].call.items) {
            session.tags.extend(decode_tag(&tag).unwrap().remove(0).1.tags);
        }
        assert_eq!(session.tags.len(), 2);
        assert_eq!(told(&session), KIND.tracked);
    }

    #[test]
    fn a_word_that_nobody_knows_is_kept() {
        let odd = samples().remove(1);
        assert_eq!((odd.status, &*odd.vendor_status), (Status::Unknown, "meditating"));
        assert_eq!((odd.created_at, odd.security_groups.len()), (None, 0));
        assert!(decode("{}").is_err());
    }
}
