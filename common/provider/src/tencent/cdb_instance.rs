//! `tencent.cdb.instance`: databases for MySQL. Source: the vendor's reference
//! of the CDB API of 2017-03-20.

use cloud_sync_core::diff::Field;
use cloud_sync_core::resource::{Resource, Status};
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::{self, TimeZone};

use super::{call, list};
use crate::engine::decode::{Unreadable, in_status, set};
use crate::engine::fields::{Item, List, Maybe, Tag, Text, objects, tags};
use crate::engine::spec::{ByIds, Call, IdForm, KindSpec, Statuses};

/// Databases. What is read only, and what stands by for a disaster, are
/// databases of their own.
pub(crate) const KIND: KindSpec = KindSpec {
    untold: &[Field::PublicIps, Field::SecurityGroups, Field::DataDisks],
    ..KindSpec::new::<Database>(
        "tencent.cdb.instance",
        Call {
            per_second: 10,
            ..list(call("cdb", "2017-03-20", "DescribeDBInstances"), &["Response", "Items"])
        }
        .with(&[("Limit", "500")]),
        ByIds::new("InstanceIds", IdForm::JsonArray, 100).refusing(&[
            "InvalidParameter.InstanceNotFound",
            "ResourceNotFound.CDBInstanceNotFoundError",
        ]),
        "InstanceId",
    )
};

/// An isolated one no longer serves, and can be brought back for some days.
const STATUSES: Statuses = &[
    (Status::Pending, &["0"]),
    (Status::Running, &["1"]),
    (Status::Terminating, &["4"]),
    (Status::Stopped, &["5"]),
];

/// The task of one that is being restarted.
const RESTARTING: u64 = 10;

/// The time of what never ends.
const NEVER: &str = "0000-00-00 00:00:00";

objects! {
    struct Database {
        "InstanceId" => id: String,
        "InstanceName" => name: Text,
        "Status" => status: Option<i64>,
        // It goes on while nothing else changes.
        "TaskStatus" => task: Maybe<u64>,
        "Cpu" => cpu: Maybe<u64>,
        "Memory" => memory: Maybe<u64>,
        "Zone" => zone: Text,
        "Vip" => private_ip: Text,
        "TagList" => tags: List<Tag>,
        "CreateTime" => created: Text,
        "DeadlineTime" => expires: Text,
    }
    dropping { "Qps", "Region" }
}

impl Item for Database {
    fn resource(self) -> Result<Resource, Unreadable> {
        let word = self.status.map(|status| status.to_string()).unwrap_or_default();
        let mut resource = Resource {
            id: self.id,
            name: self.name.0,
            zone: self.zone.0,
            private_ips: set([self.private_ip.0]),
            tags: tags(self.tags.0),
            created_at: beijing_time("CreateTime", &self.created)?,
            expires_at: beijing_time("DeadlineTime", &self.expires)?,
            ..in_status(STATUSES, word)
        };
        if resource.status == Status::Running && *self.task == RESTARTING {
            resource.status = Status::Rebooting;
        }
        // There are no named classes: a database has so much of either.
        if (*self.cpu, *self.memory) != (0, 0) {
            resource.spec = format!("{}C{}M", *self.cpu, *self.memory);
        }
        Ok(resource)
    }
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
        assert_eq!(told(&found), KIND.told());
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
