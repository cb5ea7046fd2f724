//! What goes wrong at the vendor or on the way to it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use cloud_sync_core::error::{ErrorClass, VendorError};
use cloud_sync_core::meter::Meter;
use cloud_sync_provider::{Registry, RetryPolicy, Settings, Vendors};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use wiremock::ResponseTemplate;

use crate::support::{
    Cloud, SECRET, TOKEN, account, credentials, error, ids, instances, kind, logged, machine, ok,
    open, region,
};

/// Returns a vendor that first gives each of `answers`, then a page.
async fn after(answers: Vec<ResponseTemplate>) -> Cloud {
    let asked = AtomicUsize::new(0);
    Cloud::answering(move |_| {
        let n = asked.fetch_add(1, Ordering::SeqCst);
        answers.get(n).cloned().unwrap_or_else(|| instances(&ids(0..1), ""))
    })
    .await
}

/// Returns the error of asking a vendor that always gives `answer`, and how
/// often it was asked.
async fn always(answer: ResponseTemplate) -> (VendorError, usize) {
    let cloud = Cloud::answering(move |_| answer.clone()).await;
    let error = cloud.open().page(&kind(), &region(), None).await.unwrap_err();
    (error, cloud.requests().await.len())
}

fn raw(status: u16, body: &str, mime: &str) -> ResponseTemplate {
    ResponseTemplate::new(status).set_body_raw(body, mime)
}

#[tokio::test]
async fn every_attempt_is_signed_anew_and_counted() {
    let lost = [error(503, "ServiceUnavailable"), error(400, "SignatureNonceUsed")];
    let cloud = after(lost.into()).await;
    cloud.open().page(&kind(), &region(), None).await.unwrap();
    let requests = cloud.requests().await;
    let different = |name: &str| -> BTreeSet<_> {
        requests.iter().map(|params| params[name].clone()).collect()
    };
    assert_eq!(different("SignatureNonce").len(), 3);
    assert_eq!(different("Signature").len(), 3);
    assert_eq!(different("SecurityToken"), [TOKEN.to_owned()].into());
    assert_eq!(cloud.meter.read().cost.apis["DescribeInstances"].calls, 3);
}

#[tokio::test]
async fn what_will_not_pass_by_itself_is_asked_once() {
    for (status, code, class) in [
        (404, "InvalidAccessKeyId.NotFound", ErrorClass::Auth),
        (403, "Forbidden.RAM", ErrorClass::Auth),
        (404, "InvalidRegionId.NotFound", ErrorClass::NotOffered),
        (400, "InvalidParameter.NextToken", ErrorClass::Data),
        (400, "MissingParameter", ErrorClass::Internal),
    ] {
        let (error, asked) = always(error(status, code)).await;
        assert_eq!((error.class, &*error.code, asked), (class, code, 1));
        assert!(error.message.contains("R-1"), "the vendor's request id helps: {error}");
    }
    let (error, asked) = always(error(503, "ServiceUnavailable")).await;
    assert_eq!((error.class, asked), (ErrorClass::Network, 4));
}

#[tokio::test]
async fn throttling_waits_in_place_if_short_and_else_says_how_long() {
    let soon = error(400, "Throttling.User").insert_header("x-acs-retry-after", "60");
    let cloud = after(vec![soon]).await;
    let started = Instant::now();
    cloud.open().page(&kind(), &region(), None).await.unwrap();
    assert!(started.elapsed() >= Duration::from_millis(60));
    let cost = cloud.meter.read().cost;
    let api = &cost.apis["DescribeInstances"];
    assert_eq!((api.calls, api.throttled, api.retried), (2, 1, 1));
    assert!(api.bytes > 100 && cost.bytes_received == api.bytes, "answers have bodies");

    let date = "Mon, 23 Nov 2026 10:15:45 GMT";
    let (error, asked) = always(error(400, "Throttling").insert_header("date", date)).await;
    assert_eq!((error.class, asked), (ErrorClass::Throttled, 1));
    assert_eq!(error.retry_after, Some(Duration::from_secs(15)), "the vendor's minute edge");
}

