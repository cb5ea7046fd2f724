//! Events of Alibaba Cloud: as `EventBridge` posts them, in the envelope of
//! `CloudEvents`, and as `CloudMonitor`'s callbacks do, flat. Source:
//! "Overview of events" of `EventBridge`, "`ActionTrail` events" there, and
//! "Configure callbacks for system event-triggered alerts" of `CloudMonitor`.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::fmt::strtime::BrokenDownTime;
use serde_json::Value;

use crate::events::{IdShape, VendorEvent, digest_of, find_ids, owned, text};

const IDS: &[IdShape] = &[
    IdShape { kind: "aliyun.ecs.instance", prefix: "i-", shortest: 8 },
    IdShape { kind: "aliyun.ecs.disk", prefix: "d-", shortest: 8 },
    IdShape { kind: "aliyun.rds.instance", prefix: "rm-", shortest: 8 },
    IdShape { kind: "aliyun.rds.instance", prefix: "rr-", shortest: 8 },
    IdShape { kind: "aliyun.redis.instance", prefix: "r-", shortest: 8 },
    IdShape { kind: "aliyun.slb.loadbalancer", prefix: "lb-", shortest: 8 },
    IdShape { kind: "aliyun.vpc.eip", prefix: "eip-", shortest: 8 },
];

/// Reads one event in either form.
pub(crate) fn decode(event: &Value) -> Result<VendorEvent, &'static str> {
    if event.get("specversion").is_some() { Ok(enveloped(event)) } else { flat(event) }
}

fn enveloped(event: &Value) -> VendorEvent {
    let mut concerns = BTreeMap::new();
    let data = event.get("data").unwrap_or(&Value::Null);
    if !changed_nothing(data) {
        let said = ["/subject", "/data/resourceId", "/data/resourceName"];
        let said = said.iter().filter_map(|path| event.pointer(path));
        // Who did it is an identity, and may well be a machine's.
        let fields = data.as_object().into_iter().flatten();
        let told = fields.filter(|(name, _)| *name != "userIdentity").map(|(_, value)| value);
        said.chain(told).for_each(|value| find_ids(value, IDS, &mut concerns));
    }
    // The bus may be in another region than what the event is about.
    let region = of_name(event, "/subject", 2)
        .or_else(|| text(event, "/data/acsRegion"))
        .or_else(|| text(event, "/data/regionId"))
        .or_else(|| text(event, "/aliyunregionid"));
    let number = text(event, "/aliyunaccountid").or_else(|| of_name(event, "/subject", 3));
    VendorEvent {
        source: owned(event, "/source"),
        id: owned(event, "/id"),
        name: owned(event, "/type"),
        account_number: number.map(str::to_owned),
        region: region.map(str::to_owned),
        at: text(event, "/time").and_then(|at| at.parse().ok()),
        concerns,
    }
}

/// Tells whether an event of `ActionTrail` is of a read, or of a call that the
/// vendor refused.
fn changed_nothing(data: &Value) -> bool {
    text(data, "/eventRW") == Some("Read") || text(data, "/errorCode").is_some()
}

/// Returns one part of a resource's full name, as in
/// `acs:ecs:cn-hangzhou:1690…:instance/i-…`.
fn of_name<'a>(event: &'a Value, path: &str, part: usize) -> Option<&'a str> {
    let name = text(event, path)?.strip_prefix("acs:")?;
    name.split(':').nth(part - 1).filter(|part| !part.is_empty())
}

fn flat(event: &Value) -> Result<VendorEvent, &'static str> {
    let product = text(event, "/product").ok_or("has no source, or one of more than 256 bytes")?;
    let mut concerns = BTreeMap::new();
    for field in ["resourceId", "instanceId", "content"] {
        find_ids(event.get(field).unwrap_or(&Value::Null), IDS, &mut concerns);
    }
    let region = text(event, "/regionId").or_else(|| of_name(event, "/resourceId", 2));
    let number = text(event, "/userId").or_else(|| of_name(event, "/resourceId", 3));
    // Older callbacks have no id of their own.
    let id = text(event, "/id").or_else(|| text(event, "/traceId"));
    Ok(VendorEvent {
        source: format!("cloudmonitor.{}", product.to_ascii_lowercase()),
        id: id.map_or_else(|| digest_of(event), str::to_owned),
        name: owned(event, "/name"),
        account_number: number.map(str::to_owned),
        region: region.map(str::to_owned),
        at: text(event, "/eventTime").and_then(compact_time),
        concerns,
    })
}

