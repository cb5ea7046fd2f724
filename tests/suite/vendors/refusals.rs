//! What goes wrong at every vendor: each has its class, a message that says
//! what to do, and no secret.

use cloud_sync_core::account::Region;
use cloud_sync_core::credentials::Credentials;
use cloud_sync_core::error::{ErrorClass, VendorError};
use cloud_sync_core::listing::Page;
use cloud_sync_provider::Vendor;
use jiff::{SignedDuration, Timestamp};
use simulated_cloud::{AccessKey, Fault, Permission, Plan, Provider, Rule};
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::support::{Cloud, KEY, OWNER, SECRET, credentials, key, kind, open_at};

/// A kind of a vendor, a region with such resources, one that has none and
/// one that the world does not offer.
struct Place {
    provider: Provider,
    kind: &'static str,
    action: &'static str,
    here: &'static str,
    empty: &'static str,
    closed: &'static str,
}

const PLACES: [Place; 2] = [
    Place {
        provider: Provider::Tencent,
        kind: "tencent.cvm.instance",
        action: "DescribeInstances",
        here: "ap-guangzhou",
        empty: "ap-shanghai",
        closed: "ap-tokyo",
    },
    Place {
        provider: Provider::Huawei,
        kind: "huawei.ecs.server",
        action: "ListServersDetails",
        here: "cn-north-4",
        empty: "cn-east-3",
        closed: "ap-southeast-1",
    },
];

impl Place {
    async fn cloud(&self) -> Cloud {
        let regions = [(self.here, 20), (self.empty, 0)];
        let plan = Plan::new(7).account_of(self.provider, OWNER, key(), regions);
        Cloud::start(self.provider, &plan, self.here).await
    }

    async fn page(&self, vendor: &dyn Vendor, region: &str) -> Result<Page, VendorError> {
        vendor.page(&kind(self.kind), &Region::new(region), None).await
    }

    async fn check(&self, vendor: &dyn Vendor, class: ErrorClass, words: &[&str]) {
        let error = self.page(vendor, self.here).await.unwrap_err();
        let text = error.to_string();
        assert_eq!(error.class, class, "{:?}: {text}", self.provider);
        for word in words {
            assert!(text.contains(word), "{:?}: {word} in {text}", self.provider);
        }
        for secret in [SECRET, "canary-token"] {
            assert!(!text.contains(secret), "{text}");
        }
    }
}

#[tokio::test]
async fn credentials_that_are_wrong_are_told_with_what_to_do() {
    for place in PLACES {
        let cloud = place.cloud().await;
        let with = |key: &str, secret: &str, token: Option<&str>| {
            let security_token = token.map(|token| token.to_owned().into());
            let credentials = Credentials { security_token, ..credentials(key, secret) };
            cloud.open_as(&cloud.account(), credentials)
        };
        let auth = ErrorClass::Auth;
        place
            .check(&*with("nobody", SECRET, None), auth, &["check the account's access key"])
            .await;
        place.check(&*with(KEY, "wrong", None), auth, &["access key secret"]).await;
        let token = with(KEY, SECRET, Some("canary-token"));
        place.check(&*token, auth, &["renew the account's temporary"]).await;
        let key = AccessKey::new(KEY, SECRET).with_token("canary-token");
        let expires = Some(Timestamp::now() - SignedDuration::from_mins(1));
        cloud.world().set_keys(OWNER, vec![AccessKey { expires, ..key.clone() }]);
        place.check(&*token, auth, &["renew the account's temporary"]).await;
        cloud.world().set_keys(OWNER, vec![key]);
        assert_eq!(place.page(&*token, place.here).await.unwrap().resources.len(), 20);
        let blank = with(KEY, SECRET, Some("canary\ntoken"));
        place.check(&*blank, auth, &["blanks and line breaks"]).await;
    }
}

