//! `tencent.cdb.instance`: databases for MySQL. Source: the vendor's reference
//! of the CDB API of 2017-03-20.

use cloud_sync_core::diff::Field;
use cloud_sync_core::resource::{Resource, Status};
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::{self, TimeZone};
use serde::Deserialize;

use super::{Tag, call, list, tags};
use crate::engine::decode::{Unreadable, nullable, set, status_of};
use crate::engine::spec::{ByIds, Call, IdForm, KindSpec};

/// Databases. What is read only, and what stands by for a disaster, are
/// databases of their own.
pub(crate) const KIND: KindSpec = KindSpec {
    typed: &[
        "Cpu",
        "CreateTime",
        "DeadlineTime",
        "InstanceId",
        "InstanceName",
        "Memory",
        "Region",
        "Status",
        "TagList",
        "Vip",
        "Zone",
        // These go on while nothing else changes.
        "Qps",
        "TaskStatus",
    ],
    tracked: &[
        Field::Name,
        Field::Status,
        Field::VendorStatus,
        Field::Spec,
        Field::Zone,
        Field::PrivateIps,
        Field::Tags,
        Field::CreatedAt,
        Field::ExpiresAt,
    ],
    ..KindSpec::new(
        "tencent.cdb.instance",
        list(
            Call {
                params: &[("Limit", "500")],
                per_second: 10,
                ..call("cdb", "2017-03-20", "DescribeDBInstances")
            },
            &["Response", "Items"],
        ),
        ByIds {
            absent: &[
                "InvalidParameter.InstanceNotFound",
                "ResourceNotFound.CDBInstanceNotFoundError",
            ],
            ..ByIds::new("InstanceIds", IdForm::JsonArray, 100)
        },
        "InstanceId",
        decode_database,
    )
};

/// An isolated one no longer serves, and can be brought back for some days.
const STATUSES: &[(&str, Status)] = &[
    ("0", Status::Pending),
    ("1", Status::Running),
    ("4", Status::Terminating),
    ("5", Status::Stopped),
];

/// The task of one that is being restarted.
const RESTARTING: u64 = 10;

/// The time of what never ends.
const NEVER: &str = "0000-00-00 00:00:00";

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Database {
    instance_id: String,
    #[serde(default, deserialize_with = "nullable")]
    instance_name: String,
    #[serde(default)]
    status: Option<i64>,
    #[serde(default, deserialize_with = "nullable")]
    task_status: u64,
    #[serde(default, deserialize_with = "nullable")]
    cpu: u64,
    #[serde(default, deserialize_with = "nullable")]
    memory: u64,
    #[serde(default, deserialize_with = "nullable")]
    zone: String,
    #[serde(default, deserialize_with = "nullable")]
    vip: String,
    #[serde(default, deserialize_with = "nullable")]
    tag_list: Vec<Tag>,
    #[serde(default, deserialize_with = "nullable")]
    create_time: String,
    #[serde(default, deserialize_with = "nullable")]
    deadline_time: String,
}

fn decode_database(text: &str) -> Result<Resource, Unreadable> {
    let item: Database = serde_json::from_str(text)?;
    let word = item.status.map_or_else(String::new, |status| status.to_string());
    let status = match status_of(STATUSES, &word) {
        Status::Running if item.task_status == RESTARTING => Status::Rebooting,
        status => status,
    };
    // There are no named classes: a database has so much of either.
    let spec = match (item.cpu, item.memory) {
        (0, 0) => String::new(),
        (cpu, memory) => format!("{cpu}C{memory}M"),
    };
    Ok(Resource {
        status,
        spec,
        private_ips: set([item.vip]),
        tags: tags(item.tag_list),
        created_at: beijing_time("CreateTime", &item.create_time)?,
        expires_at: beijing_time("DeadlineTime", &item.deadline_time)?,
        id: item.instance_id,
        name: item.instance_name,
        vendor_status: word,
        zone: item.zone,
        ..Resource::default()
    })
}

/// Reads a time as the product writes it: Beijing's, and without saying so.
fn beijing_time(field: &'static str, text: &str) -> Result<Option<Timestamp>, Unreadable> {
    if text.is_empty() || text == NEVER {
        return Ok(None);
    }
    let zone = TimeZone::fixed(tz::offset(8));
    let read = text.parse::<DateTime>().and_then(|time| time.to_zoned(zone));
    read.map(|time| Some(time.timestamp()))
        .map_err(|_| Unreadable::value(field, text, "a time in Beijing"))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::engine::decode::resource;
    use crate::engine::testing::told;

    fn sample() -> Value {
        let page = include_str!("../../testdata/sample_tencent_cdb_describe_db_instances.json");
        let mut page: Value = serde_json::from_str(page).unwrap();
        page["Response"]["Items"][0].take()
    }

    fn decode_with(field: &str, value: Value) -> Resource {
        let mut item = sample();
        item[field] = value;
        resource(&item.to_string(), &KIND).unwrap()
    }

    #[test]
    fn reads_every_typed_field() {
        let found = resource(&sample().to_string(), &KIND).unwrap();
        assert_eq!((&*found.id, &*found.name), ("cdb-5d8a23rs", "订单库"));
        assert_eq!((found.status, &*found.vendor_status), (Status::Running, "1"));
        assert_eq!((&*found.spec, &*found.zone), ("4C16000M", "ap-guangzhou-6"));
        assert_eq!(found.private_ips, set(["10.0.0.17".to_owned()]));
        assert_eq!(found.tags, [("env".to_owned(), "prod".to_owned())].into());
        assert_eq!(
            found.created_at,
            "2024-03-07T22:11:22Z".parse().ok(),
            "in Beijing it is 8 h on"
        );
        assert_eq!(found.attributes["EngineVersion"], "8.0");
        assert_eq!(found.attributes["Volume"], 200);
        assert!(!found.attributes.contains_key("TaskStatus"), "it goes stale");
        assert_eq!(told(&found), KIND.tracked);
    }

    #[test]
    fn a_status_is_a_number_and_a_task() {
        let status = |field: &str, value: Value| decode_with(field, value).status;
        assert_eq!(status("Status", json!(0)), Status::Pending);
        assert_eq!(status("Status", json!(5)), Status::Stopped);
        assert_eq!(status("Status", json!(99)), Status::Unknown);
        assert_eq!(status("Status", Value::Null), Status::Unknown);
        assert_eq!(status("TaskStatus", json!(10)), Status::Rebooting);
        assert_eq!(status("TaskStatus", json!(1)), Status::Running);
    }

    #[test]
    fn only_a_subscription_ends() {
        assert_eq!(decode_with("DeadlineTime", json!(NEVER)).expires_at, None);
        assert_eq!(decode_with("DeadlineTime", json!("")).expires_at, None);
        let mut item = sample();
        item["DeadlineTime"] = json!("soon");
        assert!(resource(&item.to_string(), &KIND).is_err());
    }
}
