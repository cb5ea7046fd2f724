//! Clients of the vendors other than Alibaba Cloud, over no network. Each
//! signs as its vendor says, and reads a listing of machines.

use std::sync::Arc;

use axum::http::{HeaderMap, HeaderName};
use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use simulated_cloud::aws::Aws;
use simulated_cloud::huawei::Huawei;
use simulated_cloud::tencent::Tencent;
use simulated_cloud::{AccessKey, Answer, Counts, Plan, Provider, Request, World};

use crate::client::noon;

/// The vendors that sign as here.
pub const OTHERS: [Provider; 3] = [Provider::Tencent, Provider::Huawei, Provider::Aws];

const HOST: &str = "127.0.0.1:1";

/// Returns a vendor's first region.
pub fn region_of(vendor: Provider) -> &'static str {
    simulated_cloud::spread_of(vendor, 0, 1)[0].0
}

/// Returns the action that lists a vendor's machines.
pub fn action_of(vendor: Provider) -> &'static str {
    match vendor {
        Provider::Huawei => "ListServersDetails",
        _ => "DescribeInstances",
    }
}

/// Makes a world with an account of each vendor, named after it.
pub fn world(instances: u32) -> World {
    World::new(&plan(instances, 0)).expect("a world")
}

/// Describes a world with an account of each vendor, and so many managed
/// resources of each family.
pub fn plan(instances: u32, managed: u32) -> Plan {
    let mut plan = Plan::new(7);
    for vendor in Provider::ALL {
        let key = AccessKey::new(&format!("key-{}", vendor.name()), "secret");
        let region = region_of(vendor);
        plan = plan.account_of(vendor, vendor.name(), key, [(region, instances)]);
        plan = plan.role("sync", &[vendor.name()]);
        if managed > 0 {
            plan = plan.managed([(region, Counts::of_each(managed))]);
        }
    }
    plan
}

/// A vendor's front.
pub enum Cloud {
    Tencent(Tencent),
    Huawei(Huawei),
    Aws(Aws),
}

impl Cloud {
    fn of(vendor: Provider, world: World) -> Self {
        match vendor {
            Provider::Tencent => Self::Tencent(Tencent::new(world)),
            Provider::Huawei => Self::Huawei(Huawei::new(world)),
            Provider::Aws => Self::Aws(Aws::new(world)),
            Provider::Aliyun => panic!("another client signs for Alibaba Cloud"),
        }
    }
}

/// A vendor's client.
#[derive(Clone)]
pub struct Caller {
    pub vendor: Provider,
    pub now: Timestamp,
    pub key: String,
    pub secret: String,
    pub token: Option<String>,
    pub region: String,
    /// The project in the region, where there are projects.
    pub project: String,
    pub cloud: Arc<Cloud>,
}

/// A listing, or the error that it ended in.
#[derive(Debug)]
pub struct Listing {
    pub status: u16,
    pub code: String,
    pub ids: Vec<String>,
    pub statuses: Vec<String>,
    pub next: Option<String>,
    pub text: String,
}

