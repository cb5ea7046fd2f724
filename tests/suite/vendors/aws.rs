//! Amazon Web Services.

use std::collections::{BTreeMap, BTreeSet};

use cloud_sync_core::account::{Region, Role};
use cloud_sync_core::credentials::Credentials;
use cloud_sync_core::error::{ErrorClass, VendorError};
use cloud_sync_core::resource::{Resource, Status};
use cloud_sync_provider::{Permission as Granted, Vendor};
use jiff::Timestamp;
use simulated_cloud::{AccessKey, Counts, Family, Permission, Plan, Provider, TruthManaged};

use super::support::{Cloud, KEY, OWNER, SECRET, assert_found_by_id, credentials, key, kind, walk};

const HOME: &str = "us-east-1";
const FAR: &str = "eu-central-1";
const KINDS: [&str; 4] =
    ["aws.ec2.instance", "aws.rds.instance", "aws.elasticache.cluster", "aws.s3.bucket"];

async fn cloud(instances: u32, managed: u32) -> Cloud {
    let plan = Plan::new(11)
        .account_of(Provider::Aws, OWNER, key(), [(HOME, instances), (FAR, 3)])
        .managed([(HOME, Counts::of_each(managed)), (FAR, Counts::of_each(2))]);
    Cloud::start(Provider::Aws, &plan, HOME).await
}

fn place(kind: &str) -> Region {
    if kind == "aws.s3.bucket" { Region::global() } else { Region::new(HOME) }
}

async fn listed(cloud: &Cloud, name: &str) -> (BTreeMap<String, Resource>, usize) {
    walk(&*cloud.open(), &kind(name), &place(name)).await
}

fn texts(addresses: &[std::net::Ipv4Addr]) -> BTreeSet<String> {
    addresses.iter().map(ToString::to_string).collect()
}

#[tokio::test]
async fn machines_are_listed_as_they_are() {
    let cloud = cloud(620, 0).await;
    let (mut found, pages) = listed(&cloud, KINDS[0]).await;
    assert_eq!(pages, 3);
    for truth in cloud.world().at(OWNER, HOME).unwrap().truth() {
        let found = found.remove(&truth.id).unwrap();
        assert_eq!(found.name, truth.name);
        assert_eq!((&found.vendor_status, &found.spec), (&truth.status, &truth.instance_type));
        assert_ne!(found.status, Status::Unknown);
        assert_eq!(found.zone, truth.zone);
        assert_eq!(found.private_ips, texts(&truth.private_ips));
        assert_eq!(found.public_ips, texts(&truth.public_ips));
        assert_eq!(found.security_groups, truth.security_groups.into_iter().collect());
        assert_eq!(found.tags, truth.tags);
        let disks = found.data_disks.unwrap().into_iter();
        let disks: BTreeSet<_> =
            disks.map(|disk| (disk.id, disk.category, disk.size_gib)).collect();
        let data = truth.data_disks.into_iter();
        let data = data.map(|disk| (disk.id, disk.category, Some(u64::from(disk.size_gib))));
        assert_eq!(disks, data.collect());
    }
    assert!(found.is_empty(), "{found:?}");
}

fn assert_managed(found: &BTreeMap<String, Resource>, truths: &[TruthManaged]) {
    assert_eq!(found.len(), truths.len());
    for truth in truths {
        let found = &found[&truth.id];
        assert_eq!((&found.vendor_status, &found.spec), (&truth.status, &truth.spec));
        assert_ne!(found.status, Status::Unknown, "{}", truth.status);
        assert_eq!(found.tags, truth.tags);
        assert!(found.created_at.is_none_or(|created| created == truth.created));
        assert_eq!(found.data_disks, Some([].into()), "all that there is to know is known");
        if found.created_at.is_some() {
            assert_eq!(found.zone, truth.zone);
        }
    }
}

#[tokio::test]
async fn databases_and_caches_are_listed_as_they_are() {
    let cloud = cloud(1, 130).await;
    let site = cloud.world().at(OWNER, HOME).unwrap();
    for (name, family) in [(KINDS[1], Family::Database), (KINDS[2], Family::Cache)] {
        let (found, pages) = listed(&cloud, name).await;
        assert_eq!(pages, 2, "{name}");
        assert_managed(&found, &site.managed(family));
    }
}

#[tokio::test]
async fn buckets_of_all_regions_are_listed_once_each_with_its_tags() {
    let cloud = cloud(1, 20).await;
    let (found, _) = listed(&cloud, KINDS[3]).await;
    let mut count = 0;
    for region in [HOME, FAR] {
        for truth in cloud.world().at(OWNER, region).unwrap().managed(Family::Bucket) {
            let found = &found[&truth.id];
            assert_eq!((&*found.zone, &found.tags), (region, &truth.tags));
            assert_eq!(found.created_at, Some(truth.created));
            count += 1;
        }
    }
    assert_eq!((found.len(), count), (22, 22));
}

