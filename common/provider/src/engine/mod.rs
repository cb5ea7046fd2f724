//! Asks vendors what their declarations say: paging, retries, rate limits,
//! chunks of ids, joins. It knows no vendor.

pub(crate) mod decode;
pub(crate) mod digest;
pub(crate) mod endpoint;
pub(crate) mod errors;
pub(crate) mod fields;
pub(crate) mod http;
mod limit;
pub(crate) mod params;
pub(crate) mod projects;
pub(crate) mod redact;
pub(crate) mod refusal;
mod reply;
pub(crate) mod retry;
pub(crate) mod roles;
mod secondary;
pub(crate) mod spec;
#[cfg(test)]
pub(crate) mod testing;
mod vendor;
pub(crate) mod xml;

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use cloud_sync_core::account::Region;
use cloud_sync_core::credentials::Credentials;
use cloud_sync_core::error::{ErrorClass, VendorError};
use cloud_sync_core::listing::{Page, Undecodable};
use cloud_sync_core::meter::{self as metered, Meter};
use cloud_sync_core::pace::RatePolicy;
use cloud_sync_core::scope::Kind;
use jiff::Timestamp;
use serde_json::value::RawValue;
use tokio::time::Instant;

use self::decode::Unreadable;
use self::http::{Reply, Transport};
use self::limit::{LimitKey, Limits};
use self::params::Params;
use self::projects::Projects;
use self::redact::Secrets;
use self::retry::RetryPolicy;
use self::roles::{Keyring, Roles};
use self::spec::{Call, KindSpec, LimitScope, Paging, VendorSpec};
use crate::Result;

/// What has more pages than this has no end. Only short lists are walked at
/// once: regions, members, and what is said of some hundred ids.
const MOST_PAGES: usize = 1_000;

/// One request to be made.
pub(crate) struct Asked<'a> {
    /// The call.
    pub call: &'a Call,
    /// Where.
    pub region: &'a Region,
    /// Everything that it asks for.
    pub params: Params,
    /// Who asks.
    pub credentials: &'a Credentials,
    /// When.
    pub now: Timestamp,
}

/// How an account's requests to a vendor are made, and its refusals read.
pub(crate) trait Protocol: Send + Sync {
    /// Returns a signed request. It is good for one attempt: another one
    /// needs another signature.
    fn request(&self, asked: Asked<'_>) -> Result<reqwest::Request>;
    /// Returns the error that an answer stands for, if it does. `secrets` are
    /// to be taken out of whatever it quotes before that is cut.
    fn refusal(
        &self,
        call: &Call,
        reply: &Reply,
        secrets: &Secrets,
        now: Timestamp,
    ) -> Option<VendorError>;
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
    pub roles: Roles,
    pub retry: RetryPolicy,
}

impl Shared {
    /// Returns it with rate limits that have not counted anything, or none.
    pub(crate) fn new(around: Surroundings, retry: RetryPolicy, paced: bool) -> Self {
        Self { around, retry, limits: paced.then(Limits::default), roles: Roles::default() }
    }
}

/// An account at a vendor.
pub(crate) struct Client {
    pub shared: Arc<Shared>,
    pub spec: &'static VendorSpec,
    pub protocol: Box<dyn Protocol>,
    pub keyring: Keyring,
    pub account: String,
    pub default_region: String,
    pub projects: Projects,
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
        let region = Box::pin(self.placed(call, region)).await?;
        self.call_as(None, call, &region, params, read).await
    }

    /// Makes a call with given credentials, or with those of the moment.
    async fn call_as<T: Send>(
        &self,
        credentials: Option<&Credentials>,
        call: &Call,
        region: &Region,
        params: &Params,
        read: impl Fn(&[u8]) -> Result<T> + Send + Sync,
    ) -> Result<T> {
        let chance = self.shared.around.chance.as_ref();
        let tried = AtomicBool::new(false);
        // Before the first attempt, not in each: taking on a role is tried
        // again by itself.
        let current;
        let (credentials, is_given) = match credentials {
            Some(given) => (given, true),
            None => {
                current = Box::pin(self.credentials()).await?;
                (&current, false)
            }
        };
        let attempt = || {
            let retried = tried.swap(true, Ordering::Relaxed);
            self.attempt((call, credentials), region, params, &read, retried)
        };
        let outcome = self.shared.retry.run(chance, attempt).await;
        if !is_given && outcome.as_ref().is_err_and(|error| error.class == ErrorClass::Auth) {
            self.forget_lent(credentials).await;
        }
        // Whatever answers may quote the request, as any answer.
        outcome.map_err(|error| VendorError {
            code: self.keyring.redacted(&error.code),
            message: self.keyring.redacted(&error.message),
            ..error
        })
    }

