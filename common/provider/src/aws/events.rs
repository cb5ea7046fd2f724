//! Events of AWS, as an API destination of `EventBridge` posts them: what
//! services say of their resources, and what `CloudTrail` says of calls.
//! Source: "AWS service event metadata" and "AWS service events delivered via
//! `AWS` `CloudTrail`" of the guide of `EventBridge`; "State change events for
//! Amazon EC2 instances".

use std::collections::BTreeMap;

use serde_json::Value;

use crate::events::{IdShape, VendorEvent, add, find_ids, owned, text};

const IDS: &[IdShape] = &[IdShape { kind: "aws.ec2.instance", prefix: "i-", shortest: 8 }];

/// Where events and calls name what has no shape of its own: the service as
/// events name it, the field, the kind.
const FIELDS: &[(&str, &str, &str)] = &[
    ("aws.rds", "/detail/SourceIdentifier", "aws.rds.instance"),
    ("aws.rds", "/detail/requestParameters/dBInstanceIdentifier", "aws.rds.instance"),
    ("aws.rds", "/detail/responseElements/dBInstanceIdentifier", "aws.rds.instance"),
    ("aws.elasticache", "/detail/requestParameters/cacheClusterId", "aws.elasticache.cluster"),
    ("aws.elasticache", "/detail/responseElements/cacheClusterId", "aws.elasticache.cluster"),
    ("aws.s3", "/detail/requestParameters/bucketName", "aws.s3.bucket"),
];

/// Reads one event.
pub(crate) fn decode(event: &Value) -> Result<VendorEvent, &'static str> {
    let name = text(event, "/detail-type").ok_or("has no detail-type")?;
    let source = owned(event, "/source");
    let mut concerns = BTreeMap::new();
    // A call says who made it, which is the name of a machine at times.
    let parts: &[&str] = if name.ends_with("via CloudTrail") {
        &["/resources", "/detail/requestParameters", "/detail/responseElements"]
    } else {
        &["/resources", "/detail"]
    };
    if !changed_nothing(event) {
        let parts = parts.iter().filter_map(|path| event.pointer(path));
        parts.for_each(|part| find_ids(part, IDS, &mut concerns));
        for (service, path, kind) in FIELDS {
            let id = text(event, path).filter(|_| *service == source);
            // A request may have any case; names are kept in the lower one.
            let id = id.map(str::to_ascii_lowercase);
            id.iter().for_each(|id| add(kind, id, &mut concerns));
        }
    }
    Ok(VendorEvent {
        id: owned(event, "/id"),
        name: match text(event, "/detail/eventName") {
            Some(call) => format!("{name}: {call}"),
            None => name.to_owned(),
        },
        account_number: text(event, "/account").map(str::to_owned),
        region: text(event, "/region").map(str::to_owned),
        at: text(event, "/time").and_then(|at| at.parse().ok()),
        source,
        concerns,
    })
}

