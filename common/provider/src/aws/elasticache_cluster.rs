//! `aws.elasticache.cluster`: caches. Source: the vendor's reference of the API
//! of ElastiCache of 2015-02-02.

use cloud_sync_core::diff::Field;
use cloud_sync_core::resource::{Resource, Status};

use super::{attributes, by_marker};
use crate::engine::decode::{Unreadable, in_status, set, tag_of_one, time};
use crate::engine::fields::{Elements, Item, Text, objects};
use crate::engine::spec::{ByIds, Call, IdForm, KindSpec, Secondary, Statuses};

/// Caches, whose tags are told one by one.
pub(crate) const KIND: KindSpec = KindSpec {
    attributes,
    untold: &[Field::PublicIps, Field::PrivateIps, Field::DataDisks, Field::ExpiresAt],
    secondary: &[Secondary::asked(
        call("ListTagsForResource").of(&["ListTagsForResourceResult", "TagList", "Tag"]),
        ByIds { name: Some(name), ..by_id("ResourceName") },
        tag_of_one,
    )],
    ..KindSpec::new::<Cluster>(
        "aws.elasticache.cluster",
        by_marker(
            call("DescribeCacheClusters"),
            &["DescribeCacheClustersResult", "CacheClusters", "CacheCluster"],
            &["DescribeCacheClustersResult", "Marker"],
        )
        .with(&[("MaxRecords", "100"), ("ShowCacheNodeInfo", "true")]),
        by_id("CacheClusterId"),
        "CacheClusterId",
    )
};

const fn call(action: &'static str) -> Call {
    super::call("elasticache", "2015-02-02", action)
}

const fn by_id(param: &'static str) -> ByIds {
    ByIds::new(param, IdForm::Single, 1)
        .refusing(&["CacheClusterNotFound", "CacheClusterNotFoundFault"])
}

const STATUSES: Statuses = &[
    (Status::Pending, &["creating"]),
    (Status::Running, &["available", "modifying", "snapshotting"]),
    (Status::Rebooting, &["rebooting cache cluster nodes", "rebooting cluster nodes"]),
    (Status::Terminating, &["deleting"]),
    (Status::Terminated, &["deleted"]),
    (Status::Error, &["create-failed", "incompatible-network", "restore-failed"]),
];

objects! {
    struct Cluster {
        "CacheClusterId" => id: String,
        "CacheClusterStatus" => status: Text,
        "CacheNodeType" => node_type: Text,
        "PreferredAvailabilityZone" => zone: Text,
        "CacheClusterCreateTime" => created: Text,
        "SecurityGroups" => groups: Elements<Group>,
    }

    struct Group { "SecurityGroupId" => id: Text }
}

/// A person chose the id, so it is the name.
impl Item for Cluster {
    fn resource(self) -> Result<Resource, Unreadable> {
        Ok(Resource {
            name: self.id.clone(),
            id: self.id,
            spec: self.node_type.0,
            zone: self.zone.0,
            security_groups: set(self.groups.0.into_iter().map(|group| group.id.0)),
            created_at: time("CacheClusterCreateTime", &self.created)?,
            ..in_status(STATUSES, self.status.0)
        })
    }
}

/// Returns the name that a cluster has beyond its region and account.
fn name(cluster: &Resource) -> &str {
    cluster.attributes.get("ARN").and_then(serde_json::Value::as_str).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::tests::items;
    use crate::engine::decode::resource;
    use crate::engine::testing::told;

    const SAMPLE: &str = include_str!("../../testdata/sample_aws_describe_cache_clusters.xml");
    const TAGS: &str = include_str!("../../testdata/sample_aws_list_tags_for_resource.xml");

    fn samples() -> Vec<Resource> {
        let items = items(SAMPLE, KIND.list.items);
        items.iter().map(|item| resource(item, &KIND).unwrap()).collect()
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
            session.tags.extend(tag_of_one(&tag).unwrap().remove(0).1.tags);
        }
        assert_eq!(session.tags.len(), 2);
        assert_eq!(told(&session), KIND.told());
    }

    #[test]
    fn a_word_that_nobody_knows_is_kept() {
        let odd = samples().remove(1);
        assert_eq!((odd.status, &*odd.vendor_status), (Status::Unknown, "meditating"));
        assert_eq!((odd.created_at, odd.security_groups.len()), (None, 0));
        assert!(resource("{}", &KIND).is_err());
    }
}