/// What is sent.
pub struct Sent {
    pub method: &'static str,
    pub path: String,
    pub query: String,
    pub headers: HeaderMap,
    pub body: String,
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn hash(text: &str) -> String {
    hex(&Sha256::digest(text.as_bytes()))
}

fn mac(key: &[u8], text: &str) -> Vec<u8> {
    let mac = Hmac::<Sha256>::new_from_slice(key).expect("any key");
    mac.chain_update(text).finalize().into_bytes().to_vec()
}

fn headers<const N: usize>(pairs: [(&'static str, &str); N]) -> HeaderMap {
    let pairs = pairs.into_iter().filter(|(_, value)| !value.is_empty());
    pairs
        .map(|(name, value)| (HeaderName::from_static(name), value.parse().expect("a value")))
        .collect()
}

impl Caller {
    pub fn new(world: World, vendor: Provider) -> Self {
        let mut caller = Self {
            cloud: Arc::new(Cloud::of(vendor, world)),
            vendor,
            now: noon(),
            key: format!("key-{}", vendor.name()),
            secret: "secret".into(),
            token: None,
            region: region_of(vendor).into(),
            project: String::new(),
        };
        if vendor == Provider::Huawei {
            let sent = caller.signed_by_huawei("/v3/projects", &format!("name={}", caller.region));
            let body: Value = serde_json::from_slice(&caller.send(&sent).body).expect("JSON");
            caller.project = body["projects"][0]["id"].as_str().unwrap_or("none").to_owned();
        }
        caller
    }

    /// Answers a request as the vendor does.
    pub fn send(&self, sent: &Sent) -> Answer {
        let request = Request {
            method: sent.method,
            path: &sent.path,
            query: &sent.query,
            headers: &sent.headers,
            body: sent.body.as_bytes(),
        };
        match &*self.cloud {
            Cloud::Tencent(cloud) => cloud.answer(&request, self.now),
            Cloud::Huawei(cloud) => cloud.answer(&request, self.now),
            Cloud::Aws(cloud) => cloud.answer(&request, self.now),
        }
    }

    /// Asks for machines: so many, from a place in the listing on, which is
    /// an offset, a page number or a token.
    pub fn page(&self, size: usize, from: Option<&str>) -> Sent {
        match self.vendor {
            Provider::Tencent => {
                let offset: usize = from.map_or(0, |from| from.parse().expect("an offset"));
                self.tencent(&json!({ "Limit": size, "Offset": offset }))
            }
            Provider::Huawei => {
                self.huawei(&format!("limit={size}&offset={}", from.unwrap_or("1")))
            }
            _ => {
                let token = from.map(|token| {
                    form_urlencoded::byte_serialize(token.as_bytes()).collect::<String>()
                });
                let token = token.map_or_else(String::new, |token| format!("&NextToken={token}"));
                self.aws(&format!(
                    "Action=DescribeInstances&Version=2016-11-15&MaxResults={size}{token}"
                ))
            }
        }
    }

    /// Lists one page.
    pub fn list(&self, size: usize, from: Option<&str>) -> Listing {
        self.read(&self.send(&self.page(size, from)))
    }

    /// Lists everything there is, and returns the pages.
    pub fn walk(&self, size: usize) -> Vec<Listing> {
        let mut pages: Vec<Listing> = Vec::new();
        let mut from = None;
        loop {
            let page = self.list(size, from.as_deref());
            assert_eq!(page.code, "", "{page:?}");
            let end = page.ids.is_empty() && self.vendor != Provider::Aws;
            from = match self.vendor {
                Provider::Tencent => Some(((pages.len() + 1) * size).to_string()),
                Provider::Huawei => Some((pages.len() + 2).to_string()),
                _ => page.next.clone(),
            };
            if end {
                return pages;
            }
            pages.push(page);
            if from.is_none() {
                return pages;
            }
            assert!(pages.len() < 1000, "the listing does not end");
        }
    }

    fn tencent(&self, body: &Value) -> Sent {
        self.signed_by_tencent(("cvm", "2017-03-12"), "DescribeInstances", body)
    }

    /// Signs a call of a product, which has a name and a version.
    pub fn signed_by_tencent(
        &self,
        (service, version): (&str, &str),
        action: &str,
        body: &Value,
    ) -> Sent {
        let (body, second) = (body.to_string(), self.now.as_second().to_string());
        let day = self.now.strftime("%Y-%m-%d").to_string();
        let scope = format!("{day}/{service}/tc3_request");
        let canonical = format!(
            "POST\n/\n\ncontent-type:application/json\nhost:{HOST}\n\ncontent-type;host\n{}",
            hash(&body)
        );
        let to_sign = format!("TC3-HMAC-SHA256\n{second}\n{scope}\n{}", hash(&canonical));
        let key = mac(format!("TC3{}", self.secret).as_bytes(), &day);
        let signature = hex(&mac(&mac(&mac(&key, service), "tc3_request"), &to_sign));
        let authorization = format!(
            "TC3-HMAC-SHA256 Credential={}/{scope}, SignedHeaders=content-type;host, \
             Signature={signature}",
            self.key
        );
        let headers = headers([
            ("authorization", &authorization),
            ("content-type", "application/json"),
            ("host", HOST),
            ("x-tc-action", action),
            ("x-tc-region", &self.region),
            ("x-tc-timestamp", &second),
            ("x-tc-token", self.token.as_deref().unwrap_or("")),
            ("x-tc-version", version),
        ]);
        Sent { method: "POST", path: "/".into(), query: String::new(), headers, body }
    }

    pub fn huawei(&self, query: &str) -> Sent {
        self.signed_by_huawei(&format!("/v1/{}/cloudservers/detail", self.project), query)
    }

    /// Signs a request whose query is sorted and escaped already.
    pub fn signed_by_huawei(&self, path: &str, query: &str) -> Sent {
        let time = self.now.strftime("%Y%m%dT%H%M%SZ").to_string();
        let mut pairs: Vec<&str> = query.split('&').collect();
        pairs.sort_unstable();
        let canonical = format!(
            "GET\n{path}/\n{}\nhost:{HOST}\nx-sdk-date:{time}\n\nhost;x-sdk-date\n{}",
            pairs.join("&"),
            hash("")
        );
        let to_sign = format!("SDK-HMAC-SHA256\n{time}\n{}", hash(&canonical));
        let signature = hex(&mac(self.secret.as_bytes(), &to_sign));
        let authorization = format!(
            "SDK-HMAC-SHA256 Access={}, SignedHeaders=host;x-sdk-date, Signature={signature}",
            self.key
        );
        let headers = headers([
            ("authorization", &authorization),
            ("host", HOST),
            ("x-sdk-date", &time),
            ("x-security-token", self.token.as_deref().unwrap_or("")),
        ]);
        let (path, query) = (path.to_owned(), query.to_owned());
        Sent { method: "GET", path, query, headers, body: String::new() }
    }

    /// Signs a call of EC2.
    pub fn aws(&self, form: &str) -> Sent {
        self.signed_by_aws("ec2", "/", "", form)
    }

    /// Signs a request whose query is sorted and escaped already: a form if
    /// there is one.
    pub fn signed_by_aws(&self, service: &str, path: &str, query: &str, form: &str) -> Sent {
        let time = self.now.strftime("%Y%m%dT%H%M%SZ").to_string();
        let (day, kind) = (&time[..8], "application/x-www-form-urlencoded");
        let method = if form.is_empty() { "GET" } else { "POST" };
        let scope = format!("{day}/{}/{service}/aws4_request", self.region);
        let canonical = format!(
            "{method}\n{path}\n{query}\ncontent-type:{kind}\nhost:{HOST}\nx-amz-date:{time}\n\n\
             content-type;host;x-amz-date\n{}",
            hash(form)
        );
        let to_sign = format!("AWS4-HMAC-SHA256\n{time}\n{scope}\n{}", hash(&canonical));
        let key = mac(format!("AWS4{}", self.secret).as_bytes(), day);
        let key = mac(&mac(&mac(&key, &self.region), service), "aws4_request");
        let authorization = format!(
            "AWS4-HMAC-SHA256 Credential={}/{scope}, SignedHeaders=content-type;host;x-amz-date, \
             Signature={}",
            self.key,
            hex(&mac(&key, &to_sign))
        );
        let headers = headers([
            ("authorization", &authorization),
            ("content-type", kind),
            ("host", HOST),
            ("x-amz-date", &time),
            ("x-amz-security-token", self.token.as_deref().unwrap_or("")),
        ]);
        let (path, query, body) = (path.to_owned(), query.to_owned(), form.to_owned());
        Sent { method, path, query, headers, body }
    }

    /// Reads a listing of machines.
    pub fn read(&self, answer: &Answer) -> Listing {
        let text = String::from_utf8(answer.body.clone()).expect("UTF-8");
        let (code, ids, statuses, next) = match self.vendor {
            Provider::Aws => read_xml(&text),
            _ => self.read_json(&serde_json::from_str(&text).expect("JSON")),
        };
        Listing { status: answer.status, code, ids, statuses, next, text }
    }

    fn read_json(&self, body: &Value) -> (String, Vec<String>, Vec<String>, Option<String>) {
        let (code, items, id, status) = match self.vendor {
            Provider::Tencent => {
                let response = &body["Response"];
                (
                    &response["Error"]["Code"],
                    &response["InstanceSet"],
                    "InstanceId",
                    "InstanceState",
                )
            }
            _ => (&body["error_code"], &body["servers"], "id", "status"),
        };
        let code = code.as_str().or_else(|| body["error"]["code"].as_str()).unwrap_or("");
        let all = |field: &str| {
            let items = items.as_array().map(Vec::as_slice).unwrap_or_default();
            let text = |item: &Value| match &item[field] {
                Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            items.iter().map(text).collect()
        };
        (code.to_owned(), all(id), all(status), None)
    }
}

/// Returns what is between tags, wherever they are.
pub fn between<'a>(text: &'a str, tag: &str) -> Vec<&'a str> {
    let (open, close) = (format!("<{tag}>"), format!("</{tag}>"));
    let parts = text.split(&open).skip(1);
    parts.filter_map(|part| part.split(&close).next()).collect()
}

fn read_xml(text: &str) -> (String, Vec<String>, Vec<String>, Option<String>) {
    let owned = |texts: Vec<&str>| texts.into_iter().map(str::to_owned).collect::<Vec<_>>();
    let states = between(text, "instanceState");
    let states = states.iter().flat_map(|state| between(state, "name")).collect();
    (
        between(text, "Code").first().copied().unwrap_or("").to_owned(),
        owned(between(text, "instanceId")),
        owned(states),
        between(text, "nextToken").first().map(|token| (*token).to_owned()),
    )
}