#[tokio::test]
async fn more_buckets_than_a_page_holds_come_in_pages() {
    let plan = Plan::new(5)
        .account_of(Provider::Aws, OWNER, key(), [(HOME, 0)])
        .managed([(HOME, Counts { buckets: 1005, ..Counts::default() })]);
    let cloud = Cloud::start(Provider::Aws, &plan, HOME).await;
    let vendor = cloud.open();
    let first = vendor.page(&kind(KINDS[3]), &Region::global(), None).await.unwrap();
    let next = first.next.unwrap();
    let last = vendor.page(&kind(KINDS[3]), &Region::global(), Some(&next)).await.unwrap();
    assert_eq!((first.resources.len(), last.resources.len(), last.next), (1000, 5, None));
}

#[tokio::test]
async fn what_is_there_is_found_by_id_and_what_is_not_is_no_error() {
    let cloud = cloud(210, 25).await;
    let vendor = cloud.open();
    for name in KINDS {
        let known: Vec<_> = listed(&cloud, name).await.0.into_keys().collect();
        let unknown = match name {
            "aws.ec2.instance" => "i-0123456789abcdef0",
            _ => "nobody-knows-it",
        };
        let unknown = [unknown.to_owned()];
        assert_found_by_id(&*vendor, &kind(name), &place(name), &known, &unknown).await;
    }
}

#[tokio::test]
async fn statuses_are_told_of_those_that_are_there() {
    let cloud = cloud(120, 3).await;
    let vendor = cloud.open();
    let gone = ["i-0123456789abcdef0", "i-0fedcba9876543210", "no id at all"];
    for name in KINDS {
        let truth = listed(&cloud, name).await.0;
        let mut ids: Vec<String> = truth.keys().cloned().collect();
        for (n, id) in gone.iter().enumerate() {
            ids.insert((n * 47).min(ids.len()), (*id).to_owned());
        }
        let told = vendor.statuses(&kind(name), &place(name), &ids).await.unwrap();
        assert_eq!(told.len(), truth.len(), "{name}");
        for (id, (status, word)) in told {
            assert_eq!((status, &word), (truth[&id].status, &truth[&id].vendor_status));
        }
    }
    let calls = cloud.world().calls_of("DescribeInstanceStatus");
    assert!(calls < 50, "{calls} calls to leave out three of 123");
}

#[tokio::test]
async fn a_terminated_machine_is_shown_as_what_it_is() {
    let cloud = cloud(6, 0).await;
    let (before, _) = listed(&cloud, KINDS[0]).await;
    let site = cloud.world().at(OWNER, HOME).unwrap();
    let id = site.live().remove(0);
    cloud.world().set_time(Timestamp::now());
    site.release(&id).unwrap();
    let (after, _) = listed(&cloud, KINDS[0]).await;
    let gone = &after[&id];
    assert_eq!((gone.status, &*gone.vendor_status), (Status::Terminated, "terminated"));
    assert_eq!((gone.private_ips.len(), gone.data_disks.clone()), (0, Some([].into())));
    assert_eq!(gone.tags, before[&id].tags);
}

#[tokio::test]
async fn the_account_is_told_with_its_regions() {
    let cloud = cloud(1, 0).await;
    let vendor = cloud.open();
    let regions: Vec<_> = vendor.regions().await.unwrap().into_iter().map(|it| it.id).collect();
    assert_eq!(regions.len(), 2);
    assert!(regions.contains(&HOME.to_owned()) && regions.contains(&FAR.to_owned()));
    let identity = vendor.identity().await.unwrap().unwrap();
    assert_eq!(identity.account_number, "123456789012");
    assert!(identity.principal.starts_with("arn:aws:iam::123456789012:"), "{identity:?}");
}

#[tokio::test]
async fn a_role_in_another_account_shows_what_that_one_has() {
    let plan = Plan::new(3)
        .account_of(Provider::Aws, "other", key(), [(HOME, 1)])
        .account_of(Provider::Aws, OWNER, AccessKey::new("AKIDOWNER", "s"), [(HOME, 4)])
        .role("reader", &["other"]);
    let cloud = Cloud::start(Provider::Aws, &plan, HOME).await;
    let mut account = cloud.account();
    let role = |arn: &str| Role { arn: arn.to_owned(), external_id: Some("x".to_owned()) };
    account.roles = vec![role("arn:aws:iam::123456789013:role/reader")];
    let vendor = cloud.open_as(&account, credentials(KEY, SECRET));
    let (found, _) = walk(&*vendor, &kind(KINDS[0]), &Region::new(HOME)).await;
    assert_eq!(found.len(), 4);
    account.roles = vec![role("arn:aws:iam::123456789013:role/nobody")];
    let vendor = cloud.open_as(&account, credentials(KEY, SECRET));
    let error = refused(&*vendor, KINDS[0], HOME).await;
    assert_eq!((error.class, &*error.code), (ErrorClass::Auth, "AccessDenied"), "{error}");
    assert!(error.message.contains("permission sts:AssumeRole"), "{error}");
}

