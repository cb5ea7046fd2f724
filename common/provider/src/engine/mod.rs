//! Asks vendors what their declarations say: paging, retries, rate limits,
//! chunks of ids, joins. It knows no vendor.

pub(crate) mod decode;
pub(crate) mod errors;
pub(crate) mod http;
mod limit;
mod reply;
pub(crate) mod retry;
pub(crate) mod spec;

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use cloud_sync_core::account::Region;
use cloud_sync_core::error::{ErrorClass, VendorError};
use cloud_sync_core::feed::{FeedPage, FeedTerms};
use cloud_sync_core::identity::Identity;
use cloud_sync_core::listing::{Page, Undecodable};
use cloud_sync_core::meter::{self as metered, Meter};
use cloud_sync_core::pace::{Paces, RatePolicy};
use cloud_sync_core::resource::Status;
use cloud_sync_core::scope::{Kind, is_key_word};
use cloud_sync_core::types::TypeSpec;
use jiff::Timestamp;
use serde_json::value::RawValue;
use tokio::time::Instant;

use self::decode::Unreadable;
use self::http::{Reply, Transport};
use self::limit::{LimitKey, Limits};
use self::retry::RetryPolicy;
use self::spec::{ByIds, Call, FixedParams, IdForm, KindSpec, VendorSpec};
use crate::{Details, DetailsPage, Permission, Result, Vendor, no_feed};

/// A list that has more pages than this has no end.
const MOST_PAGES: usize = 100_000;

/// A name that the domain name system can know has at most so many bytes.
const LONGEST_HOST: usize = 253;

/// The parameters of a request, sorted by name.
pub(crate) type Params = BTreeMap<String, String>;

/// How an account's requests to a vendor are made, and its refusals read.
pub(crate) trait Protocol: Send + Sync {
    /// Returns a signed request. It is good for one attempt: another one
    /// needs another signature.
    fn request(
        &self,
        call: &Call,
        region: &Region,
        params: &Params,
        now: Timestamp,
    ) -> Result<reqwest::Request>;
    /// Returns a text without the account's secrets.
    fn redacted(&self, text: &str) -> String;
    /// Returns the error that an answer stands for, if it does.
    fn refusal(&self, call: &Call, reply: &Reply, now: Timestamp) -> Option<VendorError>;
}

/// What a process has around it: the network, the time, and chance.
#[derive(Clone)]
pub struct Surroundings {
    /// Carries the requests.
    pub transport: Arc<dyn Transport>,
    /// Returns the time, which signatures carry.
    pub now: Arc<dyn Fn() -> Timestamp + Send + Sync>,
    /// Returns a number from 0 to below 1, which spreads retries.
    pub chance: Arc<dyn Fn() -> f64 + Send + Sync>,
}

impl Surroundings {
    /// Returns those of a process on a network.
    pub(crate) fn real() -> std::result::Result<Self, reqwest::Error> {
        Ok(Self {
            transport: Arc::new(http::Clients::new()?),
            now: Arc::new(Timestamp::now),
            chance: Arc::new(rand::random),
        })
    }
}

/// What all accounts of a process share.
pub(crate) struct Shared {
    pub around: Surroundings,
    pub limits: Option<Limits>,
    pub retry: RetryPolicy,
}

impl Shared {
    /// Returns it with rate limits that have not counted anything, or none.
    pub(crate) fn new(around: Surroundings, retry: RetryPolicy, paced: bool) -> Self {
        Self { around, retry, limits: paced.then(Limits::default) }
    }
}

/// An account at a vendor.
pub(crate) struct Client {
    pub shared: Arc<Shared>,
    pub spec: &'static VendorSpec,
    pub protocol: Box<dyn Protocol>,
    pub account: String,
    pub default_region: String,
    pub rates: RatePolicy,
    pub meter: Arc<Meter>,
}

