//! Buckets, over the object store's own protocol.

use hmac::{Hmac, KeyInit, Mac};
use jiff::{SignedDuration, Timestamp};
use sha2::{Digest, Sha256};
use simulated_cloud::aliyun::Request;
use simulated_cloud::{AccessKey, Family, Fault, Limits, Permission, Rule};

use crate::client::{Client, REGION, headers};
use crate::managed::world;
use crate::signed::hex;

fn hmac(key: &[u8], text: &str) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("any key");
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

/// Asks for a path, signed in version 4, and returns status and body.
fn get(client: &Client, host: &str, path: &str, query: &str, at: Timestamp) -> (u16, String) {
    let bucket = host.split_once(".oss-").map(|(bucket, _)| bucket);
    let resource = bucket.map_or(path.to_owned(), |bucket| format!("/{bucket}{path}"));
    let time = at.strftime("%Y%m%dT%H%M%SZ").to_string();
    let mut all = vec![("x-oss-content-sha256", "UNSIGNED-PAYLOAD"), ("x-oss-date", &time)];
    all.extend(client.token.as_deref().map(|token| ("x-oss-security-token", token)));
    let lines: String = all.iter().map(|(name, value)| format!("{name}:{value}\n")).collect();
    let canonical = format!("GET\n{resource}\n{query}\n{lines}\n\nUNSIGNED-PAYLOAD");
    let scope = format!("{}/{REGION}/oss/aliyun_v4_request", &time[..8]);
    let hashed = hex(&Sha256::digest(canonical));
    let to_sign = format!("OSS4-HMAC-SHA256\n{time}\n{scope}\n{hashed}");
    let first = format!("aliyun_v4{}", client.secret).into_bytes();
    let key = scope.split('/').fold(first, |key, part| hmac(&key, part));
    let signature = hex(&hmac(&key, &to_sign));
    let authorization =
        format!("OSS4-HMAC-SHA256 Credential={}/{scope},Signature={signature}", client.key);
    all.extend([("host", host), ("authorization", &authorization)]);
    let headers = headers(all);
    let request = Request { method: "GET", path, query, headers: &headers, body: b"" };
    let answer = client.exchange(&request);
    assert_eq!(answer.content_type, "application/xml");
    (answer.status, String::from_utf8(answer.body).expect("UTF-8"))
}

const HOST: &str = "oss-cn-hangzhou.aliyuncs.com";

fn list(client: &Client, query: &str) -> (u16, String) {
    get(client, HOST, "/", query, client.now)
}

fn names(text: &str) -> Vec<&str> {
    texts(text, "Name")
}

fn texts<'a>(text: &'a str, element: &str) -> Vec<&'a str> {
    let (open, close) = (format!("<{element}>"), format!("</{element}>"));
    text.split(&open).skip(1).filter_map(|rest| Some(rest.split_once(&close)?.0)).collect()
}

fn code(text: &str) -> &str {
    texts(text, "Code").first().copied().unwrap_or("no error")
}

fn truth(client: &Client) -> Vec<String> {
    let of = |region| client.world.at("demo", region).expect("a site").ids_of(Family::Bucket);
    let mut all = [of(REGION), of("cn-beijing")].concat();
    all.sort();
    all
}

#[test]
fn buckets_of_every_region_are_listed_by_name() {
    let client = Client::new(world(60));
    let all = truth(&client);
    let (status, whole) = list(&client, "max-keys=1000");
    assert_eq!((status, names(&whole)), (200, all.iter().map(String::as_str).collect()));
    for absent in ["IsTruncated", "NextMarker", "Prefix", "Marker", "MaxKeys"] {
        assert!(!whole.contains(absent), "{absent} where everything fits");
    }
    assert!(whole.starts_with("<?xml") && whole.contains("<ListAllMyBucketsResult>"));
    let (mut found, mut query) = (Vec::new(), "max-keys=50".to_owned());
    loop {
        let (_, page) = list(&client, &query);
        found.extend(names(&page).into_iter().map(str::to_owned));
        assert_eq!(texts(&page, "MaxKeys"), ["50"]);
        let Some(next) = texts(&page, "NextMarker").first().copied() else { break };
        assert_eq!(texts(&page, "IsTruncated"), ["true"]);
        query = format!("marker={next}&max-keys=50");
    }
    assert_eq!(found, all);
    let (_, some) = list(&client, "prefix=backup-");
    assert!(
        !names(&some).is_empty() && names(&some).iter().all(|name| name.starts_with("backup-"))
    );
}

