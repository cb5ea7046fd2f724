//! Lists, by page and by id.

use std::collections::BTreeSet;

use cloud_sync_core::resource::Status;
use cloud_sync_provider::{Permission, Registry, SecondaryCalls, Settings, Vendors};
use serde_json::{Value, json};
use wiremock::ResponseTemplate;

use crate::support::{
    Cloud, Params, account, credentials, error, ids, instances, kind, machine, ok, region,
};

#[tokio::test]
async fn a_short_or_empty_page_is_not_the_end() {
    let cloud = Cloud::answering(|params| match params.get("NextToken").map(String::as_str) {
        None => instances(&ids(0..3), "two"),
        Some("two") => instances(&[], "three"),
        Some("three") => instances(&ids(3..4), ""),
        Some(other) => panic!("{other}"),
    })
    .await;
    let vendor = cloud.open();
    let (mut seen, mut token) = (Vec::new(), None);
    loop {
        let page = vendor.page(&kind(), &region(), token.as_deref()).await.unwrap();
        seen.extend(page.resources.into_iter().map(|resource| resource.id));
        token = page.next;
        if token.is_none() {
            break;
        }
    }
    assert_eq!(seen, ids(0..4));
    let sizes: BTreeSet<_> =
        cloud.requests().await.into_iter().map(|params| params["MaxResults"].clone()).collect();
    assert_eq!(sizes, ["100".to_owned()].into(), "the largest page there is");
}

#[tokio::test]
async fn an_item_that_cannot_be_read_does_not_spoil_its_page() {
    let huge = "标".repeat(10 << 20);
    let cloud = Cloud::answering(move |_| {
        ok(&json!({ "Instances": { "Instance": [
            { "InstanceId": "i-1", "Status": "Running" },
            { "InstanceName": "no id" },
            { "InstanceId": "i-2", "Tags": "none" },
            { "InstanceId": "i-3", "Tags": { "Tag": [{ "TagKey": "k", "TagValue": huge }] } },
        ] } }))
    })
    .await;
    let page = cloud.open().page(&kind(), &region(), None).await.unwrap();
    assert_eq!((page.resources.len(), page.next), (1, None));
    let told: Vec<_> = page.undecodable.iter().map(|item| item.id.as_deref()).collect();
    assert_eq!(told, [None, Some("i-2"), Some("i-3")]);
    assert!(page.undecodable[2].message.contains("128 KiB"), "{:?}", page.undecodable[2]);
}

#[tokio::test]
async fn regions_come_with_their_hosts() {
    let sample = include_str!("../../testdata/sample_aliyun_describe_regions.json");
    let sample: Value = serde_json::from_str(sample).unwrap();
    let cloud = Cloud::answering(move |_| ok(&sample)).await;
    let regions = cloud.open().regions().await.unwrap();
    assert_eq!(regions.len(), 3);
    assert_eq!(regions[1].id, "cn-beijing");
    assert_eq!(regions[1].endpoint, "ecs.cn-beijing.aliyuncs.com");
}

#[tokio::test]
async fn a_region_that_cannot_be_a_key_and_no_region_at_all_are_errors() {
    for regions in [json!([]), json!([{ "RegionId": "cn/hangzhou#1" }])] {
        let body = json!({ "Regions": { "Region": regions } });
        let cloud = Cloud::answering(move |_| ok(&body)).await;
        assert!(cloud.open().regions().await.is_err());
    }
}

fn asked_ids(params: &Params) -> Vec<String> {
    serde_json::from_str(&params["InstanceIds"]).unwrap()
}

#[tokio::test]
async fn ids_are_reread_a_hundred_at_a_time() {
    let cloud = Cloud::answering(|params| match params.get("NextToken") {
        // By id, too, a page may be short.
        None => instances(&asked_ids(params)[..1], "rest"),
        Some(_) => instances(&asked_ids(params)[1..], ""),
    })
    .await;
    let page = cloud.open().reread(&kind(), &region(), &ids(0..250)).await.unwrap();
    assert_eq!(page.resources.len(), 250);
    let asked: Vec<_> = cloud.requests().await.iter().map(|p| asked_ids(p).len()).collect();
    assert_eq!(asked, [100, 100, 100, 100, 50, 50]);
}

fn caches(ids: &[&str], total: u64) -> ResponseTemplate {
    let caches: Vec<_> = ids.iter().map(|id| json!({ "InstanceId": id })).collect();
    ok(&json!({ "TotalCount": total, "Instances": { "KVStoreInstance": caches } }))
}

/// Re-reads three caches. Returns which were found, and in how many requests.
async fn reread_caches(
    answer: impl Fn(u64) -> ResponseTemplate + Send + Sync + 'static,
) -> (Vec<String>, usize) {
    let page = |params: &Params| params.get("PageNumber").map_or(1, |n| n.parse().unwrap());
    let cloud = Cloud::answering(move |params| answer(page(params))).await;
    let redis = "aliyun.redis.instance".parse().unwrap();
    let asked = ["r-1", "r-2", "r-3"].map(str::to_owned);
    let found = cloud.open().reread(&redis, &region(), &asked).await.unwrap();
    let ids = found.resources.into_iter().map(|resource| resource.id).collect();
    (ids, cloud.requests().await.len())
}

#[tokio::test]
async fn a_short_page_and_a_total_that_is_too_small_hide_nothing() {
    let (found, _) = reread_caches(|page| match page {
        1 => caches(&["r-1", "r-2"], 2),
        2 => caches(&["r-3"], 2),
        _ => caches(&[], 2),
    })
    .await;
    assert_eq!(found, ["r-1", "r-2", "r-3"]);
}