#[tokio::test]
async fn a_clock_that_is_wrong_is_shown_beside_the_vendors() {
    for place in PLACES {
        let cloud = place.cloud().await;
        let vendor = cloud.open_skewed(SignedDuration::from_mins(20));
        let words = ["set the clock", "the vendor's 20", "s ahead"];
        place.check(&*vendor, ErrorClass::Auth, &words).await;
        let vendor = cloud.open_skewed(-SignedDuration::from_mins(20));
        place.check(&*vendor, ErrorClass::Auth, &["s behind"]).await;
        let vendor = cloud.open_skewed(SignedDuration::from_mins(4));
        assert_eq!(place.page(&*vendor, place.here).await.unwrap().resources.len(), 20);
    }
}

#[tokio::test]
async fn what_is_not_allowed_is_told_with_the_permission() {
    for place in PLACES {
        let cloud = place.cloud().await;
        cloud.world().permit(OWNER, Some(place.action), Permission::Denied);
        let words = ["grant the account's user the permission", place.action];
        place.check(&*cloud.open(), ErrorClass::Auth, &words).await;
    }
}

#[tokio::test]
async fn a_region_that_is_not_open_is_not_offered_and_an_empty_one_is_empty() {
    for place in PLACES {
        let cloud = place.cloud().await;
        let vendor = cloud.open();
        let error = place.page(&*vendor, place.closed).await.unwrap_err();
        assert_eq!(error.class, ErrorClass::NotOffered, "{error}");
        assert!(error.message.contains(place.closed), "{error}");
        let page = place.page(&*vendor, place.empty).await.unwrap();
        assert_eq!((page.resources.len(), page.next), (0, None));
    }
}

#[tokio::test]
async fn what_passes_is_tried_again_and_what_stays_is_told() {
    for place in PLACES {
        let cloud = place.cloud().await;
        let vendor = cloud.open();
        let provider = place.provider;
        let faults = cloud.world().faults();
        for (fault, class) in [
            (Fault::unavailable_by(provider), ErrorClass::Network),
            (Fault::Truncate, ErrorClass::Network),
            (Fault::Drop, ErrorClass::Network),
            (Fault::CutOff, ErrorClass::Network),
        ] {
            faults.add(Rule::new(fault.clone()).on(place.action).times(2));
            assert_eq!(place.page(&*vendor, place.here).await.unwrap().resources.len(), 20);
            faults.clear();
            faults.add(Rule::new(fault).on(place.action));
            place.check(&*vendor, class, &[place.action]).await;
            faults.clear();
        }
        faults.add(Rule::new(Fault::throttled_by(provider)).on(place.action));
        let error = place.page(&*vendor, place.here).await.unwrap_err();
        assert_eq!(error.class, ErrorClass::Throttled, "{error}");
        let wait = error.retry_after.unwrap().as_secs();
        assert!((1..=60).contains(&wait), "{wait}");
    }
}

#[tokio::test]
async fn an_answer_of_someone_else_is_no_verdict_on_the_account() {
    for place in PLACES {
        for (status, body) in [
            (200, "<html><h1>Welcome</h1></html>"),
            (403, "<html><h1>Welcome</h1></html>"),
            (200, "<?xml version='1.0'?><Error><Code>Welcome</Code></Error>"),
        ] {
            let server = MockServer::start().await;
            let answer = ResponseTemplate::new(status).set_body_string(body);
            Mock::given(any()).respond_with(answer).mount(&server).await;
            let vendor = open_at(place.provider, &server.uri());
            let words = ["Welcome", "endpoint is the vendor's API"];
            place.check(&*vendor, ErrorClass::Data, &words).await;
        }
    }
}

#[tokio::test]
async fn one_item_that_cannot_be_read_does_not_spoil_its_page() {
    for place in PLACES {
        let cloud = place.cloud().await;
        let faults = cloud.world().faults();
        for fault in [Fault::StatusNumber, Fault::NoId] {
            faults.add(Rule::new(fault).on(place.action));
            let page = place.page(&*cloud.open(), place.here).await.unwrap();
            assert_eq!((page.resources.len(), page.undecodable.len()), (19, 1));
            faults.clear();
        }
        faults.add(Rule::new(Fault::UnknownStatus("MOLTEN".into())).on(place.action));
        let page = place.page(&*cloud.open(), place.here).await.unwrap();
        assert!(page.resources.iter().any(|found| found.vendor_status == "MOLTEN"));
        assert_eq!(page.undecodable, []);
    }
}