impl Client {
    fn kind(&self, kind: &Kind) -> Result<&'static KindSpec> {
        self.spec.kinds.iter().copied().find(|spec| spec.name == kind.as_str()).ok_or_else(|| {
            let text = format!("{kind} is not a kind of provider '{}'", self.spec.name);
            VendorError::new(ErrorClass::Internal, "", "UnknownKind", text)
        })
    }

    /// Makes a call, again where its error's class says so. `read` is part of
    /// an attempt: an answer cut short is worth another.
    async fn call<T: Send>(
        &self,
        call: &Call,
        region: &Region,
        params: &Params,
        read: impl Fn(&[u8]) -> Result<T> + Send + Sync,
    ) -> Result<T> {
        let chance = self.shared.around.chance.as_ref();
        let tried = AtomicBool::new(false);
        let attempt = || {
            let retried = tried.swap(true, Ordering::Relaxed);
            self.attempt(call, region, params, &read, retried)
        };
        let outcome = self.shared.retry.run(chance, attempt).await;
        // Whatever answers may quote the request, as any answer.
        outcome.map_err(|error| VendorError {
            code: self.protocol.redacted(&error.code),
            message: self.protocol.redacted(&error.message),
            ..error
        })
    }

    async fn attempt<T>(
        &self,
        call: &Call,
        region: &Region,
        params: &Params,
        read: &(impl Fn(&[u8]) -> Result<T> + Send + Sync),
        retried: bool,
    ) -> Result<T> {
        let around = &self.shared.around;
        let rate = self.rates.rate(call.per_second);
        let key = LimitKey {
            account: self.account.clone(),
            region: region.id.clone(),
            product: call.product,
            action: call.action,
        };
        if let Some(limits) = &self.shared.limits {
            limits.ready(rate, &key, (around.now)()).await;
        }
        let started = Instant::now();
        let mut request = self.protocol.request(call, region, params, (around.now)())?;
        *request.timeout_mut() = Some(call.timeout);
        let reply = around.transport.exchange(call.action, request).await;
        let took = started.elapsed();
        let bytes = reply.as_ref().map_or(0, |reply| reply.body.len() as u64);
        let refusal = |reply: &Reply| self.protocol.refusal(call, reply, (around.now)());
        let outcome = reply.and_then(|reply| match refusal(&reply) {
            Some(error) => Err(error),
            None => read(&reply.body),
        });
        let error = outcome.as_ref().err();
        let throttled = error.is_some_and(|error| error.class == ErrorClass::Throttled);
        if let Some(limits) = self.shared.limits.as_ref().filter(|_| throttled) {
            limits.throttled(rate, &key, (around.now)());
        }
        self.record(call, region, metered::Request { took, throttled, retried, bytes }, error);
        outcome
    }

    fn record(
        &self,
        call: &Call,
        region: &Region,
        request: metered::Request,
        error: Option<&VendorError>,
    ) {
        let took = request.took;
        self.meter.record_call(call.action, request);
        tracing::debug!(
            vendor.account = self.account,
            vendor.region = region.id,
            vendor.api = call.action,
            http.duration_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
            error.class = error.map(|error| error.class.as_str()),
            error.code = error.map(|error| error.code.as_str()),
            "vendor call"
        );
    }

    /// Fetches one page; `read` gets its items. Returns the next token too.
    async fn step<T: Send>(
        &self,
        call: &Call,
        region: &Region,
        params: &Params,
        read: impl Fn(Vec<&RawValue>) -> Result<T> + Send + Sync,
    ) -> Result<(T, Option<String>)> {
        let read = |body: &[u8]| {
            let found = reply::read(call, body)?;
            Ok((read(found.items)?, found.next))
        };
        self.call(call, region, params, read).await
    }

    fn decode_page(&self, spec: &KindSpec, items: &[&RawValue]) -> Page {
        let mut page = Page { resources: Vec::with_capacity(items.len()), ..Page::default() };
        for item in items {
            match decode::resource(item.get(), spec.id, spec.decode) {
                Ok(resource) => page.resources.push(resource),
                Err(Undecodable { id, message }) => {
                    let message = self.protocol.redacted(&message);
                    page.undecodable.push(Undecodable { id, message });
                }
            }
        }
        page
    }

    /// Fetches every page. Only the absence of a next token is the end: pages
    /// may be short or empty anywhere.
    async fn walk<T: Send>(
        &self,
        call: &Call,
        region: &Region,
        mut params: Params,
        read: impl Fn(Vec<&RawValue>) -> Result<T> + Send + Sync,
        mut take: impl FnMut(T) + Send,
    ) -> Result<()> {
        for _ in 0..MOST_PAGES {
            let (items, next) = self.step(call, region, &params, &read).await?;
            take(items);
            let (Some(next), Some(paging)) = (next, &call.paging) else {
                return Ok(());
            };
            if params.get(paging.param) == Some(&next) {
                break;
            }
            params.insert(paging.param.to_owned(), next);
        }
        let text = "the vendor keeps announcing a next page; the list would never end";
        Err(VendorError::new(ErrorClass::Data, call.action, "EndlessList", text))
    }
}

