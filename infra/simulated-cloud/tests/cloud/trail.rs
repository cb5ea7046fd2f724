//! The record of what was done.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use simulated_cloud::{AccessKey, Churn, Limits, Permission, Plan, World};

use crate::client::{Client, REGION, Reply, SECRET, noon, strings};

const WRITES: [(&str, &str); 2] =
    [("LookupAttribute.1.Key", "EventRW"), ("LookupAttribute.1.Value", "Write")];

/// Returns a cloud in which a lot was done an hour ago, and what. It lets one
/// look as often as one likes.
fn busy() -> (Client, BTreeSet<String>) {
    let client = Client::of(200);
    client.world.set_limits(Limits::Off);
    client.world.set_time(noon() - SignedDuration::from_hours(1));
    let report = client.world.churn(&Churn::percent(&client.world, 30.0), 7);
    let touched = [&report.created, &report.released].into_iter().flatten();
    let touched = touched.chain(report.changed.keys()).filter(|which| which.region == REGION);
    let touched = touched.map(|which| which.id.clone()).collect();
    (client, touched)
}

fn look(client: &Client, params: &[(&str, &str)]) -> Reply {
    let mut all = vec![("Version", "2020-07-06")];
    all.extend(params);
    client.call("LookupEvents", &all)
}

/// Walks the whole record, page by page.
fn walk(client: &Client, params: &[(&str, &str)]) -> Vec<Value> {
    let (mut found, mut token) = (Vec::new(), String::new());
    loop {
        let reply = look(client, &[params, &[("NextToken", &token)]].concat());
        assert_eq!(reply.status, 200, "{}", reply.body);
        found.extend_from_slice(reply.items("/Events"));
        token = reply.body["NextToken"].as_str().unwrap_or_default().to_owned();
        if token.is_empty() {
            return found;
        }
    }
}

fn named(events: &[Value]) -> BTreeSet<String> {
    let text = |event: &Value| event.to_string();
    let words = events.iter().map(text).collect::<Vec<_>>().join(" ");
    let ids = words.split(|c: char| !c.is_ascii_alphanumeric() && c != '-');
    ids.filter(|word| word.starts_with("i-bp1")).map(str::to_owned).collect()
}

#[test]
fn every_write_is_recorded_with_its_machine_and_reads_stand_between() {
    let (client, touched) = busy();
    let writes = walk(&client, &[&WRITES[..], &[("MaxResults", "7")]].concat());
    assert!(touched.len() > 30, "{}", touched.len());
    assert_eq!(named(&writes), touched);
    assert!(writes.iter().all(|event| event["eventRW"] == "Write"));
    assert!(writes.iter().all(|event| event["eventTime"] == "2026-11-22T11:00:01Z"));
    let names: BTreeSet<_> = strings(&writes, "eventName").into_iter().collect();
    for name in ["RunInstances", "DeleteInstance", "TagResources", "AttachDisk"] {
        assert!(names.contains(name), "{name} is not in {names:?}");
    }
    let all = walk(&client, &[]);
    assert!(all.len() > writes.len(), "reads are recorded too");
    let forward = walk(&client, &[("Direction", "FORWARD"), ("MaxResults", "50")]);
    assert_eq!(forward.into_iter().rev().collect::<Vec<_>>(), all);
}

#[test]
fn a_record_is_of_a_region_and_of_a_time() {
    let (client, _) = busy();
    let elsewhere = walk(&client, &[&WRITES[..], &[("RegionId", "cn-beijing")]].concat());
    assert!(elsewhere.iter().all(|event| event["acsRegion"] == "cn-beijing"));
    let between =
        |from: &str, until: &str| walk(&client, &[("StartTime", from), ("EndTime", until)]).len();
    assert_eq!(between("2026-11-22T11:00:02Z", "2026-11-22T12:00:00Z"), 0);
    assert_eq!(between("2026-11-22T10:00:00Z", "2026-11-22T11:00:00Z"), 0);
    assert!(between("2026-11-22T11:00:01Z", "2026-11-22T11:00:01Z") > 0);
    for params in [
        &[("StartTime", "2026-11-22T11:00:02Z")][..],
        &[("EndTime", "2026-11-22T11:00:02Z")],
        &[("StartTime", "2026-11-15T12:00:00Z"), ("EndTime", "2026-11-22T12:00:00Z")],
        &[("StartTime", "2026-11-22T12:00:00Z"), ("EndTime", "2026-11-22T11:00:00Z")],
        &[("StartTime", "then"), ("EndTime", "now")],
        &[("MaxResults", "51")],
        &[("NextToken", "AAAA")],
        &[("LookupAttribute.1.Key", "Weather"), ("LookupAttribute.1.Value", "fine")],
        &[("Version", "2014-05-26")],
        &[("RegionId", "mars-north-1")],
    ] {
        assert!(look(&client, params).status >= 400, "{params:?}");
    }
}

