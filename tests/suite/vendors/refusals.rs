//! What goes wrong, at every vendor and for each of its kinds: it has its
//! class, a message that says what to do, and no secret.

use cloud_sync_core::account::Region;
use cloud_sync_core::credentials::Credentials;
use cloud_sync_core::error::{ErrorClass, VendorError};
use cloud_sync_core::listing::Page;
use cloud_sync_provider::{Registry, Vendor};
use jiff::{SignedDuration, Timestamp};
use simulated_cloud::{AccessKey, Counts, Fault, Limits, Permission, Plan, Provider, Rule};
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::support::{Cloud, KEY, OWNER, SECRET, credentials, key, kind, open_at, walk};

/// A kind: its vendor's service, the call that lists it, and the format that
/// it answers in.
struct Listed {
    kind: &'static str,
    service: &'static str,
    action: &'static str,
    format: Format,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Format {
    Json,
    Xml,
}

const fn listed([kind, service, action]: [&'static str; 3], format: Format) -> Listed {
    Listed { kind, service, action, format }
}

const KINDS: [Listed; 14] = [
    listed(["aliyun.ecs.instance", "ecs", "DescribeInstances"], Format::Json),
    listed(["aliyun.ecs.disk", "ecs", "DescribeDisks"], Format::Json),
    listed(["aliyun.rds.instance", "rds", "DescribeDBInstances"], Format::Json),
    listed(["aliyun.redis.instance", "r-kvstore", "DescribeInstances"], Format::Json),
    listed(["aliyun.vpc.eip", "vpc", "DescribeEipAddresses"], Format::Json),
    listed(["aliyun.slb.loadbalancer", "slb", "DescribeLoadBalancers"], Format::Json),
    listed(["aliyun.oss.bucket", "oss", "ListBuckets"], Format::Xml),
    listed(["aws.ec2.instance", "ec2", "DescribeInstances"], Format::Xml),
    listed(["aws.rds.instance", "rds", "DescribeDBInstances"], Format::Xml),
    listed(["aws.elasticache.cluster", "elasticache", "DescribeCacheClusters"], Format::Xml),
    listed(["aws.s3.bucket", "s3", "ListBuckets"], Format::Xml),
    listed(["tencent.cvm.instance", "cvm", "DescribeInstances"], Format::Json),
    listed(["tencent.cdb.instance", "cdb", "DescribeDBInstances"], Format::Json),
    listed(["huawei.ecs.server", "ecs", "ListServersDetails"], Format::Json),
];

/// Where a vendor has things, where it has none, and a region that the world
/// does not offer.
fn regions(vendor: Provider) -> [&'static str; 3] {
    match vendor {
        Provider::Aliyun => ["cn-hangzhou", "cn-beijing", "ap-south-1"],
        Provider::Tencent => ["ap-guangzhou", "ap-shanghai", "ap-tokyo"],
        Provider::Huawei => ["cn-north-4", "cn-east-3", "ap-southeast-1"],
        Provider::Aws => ["us-east-1", "eu-central-1", "ap-southeast-1"],
    }
}

/// How many there are of each kind.
const COUNT: usize = 12;

async fn cloud_of(vendor: Provider, count: usize) -> Cloud {
    let [here, empty, _] = regions(vendor);
    let count = u32::try_from(count).unwrap();
    let plan = Plan::new(7).account_of(vendor, OWNER, key(), [(here, count), (empty, 0)]);
    Cloud::start(vendor, &plan.managed([(here, Counts::of_each(count))]), here).await
}

impl Listed {
    fn is_of(&self, vendor: Provider) -> bool {
        self.kind.split('.').next() == Some(vendor.name())
    }

    fn is_global(&self) -> bool {
        self.kind.ends_with(".bucket")
    }

    /// Returns the region of a name, or what stands for all of them.
    fn at(&self, region: &str) -> Region {
        if self.is_global() { Region::global() } else { Region::new(region) }
    }

    async fn page(&self, vendor: &dyn Vendor, region: &str) -> Result<Page, VendorError> {
        vendor.page(&kind(self.kind), &self.at(region), None).await
    }

    /// Asserts how listing it ends.
    async fn check(&self, vendor: &dyn Vendor, region: &str, class: ErrorClass, words: &[&str]) {
        let error = self.page(vendor, region).await.unwrap_err();
        self.check_error(&error, class, words);
    }

    fn check_error(&self, error: &VendorError, class: ErrorClass, words: &[&str]) {
        let text = error.to_string();
        assert_eq!(error.class, class, "{}: {text}", self.kind);
        for word in words {
            assert!(text.contains(word), "{}: {word} in {text}", self.kind);
        }
        for secret in [SECRET, "canary-token"] {
            assert!(!text.contains(secret), "{text}");
        }
    }
}

/// Runs a test for each vendor, with a cloud and its kinds.
async fn at_each(test: impl AsyncFn(Provider, &Cloud, &[&Listed])) {
    for vendor in Provider::ALL {
        let kinds: Vec<_> = KINDS.iter().filter(|listed| listed.is_of(vendor)).collect();
        test(vendor, &cloud_of(vendor, COUNT).await, &kinds).await;
    }
}

#[test]
fn no_kind_is_left_out_here() {
    for vendor in Provider::ALL {
        let known = Registry::kinds_of(vendor.name()).unwrap();
        let known: Vec<_> = known.iter().map(ToString::to_string).collect();
        let kinds: Vec<_> =
            KINDS.iter().filter(|listed| listed.is_of(vendor)).map(|listed| listed.kind).collect();
        let missing = known.iter().find(|kind| !kinds.contains(&kind.as_str()));
        assert_eq!((missing, kinds.len()), (None, known.len()), "{vendor:?}");
    }
}

#[tokio::test]
async fn credentials_that_are_wrong_are_told_with_what_to_do() {
    at_each(async |vendor, cloud, kinds| {
        let here = regions(vendor)[0];
        let with = |key: &str, secret: &str, token: Option<&str>| {
            let security_token = token.map(|token| token.to_owned().into());
            let credentials = Credentials { security_token, ..credentials(key, secret) };
            cloud.open_as(&cloud.account(), credentials)
        };
        let token = with(KEY, SECRET, Some("canary-token"));
        for listed in kinds {
            let check = async |client: &dyn Vendor, words: &[&str]| {
                listed.check(client, here, ErrorClass::Auth, words).await;
            };
            check(&*with("nobody", SECRET, None), &["check the account's access key"]).await;
            // Of machines AWS only says that the credentials are not valid.
            let of_secret = match listed.kind {
                "aws.ec2.instance" => "access key",
                _ => "access key secret",
            };
            check(&*with(KEY, "wrong", None), &[of_secret]).await;
            // In a query, such a token is one like any other.
            let is_header = vendor != Provider::Aliyun || listed.is_global();
            if is_header && vendor != Provider::Aws {
                let blank = with(KEY, SECRET, Some("canary\ntoken"));
                check(&*blank, &["blanks and line breaks"]).await;
            }
            let lasting = AccessKey::new(KEY, SECRET).with_token("canary-token");
            let expires = Some(Timestamp::now() - SignedDuration::from_mins(1));
            cloud.world().set_keys(OWNER, vec![AccessKey { expires, ..lasting.clone() }]);
            check(&*token, &["renew the account's temporary"]).await;
            cloud.world().set_keys(OWNER, vec![lasting]);
            assert!(listed.page(&*token, here).await.is_ok(), "{}", listed.kind);
            cloud.world().set_keys(OWNER, vec![key()]);
        }
    })
    .await;
}

#[tokio::test]
async fn a_clock_that_is_wrong_is_shown_beside_the_vendors() {
    at_each(async |vendor, cloud, kinds| {
        let here = regions(vendor)[0];
        let both = ["set the clock", "this machine's clock says 20", "the vendor's 20"];
        for (minutes, word) in [(20, "s ahead"), (-20, "s behind")] {
            let client = cloud.open_skewed(SignedDuration::from_mins(minutes));
            for listed in kinds {
                let words = [&both[..], &[word]].concat();
                listed.check(&*client, here, ErrorClass::Auth, &words).await;
            }
        }
        let client = cloud.open_skewed(SignedDuration::from_mins(4));
        for listed in kinds {
            assert!(listed.page(&*client, here).await.is_ok(), "{}", listed.kind);
        }
    })
    .await;
}

#[tokio::test]
async fn what_is_not_allowed_is_told_with_the_permission() {
    at_each(async |vendor, cloud, kinds| {
        cloud.world().permit(OWNER, None, Permission::Denied);
        let client = cloud.open();
        for listed in kinds {
            let action = match listed.kind {
                "aws.s3.bucket" => "ListAllMyBuckets",
                _ => listed.action,
            };
            let words = ["the permission", action];
            // A region's project is looked up first.
            let region = Region {
                project: project_in(cloud, vendor).await,
                ..listed.at(regions(vendor)[0])
            };
            let error = client.page(&kind(listed.kind), &region, None).await.unwrap_err();
            listed.check_error(&error, ErrorClass::Auth, &words);
        }
    })
    .await;
}

/// Returns the project of the region that has things, where there are any.
async fn project_in(cloud: &Cloud, vendor: Provider) -> String {
    if vendor != Provider::Huawei {
        return String::new();
    }
    cloud.world().permit(OWNER, None, Permission::Allowed);
    let found = cloud.open().regions().await.unwrap();
    cloud.world().permit(OWNER, None, Permission::Denied);
    found.into_iter().find(|region| region.id == regions(vendor)[0]).unwrap().project
}

#[tokio::test]
async fn a_region_that_is_not_open_is_not_offered_and_an_empty_one_is_empty() {
    at_each(async |vendor, cloud, kinds| {
        let [_, empty, closed] = regions(vendor);
        let client = cloud.open();
        for listed in kinds.iter().filter(|listed| !listed.is_global()) {
            // Alibaba Cloud does not name the region in its answer.
            let word = if vendor == Provider::Aliyun { "open for the account" } else { closed };
            listed.check(&*client, closed, ErrorClass::NotOffered, &[word]).await;
            let page = listed.page(&*client, empty).await.unwrap();
            assert_eq!((page.resources.len(), page.next), (0, None), "{}", listed.kind);
        }
    })
    .await;
}

#[tokio::test]
async fn a_service_that_is_not_activated_is_nothing_wrong_and_says_what_to_do() {
    at_each(async |vendor, cloud, kinds| {
        let [here, empty, _] = regions(vendor);
        let client = cloud.open();
        let words = match vendor {
            Provider::Aliyun => "open for the account",
            Provider::Tencent => "activate the service for the account",
            Provider::Huawei => "open the service for the account in the region",
            Provider::Aws => "subscribe the account to the service",
        };
        for listed in kinds {
            let set = |is_open| cloud.world().set_service(listed.service, here, is_open);
            set(false);
            // An account has no buckets anywhere without the service.
            if listed.is_global() {
                cloud.world().set_service(listed.service, "", false);
            }
            listed.check(&*client, here, ErrorClass::NotOffered, &[words]).await;
            if !listed.is_global() {
                assert!(listed.page(&*client, empty).await.is_ok(), "{}", listed.kind);
            }
            set(true);
        }
    })
    .await;
}

#[tokio::test]
async fn an_account_with_nothing_in_any_region_has_empty_lists() {
    for vendor in Provider::ALL {
        let cloud = cloud_of(vendor, 0).await;
        let client = cloud.open();
        assert_eq!(client.regions().await.unwrap().len(), 2, "{vendor:?}");
        assert!(client.identity().await.unwrap().is_some(), "{vendor:?}");
        for listed in KINDS.iter().filter(|listed| listed.is_of(vendor)) {
            for region in &regions(vendor)[..2] {
                let (found, pages) = walk(&*client, &kind(listed.kind), &listed.at(region)).await;
                assert_eq!((found.len(), pages), (0, 1), "{}", listed.kind);
                let gone = vendor_id(listed.kind);
                let place = listed.at(region);
                let again = client.reread(&kind(listed.kind), &place, &[gone]).await.unwrap();
                assert_eq!((again.resources, again.undecodable), (vec![], vec![]));
            }
        }
    }
}

/// Returns an id that a vendor takes for one, of nothing that is there.
fn vendor_id(kind: &str) -> String {
    match kind {
        "aws.ec2.instance" => "i-0123456789abcdef0",
        "tencent.cvm.instance" => "ins-abcdefgh",
        "tencent.cdb.instance" => "cdb-abcdefgh",
        "huawei.ecs.server" => "0f0f0f0f-1111-4222-8333-444444444444",
        _ => "nobody-knows-it",
    }
    .to_owned()
}

#[tokio::test]
async fn what_passes_is_tried_again_and_what_stays_is_told() {
    at_each(async |vendor, cloud, kinds| {
        let here = regions(vendor)[0];
        let client = cloud.open();
        let faults = cloud.world().faults();
        let unavailable = Fault::unavailable_by(vendor);
        for fault in [unavailable, Fault::Truncate, Fault::Drop, Fault::CutOff] {
            for listed in kinds {
                faults.add(Rule::new(fault.clone()).on(listed.action).times(2));
                assert!(listed.page(&*client, here).await.is_ok(), "{}: {fault:?}", listed.kind);
                faults.clear();
                faults.add(Rule::new(fault.clone()).on(listed.action));
                listed.check(&*client, here, ErrorClass::Network, &[listed.action]).await;
                faults.clear();
            }
        }
    })
    .await;
}

#[tokio::test]
async fn throttling_says_how_long_to_wait_where_the_vendor_counts_by_the_clock() {
    at_each(async |vendor, cloud, kinds| {
        let client = cloud.open();
        client.regions().await.unwrap();
        for listed in kinds {
            // A region's project is looked up first.
            listed.page(&*client, regions(vendor)[0]).await.unwrap();
        }
        cloud.world().set_limits(Limits::Calls(0));
        for listed in kinds {
            let error = listed.page(&*client, regions(vendor)[0]).await.unwrap_err();
            listed.check_error(&error, ErrorClass::Throttled, &[]);
            if vendor == Provider::Aws {
                assert_eq!(error.retry_after, None, "a bucket has no edge to wait for");
                continue;
            }
            let wait = error.retry_after.map_or(0, |wait| wait.as_secs());
            assert!((1..=60).contains(&wait), "{}: {wait}: {error}", listed.kind);
            if vendor == Provider::Tencent || listed.kind == "aliyun.oss.bucket" {
                assert_eq!(wait, 1, "{} counts by the second", listed.kind);
            }
        }
    })
    .await;
}

/// Opens an account at a server that answers everything alike, and asks it for
/// a kind.
async fn answered(vendor: Provider, listed: &Listed, status: u16, body: &str) -> VendorError {
    let server = MockServer::start().await;
    let answer = ResponseTemplate::new(status).set_body_string(body);
    Mock::given(any()).respond_with(answer).mount(&server).await;
    let client = open_at(vendor, &server.uri());
    let region = Region { project: "p1".to_owned(), ..listed.at(regions(vendor)[0]) };
    client.page(&kind(listed.kind), &region, None).await.unwrap_err()
}

#[tokio::test]
async fn an_answer_of_someone_else_is_no_verdict_on_the_account() {
    let pages = [
        (200, "<html><h1>Welcome</h1><br></html>", "Welcome"),
        (200, "Welcome, stranger", "Welcome"),
        (403, "<html><h1>Welcome</h1></html>", "Welcome"),
        (403, "{\"Welcome\": []}", "Welcome"),
        (502, "Bad Gateway", ""),
        (429, "", ""),
    ];
    for vendor in Provider::ALL {
        for listed in KINDS.iter().filter(|listed| listed.is_of(vendor)) {
            for (status, body, word) in pages {
                let error = answered(vendor, listed, status, body).await;
                let class = match status {
                    502 => ErrorClass::Network,
                    429 => ErrorClass::Throttled,
                    _ => ErrorClass::Data,
                };
                listed.check_error(&error, class, &[word]);
                if class == ErrorClass::Data {
                    listed.check_error(&error, class, &["endpoint is the vendor's API"]);
                }
            }
        }
    }
}

#[tokio::test]
async fn a_body_that_is_not_what_was_asked_for_is_an_error_and_no_empty_list() {
    use ErrorClass::{Data, Network};
    let json = [
        ("{\"Response\": {\"TotalCount\": 3, ", Network, "breaks off"),
        ("{\"Response\": [}]", Data, "not JSON"),
        ("{'Response': {}}", Data, "not JSON"),
        (
            "<?xml version=\"1.0\"?><Response><TotalCount>0</TotalCount></Response>",
            Data,
            "not JSON",
        ),
        ("{\"Response\": {\"TotalCount\": 0, \"RequestId\": \"r\"}}", Data, "has no "),
        ("{}", Data, "has no "),
        ("[]", Data, ""),
    ];
    let xml = [
        ("<?xml version=\"1.0\"?><Response><Total>3</To", Network, "breaks off"),
        ("<Response><Total></Response></Total>", Data, "not XML"),
        ("{\"Response\": {\"Buckets\": []}}", Data, "not XML"),
        ("<Response><Total>0</Total></Response>", Data, "has no "),
        ("<Response/>", Data, ""),
    ];
    for vendor in Provider::ALL {
        for listed in KINDS.iter().filter(|listed| listed.is_of(vendor)) {
            let bodies = if listed.format == Format::Json { &json[..] } else { &xml };
            for (body, class, word) in bodies {
                let error = answered(vendor, listed, 200, body).await;
                listed.check_error(&error, *class, &[word]);
            }
        }
    }
}

#[tokio::test]
async fn one_item_that_cannot_be_read_does_not_spoil_its_page() {
    at_each(async |vendor, cloud, kinds| {
        let here = regions(vendor)[0];
        let client = cloud.open();
        let faults = cloud.world().faults();
        for listed in kinds {
            let whole = listed.page(&*client, here).await.unwrap().resources.len();
            faults.add(Rule::new(Fault::NoId).on(listed.action));
            let page = listed.page(&*client, here).await.unwrap();
            let read = (page.resources.len(), page.undecodable.len());
            assert_eq!(read, (whole - 1, 1), "{}", listed.kind);
            faults.clear();
        }
    })
    .await;
}

#[tokio::test]
async fn a_status_that_nobody_knows_is_shown_and_one_that_is_no_word_costs_its_item() {
    for (vendor, name) in
        [(Provider::Tencent, "tencent.cvm.instance"), (Provider::Huawei, "huawei.ecs.server")]
    {
        let cloud = cloud_of(vendor, COUNT).await;
        let listed = KINDS.iter().find(|listed| listed.kind == name).unwrap();
        let faults = cloud.world().faults();
        let here = regions(vendor)[0];
        faults.add(Rule::new(Fault::StatusNumber).on(listed.action));
        let page = listed.page(&*cloud.open(), here).await.unwrap();
        assert_eq!((page.resources.len(), page.undecodable.len()), (COUNT - 1, 1));
        faults.clear();
        faults.add(Rule::new(Fault::UnknownStatus("MOLTEN".into())).on(listed.action));
        let page = listed.page(&*cloud.open(), here).await.unwrap();
        assert!(page.resources.iter().any(|found| found.vendor_status == "MOLTEN"));
        assert_eq!(page.undecodable, []);
    }
}