#[async_trait]
impl Vendor for Client {
    async fn regions(&self) -> Result<Vec<Region>> {
        let spec = &self.spec.regions;
        let region = Region { id: self.default_region.clone(), endpoint: String::new() };
        let decode = |item: &str| {
            let region = (spec.decode)(item)?;
            if !is_key_word(&region.id) {
                return Err(Unreadable::value("the region", &region.id, "a region's id"));
            }
            if region.endpoint.len() > LONGEST_HOST {
                return Err(Unreadable::value("the endpoint", &region.endpoint, "a host"));
            }
            Ok(vec![region])
        };
        let mut regions = Vec::new();
        let read = read_all(&spec.call, decode);
        let params = fixed(spec.call.params);
        self.walk(&spec.call, &region, params, read, |found| regions.extend(found)).await?;
        if regions.is_empty() {
            let text = "the vendor lists no region at all for this account";
            return Err(VendorError::new(ErrorClass::Data, spec.call.action, "NoRegions", text));
        }
        Ok(regions)
    }

    async fn page(&self, kind: &Kind, region: &Region, token: Option<&str>) -> Result<Page> {
        let spec = self.kind(kind)?;
        let mut params = fixed(spec.list.params);
        if let (Some(token), Some(paging)) = (token, &spec.list.paging) {
            params.insert(paging.param.to_owned(), token.to_owned());
        }
        let read = |items: Vec<&RawValue>| Ok(self.decode_page(spec, &items));
        let (page, next) = self.step(&spec.list, region, &params, read).await?;
        Ok(Page { next, ..page })
    }

    async fn reread(&self, kind: &Kind, region: &Region, ids: &[String]) -> Result<Page> {
        let spec = self.kind(kind)?;
        let mut all = Page::default();
        for chunk in ids.chunks(spec.by_ids.most) {
            let params = with_ids(fixed(spec.list.params), &spec.by_ids, chunk);
            let read = |items: Vec<&RawValue>| Ok(self.decode_page(spec, &items));
            let take = |page: Page| {
                all.resources.extend(page.resources);
                all.undecodable.extend(page.undecodable);
            };
            self.walk(&spec.list, region, params, read, take).await?;
        }
        Ok(all)
    }

    fn has_details(&self, kind: &Kind) -> bool {
        self.kind(kind).is_ok_and(|spec| spec.details.is_some())
    }

    async fn details_page(
        &self,
        kind: &Kind,
        region: &Region,
        token: Option<&str>,
    ) -> Result<DetailsPage> {
        let Some(spec) = &self.kind(kind)?.details else {
            return Ok(DetailsPage::default());
        };
        let mut params = fixed(spec.call.params);
        if let (Some(token), Some(paging)) = (token, &spec.call.paging) {
            params.insert(paging.param.to_owned(), token.to_owned());
        }
        let read = read_all(&spec.call, spec.decode);
        let (disks, next) = self.step(&spec.call, region, &params, read).await?;
        Ok(DetailsPage { disks, next })
    }

    async fn details(&self, kind: &Kind, region: &Region, ids: &[String]) -> Result<Details> {
        let mut details = Details::new();
        let Some(spec) = &self.kind(kind)?.details else {
            return Ok(details);
        };
        for chunk in ids.chunks(spec.by_id.most) {
            let read = read_all(&spec.call, spec.decode);
            let params = with_ids(fixed(spec.call.params), &spec.by_id, chunk);
            let take = |disks| {
                for (id, disk) in disks {
                    details.entry(id).or_default().push(disk);
                }
            };
            self.walk(&spec.call, region, params, read, take).await?;
        }
        // A disk asked for by one resource may be attached to others too,
        // whose other disks were not asked for.
        let asked: HashSet<&String> = ids.iter().collect();
        details.retain(|id, _| asked.contains(id));
        Ok(details)
    }

    async fn statuses(
        &self,
        kind: &Kind,
        region: &Region,
        ids: &[String],
    ) -> Result<BTreeMap<String, (Status, String)>> {
        let spec = &self.kind(kind)?.statuses;
        let mut statuses = BTreeMap::new();
        for chunk in ids.chunks(spec.by_ids.most) {
            let params = with_ids(fixed(spec.call.params), &spec.by_ids, chunk);
            let read = read_all(&spec.call, |item| Ok(vec![(spec.decode)(item)?]));
            let take = |found: Vec<(String, Status, String)>| {
                statuses.extend(found.into_iter().map(|(id, status, word)| (id, (status, word))));
            };
            self.walk(&spec.call, region, params, read, take).await?;
        }
        Ok(statuses)
    }

    fn paces(&self, region: &Region) -> Paces {
        let limits = self.shared.limits.as_ref();
        limits.map_or_else(Paces::new, |limits| limits.paces(&self.account, &region.id))
    }

