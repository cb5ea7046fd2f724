//! AWS: the query protocols and S3's REST, all of them XML, signed with
//! version 4.
//!
//! A product is one file and one line in `PRODUCTS`.

mod ec2;
mod elasticache;
mod error;
mod marker;
mod params;
mod rds;
mod s3;
mod sign;
mod sts;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use self::error::{ApiError, Style};
use self::params::Params;
use self::sign::Scope;
use crate::front::spoil::Shape;
use crate::front::{Admitted, Answer, Caller, Front, Limit, Request, xml};
use crate::world::model::{Holding, State};
use crate::world::{Call, Fault, Provider, World};

/// The products there are.
static PRODUCTS: [&Product; 5] =
    [&ec2::PRODUCT, &rds::PRODUCT, &elasticache::PRODUCT, &s3::PRODUCT, &sts::PRODUCT];

/// A product: a service with its own hosts at the vendor.
struct Product {
    service: &'static str,
    version: &'static str,
    namespace: &'static str,
    style: Style,
    /// Whether it is asked in a region that the account has things in.
    regional: bool,
    limit: Limit,
    actions: &'static [Action],
}

/// An action of a product.
struct Action {
    name: &'static str,
    /// The parameters that are simulated, lists without their numbers. Others
    /// are refused.
    params: &'static [&'static str],
    /// Where its reply has items.
    shape: Option<Shape>,
    answer: fn(&Asked<'_>) -> Result<Value, ApiError>,
}

/// What an action is asked.
struct Asked<'a> {
    world: &'a World,
    admitted: &'a Admitted,
    params: &'a Params,
    path: &'a str,
    /// The role's session whose key it is: `role/session`.
    session: Option<&'a str>,
}

impl Asked<'_> {
    /// Returns what is asked for in the state.
    fn holding<'s>(&self, state: &'s State) -> Result<&'s Holding, ApiError> {
        let found = self.admitted.holding(state);
        found.ok_or_else(|| ApiError::WrongRegion(self.admitted.call.region.clone()))
    }
}

/// The vendor's front, over a world.
pub struct Aws {
    front: Front,
}

/// Returns the number of an account at the vendor.
fn number(account: usize) -> String {
    format!("{:012}", 123_456_789_012 + account as u64)
}

/// Writes a time as most services do: `2024-04-14T22:32:00.000Z`.
fn timestamp(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%S.000Z").to_string()
}

/// Tells whether a request that is not signed looks like one for this vendor.
pub(crate) fn is_query(request: &Request<'_>) -> bool {
    let params = Params::read(request);
    PRODUCTS.iter().any(|product| params.get("Version") == product.version)
}

impl Aws {
    /// Opens a world.
    pub fn new(world: World) -> Self {
        Self { front: Front::new(Provider::Aws, world) }
    }

    /// Answers a request that arrived at a given time.
    pub fn answer(&self, request: &Request<'_>, now: Timestamp) -> Answer {
        let request_id = uuid::Uuid::new_v4().to_string();
        let params = Params::read(request);
        let product = product_of(request, &params);
        let mut struck = Vec::new();
        let action = match product.style {
            Style::Rest => s3::action(request),
            Style::Ec2 | Style::Query => params.get("Action"),
        };
        let outcome = self.serve(request, (&params, product, action), now, &mut struck);
        let (status, body) = match outcome {
            Ok(reply) => (200, write(product, action, reply, &request_id)),
            Err(error) => error.body(product.style, &request_id),
        };
        let latency = self.front.world.settings().latency;
        Answer::of(status, "text/xml;charset=UTF-8", body, &struck, latency)
    }