#[test]
fn a_token_is_good_for_its_own_look_only() {
    let (client, _) = busy();
    let first = look(&client, &[("MaxResults", "5")]);
    let token = first.body["NextToken"].as_str().expect("a token").to_owned();
    let other = look(&client, &[&WRITES[..], &[("NextToken", &token)]].concat());
    assert_eq!(other.code(), "InvalidParameter.NextToken");
}

#[test]
fn events_show_late_and_lost_ones_never() {
    let mut client = Client::of(200);
    client.world.set_limits(Limits::Off);
    let at = |minutes: i64| noon() + SignedDuration::from_mins(minutes);
    let churn = |client: &Client, now: Timestamp, seed| {
        client.world.set_time(now);
        client.world.churn(&Churn { rename: 60, ..Churn::default() }, seed);
    };
    client.world.set_trail(Duration::from_secs(600), 0.0);
    churn(&client, at(0), 1);
    let shown = |client: &Client| walk(client, &WRITES).len();
    client.now = at(1);
    let early = shown(&client);
    client.now = at(10);
    let all = shown(&client);
    assert!(early > 0 && early < all / 2, "{early} of {all} after a minute");

    client.world.set_trail(Duration::ZERO, 0.5);
    churn(&client, at(10), 2);
    client.world.set_trail(Duration::ZERO, 0.0);
    client.now = at(60);
    let kept = shown(&client) - all;
    assert!(kept > 10 && kept < all - 10, "{kept} were kept");
}

#[test]
fn an_account_may_look_twice_a_second_over_all_its_regions() {
    let (mut client, _) = busy();
    assert!((0..5).all(|_| look(&client, &[]).status == 200), "no limits, no limit");
    for limits in [Limits::Documented, Limits::Calls(1000)] {
        client.world.set_limits(limits);
        client.now += SignedDuration::from_secs(1);
        let regions = [REGION, "cn-beijing", REGION, "cn-beijing"];
        let looks = regions.map(|region| look(&client, &[("RegionId", region)]));
        assert_eq!(looks.each_ref().map(|reply| reply.status), [200, 200, 400, 400]);
        assert_eq!(looks[3].code(), "Throttling.User");
        client.now += SignedDuration::from_secs(1);
        assert_eq!(look(&client, &[]).status, 200);
    }
}

#[test]
fn other_accounts_look_at_their_own_pace() {
    let plan = Plan::new(3)
        .account("one", AccessKey::new("key-one", SECRET), [(REGION, 1)])
        .account("two", AccessKey::new("key-two", SECRET), [(REGION, 1)]);
    let mut client = Client::new(World::new(&plan).expect("a world"));
    let looks = ["key-one", "key-one", "key-one", "key-two"].map(|key| {
        client.key = key.to_owned();
        look(&client, &[]).status
    });
    assert_eq!(looks, [200, 200, 400, 200]);
}

#[test]
fn who_may_not_look_is_told_which_permission_is_missing() {
    let (client, _) = busy();
    client.world.permit("demo", Some("LookupEvents"), Permission::Denied);
    let reply = look(&client, &[]);
    assert_eq!((reply.status, reply.code()), (403, "Forbidden.RAM"));
    let action = &reply.body["AccessDeniedDetail"]["AuthAction"];
    assert_eq!(action, "actiontrail:LookupEvents");
}
