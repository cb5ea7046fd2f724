//! A client that signs as the vendor says, over no network.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;
use sha1::Sha1;
use simulated_cloud::aliyun::{Aliyun, Answer, Request};
use simulated_cloud::{AccessKey, Plan, World};

pub const REGION: &str = "cn-hangzhou";
pub const KEY: &str = "LTAI5tTest";
pub const SECRET: &str = "secret";

/// Parameters of a call.
pub type Params<'a> = [(&'a str, &'a str)];

/// The time at the client and at the server: a second into a minute.
pub fn noon() -> Timestamp {
    "2026-11-22T12:00:01Z".parse().expect("a time")
}

pub fn world(instances: u32) -> World {
    let regions = [(REGION, instances), ("cn-beijing", 30), ("eu-central-1", 0)];
    let plan = Plan::new(7).account("demo", AccessKey::new(KEY, SECRET), regions);
    World::new(&plan).expect("a world")
}

/// Makes the headers of a request.
pub fn headers<'a>(all: impl IntoIterator<Item = (&'a str, &'a str)>) -> HeaderMap {
    all.into_iter()
        .map(|(name, value)| {
            let name = HeaderName::try_from(name).expect("a name");
            (name, HeaderValue::try_from(value).expect("a value"))
        })
        .collect()
}

/// An account's client.
pub struct Client {
    pub world: World,
    pub now: Timestamp,
    pub key: String,
    pub secret: String,
    pub token: Option<String>,
    cloud: Aliyun,
    nonce: AtomicU64,
}

/// An answer in JSON.
pub struct Reply {
    pub status: u16,
    pub body: Value,
}

impl Reply {
    /// Returns the code of an error.
    pub fn code(&self) -> &str {
        self.body["Code"].as_str().unwrap_or("no error")
    }

    /// Returns the items of a page.
    pub fn items(&self, path: &str) -> &[Value] {
        let list = self.body.pointer(path).and_then(Value::as_array);
        list.unwrap_or_else(|| panic!("no {path} in {}", self.body))
    }

    /// Returns the ids of a page of instances.
    pub fn ids(&self) -> Vec<String> {
        strings(self.items("/Instances/Instance"), "InstanceId")
    }
}

pub fn strings(items: &[Value], field: &str) -> Vec<String> {
    let text = |item: &Value| item[field].as_str().expect("a text").to_owned();
    items.iter().map(text).collect()
}

impl Client {
    pub fn new(world: World) -> Self {
        Self {
            cloud: Aliyun::new(world.clone(), "127.0.0.1:1".into()),
            world,
            now: noon(),
            key: KEY.into(),
            secret: SECRET.into(),
            token: None,
            nonce: AtomicU64::new(0),
        }
    }

    pub fn of(instances: u32) -> Self {
        Self::new(world(instances))
    }

    /// Calls an action in the first region, and reads the answer.
    pub fn call(&self, action: &str, params: &[(&str, &str)]) -> Reply {
        let answer = self.raw(action, params);
        let body = serde_json::from_slice(&answer.body).expect("JSON");
        Reply { status: answer.status, body }
    }

    pub fn raw(&self, action: &str, params: &[(&str, &str)]) -> Answer {
        self.send("GET", &self.sign("GET", action, params))
    }

    /// Sends a request that is already signed.
    pub fn exchange(&self, request: &Request<'_>) -> Answer {
        self.cloud.answer(request, self.now)
    }

    /// Returns what no other request had.
    pub fn fresh(&self) -> String {
        self.nonce.fetch_add(1, Ordering::Relaxed).to_string()
    }

    /// Sends a query that is already signed.
    pub fn send(&self, method: &str, query: &str) -> Answer {
        let headers = headers([("host", "ecs.cn-hangzhou.aliyuncs.com")]);
        let request = Request { method, path: "/", query, headers: &headers, body: b"" };
        self.cloud.answer(&request, self.now)
    }

    /// Returns a signed query. Later parameters replace earlier ones; one
    /// without a value leaves the earlier one out.
    pub fn sign(&self, method: &str, action: &str, params: &[(&str, &str)]) -> String {
        let nonce = self.fresh();
        let time = self.now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        let mut all: BTreeMap<&str, &str> = BTreeMap::from([
            ("Action", action),
            ("Version", "2014-05-26"),
            ("Format", "JSON"),
            ("AccessKeyId", &self.key),
            ("SignatureMethod", "HMAC-SHA1"),
            ("SignatureVersion", "1.0"),
            ("SignatureNonce", &nonce),
            ("Timestamp", &time),
            ("RegionId", REGION),
        ]);
        if let Some(token) = &self.token {
            all.insert("SecurityToken", token);
        }
        all.extend(params.iter().copied());
        all.retain(|_, value| *value != "-");
        let pairs = all.iter().map(|(name, value)| format!("{}={}", escape(name), escape(value)));
        let query = pairs.collect::<Vec<_>>().join("&");
        let key = format!("{}&", self.secret);
        let mut mac = Hmac::<Sha1>::new_from_slice(key.as_bytes()).expect("any key");
        mac.update(format!("{method}&%2F&{}", escape(&query)).as_bytes());
        let signature = BASE64_STANDARD.encode(mac.finalize().into_bytes());
        format!("{query}&Signature={}", escape(&signature))
    }

    /// Walks the instances from token to token, and returns the pages' ids.
    pub fn walk(&self, params: &[(&str, &str)]) -> Vec<Vec<String>> {
        let mut pages = Vec::new();
        let mut token = String::new();
        loop {
            let mut with = params.to_vec();
            if !token.is_empty() {
                with.push(("NextToken", &token));
            }
            let reply = self.call("DescribeInstances", &with);
            assert_eq!(reply.status, 200, "{}", reply.body);
            pages.push(reply.ids());
            token = reply.body["NextToken"].as_str().expect("a token").to_owned();
            if token.is_empty() {
                return pages;
            }
            assert!(pages.len() < 10_000, "the listing does not end");
        }
    }
}

pub fn escape(text: &str) -> String {
    const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');
    utf8_percent_encode(text, PLAIN).to_string()
}
