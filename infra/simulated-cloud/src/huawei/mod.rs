//! Huawei Cloud: REST with JSON.
//!
//! A region is told by the project in the path. A product is one file with
//! its routes and one line in `PRODUCTS`.

mod agency;
mod ecs;
mod ecs_view;
mod error;
mod evs;
mod iam;
mod params;
mod sign;

use jiff::Timestamp;
use serde_json::Value;

use self::error::{ApiError, Style};
use self::params::Params;
use crate::front::spoil::Shape;
use crate::front::{Admitted, Answer, Caller, Front, Limit, Request};
use crate::world::model::{Holding, State};
use crate::world::{Call, Fault, Provider, World, id};

/// The products there are, each with the service that it is of.
static PRODUCTS: [(&str, &[Route]); 4] =
    [("ecs", &ecs::ROUTES), ("evs", &evs::ROUTES), ("iam", &iam::ROUTES), ("iam", &agency::ROUTES)];

/// Every API may be called so often, which the gateway counts.
const LIMIT: Limit = Limit::A_SECOND.documented(200);

/// What a path is for.
struct Route {
    method: &'static str,
    /// The path: what is in braces stands for anything.
    path: &'static str,
    /// The vendor's name for the call.
    action: &'static str,
    /// The parameters that are simulated. Others are refused.
    params: &'static [&'static str],
    style: Style,
    /// Where its reply has items.
    shape: Option<Shape>,
    answer: fn(&Asked<'_>) -> Result<Value, ApiError>,
}

impl Route {
    /// Returns what stands for braces in a path, if it is of this route.
    fn parts<'a>(&self, path: &'a str) -> Option<Vec<&'a str>> {
        let (mine, given) = (self.path.split('/'), path.split('/'));
        let fits = |(mine, given): (&str, &str)| mine == given || mine.starts_with('{');
        if mine.clone().count() != given.clone().count()
            || !mine.clone().zip(given.clone()).all(fits)
        {
            return None;
        }
        let parts = mine.zip(given).filter(|(mine, _)| mine.starts_with('{'));
        Some(parts.map(|(_, given)| given).collect())
    }
}

/// What a request is for.
struct Found<'a> {
    service: &'static str,
    route: &'static Route,
    /// What stands for the braces in the path.
    parts: Vec<&'a str>,
}

/// What a call is asked.
struct Asked<'a> {
    world: &'a World,
    admitted: &'a Admitted,
    params: &'a Params,
    /// What the path says of the things that are asked for: project, then id.
    parts: &'a [&'a str],
    body: &'a [u8],
}

impl Asked<'_> {
    /// Returns what is asked for in the state.
    fn holding<'s>(&self, state: &'s State) -> Result<&'s Holding, ApiError> {
        self.admitted.holding(state).ok_or_else(ApiError::wrong_project)
    }
}

/// Returns the id of an account at the vendor.
fn domain_id(account: usize, seed: u64) -> String {
    let code = id::scatter(id::scatter(seed) ^ account as u64);
    format!("{code:016x}{:016x}", id::scatter(code))
}

/// Returns the id of the project that an account has in a region.
fn project_id(holding: &Holding) -> String {
    let code = id::scatter(holding.salt ^ 0x70);
    format!("{code:016x}{:016x}", id::scatter(code))
}

/// The vendor's front, over a world.
pub struct Huawei {
    front: Front,
}

impl Huawei {
    /// Opens a world.
    pub fn new(world: World) -> Self {
        Self { front: Front::new(Provider::Huawei, world) }
    }

    /// Answers a request that arrived at a given time.
    pub fn answer(&self, request: &Request<'_>, now: Timestamp) -> Answer {
        let request_id = uuid::Uuid::new_v4().simple().to_string();
        let mut struck = Vec::new();
        let found = find(request);
        let style = found.as_ref().map_or(Style::Gateway, |found| found.route.style);
        // What makes something says so.
        let good = if request.method == "POST" { 201 } else { 200 };
        let (status, body) = match self.serve(request, found, now, &mut struck) {
            Ok(reply) => (good, reply),
            Err(error) => (error.status, error.body(style, &request_id)),
        };
        let body = body.to_string().into_bytes();
        let latency = self.front.world.settings().latency;
        Answer::of(status, "application/json;charset=utf-8", body, &struck, latency)
    }

    fn serve(
        &self,
        request: &Request<'_>,
        found: Option<Found<'_>>,
        now: Timestamp,
        struck: &mut Vec<Fault>,
    ) -> Result<Value, ApiError> {
        let caller = sign::key_id(request).and_then(|id| self.front.caller(id));
        let project = found.as_ref().and_then(|found| found.parts.first().copied());
        let region = caller.as_ref().zip(project);
        let region = region.and_then(|(caller, project)| self.region_of(caller.account, project));
        let call = Call {
            account: caller.as_ref().map(|caller| caller.id.clone()).unwrap_or_default(),
            region: region.unwrap_or_default().to_owned(),
            action: found.as_ref().map_or("", |found| found.route.action).to_owned(),
        };
        self.front.world.count(&call);
        let Found { service, route, parts } = found.ok_or_else(ApiError::no_such_api)?;
        let caller = authenticate(request, caller, now)?;
        if project.is_some() && region.is_none() {
            return Err(ApiError::wrong_project());
        }
        let params = Params::read(request, route.params)?;
        let account = caller.account;
        let admitted = self.front.pass(account, call, (LIMIT, false), now, struck)?;
        let world = &self.front.world;
        if !world.is_open(service, &admitted.call.region) {
            return Err(ApiError::not_open());
        }
        let body = request.body;
        let asked = Asked { world, admitted: &admitted, params: &params, parts: &parts, body };
        let mut reply = (route.answer)(&asked)?;
        if let Some(shape) = &route.shape {
            shape.spoil(&mut reply, struck, world.seed());
        }
        Ok(reply)
    }

    /// Returns the region that an account's project is in.
    fn region_of(&self, account: usize, project: &str) -> Option<&'static str> {
        let state = self.front.world.state();
        let mut holdings = state.accounts.get(account)?.holdings.values();
        holdings.find(|holding| project_id(holding) == project).map(|holding| holding.region.id)
    }
}

/// Finds what a request is for.
fn find<'a>(request: &Request<'a>) -> Option<Found<'a>> {
    let path = request.path.strip_suffix('/').unwrap_or(request.path);
    let all = PRODUCTS
        .iter()
        .flat_map(|(service, routes)| routes.iter().map(move |route| (*service, route)));
    let mut routes = all.filter(|(_, route)| route.method == request.method);
    routes.find_map(|(service, route)| Some(Found { service, route, parts: route.parts(path)? }))
}

fn authenticate(
    request: &Request<'_>,
    caller: Option<Caller>,
    now: Timestamp,
) -> Result<Caller, ApiError> {
    sign::check_form(request)?;
    sign::check_time(request, now)?;
    let caller = caller.filter(|caller| caller.key.active);
    let caller = caller.ok_or_else(|| {
        ApiError::unauthenticated(&format!("ak {} not exist", sign::key_id(request).unwrap_or("")))
    })?;
    sign::check_signature(request, &caller.key.secret)?;
    sign::check_token(&caller.key, request, now)?;
    Ok(caller)
}