#[tokio::test]
async fn the_probe_says_whether_machines_may_be_seen() {
    let cloud = cloud(1, 1).await;
    let vendor = cloud.open();
    let home = Region::new(HOME);
    let machines = kind(KINDS[0]);
    assert_eq!(vendor.probe(&machines, &home).await, Ok(Granted::Granted));
    for name in &KINDS[1..] {
        assert_eq!(vendor.probe(&kind(name), &place(name)).await, Ok(Granted::NoProbe));
    }
    for permission in [Permission::Denied, Permission::SilentlyEmpty] {
        cloud.world().permit(OWNER, None, permission);
        let error = vendor.probe(&machines, &home).await.unwrap_err();
        assert_eq!((error.class, &*error.code), (ErrorClass::Auth, "UnauthorizedOperation"));
        assert!(error.message.contains("permission ec2:DescribeInstances"), "{error}");
    }
}

/// Returns the error that listing a kind ends in.
async fn refused(vendor: &dyn Vendor, name: &str, region: &str) -> VendorError {
    let region = if place(name).is_global() { Region::global() } else { Region::new(region) };
    let error = vendor.page(&kind(name), &region, None).await.unwrap_err();
    assert!(!error.to_string().contains(SECRET), "{error}");
    error
}

/// Asserts class and words of the errors of every kind.
async fn assert_refused(vendor: &dyn Vendor, region: &str, class: ErrorClass, words: [&str; 4]) {
    for (name, words) in KINDS.into_iter().zip(words) {
        let error = refused(vendor, name, region).await;
        assert_eq!(error.class, class, "{name}: {error}");
        assert!(error.message.contains(words), "{name}: {error}");
    }
}

#[tokio::test]
async fn what_is_wrong_with_credentials_is_said() {
    use ErrorClass::Auth;
    let cloud = cloud(1, 1).await;
    let account = cloud.account();
    let with_token = |token: &str| Credentials {
        security_token: Some(token.to_owned().into()),
        ..credentials(KEY, SECRET)
    };
    let nobody = cloud.open_as(&account, credentials("AKIDNOBODY", SECRET));
    assert_refused(&*nobody, HOME, Auth, ["access key"; 4]).await;
    let wrong = cloud.open_as(&account, credentials(KEY, "wrong"));
    let secret = "access key secret";
    assert_refused(&*wrong, HOME, Auth, ["access key", secret, secret, secret]).await;
    let expired = AccessKey { expires: Some(Timestamp::UNIX_EPOCH), ..key() };
    cloud.world().set_keys(OWNER, vec![expired.with_token("canary-token")]);
    let expired = cloud.open_as(&account, with_token("canary-token"));
    assert_refused(&*expired, HOME, Auth, ["renew the account's temporary"; 4]).await;
}

#[tokio::test]
async fn a_missing_permission_is_named() {
    let cloud = cloud(1, 1).await;
    cloud.world().permit(OWNER, None, Permission::Denied);
    let names = [
        "permission ec2:DescribeInstances",
        "permission rds:DescribeDBInstances",
        "permission elasticache:DescribeCacheClusters",
        "permission s3:ListAllMyBuckets",
    ];
    assert_refused(&*cloud.open(), HOME, ErrorClass::Auth, names).await;
}

#[tokio::test]
async fn a_region_or_a_service_that_is_not_open_is_nothing_wrong() {
    let cloud = cloud(1, 1).await;
    let vendor = cloud.open();
    for name in &KINDS[..3] {
        let error = refused(&*vendor, name, "ap-southeast-1").await;
        assert_eq!(error.class, ErrorClass::NotOffered, "{error}");
        assert!(error.message.contains("enable the region"), "{error}");
    }
    for service in ["ec2", "rds", "elasticache", "s3"] {
        cloud.world().set_service(service, HOME, false);
        cloud.world().set_service(service, "", false);
    }
    assert_refused(&*vendor, HOME, ErrorClass::NotOffered, ["subscribe the account"; 4]).await;
}

#[tokio::test]
async fn a_rejected_token_is_told_apart() {
    let cloud = cloud(1, 1).await;
    let vendor = cloud.open();
    for name in KINDS {
        let error = vendor.page(&kind(name), &place(name), Some("AAAA")).await.unwrap_err();
        assert_eq!((error.class, error.token_rejected), (ErrorClass::Data, true), "{error}");
    }
}
