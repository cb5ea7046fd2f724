//! Alibaba Cloud.

use std::collections::{BTreeMap, BTreeSet};

use cloud_sync_core::account::{Account, Region};
use cloud_sync_core::credentials::Credentials;
use cloud_sync_core::error::{ErrorClass, VendorError};
use cloud_sync_core::resource::{Resource, Status};
use cloud_sync_provider::{Permission as Granted, SecondaryCalls, Vendor};
use jiff::Timestamp;
use simulated_cloud::{
    AccessKey, Counts, Family, Fault, Permission, Plan, Provider, Rule, TruthManaged,
};

use super::support::{Cloud, KEY, OWNER, SECRET, assert_found_by_id, credentials, key, kind, walk};

const HOME: &str = "cn-hangzhou";
const FAR: &str = "cn-beijing";

/// A kind, as the tests need to know it.
struct Sample {
    name: &'static str,
    family: Family,
    service: &'static str,
    /// The call that lists it, as the cloud names it.
    action: &'static str,
    /// The permission that is missing where it is refused.
    permission: &'static str,
    /// What is to be opened where it is not offered.
    title: &'static str,
    has_dry_run: bool,
}

const fn sample(
    name: &'static str,
    family: Family,
    [service, action, permission, title]: [&'static str; 4],
    has_dry_run: bool,
) -> Sample {
    Sample { name, family, service, action, permission, title, has_dry_run }
}

const ECS: &str = "Elastic Compute Service";
const KINDS: [Sample; 7] = [
    sample(
        "aliyun.ecs.instance",
        Family::Instance,
        ["ecs", "DescribeInstances", "ecs:DescribeInstances", ECS],
        true,
    ),
    sample(
        "aliyun.ecs.disk",
        Family::Disk,
        ["ecs", "DescribeDisks", "ecs:DescribeDisks", ECS],
        true,
    ),
    sample(
        "aliyun.rds.instance",
        Family::Database,
        ["rds", "rds:DescribeDBInstances", "rds:DescribeDBInstances", "ApsaraDB RDS"],
        false,
    ),
    sample(
        "aliyun.redis.instance",
        Family::Cache,
        ["r-kvstore", "r-kvstore:DescribeInstances", "kvstore:DescribeInstances", "Tair (Redis)"],
        false,
    ),
    sample(
        "aliyun.vpc.eip",
        Family::Address,
        ["vpc", "vpc:DescribeEipAddresses", "vpc:DescribeEipAddresses", "Virtual Private Cloud"],
        true,
    ),
    sample(
        "aliyun.slb.loadbalancer",
        Family::Balancer,
        ["slb", "slb:DescribeLoadBalancers", "slb:DescribeLoadBalancers", "Server Load Balancer"],
        false,
    ),
    sample(
        "aliyun.oss.bucket",
        Family::Bucket,
        ["oss", "oss:ListBuckets", "oss:ListBuckets", "Object Storage Service"],
        false,
    ),
];

impl Sample {
    fn is_bucket(&self) -> bool {
        self.family == Family::Bucket
    }

    fn place(&self) -> Region {
        if self.is_bucket() { Region::global() } else { Region::new(HOME) }
    }

    async fn listed(&self, cloud: &Cloud) -> (BTreeMap<String, Resource>, usize) {
        self.listed_by(&*cloud.open()).await
    }

    async fn listed_by(&self, vendor: &dyn Vendor) -> (BTreeMap<String, Resource>, usize) {
        walk(vendor, &kind(self.name), &self.place()).await
    }

    /// Returns the ids that there are.
    fn truth(&self, cloud: &Cloud) -> BTreeSet<String> {
        let regions = if self.is_bucket() { &[HOME, FAR][..] } else { &[HOME] };
        let of = |region: &&str| cloud.world().at(OWNER, region).unwrap().ids_of(self.family);
        regions.iter().flat_map(of).collect()
    }

    /// Returns the error that listing it ends in.
    async fn refused(&self, vendor: &dyn Vendor) -> VendorError {
        let error = vendor.page(&kind(self.name), &self.place(), None).await.unwrap_err();
        assert!(!error.to_string().contains(SECRET), "{error}");
        error
    }
}

async fn cloud(instances: u32, managed: u32) -> Cloud {
    let plan = Plan::new(11)
        .account(OWNER, key(), [(HOME, instances), (FAR, 3)])
        .managed([(HOME, Counts::of_each(managed)), (FAR, Counts::of_each(2))]);
    Cloud::start(Provider::Aliyun, &plan, HOME).await
}

fn texts(addresses: &[std::net::Ipv4Addr]) -> BTreeSet<String> {
    addresses.iter().map(ToString::to_string).collect()
}

/// Returns the account with another signature than the usual one.
fn with_acs3(cloud: &Cloud) -> Account {
    Account { signature: Some("acs3".to_owned()), ..cloud.account() }
}

#[tokio::test]
async fn every_kind_is_listed_page_by_page_and_whole() {
    let cloud = cloud(260, 130).await;
    for (sample, least) in KINDS.iter().zip([3, 2, 2, 3, 2, 2, 1]) {
        let (found, pages) = sample.listed(&cloud).await;
        let ids: BTreeSet<_> = found.into_keys().collect();
        assert_eq!(ids, sample.truth(&cloud), "{}", sample.name);
        assert!(pages >= least, "{}: {pages} pages", sample.name);
    }
}

#[tokio::test]
async fn both_signatures_show_the_same() {
    let cloud = cloud(30, 12).await;
    let usual = cloud.open();
    let newer = cloud.open_as(&with_acs3(&cloud), credentials(KEY, SECRET));
    for sample in &KINDS {
        let one = sample.listed_by(&*usual).await;
        assert!(!one.0.is_empty());
        assert_eq!(sample.listed_by(&*newer).await, one, "{}", sample.name);
        let ids: Vec<String> = one.0.into_keys().collect();
        let place = sample.place();
        assert_found_by_id(&*newer, &kind(sample.name), &place, &ids, &["?&=+ 生产".into()]).await;
    }
    assert_eq!(newer.regions().await, usual.regions().await);
    assert_eq!(newer.identity().await, usual.identity().await);
}

#[tokio::test]
async fn machines_are_as_they_are() {
    let cloud = cloud(120, 0).await;
    let (mut found, _) = KINDS[0].listed(&cloud).await;
    for truth in cloud.world().at(OWNER, HOME).unwrap().truth() {
        let found = found.remove(&truth.id).unwrap();
        assert_eq!((&found.vendor_status, &found.spec), (&truth.status, &truth.instance_type));
        assert_eq!((&found.name, &found.zone), (&truth.name, &truth.zone));
        assert_eq!(found.private_ips, texts(&truth.private_ips));
        assert_eq!(found.public_ips, texts(&truth.public_ips));
        assert_eq!(found.tags, truth.tags);
        let disks: BTreeSet<_> =
            found.data_disks.unwrap().into_iter().map(|disk| disk.id).collect();
        assert_eq!(disks, truth.data_disks.into_iter().map(|disk| disk.id).collect());
    }
    assert!(found.is_empty(), "{found:?}");
}

#[tokio::test]
async fn disks_are_as_they_are_system_and_data_attached_or_not() {
    let cloud = cloud(120, 4).await;
    let (found, _) = KINDS[1].listed(&cloud).await;
    let truths = cloud.world().at(OWNER, HOME).unwrap().volumes();
    assert_eq!(found.len(), truths.len());
    for truth in &truths {
        let found = &found[&truth.id];
        assert_eq!((&found.name, &found.zone), (&truth.name, &truth.zone));
        assert_eq!(found.spec, format!("{} {} GiB", truth.category, truth.size_gib));
        assert_eq!((&found.tags, found.created_at), (&truth.tags, Some(truth.created)));
        let expected = if truth.instances.is_empty() { Status::Stopped } else { Status::Running };
        assert_eq!((found.status, found.expires_at), (expected, None));
        let of = if truth.system { "system" } else { "data" };
        assert_eq!(found.attributes["Type"], of);
    }
    assert!(truths.iter().any(|disk| disk.system) && truths.iter().any(|d| !d.tags.is_empty()));
    assert!(truths.iter().any(|disk| disk.instances.is_empty()));
}

fn assert_is(sample: &Sample, found: &Resource, truth: &TruthManaged) {
    let name = format!("{} {}", sample.name, truth.id);
    assert_eq!((&found.vendor_status, &found.spec), (&truth.status, &truth.spec), "{name}");
    assert_ne!(found.status, Status::Unknown, "{name}: {}", truth.status);
    assert_eq!((&found.name, &found.tags), (&truth.name, &truth.tags), "{name}");
    assert_eq!(found.created_at, Some(truth.created), "{name}");
    assert_eq!(found.data_disks, Some([].into()), "all that there is to know is known");
    if sample.family != Family::Bucket {
        assert_eq!(found.zone, truth.zone, "{name}");
    }
    let public = texts(&truth.public_ips);
    // The list of caches tells no public address.
    if sample.family == Family::Cache {
        assert!(found.public_ips.is_empty(), "{name}");
    } else {
        assert_eq!(found.public_ips, public, "{name}");
    }
    // A balancer that the internet reaches says its public address only.
    if sample.family != Family::Balancer || public.is_empty() {
        assert_eq!(found.private_ips, texts(&truth.private_ips), "{name}");
    }
    if sample.family != Family::Balancer {
        assert_eq!(found.expires_at, truth.expires, "{name}");
    }
}

#[tokio::test]
async fn what_the_vendor_runs_is_as_it_is() {
    let cloud = cloud(40, 60).await;
    let site = cloud.world().at(OWNER, HOME).unwrap();
    for sample in &KINDS[2..6] {
        let (found, _) = sample.listed(&cloud).await;
        let truths = site.managed(sample.family);
        assert_eq!(found.len(), truths.len(), "{}", sample.name);
        truths.iter().for_each(|truth| assert_is(sample, &found[&truth.id], truth));
    }
}

#[tokio::test]
async fn buckets_of_all_regions_are_listed_once_each_with_its_tags() {
    let cloud = cloud(1, 30).await;
    let buckets = &KINDS[6];
    let (found, _) = buckets.listed(&cloud).await;
    for region in [HOME, FAR] {
        for truth in cloud.world().at(OWNER, region).unwrap().managed(Family::Bucket) {
            assert_is(buckets, &found[&truth.id], &truth);
            assert_eq!(found[&truth.id].zone, region);
        }
    }
    assert_eq!(found.len(), 32);
    let calls = cloud.world().calls();
    let asked: u64 = calls
        .iter()
        .filter(|(call, _)| call.action == "oss:GetBucketTagging" && call.region == FAR)
        .map(|(_, count)| count)
        .sum();
    assert_eq!(asked, 2, "each is asked for its tags in its own region");
}

#[tokio::test]
async fn more_buckets_than_a_page_holds_come_in_pages() {
    let plan = Plan::new(5)
        .account(OWNER, key(), [(HOME, 0)])
        .managed([(HOME, Counts { buckets: 1005, ..Counts::default() })]);
    let cloud = Cloud::start(Provider::Aliyun, &plan, HOME).await;
    let (vendor, buckets) = (cloud.open(), kind("aliyun.oss.bucket"));
    let first = vendor.page(&buckets, &Region::global(), None).await.unwrap();
    let next = first.next.unwrap();
    let last = vendor.page(&buckets, &Region::global(), Some(&next)).await.unwrap();
    assert_eq!((first.resources.len(), last.resources.len(), last.next), (1000, 5, None));
}

#[tokio::test]
async fn what_is_there_is_found_by_id_and_what_is_not_is_no_error() {
    let cloud = cloud(210, 65).await;
    let vendor = cloud.open();
    for sample in &KINDS {
        let known: Vec<String> = sample.truth(&cloud).into_iter().collect();
        // As one that is there, but for its end; and none at all.
        let unknown = [format!("{}0", known[0]), "nobody-knows-it".to_owned()];
        let place = sample.place();
        assert_found_by_id(&*vendor, &kind(sample.name), &place, &known, &unknown).await;
    }
}

#[tokio::test]
async fn statuses_are_told_of_those_that_are_there() {
    let cloud = cloud(60, 20).await;
    let vendor = cloud.open();
    for sample in &KINDS {
        let (truth, _) = sample.listed(&cloud).await;
        let mut ids: Vec<String> = truth.keys().cloned().collect();
        ids.insert(ids.len() / 2, "nobody-knows-it".to_owned());
        let told = vendor.statuses(&kind(sample.name), &sample.place(), &ids).await.unwrap();
        assert_eq!(told.len(), truth.len(), "{}", sample.name);
        for (id, (status, word)) in told {
            assert_eq!((status, &word), (truth[&id].status, &truth[&id].vendor_status));
        }
    }
    let calls = cloud.world().calls_of("rds:DescribeDBInstanceAttribute");
    assert!((1..21).contains(&calls), "another API than the list is a second opinion: {calls}");
}

#[tokio::test]
async fn what_is_gone_when_it_is_asked_about_costs_no_other_its_details() {
    let cloud = cloud(1, 12).await;
    let vendor = cloud.open();
    for sample in [&KINDS[2], &KINDS[6]] {
        let (kind, place) = (kind(sample.name), sample.place());
        assert_eq!(vendor.secondary_calls(&kind), SecondaryCalls::Asked);
        let resources = vendor.page(&kind, &place, None).await.unwrap().resources;
        let gone = &resources.iter().find(|each| each.is_deferred).unwrap().id;
        let before = vendor.details(&kind, &place, &resources).await.unwrap();
        let site = [HOME, FAR].map(|region| cloud.world().at(OWNER, region).unwrap());
        let released = site.iter().filter(|site| site.release_of(sample.family, gone).is_ok());
        assert_eq!(released.count(), 1);
        let mut expected = before.clone();
        expected.remove(gone);
        let after = vendor.details(&kind, &place, &resources).await.unwrap();
        assert_eq!(after, expected, "{}", sample.name);
        assert!(!after.is_empty());
    }
}

#[tokio::test]
async fn the_probe_says_whether_resources_may_be_seen_where_the_vendor_does() {
    let cloud = cloud(1, 1).await;
    let vendor = cloud.open();
    for sample in &KINDS {
        let probe = async || vendor.probe(&kind(sample.name), &sample.place()).await;
        let expected = if sample.has_dry_run { Granted::Granted } else { Granted::NoProbe };
        assert_eq!(probe().await, Ok(expected), "{}", sample.name);
        if !sample.has_dry_run {
            continue;
        }
        for permission in [Permission::Denied, Permission::SilentlyEmpty] {
            cloud.world().permit(OWNER, Some(sample.action), permission);
            let error = probe().await.unwrap_err();
            assert_eq!((error.class, &*error.code), (ErrorClass::Auth, "Forbidden.RAM"));
        }
        cloud.world().permit(OWNER, Some(sample.action), Permission::Allowed);
    }
}

#[tokio::test]
async fn what_is_wrong_with_credentials_is_said_whatever_the_signature() {
    let cloud = cloud(1, 1).await;
    let expired = Credentials {
        security_token: Some("canary-token".to_owned().into()),
        ..credentials("STS.EXPIRED", SECRET)
    };
    let old = AccessKey::new("STS.EXPIRED", SECRET).with_token("canary-token");
    let old = AccessKey { expires: Some(Timestamp::UNIX_EPOCH), ..old };
    cloud.world().set_keys(OWNER, vec![key(), old]);
    for account in [cloud.account(), with_acs3(&cloud)] {
        for (credentials, words) in [
            (credentials("AKIDNOBODY", SECRET), "check the account's access key"),
            (credentials(KEY, "wrong"), "check the account's access key secret"),
            (expired.clone(), "renew the account's temporary credentials"),
        ] {
            let vendor = cloud.open_as(&account, credentials);
            for sample in &KINDS {
                let error = sample.refused(&*vendor).await;
                assert_eq!(error.class, ErrorClass::Auth, "{}: {error}", sample.name);
                assert!(error.message.contains(words), "{}: {error}", sample.name);
                assert!(!error.message.contains("canary-token"), "{error}");
            }
        }
    }
}

#[tokio::test]
async fn a_missing_permission_is_named() {
    let cloud = cloud(1, 1).await;
    let vendor = cloud.open();
    for sample in &KINDS {
        cloud.world().permit(OWNER, Some(sample.action), Permission::Denied);
        let error = sample.refused(&*vendor).await;
        assert_eq!(error.class, ErrorClass::Auth, "{error}");
        // The vendor tells some in words of its own.
        let words = [sample.permission, sample.action].map(|it| format!("permission {it}"));
        assert!(words.iter().any(|words| error.message.contains(words)), "{error}");
        cloud.world().permit(OWNER, Some(sample.action), Permission::Allowed);
    }
    cloud.world().permit(OWNER, Some("oss:GetBucketTagging"), Permission::Denied);
    let (buckets, global) = (kind("aliyun.oss.bucket"), Region::global());
    let resources = vendor.page(&buckets, &global, None).await.unwrap().resources;
    let details = vendor.details(&buckets, &global, &resources).await.unwrap();
    let error = details[&resources[0].id].refused.as_ref().unwrap();
    assert_eq!(error.class, ErrorClass::Data, "a bucket's own policy suspends no account: {error}");
}

#[tokio::test]
async fn a_product_that_is_not_open_is_nothing_wrong_and_says_what_to_open() {
    let cloud = cloud(1, 1).await;
    let vendor = cloud.open();
    for sample in &KINDS {
        cloud.world().set_service(sample.service, HOME, false);
        cloud.world().set_service(sample.service, "", false);
        let error = sample.refused(&*vendor).await;
        assert_eq!(error.class, ErrorClass::NotOffered, "{}: {error}", sample.name);
        let words = format!("open for the account {}", sample.title);
        assert!(error.message.contains(&words), "{error}");
        if !sample.is_bucket() {
            let elsewhere = vendor.page(&kind(sample.name), &Region::new(FAR), None).await;
            assert!(elsewhere.is_ok(), "{}", sample.name);
            let unknown = vendor.page(&kind(sample.name), &Region::new("cn-atlantis"), None).await;
            assert_eq!(unknown.unwrap_err().class, ErrorClass::NotOffered, "{}", sample.name);
        }
    }
}

#[tokio::test]
async fn a_rejected_token_is_told_apart() {
    let cloud = cloud(150, 110).await;
    let vendor = cloud.open();
    // The others have pages by number.
    for sample in [&KINDS[0], &KINDS[2], &KINDS[6]] {
        cloud.world().faults().add(Rule::new(Fault::RejectToken));
        let error =
            vendor.page(&kind(sample.name), &sample.place(), Some("AAAA")).await.unwrap_err();
        assert_eq!((error.class, error.token_rejected), (ErrorClass::Data, true), "{error}");
    }
}