/// Tells whether a call was a read, or was refused.
fn changed_nothing(event: &Value) -> bool {
    event.pointer("/detail/readOnly") == Some(&Value::Bool(true))
        || text(event, "/detail/errorCode").is_some()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::events::decode_events;

    fn read(event: &Value) -> VendorEvent {
        decode_events("aws", event.to_string().as_bytes()).unwrap().remove(0)
    }

    fn concerns(event: &Value) -> Vec<String> {
        let event = read(event);
        let pairs = event.concerns.iter();
        pairs.flat_map(|(kind, ids)| ids.iter().map(move |id| format!("{kind} {id}"))).collect()
    }

    fn state_change() -> Value {
        json!({
            "version": "0", "id": "7bf73129-1428-4cd3-a780-000000000001",
            "detail-type": "EC2 Instance State-change Notification", "source": "aws.ec2",
            "account": "123456789012", "time": "2026-11-11T21:29:54Z", "region": "us-east-1",
            "resources": ["arn:aws:ec2:us-east-1:123456789012:instance/i-0abcdef1234567890"],
            "detail": { "instance-id": "i-0abcdef1234567890", "state": "stopping" },
        })
    }

    fn call(service: &str, name: &str, request: &Value, response: &Value) -> Value {
        json!({
            "version": "0", "id": "36eb8523-97d0-4518-b33d-000000000002",
            "detail-type": "AWS API Call via CloudTrail", "source": format!("aws.{service}"),
            "account": "123456789012", "time": "2026-11-11T21:29:54Z", "region": "us-east-1",
            "resources": [],
            "detail": {
                "eventVersion": "1.08", "eventName": name, "readOnly": false,
                "eventSource": format!("{service}.amazonaws.com"),
                "userIdentity": { "principalId": "AROAEXAMPLE:i-0caller0000000000" },
                "requestParameters": request, "responseElements": response,
            },
        })
    }

    #[test]
    fn a_state_change_names_its_machine() {
        let event = read(&state_change());
        assert_eq!(event.source, "aws.ec2");
        assert_eq!(event.account_number.as_deref(), Some("123456789012"));
        assert_eq!(event.region.as_deref(), Some("us-east-1"));
        assert_eq!(event.at, Some("2026-11-11T21:29:54Z".parse().unwrap()));
        assert_eq!(concerns(&state_change()), ["aws.ec2.instance i-0abcdef1234567890"]);
    }

    #[test]
    fn a_call_names_what_it_was_about_and_not_who_made_it() {
        let items =
            json!({ "instancesSet": { "items": [{ "instanceId": "i-0new0000000000001" }] } });
        let run = call("ec2", "RunInstances", &json!({ "imageId": "ami-1" }), &items);
        assert_eq!(concerns(&run), ["aws.ec2.instance i-0new0000000000001"]);
        assert_eq!(read(&run).name, "AWS API Call via CloudTrail: RunInstances");
        let tags = json!({ "resourcesSet": { "items": [
            { "resourceId": "i-0tagged00000000001" }, { "resourceId": "vol-0tagged000000000" },
        ] } });
        let tagged = call("ec2", "CreateTags", &tags, &json!({ "_return": true }));
        assert_eq!(concerns(&tagged), ["aws.ec2.instance i-0tagged00000000001"]);
    }

    #[test]
    fn calls_about_other_services_name_theirs() {
        for (service, request, expected) in [
            ("rds", json!({ "dBInstanceIdentifier": "Orders-DB" }), "aws.rds.instance orders-db"),
            ("elasticache", json!({ "cacheClusterId": "c-1" }), "aws.elasticache.cluster c-1"),
            ("s3", json!({ "bucketName": "my.bucket" }), "aws.s3.bucket my.bucket"),
        ] {
            assert_eq!(concerns(&call(service, "X", &request, &Value::Null)), [expected]);
        }
        let mut rds = state_change();
        rds["source"] = json!("aws.rds");
        rds["detail-type"] = json!("RDS DB Instance Event");
        rds["resources"] = json!(["arn:aws:rds:us-east-1:123456789012:db:orders-db"]);
        rds["detail"] = json!({ "SourceIdentifier": "orders-db", "EventID": "RDS-EVENT-0087" });
        assert_eq!(concerns(&rds), ["aws.rds.instance orders-db"]);
        rds["source"] = json!("aws.s3");
        assert_eq!(concerns(&rds), [""; 0], "a field means what its service means by it");
    }

    #[test]
    fn reads_and_refused_calls_changed_nothing() {
        let request =
            json!({ "instancesSet": { "items": [{ "instanceId": "i-0abcdef1234567890" }] } });
        let mut stop = call("ec2", "StopInstances", &request, &Value::Null);
        assert_eq!(concerns(&stop).len(), 1);
        stop["detail"]["errorCode"] = json!("Client.UnauthorizedOperation");
        assert_eq!(concerns(&stop), [""; 0]);
        let mut read = call("ec2", "DescribeInstances", &request, &Value::Null);
        read["detail"]["readOnly"] = json!(true);
        assert_eq!(concerns(&read), [""; 0]);
    }

    #[test]
    fn what_is_about_something_else_is_an_event_all_the_same() {
        let mut volume = state_change();
        volume["detail-type"] = json!("EBS Volume Notification");
        volume["resources"] = json!(["arn:aws:ec2:us-east-1:123456789012:volume/vol-0123456789"]);
        volume["detail"] = json!({ "event": "modifyVolume" });
        assert_eq!(concerns(&volume), [""; 0]);
        for bad in [json!({}), json!({ "detail-type": "x", "source": "aws.ec2" })] {
            assert!(decode_events("aws", bad.to_string().as_bytes()).is_err(), "{bad}");
        }
    }
}
