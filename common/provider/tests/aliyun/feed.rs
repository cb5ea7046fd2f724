//! The change feed.

use cloud_sync_core::account::Region;
use cloud_sync_core::error::ErrorClass;
use cloud_sync_core::feed::Concern;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::support::{Cloud, error, kind, ok, region};

fn span() -> [Timestamp; 2] {
    ["2026-11-22T07:00:00.7Z", "2026-11-22T08:00:00Z"].map(|text| text.parse().unwrap())
}

#[tokio::test]
async fn writes_between_two_moments_are_looked_up_page_by_page() {
    let sample = include_str!("../../testdata/sample_aliyun_lookup_events.json");
    let cloud = Cloud::answering(move |params| {
        let mut page: Value = serde_json::from_str(sample).unwrap();
        let is_first = !params.contains_key("NextToken");
        page["NextToken"] = json!(if is_first { "two" } else { "" });
        ok(&page)
    })
    .await;
    let vendor = cloud.open();
    // The region's own host is that of another service.
    let region = Region { endpoint: "ecs.example".into(), ..region() };
    let first = vendor.feed_page(&kind(), &region, span(), None).await.unwrap();
    assert_eq!((first.events.len(), first.next.as_deref()), (8, Some("two")));
    assert_eq!(first.events[4].concern, Concern::Unnamed);
    assert_eq!(first.events[4].name, "ResizeDisk");
    let second = vendor.feed_page(&kind(), &region, span(), Some("two")).await.unwrap();
    assert_eq!(second.next, None);

    let asked = cloud.requests().await;
    let expected = [
        ("Action", "LookupEvents"),
        ("Version", "2020-07-06"),
        ("RegionId", "cn-hangzhou"),
        ("MaxResults", "50"),
        ("LookupAttribute.1.Key", "EventRW"),
        ("LookupAttribute.1.Value", "Write"),
        ("StartTime", "2026-11-22T07:00:00Z"),
        ("EndTime", "2026-11-22T08:00:00Z"),
    ];
    for (name, value) in expected {
        assert!(asked.iter().all(|params| params[name] == value), "{name}");
    }
    assert_eq!(asked[1]["NextToken"], "two", "the same, and the token");
}

#[tokio::test]
async fn a_feed_is_no_better_than_its_worst_event() {
    for (body, code) in [
        (json!({ "Events": [{ "eventRW": "Write" }] }), "UndecodableItem"),
        (json!({ "Events": null }), "UnexpectedReply"),
        (json!({}), "UnexpectedReply"),
    ] {
        let cloud = Cloud::answering(move |_| ok(&body)).await;
        let error = cloud.open().feed_page(&kind(), &region(), span(), None).await.unwrap_err();
        assert_eq!((error.class, &*error.code), (ErrorClass::Data, code));
    }
    let cloud = Cloud::answering(|_| error(403, "Forbidden.RAM")).await;
    let error = cloud.open().feed_page(&kind(), &region(), span(), None).await.unwrap_err();
    assert_eq!(error.class, ErrorClass::Auth);
}

#[tokio::test]
async fn the_terms_of_the_feed_leave_room_for_late_events() {
    let cloud = Cloud::answering(|_| ok(&json!({}))).await;
    let terms = cloud.open().feed_terms(&kind()).unwrap();
    assert_eq!(terms.window, SignedDuration::from_hours(7 * 24));
    assert!(terms.overlap > SignedDuration::from_mins(10));
    let other = "aliyun.none.such".parse().unwrap();
    assert_eq!(cloud.open().feed_terms(&other), None);
}