    async fn attempt<T>(
        &self,
        (call, credentials): (&Call, &Credentials),
        region: &Region,
        params: &Params,
        read: &(impl Fn(&[u8]) -> Result<T> + Send + Sync),
        retried: bool,
    ) -> Result<T> {
        let around = &self.shared.around;
        let rate = self.rates.rate(call.per_second);
        let key = LimitKey {
            account: self.account.clone(),
            region: (call.limit == LimitScope::Region).then(|| region.id.clone()),
            product: call.product,
            action: call.action,
        };
        self.meter.pass().await?;
        if let Some(limits) = &self.shared.limits {
            limits.ready(rate, &key, (around.now)()).await;
        }
        let started = Instant::now();
        let mut request = self.protocol.request(Asked {
            call,
            region,
            params: params.clone(),
            credentials,
            now: (around.now)(),
        })?;
        *request.timeout_mut() = Some(call.timeout);
        let reply = around.transport.exchange(call.action, request).await;
        let took = started.elapsed();
        let bytes = reply.as_ref().map_or(0, |reply| reply.body.len() as u64);
        let outcome = reply.and_then(|reply| {
            let refusal =
                self.protocol.refusal(call, &reply, &self.keyring.secrets(), (around.now)());
            match refusal {
                Some(error) => Err(error),
                None => read(&reply::as_json(call, &reply.body)?),
            }
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

    /// Fetches the page at a position; `read` gets its items. Returns the next
    /// page's position too.
    async fn step<T: Send>(
        &self,
        call: &Call,
        region: &Region,
        mut params: Params,
        position: Option<&str>,
        read: impl Fn(Vec<&RawValue>) -> Result<T> + Send + Sync,
    ) -> Result<(T, Option<String>)> {
        if let (Some(position), Some(paging)) = (position, &call.paging) {
            params.insert(paging.param().to_owned(), position.to_owned());
        }
        let read = |body: &[u8]| {
            let found = reply::read(call, body)?;
            let (count, paging) = (found.items.len(), call.paging.as_ref());
            let next = paging.and_then(|p| p.next(position, count, found.next));
            Ok((read(found.items)?, next))
        };
        self.call(call, region, &params, read).await
    }

    /// Fetches every page. A page may be short or empty anywhere where the
    /// vendor pages by token. Where it counts, the same page once more is the
    /// end, as an empty one is: some do not heed positions among given ids.
    async fn walk<T: Send>(
        &self,
        call: &Call,
        region: &Region,
        params: Params,
        read: impl Fn(Vec<&RawValue>) -> Result<T> + Send + Sync,
        mut take: impl FnMut(T) + Send,
    ) -> Result<()> {
        let is_counted = matches!(call.paging, Some(Paging::Pages { .. } | Paging::Offset { .. }));
        let read = |items: Vec<&RawValue>| {
            let page = is_counted.then(|| fingerprint(&items));
            Ok((page, read(items)?))
        };
        let mut position: Option<String> = None;
        let mut before = None;
        for _ in 0..MOST_PAGES {
            let page = self.step(call, region, params.clone(), position.as_deref(), &read);
            let ((page, items), next) = page.await?;
            if page.is_some() && page == before {
                return Ok(());
            }
            before = page;
            take(items);
            match next {
                None => return Ok(()),
                Some(next) if position.as_ref() == Some(&next) => break,
                next => position = next,
            }
        }
        let text = "the vendor keeps announcing a next page; the list would never end";
        Err(VendorError::new(ErrorClass::Data, call.action, "EndlessList", text))
    }

    fn decode_page(&self, spec: &KindSpec, items: &[&RawValue]) -> Page {
        let mut page = Page { resources: Vec::with_capacity(items.len()), ..Page::default() };
        for item in items {
            match decode::resource(item.get(), spec) {
                Ok(resource) => page.resources.push(resource),
                Err(_) if spec.is_absent.is_some_and(|is_absent| is_absent(item.get())) => {}
                Err(Undecodable { id, message }) => {
                    let message = self.keyring.redacted(&message);
                    page.undecodable.push(Undecodable { id, message });
                }
            }
        }
        page
    }
}

/// Returns a hash of what a page holds, to tell it from the one before.
fn fingerprint(items: &[&RawValue]) -> u64 {
    let mut hasher = DefaultHasher::new();
    items.iter().for_each(|item| item.get().hash(&mut hasher));
    hasher.finish()
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
