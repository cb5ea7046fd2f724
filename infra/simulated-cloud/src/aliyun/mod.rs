//! Alibaba Cloud: RPC APIs as the vendor serves them.
//!
//! A request passes the signature, the flow control and the account's
//! permissions before an API sees it. Nothing here knows of sockets: the
//! server hands requests in and sends the answers out.

mod ecs;
mod error;
mod paging;
mod params;
mod sign;
mod sts;
mod trail;

use std::sync::Mutex;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use self::error::ApiError;
pub use self::error::INVALID_TOKEN;
use self::params::{Format, Params};
use crate::front::gate::Gate;
use crate::front::xml;
pub use crate::front::{Answer, Delivery};
use crate::world::{self, Call, Fault, Permission, World, lock};

/// A request as it arrived.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// The method, in upper case.
    pub method: &'a str,
    /// The host that was asked.
    pub host: &'a str,
    /// What follows the question mark, as it was sent.
    pub query: &'a str,
    /// The body, if it is a form; else empty.
    pub form: &'a [u8],
}

/// The vendor's front, over a world.
pub struct Aliyun {
    world: World,
    address: String,
    gate: Mutex<Gate>,
}

/// A service, which has its own hosts at the vendor and its own version.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Service {
    Ecs,
    Trail,
    Sts,
}

impl Service {
    /// Returns the service of a request. No host says it: a client has to have
    /// its endpoint configured.
    fn of(params: &Params) -> Self {
        match params.get("Version") {
            trail::VERSION => Self::Trail,
            sts::VERSION => Self::Sts,
            _ => Self::Ecs,
        }
    }
}

/// A call whose signature is good.
struct Admitted<'a> {
    account: usize,
    call: Call,
    params: &'a Params,
    faults: Vec<Fault>,
    /// The account may not see anything, and is not told.
    blind: bool,
}

impl Aliyun {
    /// Opens a world. `address` is where the server can be reached, as
    /// `host:port`.
    pub fn new(world: World, address: String) -> Self {
        Self { world, address, gate: Mutex::default() }
    }

    /// Answers a request that arrived at a given time.
    pub fn answer(&self, request: &Request<'_>, now: Timestamp) -> Answer {
        let request_id = uuid::Uuid::new_v4().to_string().to_uppercase();
        let params = Params::read(request);
        let mut faults = Vec::new();
        let outcome = self.serve(request, &params, now, &request_id, &mut faults);
        let (status, root, body) = match outcome {
            Ok(body) => (200, format!("{}Response", params.get("Action")), body),
            Err(error) => (error.status, "Error".to_owned(), error.body(request.host, &request_id)),
        };
        let latency = self.world.settings().latency;
        deliver(status, &root, body, params.format(), &faults, latency)
    }

    fn serve(
        &self,
        request: &Request<'_>,
        params: &Params,
        now: Timestamp,
        request_id: &str,
        struck: &mut Vec<Fault>,
    ) -> Result<Vec<u8>, ApiError> {
        let account = self.account_of(params);
        let call = Call {
            account: account.as_ref().map(|(_, id, _)| id.clone()).unwrap_or_default(),
            region: params.get("RegionId").to_owned(),
            action: params.get("Action").to_owned(),
        };
        self.world.count(&call);
        params.require("Action")?;
        let index = self.authenticate(request, params, now, account)?;
        let service = Service::of(params);
        match service {
            Service::Ecs => ecs::check(&self.world, params)?,
            Service::Trail => trail::check(&self.world, params)?,
            Service::Sts => sts::check(params)?,
        }
        if !self.admit(&call, service == Service::Trail, now) {
            return Err(ApiError::throttled());
        }
        *struck = self.world.faults().strike(&call);
        for fault in struck.iter() {
            if let Fault::Error { status, code, message } = fault {
                return Err(ApiError::new(*status, code, message.clone()));
            }
        }
        let blind = self.permit(index, &call, params)?;
        let admitted = Admitted { account: index, call, params, faults: struck.clone(), blind };
        let body = match service {
            Service::Ecs => ecs::answer(self, &admitted, request_id)?,
            Service::Trail => trail::lookup(self, &admitted, request_id, now)?,
            Service::Sts => sts::identity(&admitted, request_id),
        };
        Ok(spoil(body, &admitted.faults, self.world.seed()))
    }

    /// Tells whether a call is within its limits, where there are any.
    fn admit(&self, call: &Call, is_trail: bool, now: Timestamp) -> bool {
        let limit = self.world.settings().limit;
        let mut gate = lock(&self.gate);
        if is_trail && limit.is_some() {
            gate.admit_in_second(&call.account, trail::CALLS_A_SECOND, now)
        } else {
            gate.admit(call, limit, now)
        }
    }

