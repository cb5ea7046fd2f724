//! Answers of vendors.

use std::sync::Arc;

use async_trait::async_trait;
use cloud_sync_core::account::{Account, Region};
use cloud_sync_core::error::VendorError;
use cloud_sync_core::ids::Ids;
use cloud_sync_core::listing::{Page, Walk};
use cloud_sync_core::meter::Meter;
use cloud_sync_core::resource::Resource;
use cloud_sync_core::scope::{Kind, is_key_word};
use cloud_sync_provider::{Registry, Reply, Result, Transport, Vendor, Vendors};
use jiff::Timestamp;
use reqwest::header::{DATE, HeaderMap, HeaderValue};
use reqwest::{Request, StatusCode};

use crate::world::{KIND, REGION, SECRETS, account, credentials, vendors};

/// The longest id and the largest document that the tables have room for.
const MOST_ID: usize = 256;
const MOST_JSON: usize = 128 << 10;

/// No error is longer: they are kept, and shown.
const MOST_ERROR: usize = 4096;

const STATUSES: [u16; 8] = [200, 400, 403, 404, 429, 500, 503, 302];

/// Gives a vendor's answer to every call that the engine knows. The first byte
/// is the status, the first line the headers that are read, the rest the body.
///
/// # Panics
///
/// An item is lost or out of bounds, or an error quotes a secret.
pub fn vendor_reply(data: &[u8]) {
    ask_all(&account("aliyun"), KIND, data, items_of);
}

/// As [`vendor_reply`], of the vendor and kind that the first byte names.
///
/// # Panics
///
/// An item is out of bounds, or an error quotes a secret.
pub fn any_reply(data: &[u8]) {
    let Some((which, rest)) = data.split_first() else { return };
    let kinds = PROVIDERS.iter().flat_map(|provider| Registry::kinds_of(provider).unwrap());
    let kinds: Vec<_> = kinds.collect();
    let kind = &kinds[usize::from(*which) % kinds.len()];
    let account = Account { kinds: vec![kind.clone()], ..account(kind.provider()) };
    ask_all(&account, kind.as_str(), rest, |_| None);
}

/// The vendors, in the order in which a byte counts their kinds.
const PROVIDERS: [&str; 4] = ["aliyun", "aws", "huawei", "tencent"];

/// Tells how many resources a body lists, where that is known.
type Count = fn(&[u8]) -> Option<usize>;

fn ask_all(account: &Account, kind: &str, data: &[u8], items: Count) {
    let Some((status, rest)) = data.split_first() else { return };
    let status = STATUSES[usize::from(*status) % STATUSES.len()];
    let line = rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
    let (header, body) = (&rest[..line], rest.get(line + 1..).unwrap_or_default());
    let mut headers = HeaderMap::new();
    if let Ok(value) = HeaderValue::from_bytes(header) {
        headers.insert("x-acs-retry-after", value.clone());
        headers.insert(DATE, value);
    }
    let status = StatusCode::from_u16(status).unwrap();
    let reply = Reply { status, headers, body: body.to_vec() };
    let vendor = vendors(Always(reply)).open(account, credentials(), Arc::new(Meter::default()));
    crate::run(ask(vendor.unwrap().as_ref(), &kind.parse().unwrap(), items(body)));
}

/// Gives one answer to everything.
struct Always(Reply);

#[async_trait]
impl Transport for Always {
    async fn exchange(&self, _: &str, _: Request) -> std::result::Result<Reply, VendorError> {
        Ok(self.0.clone())
    }
}

/// Returns how many machines a body lists, where any reader of JSON agrees.
fn items_of(body: &[u8]) -> Option<usize> {
    let body: serde_json::Value = serde_json::from_slice(body).ok()?;
    Some(body["Instances"]["Instance"].as_array()?.len())
}

async fn ask(vendor: &dyn Vendor, kind: &Kind, items: Option<usize>) {
    let region = Region::new(REGION);
    let ids = ["i-1".to_owned(), "i-2".to_owned()];
    for token in [None, Some("token")] {
        if let Some(page) = checked(vendor.page(kind, &region, token).await) {
            check_page(&page);
            let found = page.resources.len() + page.undecodable.len();
            // The engine cuts out items that other readers of JSON choke on.
            assert!(items.is_none_or(|items| items == found), "an item was lost");
            let mut walk = Walk::new();
            _ = walk.take(page, &mut Ids::new("task"));
        }
        if let Some(page) = checked(vendor.details_page(kind, &region, token).await) {
            for (id, disk) in &page.disks {
                assert!(!id.is_empty() && (1..=MOST_ID).contains(&disk.id.len()), "{disk:?}");
                assert!(disk.category.len() <= MOST_ID, "{disk:?}");
            }
        }
    }
    let resource = |id: &String| Resource { id: id.clone(), ..Resource::default() };
    let asked: Vec<_> = ids.iter().map(resource).collect();
    if let Some(page) = checked(vendor.reread(kind, &region, &ids).await) {
        check_page(&page);
    }
    if let Some(details) = checked(vendor.details(kind, &region, &asked).await) {
        assert!(details.keys().all(|id| ids.contains(id)), "nobody asked for it");
    }
    if let Some(regions) = checked(vendor.regions().await) {
        assert!(!regions.is_empty() && regions.iter().all(|region| is_key_word(&region.id)));
        assert!(regions.iter().all(|region| region.endpoint.len() <= MOST_ID));
        // Where a vendor sends its callers is where requests go.
        for region in &regions {
            _ = checked(vendor.page(kind, region, None).await);
        }
    }
    let span = [Timestamp::UNIX_EPOCH, Timestamp::UNIX_EPOCH];
    if let Some(page) = checked(vendor.feed_page(kind, &region, span, None).await) {
        page.events.iter().for_each(|event| check_text(&event.name));
    }
    if let Some(Some(identity)) = checked(vendor.identity().await) {
        assert!((1..=MOST_ID).contains(&identity.account_number.len()), "{identity:?}");
        assert!(identity.principal.len() <= MOST_ID, "{identity:?}");
    }
    if let Some(types) = checked(vendor.types(kind, &region, &ids).await) {
        assert!(types.keys().all(|name| (1..=MOST_ID).contains(&name.len())));
        assert!(types.values().all(|spec| spec.gpu_model.len() <= MOST_ID));
    }
    checked(vendor.statuses(kind, &region, &ids).await);
    checked(vendor.probe(kind, &region).await);
}

fn checked<T>(answer: Result<T>) -> Option<T> {
    answer.map_err(|error| check_text(&error.to_string())).ok()
}

fn check_page(page: &Page) {
    for resource in &page.resources {
        assert!((1..=MOST_ID).contains(&resource.id.len()), "{:?}", resource.id);
        assert!(serde_json::to_vec(resource).unwrap().len() <= MOST_JSON, "{:?}", resource.id);
    }
    page.undecodable.iter().for_each(|item| check_text(&item.message));
}

fn check_text(text: &str) {
    assert!(text.len() <= MOST_ERROR, "{} bytes of error", text.len());
    for secret in SECRETS {
        let in_a_form = secret.replace('+', "%2B").replace('/', "%2F").replace('=', "%3D");
        assert!(!text.contains(secret) && !text.contains(&in_a_form), "it quotes a secret: {text}");
    }
}
