//! Events of Tencent Cloud, as its `EventBridge` posts them, in the envelope
//! of `CloudEvents`. Source: its documents "Event Structure", "Tencent Cloud
//! Service Event" and "Cloud Audit Event"; the fields of a call that was
//! recorded are those of "Viewing Event Details in Operation Record".

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::Value;

use crate::events::{IdShape, VendorEvent, find_ids, owned, text};

const IDS: &[IdShape] = &[
    IdShape { kind: "tencent.cvm.instance", prefix: "ins-", shortest: 6 },
    IdShape { kind: "tencent.cdb.instance", prefix: "cdb-", shortest: 6 },
    IdShape { kind: "tencent.cdb.instance", prefix: "cdbro-", shortest: 6 },
];

/// Reads one event.
pub(crate) fn decode(event: &Value) -> Result<VendorEvent, &'static str> {
    if event.get("specversion").is_none() {
        return Err("has no specversion");
    }
    let mut concerns = BTreeMap::new();
    if !changed_nothing(event) {
        // Early documents misspell the field.
        for path in ["/subject", "/subjuect"] {
            find_ids(event.pointer(path).unwrap_or(&Value::Null), IDS, &mut concerns);
        }
        let fields = event.get("data").and_then(Value::as_object).into_iter().flatten();
        for (_, value) in fields.filter(|(name, _)| *name != "userIdentity") {
            find_ids(value, IDS, &mut concerns);
        }
    }
    let region = text(event, "/region").or_else(|| text(event, "/data/eventRegion"));
    Ok(VendorEvent {
        source: owned(event, "/source"),
        id: owned(event, "/id"),
        name: owned(event, "/type"),
        // `appId` is another number than the one by which accounts are known.
        account_number: text(event, "/data/userIdentity/accountId").map(str::to_owned),
        region: region.map(str::to_owned),
        at: event.get("time").and_then(milliseconds),
        concerns,
    })
}

/// Tells whether a call that was recorded was a read, or was refused.
fn changed_nothing(event: &Value) -> bool {
    let is_set = |path: &str| match event.pointer(path) {
        Some(Value::Number(code)) => code.as_i64() != Some(0),
        Some(Value::String(code)) => !matches!(code.as_str(), "" | "0"),
        _ => false,
    };
    text(event, "/data/actionType") == Some("Read")
        || is_set("/data/errorCode")
        || is_set("/data/apiErrorCode")
}

/// Reads a time in milliseconds since 1970, a number or a text of one.
fn milliseconds(value: &Value) -> Option<Timestamp> {
    let text = || value.as_str().and_then(|text| text.parse().ok());
    Timestamp::from_millisecond(value.as_i64().or_else(text)?).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::events::decode_events;

    fn read(event: &Value) -> VendorEvent {
        decode_events("tencent", event.to_string().as_bytes()).unwrap().remove(0)
    }

    fn concerns(event: &Value) -> Vec<String> {
        let event = read(event);
        let pairs = event.concerns.iter();
        pairs.flat_map(|(kind, ids)| ids.iter().map(move |id| format!("{kind} {id}"))).collect()
    }

    fn alarm() -> Value {
        json!({
            "specversion": "1.0", "id": "13a3f42d-7258-4ada-da6d-000000000001",
            "source": "cvm.cloud.tencent", "type": "cvm:ErrorEvent:GuestReboot",
            "subject": "ins-12abcdef", "time": 1_615_430_559_146_i64, "region": "ap-guangzhou",
            "datacontenttype": "application/json;charset=utf-8", "status": "1",
            "data": { "appId": "1250000011", "instanceId": "ins-12abcdef", "dimensions": {} },
        })
    }

    #[test]
    fn an_alarm_names_its_machine() {
        let event = read(&alarm());
        assert_eq!(event.source, "cvm.cloud.tencent");
        assert_eq!(event.region.as_deref(), Some("ap-guangzhou"));
        assert_eq!(event.account_number, None, "an appId is no account's number");
        assert_eq!(event.at, Some("2021-03-11T02:42:39.146Z".parse().unwrap()));
        assert_eq!(concerns(&alarm()), ["tencent.cvm.instance ins-12abcdef"]);
        let mut as_text = alarm();
        as_text["time"] = json!("1615430559146");
        assert_eq!(read(&as_text).at, event.at);
    }

    #[test]
    fn a_recorded_call_names_what_it_was_about() {
        let mut event = alarm();
        event["type"] = json!("cvm:CloudEvent:ApiCall");
        event["subject"] = json!("cvm");
        event["data"] = json!({
            "actionType": "Write", "errorCode": 0, "apiErrorCode": "0", "eventName": "StopInstances",
            "resourceName": "ins-12abcdef,ins-34abcdef", "eventRegion": "ap-guangzhou",
            "userIdentity": { "accountId": "100000000001", "principalId": "ins-caller00" },
        });
        let both = ["tencent.cvm.instance ins-12abcdef", "tencent.cvm.instance ins-34abcdef"];
        assert_eq!(concerns(&event), both);
        assert_eq!(read(&event).account_number.as_deref(), Some("100000000001"));
        event["data"]["apiErrorCode"] = json!(4000);
        assert_eq!(concerns(&event), [""; 0], "what is refused changed nothing");
        event["data"]["apiErrorCode"] = json!(0);
        event["data"]["actionType"] = json!("Read");
        assert_eq!(concerns(&event), [""; 0]);
    }

    #[test]
    fn databases_are_told_by_their_ids() {
        let mut event = alarm();
        event["data"] = json!({ "instanceId": "cdb-12abcdef" });
        event["subject"] = json!("cdbro-12abcdef");
        let both = ["tencent.cdb.instance cdb-12abcdef", "tencent.cdb.instance cdbro-12abcdef"];
        assert_eq!(concerns(&event), both);
    }

    #[test]
    fn what_is_no_event_is_refused() {
        for bad in [json!({}), json!({ "id": "1", "source": "x" }), json!(1)] {
            assert!(decode_events("tencent", bad.to_string().as_bytes()).is_err(), "{bad}");
        }
    }
}
