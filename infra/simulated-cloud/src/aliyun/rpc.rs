//! RPC APIs: an action and its parameters, in one of two signatures.

use std::ops::Deref;

use jiff::Timestamp;
use serde_json::Value;

use super::error::ApiError;
use super::params::{Format, Params};
use super::{Aliyun, acs3, directory, ecs, kvstore, rds, sign, slb, sts, trail, vpc};
use crate::front::spoil::Shape;
use crate::front::{Admitted, Answer, Caller, Limit, Request, xml};
use crate::world::model::{Holding, State};
use crate::world::{Call, Fault, Provider, World};

/// The products there are. No host says which is asked, since a client has to
/// have its endpoint configured; their versions do.
static PRODUCTS: [&Product; 8] = [
    &ecs::PRODUCT,
    &rds::PRODUCT,
    &kvstore::PRODUCT,
    &vpc::PRODUCT,
    &slb::PRODUCT,
    &trail::PRODUCT,
    &sts::PRODUCT,
    &directory::PRODUCT,
];

/// A product: a service with its own hosts and version at the vendor.
pub(super) struct Product {
    /// Its name, as permissions have it.
    pub name: &'static str,
    pub version: &'static str,
    pub actions: &'static [Action],
    /// Its error where it is not open: status, code and message.
    pub closed: (u16, &'static str, &'static str),
}

/// An action of a product.
pub(super) struct Action {
    pub name: &'static str,
    /// Whether it needs a region.
    pub regional: bool,
    pub limit: Limit,
    /// Where its reply has items.
    pub shape: Option<Shape>,
    pub answer: fn(&Asked<'_>) -> Result<Vec<u8>, ApiError>,
}

/// What an action is asked, by a call whose signature is good.
pub(super) struct Asked<'a> {
    pub cloud: &'a Aliyun,
    pub params: &'a Params,
    pub request_id: &'a str,
    admitted: Admitted,
}

impl Deref for Asked<'_> {
    type Target = Admitted;

    fn deref(&self) -> &Admitted {
        &self.admitted
    }
}

impl<'a> Asked<'a> {
    /// Returns the world that is asked about.
    pub(super) fn world(&self) -> &'a World {
        &self.cloud.front.world
    }

    /// Returns what the account has in the region that is asked about.
    pub(super) fn region<'s>(&self, state: &'s State) -> Result<&'s Holding, ApiError> {
        self.admitted.holding(state).ok_or_else(ApiError::no_such_region)
    }
}

