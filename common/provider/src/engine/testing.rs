//! What tests share: sample replies, read as the engine reads them, and a
//! vendor in memory, for whom time passes when it is told to.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use cloud_sync_core::account::Account;
use cloud_sync_core::credentials::Credentials;

use cloud_sync_core::diff::Field;
use cloud_sync_core::error::VendorError;
use cloud_sync_core::listing::Undecodable;
use cloud_sync_core::resource::Resource;
use jiff::{SignedDuration, Timestamp};
use reqwest::header::HeaderMap;
use reqwest::{Request, StatusCode};
use serde_json::{Value, json};

use super::http::{Reply, Transport};
use super::retry::RetryPolicy;
use super::spec::{Call, KindSpec};
use super::{Client, Shared, Surroundings, decode, reply};
use crate::Vendor;
use crate::registry::client_of;

/// Returns the fields that are filled in a resource.
pub(crate) fn told(resource: &Resource) -> Vec<Field> {
    let [full, empty] =
        [resource, &Resource::default()].map(|resource| serde_json::to_value(resource).unwrap());
    // Disks that are known to be none are not told by the vendor.
    let is_told = |name: &str| {
        full[name] != empty[name] && full[name].as_array().is_none_or(|items| !items.is_empty())
    };
    Field::ALL.into_iter().filter(|field| is_told(field.as_str())).collect()
}

/// Asserts that a kind declares as tracked what is filled in some of these
/// resources, and nothing else.
pub(crate) fn assert_tracked(kind: &KindSpec, resources: &[Resource]) {
    let told: BTreeSet<Field> = resources.iter().flat_map(told).collect();
    let declared: BTreeSet<Field> = kind.told().into_iter().collect();
    assert_eq!(told, declared, "{}", kind.name);
}

/// Returns the items of a sample reply of a call, as JSON.
pub(crate) fn items(call: &Call, sample: &str) -> Vec<String> {
    let body = reply::as_json(call, sample.as_bytes()).unwrap();
    let found = reply::read(call, &body).unwrap();
    found.items.iter().map(|item| item.get().to_owned()).collect()
}

/// Returns the resources of a sample of a kind's list.
pub(crate) fn resources(kind: &KindSpec, sample: &str) -> Vec<Resource> {
    items(&kind.list, sample).iter().map(|item| decode::resource(item, kind).unwrap()).collect()
}

/// Returns the resource that an item of a kind is.
pub(crate) fn decoded(kind: &KindSpec, item: &str) -> Result<Resource, Undecodable> {
    decode::resource(item, kind)
}

/// Tells whether an item cannot be read with a field changed.
pub(crate) fn is_refused(kind: &KindSpec, item: &str, field: &str, value: Value) -> bool {
    decoded(kind, &changed(item, field, value)).is_err()
}

/// Returns an item of a sample with a field changed.
pub(crate) fn changed(item: &str, field: &str, value: Value) -> String {
    let mut item: Value = serde_json::from_str(item).unwrap();
    item[field] = value;
    item.to_string()
}

/// How often something with these words was asked so far.
type Count<'a> = &'a dyn Fn(&str) -> usize;

type Answer = dyn Fn(&str, Timestamp, Count<'_>) -> Reply + Send + Sync;

/// A vendor that answers by a function of what it is asked and when.
pub(crate) struct FakeVendor {
    answer: Box<Answer>,
    asked: Mutex<Vec<String>>,
    now: Mutex<Timestamp>,
    shared: Mutex<Option<Arc<Shared>>>,
}

impl FakeVendor {
    /// When its time begins.
    pub(crate) const BEGIN: Timestamp = Timestamp::constant(1_795_000_000, 0);

    pub(crate) fn answering(
        answer: impl Fn(&str, Timestamp, Count<'_>) -> Reply + Send + Sync + 'static,
    ) -> Arc<Self> {
        Arc::new(Self {
            answer: Box::new(answer),
            asked: Mutex::default(),
            now: Mutex::new(Self::BEGIN),
            shared: Mutex::default(),
        })
    }

    /// Lets it be so many seconds after the beginning.
    pub(crate) fn at(&self, second: i64) {
        *self.now.lock().unwrap() = Self::BEGIN + SignedDuration::from_secs(second);
    }

    /// Returns every request so far, as a text with its headers and its body.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }

    /// Returns how often something with these words was asked.
    pub(crate) fn count(&self, words: &str) -> usize {
        self.asked().iter().filter(|asked| asked.contains(words)).count()
    }

    /// Returns an account at it, as one process has it however often.
    pub(crate) fn client(self: &Arc<Self>, account: &Account) -> Client {
        let shared = Arc::clone(self.shared.lock().unwrap().get_or_insert_with(|| {
            let (clock, transport) = (Arc::clone(self), Arc::clone(self));
            let around = Surroundings {
                transport,
                now: Arc::new(move || *clock.now.lock().unwrap()),
                chance: Arc::new(|| 0.0),
            };
            let retry = RetryPolicy { attempts: 1, ..RetryPolicy::default() };
            Arc::new(Shared::new(around, retry, false))
        }));
        let credentials = Credentials {
            access_key_id: "LTAI".into(),
            access_key_secret: "secret".to_owned().into(),
            security_token: None,
        };
        client_of(&shared, account, credentials, Arc::default()).unwrap()
    }

    pub(crate) fn open(self: &Arc<Self>, account: &Account) -> Arc<dyn Vendor> {
        Arc::new(self.client(account))
    }
}

#[async_trait]
impl Transport for FakeVendor {
    async fn exchange(&self, _: &str, request: Request) -> Result<Reply, VendorError> {
        let headers = request.headers().iter();
        let headers: Vec<_> =
            headers.map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())).collect();
        let body = request.body().and_then(reqwest::Body::as_bytes).unwrap_or_default();
        let body = String::from_utf8_lossy(body);
        let text = format!("{}\n{}\n{body}&", request.url(), headers.join("\n"));
        self.asked.lock().unwrap().push(text.clone());
        let now = *self.now.lock().unwrap();
        Ok((self.answer)(&text, now, &|words| self.count(words)))
    }
}

/// Returns an account with given fields.
pub(crate) fn account(fields: &Value) -> Account {
    let mut account = json!({ "id": "a", "default_region": "r", "credentials": { "env": "A" } });
    let fields = fields.as_object().unwrap().clone();
    account.as_object_mut().unwrap().extend(fields);
    serde_json::from_value(account).unwrap()
}

/// Returns an answer in JSON.
pub(crate) fn answer(status: u16, body: &Value) -> Reply {
    answer_text(status, &body.to_string())
}

/// Returns an answer.
pub(crate) fn answer_text(status: u16, body: &str) -> Reply {
    let status = StatusCode::from_u16(status).unwrap();
    Reply { status, headers: HeaderMap::new(), body: body.into() }
}
