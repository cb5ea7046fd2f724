//! Huawei Cloud's servers.

use cloud_sync_core::account::Region;
use cloud_sync_core::error::ErrorClass;
use cloud_sync_core::resource::Resource;
use cloud_sync_provider::{Permission, SecondaryCalls};
use simulated_cloud::{Plan, Provider};

use super::support::{Cloud, OWNER, assert_found_by_id, key, kind, walk};
use super::truth::assert_machines;

const SERVERS: &str = "huawei.ecs.server";
const HERE: &str = "cn-north-4";

async fn cloud(servers: u32) -> Cloud {
    let regions = [(HERE, servers), ("cn-east-3", 3)];
    let plan = Plan::new(7).account_of(Provider::Huawei, OWNER, key(), regions);
    Cloud::start(Provider::Huawei, &plan, HERE).await
}

#[tokio::test]
async fn servers_are_listed_as_they_are_and_joined_with_their_volumes() {
    let cloud = cloud(1100).await;
    let (vendor, kind, region) = (cloud.open(), kind(SERVERS), Region::new(HERE));
    assert_eq!(vendor.secondary_calls(&kind), SecondaryCalls::Listed);
    let (found, pages) = walk(&*vendor, &kind, &region).await;
    assert_eq!(pages, 4, "the last one is empty");
    assert!(cloud.world().calls_of("ListVolumes") > 1);
    assert_machines(&found, &cloud.world().at(OWNER, HERE).unwrap().truth());
    let (elsewhere, _) = walk(&*vendor, &kind, &Region::new("cn-east-3")).await;
    assert_eq!(elsewhere.len(), 3);
}

#[tokio::test]
async fn volumes_of_some_are_all_of_theirs() {
    let cloud = cloud(40).await;
    let truth = cloud.world().at(OWNER, HERE).unwrap().truth();
    let servers: Vec<_> = truth
        .iter()
        .map(|server| Resource { id: server.id.clone(), ..Resource::default() })
        .collect();
    let asked = &servers[..10];
    let region = Region::new(HERE);
    let mut details = cloud.open().details(&kind(SERVERS), &region, asked).await.unwrap();
    for server in &truth[..10] {
        let disks = details.remove(&server.id).unwrap_or_default().disks;
        let found: Vec<_> = disks.into_iter().map(|disk| disk.id).collect();
        let wanted: Vec<_> = server.data_disks.iter().map(|disk| disk.id.clone()).collect();
        assert_eq!(found, wanted, "{}", server.id);
    }
    assert!(details.is_empty(), "of the others not all is known");
}

#[tokio::test]
async fn what_exists_is_found_by_id_and_what_does_not_is_not() {
    let cloud = cloud(151).await;
    let place = cloud.world().at(OWNER, HERE).unwrap();
    let gone = place.live().remove(70);
    place.release(&gone).unwrap();
    let region = Region::new(HERE);
    let (vendor, kind) = (cloud.open(), kind(SERVERS));
    let gone = [gone];
    assert_found_by_id(&*vendor, &kind, &region, &place.live(), &gone).await;
    // What cannot be read counts as seen, and would never be deleted.
    assert_eq!(vendor.reread(&kind, &region, &gone).await.unwrap().undecodable, []);
}

#[tokio::test]
async fn statuses_are_told_of_those_that_are_there() {
    let cloud = cloud(130).await;
    let site = cloud.world().at(OWNER, HERE).unwrap();
    let truth = site.truth();
    let gone = truth[60].id.clone();
    site.release(&gone).unwrap();
    let (vendor, region) = (cloud.open(), Region::new(HERE));
    let (listed, _) = walk(&*vendor, &kind(SERVERS), &region).await;
    let ids: Vec<_> = truth.iter().map(|server| server.id.clone()).collect();
    cloud.world().reset_calls();
    let statuses = vendor.statuses(&kind(SERVERS), &region, &ids).await.unwrap();
    assert_eq!((statuses.len(), statuses.get(&gone)), (129, None));
    for server in truth.iter().filter(|server| server.id != gone) {
        let (status, word) = &statuses[&server.id];
        assert_eq!((word, *status), (&server.status, listed[&server.id].status));
    }
    assert_eq!(cloud.world().calls_of("ListVolumes"), 0, "a status has no disks");
}

#[tokio::test]
async fn a_regions_project_is_remembered_or_asked_for_once() {
    let cloud = cloud(30).await;
    let vendor = cloud.open();
    let regions = vendor.regions().await.unwrap();
    let ids: Vec<_> = regions.iter().map(|region| region.id.as_str()).collect();
    assert_eq!(ids.len(), 2);
    let known = regions.iter().find(|region| region.id == HERE).unwrap();
    assert!(!known.project.is_empty());
    cloud.world().reset_calls();
    let (found, _) = walk(&*vendor, &kind(SERVERS), known).await;
    assert_eq!((found.len(), cloud.world().calls_of("KeystoneListProjects")), (30, 0));
    let vendor = cloud.open();
    for region in [HERE, "cn-east-3", HERE] {
        vendor.page(&kind(SERVERS), &Region::new(region), None).await.unwrap();
    }
    assert_eq!(cloud.world().calls_of("KeystoneListProjects"), 1);
    let nowhere = Region::new("ap-southeast-1");
    let error = vendor.page(&kind(SERVERS), &nowhere, None).await.unwrap_err();
    assert_eq!((error.class, error.code.as_str()), (ErrorClass::NotOffered, "NoProject"));
    assert!(error.message.contains("ap-southeast-1"), "{error}");
}

#[tokio::test]
async fn the_account_has_a_number_and_no_way_to_ask_for_permission() {
    let cloud = cloud(1).await;
    let vendor = cloud.open();
    let identity = vendor.identity().await.unwrap().unwrap();
    assert_eq!((identity.account_number.len(), identity.principal.as_str()), (32, OWNER));
    let probed = vendor.probe(&kind(SERVERS), &Region::new(HERE)).await;
    assert_eq!(probed, Ok(Permission::NoProbe));
}
