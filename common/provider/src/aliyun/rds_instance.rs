//! `aliyun.rds.instance`: databases of `ApsaraDB` RDS. Source: the vendor's
//! reference of the RDS API of 2014-08-15 and its table of instance states.

use cloud_sync_core::diff::Field;
use cloud_sync_core::resource::{Resource, Status};

use super::{NEXT_TOKEN, expiry};
use crate::Detail;
use crate::engine::decode::{Unreadable, in_status, is_id, set, time};
use crate::engine::fields::{Item, Tag, Text, objects, tags};
use crate::engine::spec::{ByIds, Call, IdForm, KindSpec, Secondary, StatusSpec, Statuses};

/// Databases. Their list tells neither tags nor addresses.
pub(crate) const KIND: KindSpec = KindSpec {
    untold: &[Field::SecurityGroups, Field::DataDisks],
    secondary: &[
        Secondary::asked(
            call("ListTagResources")
                .listing(&["TagResources", "TagResource"], NEXT_TOKEN)
                .with(&[("ResourceType", "INSTANCE")]),
            ByIds::new("ResourceId", IdForm::Numbered, 50),
            decode_tag,
        ),
        Secondary::asked(
            call("DescribeDBInstanceNetInfo").of(&["DBInstanceNetInfos", "DBInstanceNetInfo"]),
            by_ids(IdForm::Single, 1),
            decode_address,
        ),
    ],
    // It is no cheaper than the list, but another API, which is what a
    // deletion is judged by.
    statuses: Some(StatusSpec {
        call: call("DescribeDBInstanceAttribute").of(&["Items", "DBInstanceAttribute"]),
        by_ids: by_ids(IdForm::Commas, 30),
    }),
    ..KindSpec::new::<Instance>(
        "aliyun.rds.instance",
        call("DescribeDBInstances")
            .listing(&["Items", "DBInstance"], NEXT_TOKEN)
            .with(&[("MaxResults", "100")]),
        ByIds::new("DBInstanceId", IdForm::Single, 1),
        "DBInstanceId",
    )
};

/// Calls about given databases refuse one that is gone.
const fn by_ids(form: IdForm, most: usize) -> ByIds {
    ByIds::new("DBInstanceId", form, most)
        .refusing(&["InvalidDBInstanceId.NotFound", "InvalidDBInstanceName.NotFound"])
}

const fn call(action: &'static str) -> Call {
    super::call("rds", "2014-08-15", action)
}

/// What works on while it is changed is running.
const STATUSES: Statuses = &[
    (Status::Pending, &["Creating", "INS_CLONING", "Restoring"]),
    (Status::Running, &["Running", "DBInstanceClassChanging", "DBInstanceNetTypeChanging"]),
    (Status::Running, &["EngineVersionUpgrading", "MinorVersionUpgrading"]),
    (Status::Running, &["GuardDBInstanceCreating", "GuardSwitching"]),
    (Status::Running, &["Importing", "ImportingFromOthers", "TRANSING", "TransingToOthers"]),
    (Status::Rebooting, &["Rebooting"]),
    (Status::Stopping, &["Stopping"]),
    (Status::Stopped, &["Stopped"]),
    (Status::Starting, &["Starting"]),
    (Status::Terminating, &["Deleting"]),
    (Status::Terminated, &["Released"]),
];

objects! {
    struct Instance {
        "DBInstanceId" => id: String,
        "DBInstanceDescription" => name: Text,
        "DBInstanceStatus" => status: Text,
        "DBInstanceClass" => class: Text,
        "ZoneId" => zone: Text,
        "CreateTime" => created: Text,
        "ExpireTime" => expires: Text,
    }
    keeping { "PayType" => pay_type: Text }
    // The tips are advice of the console's, which comes and goes.
    dropping { "RegionId", "Tips", "TipsLevel" }

    struct TagOf {
        "ResourceId" => id: String,
        "TagKey" => key: Text,
        "TagValue" => value: Text,
    }

    struct Address { "IPAddress" => ip: Text, "IPType" => kind: Text }
}

