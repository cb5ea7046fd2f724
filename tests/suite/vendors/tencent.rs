//! Tencent Cloud's machines and databases.

use cloud_sync_core::account::Region;
use cloud_sync_core::resource::Status;
use cloud_sync_provider::{Permission, SecondaryCalls};
use serde_json::{Value, json};
use simulated_cloud::{Counts, Family, Plan, Provider};
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, Request, ResponseTemplate};

use super::support::{Cloud, OWNER, assert_found_by_id, key, kind, open_at, walk};
use super::truth::{assert_machines, assert_managed};

const MACHINES: &str = "tencent.cvm.instance";
const DATABASES: &str = "tencent.cdb.instance";
const HERE: &str = "ap-guangzhou";

async fn cloud(machines: u32, databases: u32) -> Cloud {
    let counts = Counts { databases, ..Counts::default() };
    let regions = [(HERE, machines), ("ap-shanghai", 3)];
    let plan = Plan::new(7).account_of(Provider::Tencent, OWNER, key(), regions);
    Cloud::start(Provider::Tencent, &plan.managed([(HERE, counts)]), HERE).await
}

#[tokio::test]
async fn machines_are_listed_as_they_are_with_their_disks() {
    let cloud = cloud(250, 0).await;
    let vendor = cloud.open();
    let truth = cloud.world().at(OWNER, HERE).unwrap().truth();
    assert_eq!(vendor.secondary_calls(&kind(MACHINES)), SecondaryCalls::None);
    let (found, pages) = walk(&*vendor, &kind(MACHINES), &Region::new(HERE)).await;
    assert_eq!(pages, 4, "the last one is empty");
    assert_machines(&found, &truth);
    let (elsewhere, _) = walk(&*vendor, &kind(MACHINES), &Region::new("ap-shanghai")).await;
    assert_eq!(elsewhere.len(), 3);
}

#[tokio::test]
async fn databases_are_listed_as_they_are() {
    let cloud = cloud(0, 1100).await;
    let truth = cloud.world().at(OWNER, HERE).unwrap().managed(Family::Database);
    let (found, pages) = walk(&*cloud.open(), &kind(DATABASES), &Region::new(HERE)).await;
    assert_eq!(pages, 4, "the last one is empty");
    assert_managed(&found, &truth);
}

#[tokio::test]
async fn what_exists_is_found_by_id_and_what_does_not_is_not() {
    let cloud = cloud(151, 151).await;
    let place = cloud.world().at(OWNER, HERE).unwrap();
    let (vendor, region) = (cloud.open(), Region::new(HERE));
    let gone = place.live().remove(70);
    place.release(&gone).unwrap();
    assert_found_by_id(&*vendor, &kind(MACHINES), &region, &place.live(), &[gone]).await;
    let gone = place.ids_of(Family::Database).remove(70);
    place.release_of(Family::Database, &gone).unwrap();
    let known = place.ids_of(Family::Database);
    assert_found_by_id(&*vendor, &kind(DATABASES), &region, &known, &[gone]).await;
}

#[tokio::test]
async fn statuses_of_machines_are_asked_for_by_their_own_call() {
    let cloud = cloud(120, 0).await;
    let site = cloud.world().at(OWNER, HERE).unwrap();
    let truth = site.truth();
    let gone = truth[60].id.clone();
    site.release(&gone).unwrap();
    let ids: Vec<_> = truth.iter().map(|machine| machine.id.clone()).collect();
    let region = Region::new(HERE);
    let statuses = cloud.open().statuses(&kind(MACHINES), &region, &ids).await.unwrap();
    assert_eq!((statuses.len(), statuses.get(&gone)), (119, None));
    let there = truth.iter().filter(|machine| machine.id != gone);
    assert!(there.into_iter().all(|machine| statuses[&machine.id].1 == machine.status));
    assert_eq!(cloud.world().calls_of("DescribeInstances"), 0);
    assert_eq!(cloud.world().calls_of("DescribeInstancesStatus"), 4);
}

#[tokio::test]
async fn statuses_of_databases_are_those_of_the_list() {
    let cloud = cloud(0, 40).await;
    let site = cloud.world().at(OWNER, HERE).unwrap();
    let (truth, vendor, region) = (site.managed(Family::Database), cloud.open(), Region::new(HERE));
    let gone = truth[7].id.clone();
    site.release_of(Family::Database, &gone).unwrap();
    let ids: Vec<_> = truth.iter().map(|database| database.id.clone()).collect();
    let (listed, _) = walk(&*vendor, &kind(DATABASES), &region).await;
    let statuses = vendor.statuses(&kind(DATABASES), &region, &ids).await.unwrap();
    assert_eq!((statuses.len(), statuses.get(&gone)), (39, None));
    for (id, (status, word)) in &statuses {
        let truth = truth.iter().find(|database| database.id == *id).unwrap();
        assert_eq!((word, *status), (&truth.status, listed[id].status), "{id}");
        assert_ne!(*status, Status::Unknown, "{word}");
    }
    let none = vendor.statuses(&kind(DATABASES), &region, &[gone]).await.unwrap();
    assert!(none.is_empty());
}

#[tokio::test]
async fn the_account_has_a_number_regions_and_no_way_to_ask_for_permission() {
    let cloud = cloud(1, 1).await;
    let vendor = cloud.open();
    let identity = vendor.identity().await.unwrap().unwrap();
    assert_eq!(identity.account_number, "100000000001");
    assert!(identity.principal.starts_with("qcs::cam:"), "{identity:?}");
    let regions = vendor.regions().await.unwrap();
    assert_eq!(regions, [HERE, "ap-shanghai"].map(Region::new));
    for name in [MACHINES, DATABASES] {
        let probed = vendor.probe(&kind(name), &Region::new(HERE)).await;
        assert_eq!(probed, Ok(Permission::NoProbe));
    }
}

/// Answers for a vendor that refuses a whole request for one id that it does
/// not know.
fn strict(request: &Request) -> ResponseTemplate {
    let asked: Value = serde_json::from_slice(&request.body).unwrap();
    let ids: Vec<_> = asked["InstanceIds"].as_array().unwrap().clone();
    let is_known = |id: &Value| !id.as_str().unwrap().starts_with("ins-gone");
    let response = if ids.iter().all(is_known) {
        let items: Vec<_> = ids.iter().map(|id| json!({ "InstanceId": id })).collect();
        json!({ "TotalCount": ids.len(), "InstanceSet": items })
    } else {
        json!({ "Error": { "Code": "InvalidInstanceId.NotFound", "Message": "no" } })
    };
    ResponseTemplate::new(200).set_body_json(json!({ "Response": response }))
}

#[tokio::test]
async fn a_request_refused_for_one_id_hides_no_other() {
    let server = MockServer::start().await;
    Mock::given(any()).respond_with(strict).mount(&server).await;
    let vendor = open_at(Provider::Tencent, &server.uri());
    let mut ids: Vec<_> = (0..130).map(|n| format!("ins-{n:03}")).collect();
    for (place, gone) in [(3, "ins-gone1"), (64, "ins-gone2"), (129, "ins-gone3")] {
        ids[place] = gone.to_owned();
    }
    let region = Region::new(HERE);
    let found = vendor.reread(&kind(MACHINES), &region, &ids).await.unwrap();
    let mut found: Vec<_> = found.resources.into_iter().map(|found| found.id).collect();
    found.sort();
    ids.retain(|id| !id.starts_with("ins-gone"));
    assert_eq!(found, ids);
}