#[tokio::test]
async fn a_vendor_that_does_not_heed_the_page_number_is_asked_twice() {
    let (found, asked) = reread_caches(|_| caches(&["r-1", "r-3"], 2)).await;
    assert_eq!((&found[..], asked), (&["r-1".to_owned(), "r-3".to_owned()][..], 2));
}

#[tokio::test]
async fn nothing_to_ask_for_asks_nothing() {
    let cloud = Cloud::answering(|_| error(400, "Unexpected")).await;
    let vendor = cloud.open();
    assert!(vendor.reread(&kind(), &region(), &[]).await.unwrap().resources.is_empty());
    assert!(vendor.statuses(&kind(), &region(), &[]).await.unwrap().is_empty());
    assert!(vendor.details(&kind(), &region(), &[]).await.unwrap().is_empty());
    assert!(cloud.requests().await.is_empty());
}

#[tokio::test]
async fn statuses_are_asked_for_fifty_at_a_time() {
    let cloud = Cloud::answering(|params| {
        let asked = params.iter().filter(|(name, _)| name.starts_with("InstanceId."));
        let items: Vec<_> =
            asked.map(|(_, id)| json!({ "InstanceId": id, "Status": "Stopped" })).collect();
        assert_eq!(params["PageSize"], "50");
        assert!(items.len() <= 50);
        ok(&json!({ "InstanceStatuses": { "InstanceStatus": items }, "TotalCount": 0 }))
    })
    .await;
    let statuses = cloud.open().statuses(&kind(), &region(), &ids(0..120)).await.unwrap();
    assert_eq!(statuses.len(), 120);
    assert_eq!(statuses["i-7"], (Status::Stopped, "Stopped".to_owned()));
    assert_eq!(cloud.requests().await.len(), 3);
}

/// Two pages of disks: `i-1` has `d-1` and shares `d-2` with `i-2`.
fn disks(params: &Params) -> ResponseTemplate {
    assert_eq!((&*params["DiskType"], &*params["MaxResults"]), ("data", "500"));
    let first = json!({ "DiskId": "d-1", "Type": "data", "Size": 20, "InstanceId": "i-1" });
    let second = json!({
        "DiskId": "d-2", "Type": "data", "Size": 40, "Category": "cloud_essd", "InstanceId": "",
        "Attachments": { "Attachment": [{ "InstanceId": "i-1" }, { "InstanceId": "i-2" }] },
    });
    if params.contains_key("NextToken") {
        ok(&json!({ "Disks": { "Disk": [second] }, "NextToken": "" }))
    } else {
        ok(&json!({ "Disks": { "Disk": [first] }, "NextToken": "2" }))
    }
}

#[tokio::test]
async fn disks_of_a_region_come_in_pages_each_with_its_instance() {
    let cloud = Cloud::answering(disks).await;
    let vendor = cloud.open();
    assert_eq!(vendor.secondary_calls(&kind()), SecondaryCalls::Listed);
    let (mut found, mut token) = (Vec::new(), None);
    loop {
        let page = vendor.details_page(&kind(), &region(), token.as_deref()).await.unwrap();
        found.extend(page.disks.into_iter().map(|(instance, disk)| (instance, disk.id)));
        token = page.next;
        if token.is_none() {
            break;
        }
    }
    found.sort();
    let expected = [("i-1", "d-1"), ("i-1", "d-2"), ("i-2", "d-2")];
    assert_eq!(found, expected.map(|(instance, disk)| (instance.to_owned(), disk.to_owned())));
    assert_eq!(cloud.requests().await.len(), 2);
}

#[tokio::test]
async fn disks_of_some_are_asked_for_by_id_and_are_all_of_theirs() {
    let cloud = Cloud::answering(disks).await;
    let vendor = cloud.open();
    let few = vendor.details(&kind(), &region(), &[machine("i-1")]).await.unwrap();
    let keys: Vec<_> = few.keys().map(String::as_str).collect();
    assert_eq!(keys, ["i-1"], "of i-2 only one disk would be known");
    assert!(cloud.requests().await.iter().all(|params| params["InstanceId"] == "i-1"));
}

#[tokio::test]
async fn the_probe_is_granted_by_a_dry_run_and_by_nothing_else() {
    let cloud = Cloud::answering(|params| {
        assert_eq!(params["DryRun"], "true");
        error(400, "DryRunOperation")
    })
    .await;
    assert_eq!(cloud.open().probe(&kind(), &region()).await, Ok(Permission::Granted));

    let cloud = Cloud::answering(|_| error(403, "Forbidden.RAM")).await;
    assert_eq!(cloud.open().probe(&kind(), &region()).await.unwrap_err().code, "Forbidden.RAM");

    let cloud = Cloud::answering(|_| instances(&[], "")).await;
    assert_eq!(cloud.open().probe(&kind(), &region()).await.unwrap_err().code, "UnexpectedReply");
}

#[tokio::test]
async fn an_account_has_its_own_kinds_or_machines_and_no_unknown_one() {
    let registry = Registry::with(Settings::default()).unwrap();
    let mut account = account("http://127.0.0.1:1");
    assert_eq!(registry.kinds(&account), Ok(vec![kind()]), "nobody granted more");
    account.kinds = vec!["aliyun.ecs.disk".parse().unwrap(), kind()];
    assert_eq!(registry.kinds(&account), Ok(account.kinds.clone()));
    account.kinds = vec!["aliyun.ecs.cupboard".parse().unwrap()];
    let error = registry.kinds(&account).unwrap_err().to_string();
    assert!(error.contains("ecs.cupboard") && error.contains("aliyun.ecs.instance"), "{error}");
    account.provider = "azure".into();
    let error = registry.open(&account, credentials(), Default::default()).err().unwrap();
    assert!(error.to_string().contains("known: aliyun"), "{error}");
}
