//! Version 3 of the RPC signature: what is in its headers.

use hmac::{Hmac, KeyInit, Mac};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use sha2::{Digest, Sha256};
use simulated_cloud::aliyun::Request;

use crate::client::{Client, REGION, Reply, escape, headers, noon};

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A request in version 3 of the signature.
struct Call<'a> {
    action: &'a str,
    version: &'a str,
    nonce: String,
    time: Timestamp,
    body: &'a [u8],
    /// The body that is signed, whichever is sent.
    signed_body: &'a [u8],
}

impl<'a> Call<'a> {
    fn new(client: &Client, action: &'a str, version: &'a str) -> Self {
        let (nonce, time) = (client.fresh(), client.now);
        Self { action, version, nonce, time, body: b"", signed_body: b"" }
    }

    fn send(&self, client: &Client, params: &[(&str, &str)]) -> Reply {
        let hash = hex(&Sha256::digest(self.signed_body));
        let time = self.time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        let mut all = vec![
            ("host", "ecs.cn-hangzhou.aliyuncs.com"),
            ("x-acs-action", self.action),
            ("x-acs-content-sha256", &hash),
            ("x-acs-date", &time),
        ];
        all.extend(client.token.as_deref().map(|token| ("x-acs-security-token", token)));
        all.extend([("x-acs-signature-nonce", &*self.nonce), ("x-acs-version", self.version)]);
        all.sort_unstable();
        let mut params: Vec<_> = params.to_vec();
        params.push(("RegionId", REGION));
        params.sort_unstable();
        let query =
            params.iter().map(|(name, value)| format!("{}={}", escape(name), escape(value)));
        let query = query.collect::<Vec<_>>().join("&");
        let lines: String = all.iter().map(|(name, value)| format!("{name}:{value}\n")).collect();
        let names = all.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(";");
        let canonical = format!("POST\n/\n{query}\n{lines}\n{names}\n{hash}");
        let to_sign = format!("ACS3-HMAC-SHA256\n{}", hex(&Sha256::digest(canonical)));
        let mut mac = Hmac::<Sha256>::new_from_slice(client.secret.as_bytes()).expect("any key");
        mac.update(to_sign.as_bytes());
        let signature = hex(&mac.finalize().into_bytes());
        let authorization = format!(
            "ACS3-HMAC-SHA256 Credential={},SignedHeaders={names},Signature={signature}",
            client.key
        );
        all.push(("authorization", &authorization));
        let headers = headers(all);
        let request = Request {
            method: "POST",
            path: "/",
            query: &query,
            headers: &headers,
            body: self.body,
        };
        let answer = client.exchange(&request);
        assert!(answer.content_type.starts_with("application/json"));
        let body: Value = serde_json::from_slice(&answer.body).expect("JSON");
        Reply { status: answer.status, body }
    }
}

fn list(client: &Client) -> Reply {
    Call::new(client, "DescribeInstances", "2014-05-26").send(client, &[("MaxResults", "10")])
}

#[test]
fn what_is_asked_stands_in_headers_and_its_parameters_in_the_query() {
    let client = Client::of(20);
    assert_eq!(
        list(&client).ids(),
        client.call("DescribeInstances", &[("MaxResults", "10")]).ids()
    );
    let unknown = Call::new(&client, "DescribeInstances", "2013-01-01").send(&client, &[]);
    assert_eq!(unknown.code(), "InvalidVersion");
    let unknown = Call::new(&client, "RunInstances", "2014-05-26").send(&client, &[]);
    assert_eq!(unknown.code(), "InvalidAction.NotFound");
}

#[test]
fn a_wrong_secret_and_another_body_are_refused() {
    let mut client = Client::of(20);
    let mut call = Call::new(&client, "DescribeInstances", "2014-05-26");
    call.body = b"{}";
    assert_eq!(call.send(&client, &[]).code(), "SignatureDoesNotMatch");
    call.signed_body = b"{}";
    assert_eq!(call.send(&client, &[]).status, 200);
    client.secret = "wrong".into();
    let refused = list(&client);
    assert_eq!((refused.status, refused.code()), (400, "SignatureDoesNotMatch"));
    client.key = "nobody".into();
    assert_eq!(list(&client).code(), "InvalidAccessKeyId.NotFound");
}

#[test]
fn a_clock_that_is_off_is_told_the_servers_time() {
    let client = Client::of(20);
    for (seconds, good) in [(900, true), (-900, true), (901, false), (-901, false)] {
        let mut call = Call::new(&client, "DescribeInstances", "2014-05-26");
        call.time = noon() + SignedDuration::from_secs(seconds);
        let reply = call.send(&client, &[]);
        if good {
            assert_eq!(reply.status, 200, "{seconds}: {}", reply.body);
        } else {
            assert_eq!((reply.status, reply.code()), (400, "InvalidTimeStamp.Expired"));
            let message = reply.body["Message"].as_str().expect("a message");
            assert!(message.contains("2026-11-22T12:00:01Z"), "{message}");
        }
    }
}

#[test]
fn a_nonce_is_used_once_whichever_the_signature() {
    let client = Client::of(20);
    let call = Call::new(&client, "DescribeInstances", "2014-05-26");
    assert_eq!(call.send(&client, &[]).status, 200);
    assert_eq!(call.send(&client, &[]).code(), "SignatureNonceUsed");
    let older = client.call("DescribeInstances", &[("SignatureNonce", &call.nonce)]);
    assert_eq!(older.code(), "SignatureNonceUsed");
}