impl Item for Instance {
    fn resource(self) -> Result<Resource, Unreadable> {
        Ok(Resource {
            id: self.id,
            name: self.name.0,
            spec: self.class.0,
            zone: self.zone.0,
            created_at: time("CreateTime", &self.created)?,
            expires_at: expiry("ExpireTime", &self.expires, &self.pay_type)?,
            ..in_status(STATUSES, self.status.0)
        })
    }
}

fn decode_tag(item: &str) -> Result<Vec<(String, Detail)>, Unreadable> {
    let TagOf { id, key, value } = serde_json::from_str(item)?;
    if !is_id(&id) {
        return Err(Unreadable::value("ResourceId", &id, "an id"));
    }
    let detail = Detail { tags: tags(vec![Tag { key, value }]), ..Detail::default() };
    Ok(vec![(id, detail)])
}

/// What is neither public nor private is `Inner`: the classic network's.
fn decode_address(item: &str) -> Result<Vec<(String, Detail)>, Unreadable> {
    let Address { ip, kind } = serde_json::from_str(item)?;
    let (ips, none) = (set([ip.0]), set([]));
    let (public_ips, private_ips) = if kind.0 == "Public" { (ips, none) } else { (none, ips) };
    Ok(vec![(String::new(), Detail { public_ips, private_ips, ..Detail::default() })])
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::engine::testing;

    const SAMPLE: &str = include_str!("../../testdata/sample_aliyun_describe_db_instances.json");
    const TAG: &str = r#"{"ResourceId": "rm-bp1resync00001", "TagKey": "env", "TagValue": "prod"}"#;

    #[test]
    fn reads_a_database_and_what_its_own_calls_tell() {
        let mut all = testing::resources(&KIND, SAMPLE);
        let [main, replica, odd] = all.as_mut_slice() else { panic!("{all:?}") };
        assert_eq!((&*main.id, &*main.name), ("rm-bp1resync00001", "订单库"));
        assert_eq!((main.status, &*main.vendor_status), (Status::Running, "Running"));
        assert_eq!((&*main.spec, &*main.zone), ("mysql.n2.medium.2c", "cn-hangzhou-k"));
        assert_eq!(main.created_at, "2024-05-01T02:11:09Z".parse().ok());
        assert_eq!((main.expires_at, main.data_disks.is_none()), (None, true));
        assert_eq!(replica.expires_at, "2027-02-14T16:00:00Z".parse().ok());
        assert_eq!((odd.status, &*odd.vendor_status), (Status::Unknown, "Meditating"));
        let attributes = &main.attributes;
        assert_eq!(
            attributes["ReadOnlyDBInstanceIds"]["ReadOnlyDBInstanceId"][0]["DBInstanceId"],
            "rr-bp1resync00001"
        );
        assert!(!replica.attributes.contains_key("Tips") && !attributes.contains_key("RegionId"));

        let mut detail = Detail::default();
        let address = |ip: &str, kind: &str| json!({ "IPAddress": ip, "IPType": kind }).to_string();
        for (id, told) in [
            decode_tag(TAG),
            decode_address(&address("172.16.0.9", "Private")),
            decode_address(&address("10.1.2.3", "Inner")),
            decode_address(&address("47.96.1.1", "Public")),
            decode_address(&address("", "Public")),
        ]
        .into_iter()
        .flat_map(Result::unwrap)
        {
            assert!(id == main.id || id.is_empty());
            detail.add(told);
        }
        detail.put_into(main);
        assert_eq!(main.tags["env"], "prod");
        assert_eq!((main.private_ips.len(), main.public_ips.len()), (2, 1));
        testing::assert_tracked(&KIND, &all);
    }

    #[test]
    fn what_is_of_the_wrong_type_is_an_error() {
        let item = &testing::items(&KIND.list, SAMPLE)[0];
        for (field, value) in [
            ("DBInstanceId", json!(null)),
            ("DBInstanceStatus", json!(1)),
            ("CreateTime", json!("yesterday")),
        ] {
            assert!(testing::is_refused(&KIND, item, field, value), "{field}");
        }
        assert!(decode_tag(&testing::changed(TAG, "ResourceId", json!(""))).is_err());
    }
}
