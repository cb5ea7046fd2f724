//! Tencent Cloud: API 3.0, JSON over POST.
//!
//! A product is one file and one line in `PRODUCTS`. Whatever goes wrong is
//! told with HTTP status 200.

mod cdb;
mod cvm;
mod cvm_view;
mod error;
mod params;
mod sign;
mod sts;

use jiff::Timestamp;
use serde_json::{Value, json};

use self::error::ApiError;
use self::params::Params;
use crate::front::spoil::Shape;
use crate::front::{Admitted, Answer, Caller, Front, Limit, Request};
use crate::world::model::{Holding, State};
use crate::world::{Call, Fault, Provider, World};

/// The products there are.
static PRODUCTS: [&Product; 3] = [&cvm::PRODUCT, &cdb::PRODUCT, &sts::PRODUCT];

/// A product: a service with its own hosts at the vendor.
struct Product {
    service: &'static str,
    version: &'static str,
    actions: &'static [Action],
}

/// An action of a product.
struct Action {
    name: &'static str,
    /// Whether it needs a region.
    regional: bool,
    /// The parameters that are simulated. Others are refused.
    params: &'static [&'static str],
    limit: Limit,
    /// Where its reply has items.
    shape: Option<Shape>,
    answer: fn(&Asked<'_>) -> Result<Value, ApiError>,
}

/// What an action is asked.
struct Asked<'a> {
    world: &'a World,
    admitted: &'a Admitted,
    params: &'a Params,
    /// The role's session whose key it is: `role/session`.
    session: Option<&'a str>,
}

impl Asked<'_> {
    /// Returns what is asked for in the state.
    fn holding<'s>(&self, state: &'s State) -> Result<&'s Holding, ApiError> {
        let found = self.admitted.holding(state);
        found.ok_or_else(|| ApiError::unsupported_region(&self.admitted.call.region))
    }
}

/// The vendor's front, over a world.
pub struct Tencent {
    front: Front,
}

/// Returns the number of an account at the vendor.
fn uin(account: usize) -> u64 {
    100_000_000_001 + account as u64
}

impl Tencent {
    /// Opens a world.
    pub fn new(world: World) -> Self {
        Self { front: Front::new(Provider::Tencent, world) }
    }

    /// Answers a request that arrived at a given time.
    pub fn answer(&self, request: &Request<'_>, now: Timestamp) -> Answer {
        let mut struck = Vec::new();
        let outcome = self.serve(request, now, &mut struck);
        let (status, mut response) = match outcome {
            Ok(response) => (200, response),
            Err(error) => (error.status, error.body()),
        };
        response["RequestId"] = json!(uuid::Uuid::new_v4().to_string());
        let body = json!({ "Response": response }).to_string().into_bytes();
        // The vendor's client takes a body for an error only with exactly
        // this content type.
        let latency = self.front.world.settings().latency;
        Answer::of(status, "application/json", body, &struck, latency)
    }

    fn serve(
        &self,
        request: &Request<'_>,
        now: Timestamp,
        struck: &mut Vec<Fault>,
    ) -> Result<Value, ApiError> {
        let caller = sign::key_id(request).and_then(|id| self.front.caller(id));
        let call = Call {
            account: caller.as_ref().map(|caller| caller.id.clone()).unwrap_or_default(),
            region: request.header("x-tc-region").to_owned(),
            action: request.header("x-tc-action").to_owned(),
        };
        self.front.world.count(&call);
        let service = sign::service(request)?;
        let caller = authenticate(request, caller, now)?;
        let (product, action) = find(service, request)?;
        if action.regional {
            self.check_region(&call.region)?;
        }
        let params = Params::read(request, action.params)?;
        let account = caller.account;
        let admitted = self.front.pass(account, call, (action.limit, false), now, struck)?;
        let session = caller.key.session.as_deref();
        let world = &self.front.world;
        if !world.is_open(product.service, &admitted.call.region) {
            return Err(ApiError::not_open(product.service));
        }
        let asked = Asked { world, admitted: &admitted, params: &params, session };
        let mut response = (action.answer)(&asked)?;
        if let Some(shape) = &action.shape {
            shape.spoil(&mut response, struck, self.front.world.seed());
        }
        Ok(response)
    }

    fn check_region(&self, region: &str) -> Result<(), ApiError> {
        if region.is_empty() {
            return Err(ApiError::missing("X-TC-Region"));
        }
        let offered = self.front.world.offered(Provider::Tencent);
        match offered.iter().any(|offered| offered.id == region) {
            true => Ok(()),
            false => Err(ApiError::unsupported_region(region)),
        }
    }
}

/// Finds what a request is for.
fn find(
    service: &str,
    request: &Request<'_>,
) -> Result<(&'static Product, &'static Action), ApiError> {
    let (name, version) = (request.header("x-tc-action"), request.header("x-tc-version"));
    for (header, value) in [("X-TC-Action", name), ("X-TC-Version", version)] {
        if value.is_empty() {
            return Err(ApiError::missing(header));
        }
    }
    let mut products = PRODUCTS.iter().copied().filter(|product| product.service == service);
    let product = products.next().ok_or_else(|| ApiError::no_such_product(service))?;
    if product.version != version {
        return Err(ApiError::no_such_version(version));
    }
    let action = product.actions.iter().find(|action| action.name == name);
    let action = action.ok_or_else(|| ApiError::no_such_action(name, version))?;
    Ok((product, action))
}

fn authenticate(
    request: &Request<'_>,
    caller: Option<Caller>,
    now: Timestamp,
) -> Result<Caller, ApiError> {
    sign::check_time(request, now)?;
    let caller = caller.ok_or_else(ApiError::no_such_key)?;
    sign::check_key(&caller.key, request, now)?;
    sign::check_signature(request, &caller.key.secret)?;
    Ok(caller)
}
