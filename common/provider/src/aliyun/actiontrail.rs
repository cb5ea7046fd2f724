//! `ActionTrail`: the vendor's record of what was done to an account. Source:
//! its reference of the API of 2020-07-06, "Management event structure" and
//! the sample events of ECS.

use std::collections::BTreeSet;

use cloud_sync_core::feed::{Concern, FeedEvent, FeedTerms};
use jiff::SignedDuration;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::NEXT_TOKEN;
use crate::engine::decode::{Unreadable, nullable};
use crate::engine::spec::{Call, FeedSpec, LimitScope};

/// What was done to virtual machines.
///
/// A query takes one condition. By service it would leave out addresses and
/// tags, and bring every read, this service's own first of all: so it is by
/// writes.
pub(super) const INSTANCES: FeedSpec = FeedSpec {
    call: Call {
        params: &[
            ("MaxResults", "50"),
            ("LookupAttribute.1.Key", "EventRW"),
            ("LookupAttribute.1.Value", "Write"),
        ],
        // The vendor allows two a second, to everybody who uses the account.
        per_second: 1,
        limit: LimitScope::Account,
        ..Call::new("actiontrail", "2020-07-06", "LookupEvents").listing(&["Events"], NEXT_TOKEN)
    },
    span: ["StartTime", "EndTime"],
    terms: FeedTerms {
        window: SignedDuration::from_hours(7 * 24),
        // Events show up after ten minutes at the latest; the rest is for
        // clocks, and for a machine that is still on its way to a new status.
        overlap: SignedDuration::from_mins(15),
    },
    decode: decode_event,
};

/// What a machine is called in [`Event::referenced_resources`].
const INSTANCE: &str = "ACS::ECS::Instance";

/// Writes of ECS that are about something else than machines and change no
/// field of one. Every other write that names no machine may have changed
/// some: `ResizeDisk` names a disk only, `AssignPrivateIpAddresses` an
/// interface.
const HARMLESS: &[&str] = &[
    "ApplyAutoSnapshotPolicy",
    "AuthorizeSecurityGroup",
    "AuthorizeSecurityGroupEgress",
    "CancelAutoSnapshotPolicy",
    "CancelCopyImage",
    "CopyImage",
    "CopySnapshot",
    "CreateAutoSnapshotPolicy",
    "CreateCommand",
    "CreateDeploymentSet",
    "CreateImage",
    "CreateKeyPair",
    "CreateLaunchTemplate",
    "CreateLaunchTemplateVersion",
    "CreateSecurityGroup",
    "CreateSnapshot",
    "CreateSnapshotGroup",
    "DeleteAutoSnapshotPolicy",
    "DeleteCommand",
    "DeleteDeploymentSet",
    "DeleteImage",
    "DeleteKeyPairs",
    "DeleteLaunchTemplate",
    "DeleteLaunchTemplateVersion",
    "DeleteSecurityGroup",
    "DeleteSnapshot",
    "DeleteSnapshotGroup",
    "ImportImage",
    "ImportKeyPair",
    "ModifyAutoSnapshotPolicyEx",
    "ModifyCommand",
    "ModifyImageAttribute",
    "ModifyImageSharePermission",
    "ModifySecurityGroupAttribute",
    "ModifySecurityGroupEgressRule",
    "ModifySecurityGroupPolicy",
    "ModifySecurityGroupRule",
    "ModifySnapshotAttribute",
    "RevokeSecurityGroup",
    "RevokeSecurityGroupEgress",
];

/// Which writes of a service may change a machine that they do not name.
fn may_change_unnamed(event: &Event) -> bool {
    let name = event.event_name.as_str();
    match event.service_name.to_ascii_lowercase().as_str() {
        "ecs" if HARMLESS.contains(&name) => false,
        // Tags of another type of resource.
        "ecs" | "tag" if name.contains("Tag") => !says_another_type(&event.request_parameters),
        "ecs" | "tag" => true,
        "vpc" | "eip" => name.contains("EipAddress") && !is_only_bought(name),
        _ => false,
    }
}