    fn recall(&self, region: &Region, paces: &Paces) {
        if let Some(limits) = &self.shared.limits {
            limits.recall(&self.account, &region.id, paces);
        }
    }

    async fn probe(&self, kind: &Kind, region: &Region) -> Result<Permission> {
        let spec = self.kind(kind)?;
        let Some(probe) = &spec.probe else {
            return Ok(Permission::NoProbe);
        };
        let mut params = fixed(spec.list.params);
        params.extend(fixed(probe.params));
        match self.call(&spec.list, region, &params, |_| Ok(())).await {
            Err(answer) if answer.code == probe.granted => Ok(Permission::Granted),
            Err(error) => Err(error),
            Ok(()) => {
                let text = format!("expected the answer {} to a dry run", probe.granted);
                Err(VendorError::new(ErrorClass::Data, spec.list.action, "UnexpectedReply", text))
            }
        }
    }

    async fn identity(&self) -> Result<Option<Identity>> {
        let Some(spec) = &self.spec.identity else {
            return Ok(None);
        };
        let region = Region { id: self.default_region.clone(), endpoint: spec.host.to_owned() };
        let read = |body: &[u8]| reply::read_object(&spec.call, body, spec.decode);
        self.call(&spec.call, &region, &fixed(spec.call.params), read).await.map(Some)
    }

    async fn types(
        &self,
        kind: &Kind,
        region: &Region,
        names: &[String],
    ) -> Result<BTreeMap<String, TypeSpec>> {
        let mut types = BTreeMap::new();
        let Some(spec) = &self.kind(kind)?.types else {
            return Ok(types);
        };
        for chunk in names.chunks(spec.by_ids.most) {
            let params = with_ids(fixed(spec.call.params), &spec.by_ids, chunk);
            let read = read_all(&spec.call, |item| Ok(vec![(spec.decode)(item)?]));
            self.walk(&spec.call, region, params, read, |found| types.extend(found)).await?;
        }
        Ok(types)
    }

    fn feed_terms(&self, kind: &Kind) -> Option<FeedTerms> {
        self.kind(kind).ok()?.feed.as_ref().map(|feed| feed.terms)
    }

    async fn feed_page(
        &self,
        kind: &Kind,
        region: &Region,
        span: [Timestamp; 2],
        token: Option<&str>,
    ) -> Result<FeedPage> {
        let spec = self.kind(kind)?.feed.as_ref().ok_or_else(|| no_feed(kind))?;
        let mut params = fixed(spec.call.params);
        let seconds = span.map(|at| format!("{at:.0}"));
        params.extend(spec.span.map(str::to_owned).into_iter().zip(seconds));
        if let (Some(token), Some(paging)) = (token, &spec.call.paging) {
            params.insert(paging.param.to_owned(), token.to_owned());
        }
        // The host that the region was listed with is another service's.
        let region = Region { id: region.id.clone(), endpoint: String::new() };
        let read = read_all(&spec.call, |item| Ok(vec![(spec.decode)(item)?]));
        let (mut events, next) = self.step(&spec.call, &region, &params, read).await?;
        for event in &mut events {
            event.name = errors::bounded(&self.protocol.redacted(&event.name));
        }
        Ok(FeedPage { events, next })
    }
}

fn fixed(params: FixedParams) -> Params {
    params.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn with_ids(mut params: Params, by_ids: &ByIds, ids: &[String]) -> Params {
    let name = by_ids.param.to_owned();
    match by_ids.form {
        IdForm::JsonArray => {
            params.insert(name, serde_json::Value::from(ids).to_string());
        }
        IdForm::Numbered => {
            let numbered = ids.iter().zip(1..).map(|(id, n)| (format!("{name}.{n}"), id.clone()));
            params.extend(numbered);
        }
        IdForm::Single => params.extend(ids.first().map(|id| (name, id.clone()))),
    }
    params
}

/// Returns a reader of items of which every one counts: one that cannot be
/// read is an error of the call.
fn read_all<T>(
    call: &Call,
    decode: impl Fn(&str) -> std::result::Result<Vec<T>, Unreadable> + Send + Sync,
) -> impl Fn(Vec<&RawValue>) -> Result<Vec<T>> + Send + Sync {
    move |items| {
        let mut all = Vec::with_capacity(items.len());
        for item in items {
            let read = decode(item.get()).map_err(|error| {
                let text = errors::bounded(&error.to_string());
                VendorError::new(ErrorClass::Data, call.action, "UndecodableItem", text)
            })?;
            all.extend(read);
        }
        Ok(all)
    }
}