impl Action {
    /// Makes an action that needs a region and lists nothing.
    pub(super) const fn new(
        name: &'static str,
        answer: fn(&Asked<'_>) -> Result<Vec<u8>, ApiError>,
    ) -> Self {
        Self { name, regional: true, limit: Limit::A_MINUTE, shape: None, answer }
    }

    /// Says where its reply has items.
    pub(super) const fn listing(mut self, shape: Shape) -> Self {
        self.shape = Some(shape);
        self
    }

    /// Lets it do without a region.
    pub(super) const fn anywhere(mut self) -> Self {
        self.regional = false;
        self
    }

    /// Limits it in another way than by the minute.
    pub(super) const fn limited(mut self, limit: Limit) -> Self {
        self.limit = limit;
        self
    }
}

/// Answers a request.
pub(super) fn answer(cloud: &Aliyun, request: &Request<'_>, now: Timestamp) -> Answer {
    let request_id = uuid::Uuid::new_v4().to_string().to_uppercase();
    let params = Params::read(request);
    let mut faults = Vec::new();
    let outcome = serve(cloud, (request, &params), now, &request_id, &mut faults);
    let (status, root, body) = match outcome {
        Ok(body) => (200, format!("{}Response", params.get("Action")), body),
        Err(error) => {
            let host = request.header("host");
            (error.status, "Error".to_owned(), error.body(host, &request_id))
        }
    };
    let (content_type, body) = match params.format() {
        Format::Json => ("application/json;charset=utf-8", body),
        Format::Xml => ("text/xml;charset=utf-8", xml::from_json(&root, &body)),
    };
    Answer::of(status, content_type, body, &faults, cloud.front.world.settings().latency)
}

fn serve(
    cloud: &Aliyun,
    (request, params): (&Request<'_>, &Params),
    now: Timestamp,
    request_id: &str,
    struck: &mut Vec<Fault>,
) -> Result<Vec<u8>, ApiError> {
    let product = PRODUCTS.iter().find(|product| product.version == params.get("Version"));
    let caller = cloud.front.caller(params.get("AccessKeyId"));
    let call = Call {
        account: caller.as_ref().map(|caller| caller.id.clone()).unwrap_or_default(),
        region: params.get("RegionId").to_owned(),
        action: called(product.copied(), params.get("Action")),
    };
    cloud.front.world.count(&call);
    params.require("Action")?;
    let account = authenticate(cloud, (request, params), now, caller)?;
    let product = product.ok_or_else(ApiError::no_such_version)?;
    let action = product.actions.iter().find(|action| action.name == params.get("Action"));
    let action = action.ok_or_else(ApiError::no_such_action)?;
    if action.regional {
        check_region(&cloud.front.world, params)?;
    }
    let dry = params.flag("DryRun")?.unwrap_or(false);
    let admitted = cloud.front.pass::<ApiError>(account, call, (action.limit, dry), now, struck)?;
    if !cloud.front.world.is_open(product.name, &admitted.call.region) {
        let (status, code, message) = product.closed;
        return Err(ApiError::new(status, code, message));
    }
    let asked = Asked { cloud, params, request_id, admitted };
    let body = (action.answer)(&asked)?;
    Ok(spoil(body, action.shape.as_ref(), &asked.faults, cloud.front.world.seed()))
}

/// Returns what calls, faults and permissions name an action by: those of ECS
/// stand for themselves, others have their service before them.
fn called(product: Option<&Product>, action: &str) -> String {
    match product {
        Some(product) if product.name != ecs::PRODUCT.name => format!("{}:{action}", product.name),
        _ => action.to_owned(),
    }
}

fn check_region(world: &World, params: &Params) -> Result<(), ApiError> {
    let wanted = params.require("RegionId")?;
    let offered = world.offered(Provider::Aliyun);
    match offered.iter().any(|region| region.id == wanted) {
        true => Ok(()),
        false => Err(ApiError::no_such_region()),
    }
}

/// Checks who calls, and returns whose account it is.
fn authenticate(
    cloud: &Aliyun,
    (request, params): (&Request<'_>, &Params),
    now: Timestamp,
    caller: Option<Caller>,
) -> Result<usize, ApiError> {
    let signed = acs3::Signed::read(request)?;
    if signed.is_none() {
        sign::check_form(params)?;
    }
    let Some(caller) = caller else { return Err(ApiError::no_such_key()) };
    let token = params.given("SecurityToken");
    let (expires, nonce) = match &signed {
        Some(signed) => {
            let expires = acs3::check_time(request, now)?;
            sign::check_key(&caller.key, token, now)?;
            signed.check(request, &caller.key.secret)?;
            (expires, request.header("x-acs-signature-nonce"))
        }
        None => {
            let expires = sign::check_time(params, now)?;
            sign::check_key(&caller.key, token, now)?;
            sign::check_signature(request.method, params, &caller.key.secret)?;
            (expires, params.get("SignatureNonce"))
        }
    };
    // Only a nonce that its owner signed is remembered.
    match cloud.front.is_first(&caller.key.id, nonce, expires, now) {
        true => Ok(caller.account),
        false => Err(ApiError::nonce_used()),
    }
}

/// Puts what faults there are into a page of items.
fn spoil(body: Vec<u8>, shape: Option<&Shape>, faults: &[Fault], seed: u64) -> Vec<u8> {
    let (Some(shape), true) = (shape, faults.iter().any(Shape::is_about)) else { return body };
    let Ok(mut page) = serde_json::from_slice::<Value>(&body) else { return body };
    shape.spoil(&mut page, faults, seed);
    serde_json::to_vec(&page).unwrap_or(body)
}
