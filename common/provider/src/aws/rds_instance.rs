//! `aws.rds.instance`: databases. Source: the vendor's reference of the API of
//! RDS of 2014-10-31, `DescribeDBInstances`.

use cloud_sync_core::attributes::Attributes;
use cloud_sync_core::diff::Field;
use cloud_sync_core::resource::{Resource, Status};
use serde::Deserialize;

use super::{Tag, attributes, by_marker, tags};
use crate::engine::decode::{Unreadable, elements, nullable, set, status_of, time};
use crate::engine::spec::{ByIds, Call, IdForm, KindSpec};

/// Databases. The vendor has no way to ask for permission without effect, and
/// no answer to who may not see them but a refusal.
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
    ..KindSpec::new(
        "aws.rds.instance",
        Call {
            per_second: 5,
            ..by_marker(
                Call::new("rds", "2014-10-31", "DescribeDBInstances"),
                &["DescribeDBInstancesResult", "DBInstances", "DBInstance"],
                &["DescribeDBInstancesResult", "Marker"],
            )
        },
        ByIds {
            params: &[("Filters.Filter.1.Name", "db-instance-id")],
            absent: &["DBInstanceNotFound", "DBInstanceNotFoundFault"],
            ..ByIds::new("Filters.Filter.1.Values.Value", IdForm::Numbered, 100)
        },
        "DBInstanceIdentifier",
        decode,
    )
};

/// Whatever is done to a database that goes on to answer is "running".
const STATUSES: &[(&str, Status)] = &[
    ("available", Status::Running),
    ("backing-up", Status::Running),
    ("configuring-enhanced-monitoring", Status::Running),
    ("configuring-iam-database-auth", Status::Running),
    ("configuring-log-exports", Status::Running),
    ("converting-to-vpc", Status::Running),
    ("creating", Status::Pending),
    ("delete-precheck", Status::Running),
    ("deleting", Status::Terminating),
    ("failed", Status::Error),
    ("inaccessible-encryption-credentials", Status::Error),
    ("inaccessible-encryption-credentials-recoverable", Status::Error),
    ("incompatible-network", Status::Error),
    ("incompatible-option-group", Status::Error),
    ("incompatible-parameters", Status::Error),
    ("incompatible-restore", Status::Error),
    ("insufficient-capacity", Status::Error),
    ("maintenance", Status::Running),
    ("modifying", Status::Running),
    ("moving-to-vpc", Status::Running),
    ("rebooting", Status::Rebooting),
    ("renaming", Status::Running),
    ("resetting-master-credentials", Status::Running),
    ("restore-error", Status::Error),
    ("starting", Status::Starting),
    ("stopped", Status::Stopped),
    ("stopping", Status::Stopping),
    ("storage-config-upgrade", Status::Running),
    ("storage-full", Status::Error),
    ("storage-initialization", Status::Running),
    ("storage-optimization", Status::Running),
    ("upgrading", Status::Running),
];

/// What is no attribute: the fields that are typed, and what changes while no
/// tracked field does.
const NO_ATTRIBUTES: [&str; 10] = [
    "AvailabilityZone",
    "DBInstanceClass",
    "DBInstanceIdentifier",
    "DBInstanceStatus",
    "InstanceCreateTime",
    "LatestRestorableTime",
    "PercentProgress",
    "StatusInfos",
    "TagList",
    "VpcSecurityGroups",
];

#[derive(Deserialize)]
struct Database {
    #[serde(rename = "DBInstanceIdentifier")]
    id: String,
    #[serde(rename = "DBInstanceStatus", default, deserialize_with = "nullable")]
    status: String,
    #[serde(rename = "DBInstanceClass", default, deserialize_with = "nullable")]
    class: String,
    #[serde(rename = "AvailabilityZone", default, deserialize_with = "nullable")]
    zone: String,
    #[serde(rename = "InstanceCreateTime", default, deserialize_with = "nullable")]
    created: String,
    #[serde(rename = "VpcSecurityGroups", default, deserialize_with = "elements")]
    groups: Vec<Group>,
    #[serde(rename = "TagList", default, deserialize_with = "elements")]
    tags: Vec<Tag>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Group {
    #[serde(default, deserialize_with = "nullable")]
    vpc_security_group_id: String,
}

/// A person chose the id, so it is the name where no tag says another.
fn decode(text: &str) -> Result<Resource, Unreadable> {
    let item: Database = serde_json::from_str(text)?;
    let tags = tags(item.tags);
    Ok(Resource {
        name: tags.get("Name").filter(|name| !name.is_empty()).unwrap_or(&item.id).clone(),
        id: item.id,
        status: status_of(STATUSES, &item.status),
        vendor_status: item.status,
        spec: item.class,
        zone: item.zone,
        security_groups: set(item.groups.into_iter().map(|group| group.vpc_security_group_id)),
        tags,
        created_at: time("InstanceCreateTime", &item.created)?,
        attributes: Attributes::unread(text, &NO_ATTRIBUTES, attributes),
        ..Resource::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::tests::items;
    use crate::engine::testing::told;

    const SAMPLE: &str = include_str!("../../testdata/sample_aws_describe_db_instances.xml");

    fn samples() -> Vec<Resource> {
        let items = items(SAMPLE, KIND.list.items);
        items.iter().map(|item| decode(item).unwrap()).collect()
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
        assert_eq!(told(&samples()[0]), KIND.tracked);
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
        assert!(decode("{}").is_err());
    }
}