/// An address that is bought, or given back, is bound to no machine.
fn is_only_bought(name: &str) -> bool {
    matches!(name, "AllocateEipAddress" | "ReleaseEipAddress" | "ModifyEipAddressAttribute")
}

/// Tells whether a request about tags says that it is about no machine: by
/// the type, or by naming other resources in full.
fn says_another_type(request: &Map<String, Value>) -> bool {
    let says_type = |(name, value): (&String, &Value)| {
        let value = value.as_str().unwrap_or_default();
        (name == "ResourceType" && !value.is_empty() && !value.eq_ignore_ascii_case("instance"))
            || (name.starts_with("ResourceARN") && value.starts_with("acs:"))
    };
    request.iter().any(says_type)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Event {
    event_name: String,
    #[serde(rename = "eventRW", default, deserialize_with = "nullable")]
    event_rw: String,
    #[serde(default, deserialize_with = "nullable")]
    service_name: String,
    #[serde(default, deserialize_with = "nullable")]
    error_code: String,
    #[serde(default, deserialize_with = "nullable")]
    resource_type: String,
    #[serde(default, deserialize_with = "nullable")]
    resource_name: String,
    #[serde(default, deserialize_with = "nullable")]
    referenced_resources: Map<String, Value>,
    #[serde(default, deserialize_with = "nullable")]
    request_parameters: Map<String, Value>,
    #[serde(default, deserialize_with = "nullable")]
    response_elements: Map<String, Value>,
}

fn decode_event(item: &str) -> Result<FeedEvent, Unreadable> {
    let event: Event = serde_json::from_str(item)?;
    let ids = event.ids();
    let concern = if event.event_rw == "Read" {
        Concern::Nothing
    } else if !ids.is_empty() {
        Concern::Resources(ids)
    // What the vendor refused changed nothing.
    } else if event.error_code.is_empty() && may_change_unnamed(&event) {
        Concern::Unnamed
    } else {
        Concern::Nothing
    };
    Ok(FeedEvent { name: event.event_name, concern })
}

impl Event {
    /// Returns every machine's id that is anywhere in it: each call has its
    /// own parameter for them, and one that is looked at in vain costs
    /// nothing but its place in a request.
    fn ids(&self) -> BTreeSet<String> {
        let mut ids = BTreeSet::new();
        if self.resource_type == INSTANCE {
            collect(&self.resource_name, &mut ids);
        }
        let everything =
            [&self.referenced_resources, &self.request_parameters, &self.response_elements];
        everything.into_iter().flat_map(Map::values).for_each(|value| find(value, &mut ids));
        ids
    }
}

fn find(value: &Value, ids: &mut BTreeSet<String>) {
    match value {
        Value::String(text) => collect(text, ids),
        Value::Array(items) => items.iter().for_each(|item| find(item, ids)),
        Value::Object(fields) => fields.values().for_each(|item| find(item, ids)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Ids are whole words, in lists and in full names too.
fn collect(text: &str, ids: &mut BTreeSet<String>) {
    const SHORTEST: usize = 8;
    const LONGEST: usize = 64;
    let is_of_word = |c: char| c.is_ascii_alphanumeric() || c == '-';
    let is_id = |word: &&str| {
        let letters = word.strip_prefix("i-").unwrap_or_default();
        (SHORTEST..=LONGEST).contains(&letters.len())
            && letters.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
    };
    ids.extend(text.split(|c| !is_of_word(c)).filter(is_id).map(str::to_owned));
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const MACHINE: &str = "i-bp1resync00000001";

    fn concern(event: &Value) -> Concern {
        decode_event(&event.to_string()).unwrap().concern
    }

    fn machines(ids: &[&str]) -> Concern {
        Concern::Resources(ids.iter().map(|id| (*id).to_owned()).collect())
    }

    fn write(service: &str, name: &str, request: &Value) -> Value {
        json!({
            "eventName": name, "eventRW": "Write", "serviceName": service,
            "requestParameters": request,
        })
    }

    #[test]
    fn samples_of_events_name_what_they_touched() {
        let samples = include_str!("../../testdata/sample_aliyun_lookup_events.json");
        let samples: Value = serde_json::from_str(samples).unwrap();
        let concerns: Vec<_> = samples["Events"].as_array().unwrap().iter().map(concern).collect();
        let expected = [
            machines(&["i-bp1resync00000002"]),
            machines(&["i-bp1resync00000003", "i-bp1resync00000004"]),
            machines(&[MACHINE]),
            machines(&[MACHINE]),
            Concern::Unnamed,
            Concern::Nothing,
            Concern::Nothing,
            Concern::Nothing,
        ];
        assert_eq!(concerns, expected);
    }

    #[test]
    fn machines_are_found_in_every_form_of_a_parameter() {
        for request in [
            json!({ "InstanceId": MACHINE }),
            json!({ "InstanceIds": format!("[\"{MACHINE}\"]") }),
            json!({ "InstanceId.1": MACHINE }),
            json!({ "InstanceIds": [MACHINE] }),
            json!({ "ResourceARN.1": format!("acs:ecs:cn-hangzhou:1:instance/{MACHINE}") }),
        ] {
            let event = write("Tag", "TagResources", &request);
            assert_eq!(concern(&event), machines(&[MACHINE]), "{request}");
        }
        for other in ["ri-bp1resync00000001", "i-", "i-short", "d-bp1resync000000d1", "I-BP1"] {
            let event = write("Oss", "PutBucket", &json!({ "Name": other }));
            assert_eq!(concern(&event), Concern::Nothing, "{other}");
        }
    }

    #[test]
    fn a_write_that_names_no_machine_is_in_doubt_unless_it_is_known_to_change_none() {
        let disk = json!({ "DiskId": "d-bp1resync000000d1" });
        for (service, name, request, expected) in [
            ("Ecs", "ResizeDisk", &disk, Concern::Unnamed),
            ("Ecs", "AssignPrivateIpAddresses", &json!({}), Concern::Unnamed),
            ("Ecs", "SomethingNew", &json!({}), Concern::Unnamed),
            ("Vpc", "UnassociateEipAddress", &json!({ "AllocationId": "eip-1" }), Concern::Unnamed),
            ("Vpc", "AllocateEipAddress", &json!({}), Concern::Nothing),
            ("Vpc", "CreateVSwitch", &json!({}), Concern::Nothing),
            ("Ecs", "AuthorizeSecurityGroup", &json!({}), Concern::Nothing),
            ("Ecs", "TagResources", &json!({ "ResourceType": "disk" }), Concern::Nothing),
            ("Ecs", "TagResources", &json!({}), Concern::Unnamed),
            ("Tag", "TagResources", &json!({ "ResourceARN.1": "acs:oss:*:1:b" }), Concern::Nothing),
            ("Tag", "UntagResources", &json!({}), Concern::Unnamed),
            ("Rds", "ModifyDBInstanceSpec", &json!({}), Concern::Nothing),
        ] {
            assert_eq!(concern(&write(service, name, request)), expected, "{service} {name}");
        }
    }

    #[test]
    fn what_was_refused_or_only_read_changed_nothing() {
        let mut refused = write("Ecs", "RunInstances", &json!({}));
        refused["errorCode"] = json!("OperationDenied.NoStock");
        assert_eq!(concern(&refused), Concern::Nothing);
        let mut read = write("Ecs", "DescribeInstances", &json!({ "InstanceId": MACHINE }));
        read["eventRW"] = json!("Read");
        assert_eq!(concern(&read), Concern::Nothing);
    }

    #[test]
    fn an_event_that_cannot_be_read_is_an_error() {
        for bad in [
            json!({}),
            json!({ "eventName": 1 }),
            json!({ "eventName": "StopInstance", "requestParameters": "InstanceId" }),
            json!([]),
        ] {
            assert!(decode_event(&bad.to_string()).is_err(), "{bad}");
        }
    }
}