    fn serve(
        &self,
        request: &Request<'_>,
        (params, product, action): (&Params, &'static Product, &str),
        now: Timestamp,
        struck: &mut Vec<Fault>,
    ) -> Result<Value, ApiError> {
        let scope = sign::scope(request);
        let caller = scope.as_ref().and_then(|scope| self.front.caller(scope.key_id));
        let call = Call {
            account: caller.as_ref().map(|caller| caller.id.clone()).unwrap_or_default(),
            region: scope.as_ref().map(|scope| scope.region.to_owned()).unwrap_or_default(),
            action: action.to_owned(),
        };
        self.front.world.count(&call);
        let scope = sign::require(request, scope)?;
        self.check_scope(&scope, product)?;
        let caller = authenticate(request, &scope, caller, now)?;
        let action = find(product, params, action)?;
        params.check_names(action.params)?;
        let dry_run = params.flag("DryRun")?.unwrap_or(false);
        let account = caller.account;
        let admitted = self.front.pass(account, call, (product.limit, dry_run), now, struck)?;
        let world = &self.front.world;
        if !world.is_open(product.service, &admitted.call.region) {
            return Err(ApiError::closed(product.style));
        }
        let session = caller.key.session.as_deref();
        let asked = Asked { world, admitted: &admitted, params, path: request.path, session };
        let mut reply = (action.answer)(&asked)?;
        if let Some(shape) = &action.shape {
            shape.spoil(&mut reply, struck, self.front.world.seed());
        }
        Ok(reply)
    }

    /// Checks that a request was signed for where it is sent.
    fn check_scope(&self, scope: &Scope<'_>, product: &Product) -> Result<(), ApiError> {
        if scope.service != product.service {
            return Err(ApiError::WrongService(product.service));
        }
        let offered = self.front.world.offered(Provider::Aws);
        match product.regional && !offered.iter().any(|region| region.id == scope.region) {
            true => Err(ApiError::WrongRegion(scope.region.to_owned())),
            false => Ok(()),
        }
    }
}

/// Returns the product that a request is for: the one whose version it names
/// or, where there is none, the one it was signed for.
fn product_of(request: &Request<'_>, params: &Params) -> &'static Product {
    let service = sign::scope(request).map(|scope| scope.service);
    let of_version = |product: &&&Product| product.version == params.get("Version");
    let of_service = |product: &&&Product| service == Some(product.service);
    let found = PRODUCTS.iter().find(of_version).or(PRODUCTS.iter().find(of_service));
    found.copied().unwrap_or(&s3::PRODUCT)
}

fn find(product: &Product, params: &Params, name: &str) -> Result<&'static Action, ApiError> {
    if product.style == Style::Rest {
        let message = "A path or a parameter that is not simulated was asked for.";
        let action = product.actions.iter().find(|action| action.name == name);
        return action.ok_or_else(|| ApiError::new(501, "NotImplemented", message));
    }
    params.require("Action")?;
    let action = product.actions.iter().find(|action| action.name == name);
    match action {
        Some(action) if params.get("Version") == product.version => Ok(action),
        _ => Err(ApiError::no_such_action(name)),
    }
}

fn authenticate(
    request: &Request<'_>,
    scope: &Scope<'_>,
    caller: Option<Caller>,
    now: Timestamp,
) -> Result<Caller, ApiError> {
    let caller = caller.filter(|caller| caller.key.active).ok_or(ApiError::NoSuchKey)?;
    sign::check_signature(request, scope, &caller.key.secret)?;
    sign::check_time(request, scope, now)?;
    sign::check_token(&caller.key, request, now)?;
    Ok(caller)
}

/// Writes a reply as the product does.
fn write(product: &Product, action: &str, mut reply: Value, request_id: &str) -> Vec<u8> {
    let mut root = format!("{action}Response");
    let reply = match product.style {
        Style::Rest => {
            root = s3::root(action).to_owned();
            reply
        }
        Style::Ec2 => {
            reply["requestId"] = json!(request_id);
            reply
        }
        Style::Query => {
            let mut whole = Map::new();
            whole.insert(format!("{action}Result"), reply);
            whole.insert("ResponseMetadata".to_owned(), json!({ "RequestId": request_id }));
            Value::Object(whole)
        }
    };
    xml::document(&root, Some(product.namespace), &reply)
}