    /// Finds whom an access key belongs to.
    fn account_of(&self, params: &Params) -> Option<(usize, String, world::AccessKey)> {
        let state = self.world.state();
        state.accounts.iter().enumerate().find_map(|(index, account)| {
            let key = account.keys.iter().find(|key| key.id == params.get("AccessKeyId"))?;
            Some((index, account.id.clone(), key.clone()))
        })
    }

    fn authenticate(
        &self,
        request: &Request<'_>,
        params: &Params,
        now: Timestamp,
        account: Option<(usize, String, world::AccessKey)>,
    ) -> Result<usize, ApiError> {
        sign::check_form(params)?;
        let Some((index, _, key)) = account else {
            return Err(ApiError::no_such_key());
        };
        let expires = sign::check_time(params, now)?;
        sign::check_key(&key, params, now)?;
        sign::check_signature(request.method, params, &key.secret)?;
        // Only a nonce that its owner signed is remembered.
        if !lock(&self.gate).is_first(&key.id, params.get("SignatureNonce"), expires, now) {
            return Err(ApiError::nonce_used());
        }
        Ok(index)
    }

    /// Checks the permission, and tells whether the account sees nothing.
    fn permit(&self, account: usize, call: &Call, params: &Params) -> Result<bool, ApiError> {
        let state = self.world.state();
        let permission = state
            .accounts
            .get(account)
            .map_or(Permission::Denied, |account| account.permissions.of(&call.action));
        let dry = params.flag("DryRun")?.unwrap_or(false);
        match permission {
            Permission::Denied => Err(ApiError::forbidden(&call.action)),
            Permission::SilentlyEmpty if dry => Err(ApiError::forbidden(&call.action)),
            Permission::Allowed if dry => Err(ApiError::dry_run()),
            Permission::SilentlyEmpty => Ok(true),
            Permission::Allowed => Ok(false),
        }
    }
}

/// Puts what faults there are into a page of items.
fn spoil(body: Vec<u8>, faults: &[Fault], seed: u64) -> Vec<u8> {
    if !faults.iter().any(is_about_items) {
        return body;
    }
    let Ok(mut page) = serde_json::from_slice::<Value>(&body) else { return body };
    for fault in faults {
        if let (Fault::WrongTotal(by), Some(total)) =
            (fault, page.get("TotalCount").and_then(Value::as_i64))
        {
            page["TotalCount"] = json!(total.saturating_add(*by));
        }
    }
    if let Some(items) = items(&mut page) {
        for (number, fault) in faults.iter().enumerate() {
            let drawn = world::id::scatter(seed ^ number as u64) as usize;
            let count = items.len();
            if let Some(item) = items.get_mut(drawn.checked_rem(count).unwrap_or(0)) {
                spoil_item(item, fault);
            }
        }
    }
    serde_json::to_vec(&page).unwrap_or(body)
}

fn is_about_items(fault: &Fault) -> bool {
    matches!(
        fault,
        Fault::StatusNumber
            | Fault::NoId
            | Fault::HugeTag(_)
            | Fault::UnknownStatus(_)
            | Fault::WrongTotal(_)
    )
}

/// Returns a page's items: the one list that is wrapped in one object.
fn items(page: &mut Value) -> Option<&mut Vec<Value>> {
    let wrappers = page.as_object_mut()?.values_mut().filter_map(Value::as_object_mut);
    wrappers.flat_map(|wrapper| wrapper.values_mut()).find_map(Value::as_array_mut)
}

fn spoil_item(item: &mut Value, fault: &Fault) {
    match fault {
        Fault::StatusNumber => item["Status"] = json!(5),
        Fault::UnknownStatus(word) => item["Status"] = json!(word),
        Fault::HugeTag(bytes) => {
            let tag = json!({ "TagKey": "huge", "TagValue": "x".repeat(*bytes) });
            item["Tags"] = json!({ "Tag": [tag] });
        }
        Fault::NoId => {
            if let Some(fields) = item.as_object_mut() {
                fields.retain(|key, _| key != "InstanceId" && key != "DiskId");
            }
        }
        _ => {}
    }
}

fn deliver(
    status: u16,
    root: &str,
    json: Vec<u8>,
    format: Format,
    faults: &[Fault],
    latency: Duration,
) -> Answer {
    let (content_type, body) = match format {
        Format::Json => ("application/json;charset=utf-8", json),
        Format::Xml => ("text/xml;charset=utf-8", xml::from_json(root, &json)),
    };
    Answer::of(status, content_type, body, faults, latency)
}