#[tokio::test]
async fn a_truncated_reply_is_asked_for_again() {
    let cut = raw(200, r#"{"Instances": {"Instance": [{"InstanceId": "i-"#, "application/json");
    let cloud = after(vec![cut.clone(), cut.clone()]).await;
    let page = cloud.open().page(&kind(), &region(), None).await.unwrap();
    assert_eq!((page.resources.len(), cloud.requests().await.len()), (1, 3));
    let (error, asked) = always(cut).await;
    assert_eq!((error.class, &*error.code, asked), (ErrorClass::Network, "TruncatedReply", 4));
}

#[tokio::test]
async fn another_format_than_json_is_told_and_never_an_empty_page() {
    let xml = r#"<?xml version="1.0"?><DescribeInstancesResponse><Instances/>"#;
    let (error, asked) = always(raw(200, xml, "text/xml")).await;
    assert_eq!((error.class, &*error.code, asked), (ErrorClass::Data, "NotJson", 1));
    assert!(error.message.contains("DescribeInstancesResponse"), "{error}");
    assert!(error.message.contains("endpoint"), "it says what to check: {error}");

    let (error, _) = always(raw(404, "<html>not found</html>", "text/html")).await;
    assert_eq!((error.class, &*error.code), (ErrorClass::Data, "Http404"));
}

#[tokio::test]
async fn a_failed_disk_call_is_an_error_and_not_no_disks() {
    let cloud = Cloud::answering(|params| match params.get("NextToken") {
        None => ok(&json!({ "Disks": { "Disk": [
            { "DiskId": "d-1", "InstanceId": "i-1" }
        ] }, "NextToken": "2" })),
        Some(_) => error(500, "InternalError"),
    })
    .await;
    let details = cloud.open().details_page(&kind(), &region(), Some("2")).await;
    assert_eq!(details.unwrap_err().code, "InternalError");

    let cloud = Cloud::answering(|_| ok(&json!({ "Disks": { "Disk": [{ "DiskId": 1 }] } }))).await;
    let details = cloud.open().details_page(&kind(), &region(), None).await;
    assert_eq!(details.unwrap_err().code, "UndecodableItem", "whose it is cannot be known");
}

#[tokio::test]
async fn a_list_that_repeats_its_token_ends_with_an_error() {
    let cloud =
        Cloud::answering(|_| ok(&json!({ "Disks": { "Disk": [] }, "NextToken": "again" }))).await;
    let details = cloud.open().details(&kind(), &region(), &[machine("i-1")]).await;
    assert_eq!(details.unwrap_err().code, "EndlessList");
    assert_eq!(cloud.requests().await.len(), 2);
}

#[tokio::test]
async fn an_unreachable_endpoint_is_named() {
    // Bound and let go, so that nobody listens.
    let port = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let meter = Arc::new(Meter::default());
    let vendor = open(&format!("http://127.0.0.1:{port}"), Arc::clone(&meter));
    let error = vendor.page(&kind(), &region(), None).await.unwrap_err();
    assert_eq!((error.class, &*error.code), (ErrorClass::Network, "ConnectionFailed"));
    assert!(error.message.contains(&format!("127.0.0.1:{port}")), "{error}");
    assert_eq!(meter.read().cost.apis["DescribeInstances"].calls, 4);
}

/// Returns the error of asking a server that sends `head` and then so many
/// spaces, and closes.
async fn from_wire(head: &'static str, spaces: usize) -> VendorError {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 4096];
            let _ = stream.read(&mut request).await.unwrap();
            stream.write_all(head.as_bytes()).await.unwrap();
            // A client that has had enough hangs up.
            let _ = stream.write_all(&vec![b' '; spaces]).await;
        }
    });
    let vendor = open(&format!("http://{address}"), Arc::default());
    let error = vendor.page(&kind(), &region(), None).await.unwrap_err();
    server.abort();
    error
}

#[tokio::test]
async fn a_connection_cut_in_the_body_is_lost_and_not_a_page() {
    let error = from_wire("HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n{", 10).await;
    assert_eq!((error.class, &*error.code), (ErrorClass::Network, "ConnectionLost"));
}

#[tokio::test]
async fn a_reply_is_read_up_to_a_bound_announced_or_not() {
    for head in [
        "HTTP/1.1 200 OK\r\ncontent-length: 99999999999\r\n\r\n",
        "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n",
    ] {
        let error = from_wire(head, 65 << 20).await;
        assert_eq!((error.class, &*error.code), (ErrorClass::Data, "ReplyTooLarge"));
    }
}

#[tokio::test]
async fn an_account_keeps_its_rate_however_often_it_is_opened() {
    let cloud = after(Vec::new()).await;
    let settings = Settings { retry: RetryPolicy::default(), paced: true };
    let registry = Registry::with(settings).unwrap();
    let account = account(&cloud.uri());
    let started = Instant::now();
    for _ in 0..24 {
        let vendor = registry.open(&account, credentials(), Arc::default()).ok().unwrap();
        vendor.page(&kind(), &region(), None).await.unwrap();
    }
    // A burst of 20, then one every 50 ms.
    assert!(started.elapsed() >= Duration::from_millis(190), "{:?}", started.elapsed());
}

#[tokio::test]
async fn calls_are_logged_and_no_secret_or_signature_is() {
    let cloud = after(vec![error(503, "ServiceUnavailable")]).await;
    cloud.open().page(&kind(), &region(), None).await.unwrap();
    let signatures = cloud.requests().await.into_iter().map(|params| params["Signature"].clone());
    let log = logged();
    assert!(log.contains("http.duration_ms=") && log.contains("ServiceUnavailable"), "{log}");
    for secret in signatures.chain([SECRET.to_owned(), "canary-token".to_owned()]) {
        assert!(!log.contains(&secret), "{secret} in {log}");
    }
}