/// Reads `20261122T220114.058+0800`.
fn compact_time(text: &str) -> Option<Timestamp> {
    BrokenDownTime::parse("%Y%m%dT%H%M%S%.f%z", text).ok()?.to_timestamp().ok()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::json;

    use super::*;
    use crate::events::decode_events;

    fn samples() -> Value {
        let text = include_str!("../../testdata/sample_aliyun_events.json");
        serde_json::from_str(text).unwrap()
    }

    fn read(event: &Value) -> VendorEvent {
        decode_events("aliyun", event.to_string().as_bytes()).unwrap().remove(0)
    }

    fn concerns(event: &Value) -> Vec<String> {
        let event = read(event);
        let pairs = event.concerns.iter();
        pairs.flat_map(|(kind, ids)| ids.iter().map(move |id| format!("{kind} {id}"))).collect()
    }

    #[test]
    fn an_event_of_the_bus_names_its_machine() {
        let event = read(&samples()["eventbridge_instance_state_change"]);
        assert_eq!(
            (event.source.as_str(), event.name.as_str()),
            ("acs.ecs", "ecs:Instance:StateChange")
        );
        assert_eq!(event.id, "45ef4dew-7c35-447a-bd93-fab000000001");
        assert_eq!(event.account_number.as_deref(), Some("1690700000000030"));
        assert_eq!(event.region.as_deref(), Some("cn-hangzhou"));
        assert_eq!(event.at, Some("2026-11-22T14:01:14.058Z".parse().unwrap()));
        let machines = BTreeSet::from(["i-bp1resync00000001".to_owned()]);
        let kind = "aliyun.ecs.instance".parse().unwrap();
        assert_eq!(event.concerns, [(kind, machines)].into());
    }

    #[test]
    fn a_callback_names_the_same() {
        let (flat, event) = (
            read(&samples()["cloudmonitor_instance_state_change"]),
            read(&samples()["eventbridge_instance_state_change"]),
        );
        assert_eq!(flat.source, "cloudmonitor.ecs");
        assert_eq!(flat.name, "Instance:StateChange");
        assert_eq!(
            (&flat.account_number, &flat.region, &flat.at, &flat.concerns),
            (&event.account_number, &event.region, &event.at, &event.concerns)
        );
        assert_ne!(flat.key(), event.key());
    }

    #[test]
    fn an_event_of_a_disk_names_a_machine_only_where_it_says_so() {
        let mut event = samples()["cloudmonitor_disk_operation"].clone();
        let disk = "aliyun.ecs.disk d-bp1resync000000d1";
        assert_eq!(concerns(&event), [disk]);
        event["content"] = json!({ "instanceId": "i-bp1resync00000001" });
        assert_eq!(concerns(&event), [disk, "aliyun.ecs.instance i-bp1resync00000001"]);
    }

    #[test]
    fn the_trail_names_what_a_call_wrote_to() {
        let mut event = json!({
            "specversion": "1.0", "id": "1", "source": "acs.actiontrail",
            "type": "actiontrail:ActionTrail:ApiCall", "aliyunregionid": "cn-shanghai",
            "aliyunaccountid": "1690700000000030",
            "data": {
                "eventRW": "Write", "eventName": "DeleteDisk", "acsRegion": "cn-hangzhou",
                "referencedResources": { "ACS::ECS::Instance": ["i-8vb0smn1lf6g77md0000"] },
                "userIdentity": { "principalId": "1:i-8vbsomebodyelse" },
            },
        });
        assert_eq!(concerns(&event), ["aliyun.ecs.instance i-8vb0smn1lf6g77md0000"]);
        assert_eq!(read(&event).region.as_deref(), Some("cn-hangzhou"));
        event["data"]["errorCode"] = json!("Forbidden");
        assert_eq!(concerns(&event), [""; 0], "what is refused changed nothing");
        event["data"]["errorCode"] = json!("");
        event["data"]["eventRW"] = json!("Read");
        assert_eq!(concerns(&event), [""; 0]);
    }

    #[test]
    fn other_kinds_are_told_by_their_ids() {
        for (id, kind) in [
            ("rm-bp1abcdefgh", "aliyun.rds.instance"),
            ("r-bp1abcdefgh", "aliyun.redis.instance"),
            ("lb-bp1abcdefgh", "aliyun.slb.loadbalancer"),
            ("eip-bp1abcdefgh", "aliyun.vpc.eip"),
        ] {
            let name = format!("acs:x:cn-hangzhou:1690:thing/{id}");
            let event = json!({ "specversion": "1.0", "id": "1", "source": "x", "subject": name });
            assert_eq!(concerns(&event), [format!("{kind} {id}")]);
        }
    }

    #[test]
    fn what_is_about_something_else_is_an_event_all_the_same() {
        let event = read(&json!({
            "specversion": "1.0", "id": "1", "source": "acs.oss", "type": "oss:ObjectCreated",
            "subject": "acs:oss:cn-hangzhou:1690:bucket/some-object",
        }));
        assert!(event.concerns.is_empty());
        let old = json!({ "product": "ECS", "name": "x", "content": {} });
        let older = json!({ "product": "ECS", "name": "y", "content": {} });
        assert_ne!(read(&old).id, read(&older).id, "an event without an id is told by itself");
        assert_eq!(read(&old).id, read(&old).id);
    }

    #[test]
    fn what_is_no_event_is_refused() {
        for bad in [json!({}), json!([1]), json!("x"), json!(null), json!([{ "id": "1" }])] {
            let refused = decode_events("aliyun", bad.to_string().as_bytes());
            assert!(refused.is_err(), "{bad}");
        }
    }
}
