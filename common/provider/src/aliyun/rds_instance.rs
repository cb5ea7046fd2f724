//! `aliyun.rds.instance`: databases of `ApsaraDB` RDS. Source: the vendor's
//! reference of the RDS API of 2014-08-15 and its table of instance states.

use cloud_sync_core::diff::Field;
use cloud_sync_core::resource::{Resource, Status};
use serde::Deserialize;

use super::NEXT_TOKEN;
use super::shared::{Tag, expiry, tags};
use crate::Detail;
use crate::engine::decode::{Unreadable, is_id, nullable, set, status_of, time};
use crate::engine::spec::{ByIds, Call, IdForm, KindSpec, Path, Secondary, StatusSpec};

/// Databases. Their list tells neither tags nor addresses.
pub(crate) const KIND: KindSpec = KindSpec {
    tracked: &[
        Field::Name,
        Field::Status,
        Field::VendorStatus,
        Field::Spec,
        Field::Zone,
        Field::PublicIps,
        Field::PrivateIps,
        Field::Tags,
        Field::CreatedAt,
        Field::ExpiresAt,
    ],
    typed: &[
        "CreateTime",
        "DBInstanceClass",
        "DBInstanceDescription",
        "DBInstanceId",
        "DBInstanceStatus",
        "ExpireTime",
        "RegionId",
        // Advice of the console's, which comes and goes.
        "Tips",
        "TipsLevel",
        "ZoneId",
    ],
    secondary: &[
        Secondary {
            call: Call {
                params: &[("ResourceType", "INSTANCE")],
                ..call("ListTagResources", &["TagResources", "TagResource"])
            },
            lists_region: false,
            by_ids: ByIds::new("ResourceId", IdForm::Numbered, 50),
            region: None,
            decode: decode_tag,
        },
        Secondary {
            call: call("DescribeDBInstanceNetInfo", &["DBInstanceNetInfos", "DBInstanceNetInfo"]),
            lists_region: false,
            by_ids: ONE,
            region: None,
            decode: decode_address,
        },
    ],
    // It is no cheaper than the list, but another API, which is what a
    // deletion is judged by. Of several ids, one that is gone might hide the
    // others.
    statuses: Some(StatusSpec {
        call: call("DescribeDBInstanceAttribute", &["Items", "DBInstanceAttribute"]),
        by_ids: ONE,
        decode: decode_status,
    }),
    ..KindSpec::new(
        "aliyun.rds.instance",
        Call {
            params: &[("MaxResults", "100")],
            ..call("DescribeDBInstances", &["Items", "DBInstance"])
        },
        ByIds::new("DBInstanceId", IdForm::Single, 1),
        "DBInstanceId",
        decode_instance,
    )
};

/// Calls about one database refuse one that is gone.
const ONE: ByIds = ByIds {
    absent: &["InvalidDBInstanceId.NotFound", "InvalidDBInstanceName.NotFound"],
    ..ByIds::new("DBInstanceId", IdForm::Single, 1)
};

const fn call(action: &'static str, items: Path) -> Call {
    let call = Call::new("rds", "2014-08-15", action).listing(items, NEXT_TOKEN);
    Call { per_second: 10, ..call }
}

/// What works on while it is changed is running.
const STATUSES: &[(&str, Status)] = &[
    ("Creating", Status::Pending),
    ("INS_CLONING", Status::Pending),
    ("Restoring", Status::Pending),
    ("Running", Status::Running),
    ("DBInstanceClassChanging", Status::Running),
    ("DBInstanceNetTypeChanging", Status::Running),
    ("EngineVersionUpgrading", Status::Running),
    ("MinorVersionUpgrading", Status::Running),
    ("GuardDBInstanceCreating", Status::Running),
    ("GuardSwitching", Status::Running),
    ("Importing", Status::Running),
    ("ImportingFromOthers", Status::Running),
    ("TRANSING", Status::Running),
    ("TransingToOthers", Status::Running),
    ("Rebooting", Status::Rebooting),
    ("Stopping", Status::Stopping),
    ("Stopped", Status::Stopped),
    ("Starting", Status::Starting),
    ("Deleting", Status::Terminating),
    ("Released", Status::Terminated),
];

#[derive(Deserialize)]
struct Instance {
    #[serde(rename = "DBInstanceId")]
    id: String,
    #[serde(rename = "DBInstanceDescription", default, deserialize_with = "nullable")]
    name: String,
    #[serde(rename = "DBInstanceStatus", default, deserialize_with = "nullable")]
    status: String,
    #[serde(rename = "DBInstanceClass", default, deserialize_with = "nullable")]
    class: String,
    #[serde(rename = "ZoneId", default, deserialize_with = "nullable")]
    zone: String,
    #[serde(rename = "PayType", default, deserialize_with = "nullable")]
    pay_type: String,
    #[serde(rename = "CreateTime", default, deserialize_with = "nullable")]
    create_time: String,
    #[serde(rename = "ExpireTime", default, deserialize_with = "nullable")]
    expire_time: String,
}

fn decode_instance(item: &str) -> Result<Resource, Unreadable> {
    let item: Instance = serde_json::from_str(item)?;
    Ok(Resource {
        status: status_of(STATUSES, &item.status),
        created_at: time("CreateTime", &item.create_time)?,
        expires_at: expiry("ExpireTime", &item.expire_time, &item.pay_type)?,
        id: item.id,
        name: item.name,
        vendor_status: item.status,
        spec: item.class,
        zone: item.zone,
        ..Resource::default()
    })
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct TagOf {
    resource_id: String,
    #[serde(flatten)]
    tag: Tag,
}

fn decode_tag(item: &str) -> Result<Vec<(String, Detail)>, Unreadable> {
    let item: TagOf = serde_json::from_str(item)?;
    if !is_id(&item.resource_id) {
        return Err(Unreadable::value("ResourceId", &item.resource_id, "an id"));
    }
    let detail = Detail { tags: tags(vec![item.tag]), ..Detail::default() };
    Ok(vec![(item.resource_id, detail)])
}

#[derive(Deserialize)]
struct Address {
    #[serde(rename = "IPAddress", default, deserialize_with = "nullable")]
    ip: String,
    #[serde(rename = "IPType", default, deserialize_with = "nullable")]
    kind: String,
}

/// What is neither public nor private is `Inner`: the classic network's.
fn decode_address(item: &str) -> Result<Vec<(String, Detail)>, Unreadable> {
    let item: Address = serde_json::from_str(item)?;
    let ips = set([item.ip]);
    let detail = match item.kind.as_str() {
        "Public" => Detail { public_ips: ips, ..Detail::default() },
        _ => Detail { private_ips: ips, ..Detail::default() },
    };
    Ok(vec![(String::new(), detail)])
}

fn decode_status(item: &str) -> Result<(String, Status, String), Unreadable> {
    let item: Instance = serde_json::from_str(item)?;
    Ok((item.id, status_of(STATUSES, &item.status), item.status))
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
            assert!(decode_instance(&testing::changed(item, field, value)).is_err(), "{field}");
        }
        assert!(decode_tag(&testing::changed(TAG, "ResourceId", json!(""))).is_err());
    }
}