#[test]
fn a_bucket_is_named_by_the_host_or_by_the_path() {
    let client = Client::new(world(5));
    let bucket = client.world.at("demo", REGION).expect("a site").managed(Family::Bucket).remove(0);
    let host = format!("{}.{HOST}", bucket.id);
    let path = format!("/{}/", bucket.id);
    for (host, path) in [(host.as_str(), "/"), ("127.0.0.1:1", path.as_str())] {
        let (status, info) = get(&client, host, path, "bucketInfo", client.now);
        assert_eq!((status, names(&info)), (200, vec![bucket.id.as_str()]));
        assert_eq!(texts(&info, "StorageClass"), [bucket.spec.as_str()]);
        let (status, tags) = get(&client, host, path, "tagging", client.now);
        assert_eq!((status, texts(&tags, "Key").len()), (200, bucket.tags.len()));
    }
    let (status, none) = get(&client, "127.0.0.1:1", "/none/", "tagging", client.now);
    assert_eq!((status, code(&none)), (404, "NoSuchBucket"));
    let other = client.world.at("demo", "cn-beijing").expect("a site").ids_of(Family::Bucket);
    let path = format!("/{}/", other[0]);
    let (status, elsewhere) = get(&client, "127.0.0.1:1", &path, "tagging", client.now);
    assert_eq!((status, code(&elsewhere)), (403, "AccessDenied"));
    assert_eq!(texts(&elsewhere, "Endpoint"), ["oss-cn-beijing.aliyuncs.com"]);
    let (_, object) = get(&client, "127.0.0.1:1", "/none/object", "", client.now);
    assert_eq!(code(&object), "InvalidArgument", "objects are not simulated");
}

#[test]
fn whoever_may_not_is_refused_in_the_object_stores_words() {
    let mut client = Client::new(world(5));
    let off = client.now - SignedDuration::from_secs(901);
    let (status, skewed) = get(&client, HOST, "/", "", off);
    assert_eq!((status, code(&skewed)), (403, "RequestTimeTooSkewed"));
    assert_eq!(texts(&skewed, "ServerTime"), ["2026-11-22T12:00:01.000Z"]);
    client.world.permit("demo", Some("ListBuckets"), Permission::Denied);
    assert_eq!(code(&list(&client, "").1), "AccessDenied");
    client.world.permit("demo", None, Permission::SilentlyEmpty);
    assert_eq!(names(&list(&client, "").1), [""; 0]);
    client.world.permit("demo", None, Permission::Allowed);
    client.world.set_service("oss", "", false);
    assert_eq!(code(&list(&client, "").1), "UserDisable");
    client.world.set_service("oss", "", true);
    client.world.set_limits(Limits::Calls(1));
    assert_eq!(list(&client, "").0, 200);
    assert_eq!((list(&client, "").0, code(&list(&client, "").1)), (503, "QpsLimitExceeded"));
    client.now += SignedDuration::from_secs(1);
    assert_eq!(list(&client, "").0, 200, "the object store counts by the second");
    client.world.set_limits(Limits::Documented);
    let key = AccessKey::new(&client.key, &client.secret).with_token("token");
    client.world.set_keys("demo", vec![AccessKey { expires: Some(client.now), ..key }]);
    assert_eq!(code(&list(&client, "").1), "InvalidSecurityToken");
    client.token = Some("token".into());
    assert_eq!(code(&list(&client, "").1), "SecurityTokenExpired");
    client.secret = "wrong".into();
    client.world.set_keys("demo", vec![AccessKey::new(&client.key, "right")]);
    client.token = None;
    let (status, differs) = list(&client, "");
    assert_eq!((status, code(&differs)), (403, "SignatureDoesNotMatch"));
    assert!(!differs.contains("right"));
}

#[test]
fn listings_of_buckets_lie_as_others_do() {
    let client = Client::new(world(60));
    let all = truth(&client);
    let faults = client.world.faults();
    let with = |fault: Fault, query: &str| {
        faults.clear();
        faults.add(Rule::new(fault).on("ListBuckets"));
        list(&client, query).1
    };
    assert_eq!(names(&with(Fault::NoId, "max-keys=10")).len(), 9);
    assert_eq!(names(&with(Fault::ShortPage(3), "max-keys=10")), all[..3]);
    assert!(names(&with(Fault::Empty, "max-keys=10")).is_empty());
    let skipped = with(Fault::Skip(2), "max-keys=10");
    assert_eq!((names(&skipped).len(), texts(&skipped, "NextMarker")[0]), (10, all[11].as_str()));
    let after = format!("marker={}&max-keys=10", all[19]);
    assert_eq!(names(&with(Fault::Repeat(2), &after)), all[18..30]);
    assert_eq!(code(&with(Fault::RejectToken, &after)), "InvalidArgument");
}
