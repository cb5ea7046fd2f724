//! `aws.rds.instance`: databases. Source: the vendor's reference of the API of
//! RDS of 2014-10-31, `DescribeDBInstances`.

use cloud_sync_core::diff::Field;
use cloud_sync_core::resource::{Resource, Status};

use super::{attributes, by_marker, call};
use crate::engine::decode::{Unreadable, in_status, set, time};
use crate::engine::fields::{Elements, Item, Tag, Text, objects, tags};
use crate::engine::spec::{ByIds, IdForm, KindSpec, Statuses};

/// Databases. The vendor has no way to ask for permission without effect, and
/// no answer to who may not see them but a refusal.
pub(crate) const KIND: KindSpec = KindSpec {
    attributes,
    untold: &[Field::PublicIps, Field::PrivateIps, Field::DataDisks, Field::ExpiresAt],
    ..KindSpec::new::<Database>(
        "aws.rds.instance",
        by_marker(
            call("rds", "2014-10-31", "DescribeDBInstances"),
            &["DescribeDBInstancesResult", "DBInstances", "DBInstance"],
            &["DescribeDBInstancesResult", "Marker"],
        ),
        ByIds {
            params: &[("Filters.Filter.1.Name", "db-instance-id")],
            ..ByIds::new("Filters.Filter.1.Values.Value", IdForm::Numbered, 100)
                .refusing(&["DBInstanceNotFound", "DBInstanceNotFoundFault"])
        },
        "DBInstanceIdentifier",
    )
};

/// Whatever is done to a database that goes on to answer is "running".
const STATUSES: Statuses = &[
    (Status::Pending, &["creating"]),
    (Status::Starting, &["starting"]),
    (Status::Running, &["available", "backing-up", "maintenance", "modifying", "renaming"]),
    (Status::Running, &["configuring-enhanced-monitoring", "configuring-iam-database-auth"]),
    (Status::Running, &["configuring-log-exports", "converting-to-vpc", "moving-to-vpc"]),
    (Status::Running, &["delete-precheck", "resetting-master-credentials", "upgrading"]),
    (Status::Running, &["storage-config-upgrade", "storage-initialization"]),
    (Status::Running, &["storage-optimization"]),
    (Status::Rebooting, &["rebooting"]),
    (Status::Stopping, &["stopping"]),
    (Status::Stopped, &["stopped"]),
    (Status::Terminating, &["deleting"]),
    (Status::Error, &["failed", "restore-error", "insufficient-capacity", "storage-full"]),
    (Status::Error, &["inaccessible-encryption-credentials", "incompatible-network"]),
    (Status::Error, &["inaccessible-encryption-credentials-recoverable"]),
    (Status::Error, &["incompatible-option-group", "incompatible-parameters"]),
    (Status::Error, &["incompatible-restore"]),
];

objects! {
    struct Database {
        "DBInstanceIdentifier" => id: String,
        "DBInstanceStatus" => status: Text,
        "DBInstanceClass" => class: Text,
        "AvailabilityZone" => zone: Text,
        "InstanceCreateTime" => created: Text,
        "VpcSecurityGroups" => groups: Elements<Group>,
        "TagList" => tags: Elements<Tag>,
    }
    // They change while no tracked field does.
    dropping { "LatestRestorableTime", "PercentProgress", "StatusInfos" }

    struct Group { "VpcSecurityGroupId" => id: Text }
}

/// A person chose the id, so it is the name where no tag says another.
impl Item for Database {
    fn resource(self) -> Result<Resource, Unreadable> {
        let tags = tags(self.tags.0);
        Ok(Resource {
            name: tags.get("Name").filter(|name| !name.is_empty()).unwrap_or(&self.id).clone(),
            id: self.id,
            spec: self.class.0,
            zone: self.zone.0,
            security_groups: set(self.groups.0.into_iter().map(|group| group.id.0)),
            tags,
            created_at: time("InstanceCreateTime", &self.created)?,
            ..in_status(STATUSES, self.status.0)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::tests::items;
    use crate::engine::decode::resource;
    use crate::engine::testing::told;

    const SAMPLE: &str = include_str!("../../testdata/sample_aws_describe_db_instances.xml");

    fn samples() -> Vec<Resource> {
        let items = items(SAMPLE, KIND.list.items);
        items.iter().map(|item| resource(item, &KIND).unwrap()).collect()
    }

    #[test]
    fn reads_every_typed_field() {
        let orders = samples().remove(0);
        assert_eq!((&*orders.id, &*orders.name), ("orders-prod", "Orders 订单"));
        assert_eq!((orders.status, &*orders.vendor_status), (Status::Running, "available"));
        assert_eq!((&*orders.spec, &*orders.zone), ("db.m7g.large", "eu-central-1b"));
        assert_eq!(orders.security_groups, ["sg-0b1".to_owned(), "sg-0b2".to_owned()].into());
        assert_eq!((&*orders.tags["env"], &*orders.tags["empty"]), ("prod", ""));
        assert_eq!(orders.created_at, "2024-03-08T06:11:22.512Z".parse().ok());
        assert_eq!(orders.attributes["AllocatedStorage"], "100");
        assert_eq!(orders.attributes["Endpoint"]["Port"], "5432");
        assert_eq!(orders.attributes["DBSubnetGroup"]["Subnets"].as_array().unwrap().len(), 1);
        assert!(!orders.attributes.contains_key("LatestRestorableTime"), "it goes stale");
    }

    #[test]
    fn what_is_tracked_is_what_the_vendor_tells() {
        assert_eq!(told(&samples()[0]), KIND.told());
    }

    #[test]
    fn one_that_is_being_created_has_no_zone_and_no_time_yet() {
        let fresh = samples().remove(1);
        assert_eq!((fresh.status, &*fresh.name), (Status::Pending, "fresh"));
        assert_eq!((&*fresh.zone, fresh.created_at, fresh.tags.len()), ("", None, 0));
    }

    #[test]
    fn a_word_that_nobody_knows_is_kept() {
        let odd = samples().remove(2);
        assert_eq!((odd.status, &*odd.vendor_status), (Status::Unknown, "meditating"));
        assert!(resource("{}", &KIND).is_err());
    }
}
