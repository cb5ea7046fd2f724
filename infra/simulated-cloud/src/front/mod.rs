//! What stands before every vendor's APIs: who calls, how often, whether they
//! may, and what goes wrong on purpose. Vendors say what they call it.

pub(crate) mod gate;
pub(crate) mod limit;
pub(crate) mod listing;
pub(crate) mod sign;
pub(crate) mod spoil;
pub(crate) mod token;
pub(crate) mod xml;

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::time::Duration;

use axum::http::HeaderMap;
use jiff::Timestamp;

use self::gate::Gate;
pub(crate) use self::limit::Limit;
use crate::world::model::{Holding, State};
use crate::world::{AccessKey, Call, Fault, Permission, Provider, World, lock};

/// A request as it arrived.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// The method, in upper case.
    pub method: &'a str,
    /// The path, as it was sent.
    pub path: &'a str,
    /// What follows the question mark, as it was sent.
    pub query: &'a str,
    /// The headers.
    pub headers: &'a HeaderMap,
    /// The body.
    pub body: &'a [u8],
}

impl<'a> Request<'a> {
    /// Returns a header; empty if it is not there or is no text.
    pub(crate) fn header(&self, name: &str) -> &'a str {
        let bytes = self.headers.get(name).map_or(&[][..], |value| value.as_bytes());
        std::str::from_utf8(bytes).unwrap_or("")
    }
}

/// How much of an answer reaches the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// All of it.
    Whole,
    /// None of it: the connection is closed.
    Nothing,
    /// Half of it, and then the connection is closed.
    Half,
}

/// What a vendor answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The content type.
    pub content_type: &'static str,
    /// The body.
    pub body: Vec<u8>,
    /// How much of it is to reach the client.
    pub delivery: Delivery,
    /// How long it is to take.
    pub delay: Duration,
}

impl Answer {
    /// Makes an answer of which some things go wrong.
    pub(crate) fn of(
        status: u16,
        content_type: &'static str,
        mut body: Vec<u8>,
        faults: &[Fault],
        latency: Duration,
    ) -> Self {
        let mut delivery = Delivery::Whole;
        let mut delay = latency;
        for fault in faults {
            match fault {
                Fault::Truncate => body.truncate(body.len() / 2),
                Fault::Drop => delivery = Delivery::Nothing,
                Fault::CutOff => delivery = Delivery::Half,
                Fault::Delay(more) => delay += *more,
                _ => {}
            }
        }
        Self { status, content_type, body, delivery, delay }
    }
}

/// How a vendor words the refusals that every vendor has.
pub(crate) trait Refusal {
    /// Too many calls.
    fn throttled() -> Self;
    /// The action is not allowed.
    fn forbidden(action: &str) -> Self;
    /// The action would have been allowed.
    fn dry_run() -> Self;
    /// An error on purpose.
    fn fault(status: u16, code: &str, message: &str) -> Self;
}

/// Whom an access key belongs to.
pub(crate) struct Caller {
    pub account: usize,
    pub id: String,
    pub key: AccessKey,
}

/// A call whose signature is good.
pub(crate) struct Admitted {
    pub account: usize,
    pub call: Call,
    pub faults: Vec<Fault>,
    /// The account may not see anything, and is not told.
    pub blind: bool,
    pub now: Timestamp,
}

impl Admitted {
    /// Returns what the account has in the region that is asked about.
    pub(crate) fn holding<'a>(&self, state: &'a State) -> Option<&'a Holding> {
        state.accounts.get(self.account)?.holdings.get(self.call.region.as_str())
    }

    /// Tells whether the answer is to be that there is nothing.
    pub(crate) fn sees_nothing(&self) -> bool {
        self.blind || self.faults.contains(&Fault::Empty)
    }

    /// Returns what may be listed of what is asked for: nothing, to one who
    /// may not see and is not told.
    pub(crate) fn visible(&self, asked: Option<BTreeSet<u64>>) -> Option<BTreeSet<u64>> {
        if self.sees_nothing() { Some(BTreeSet::new()) } else { asked }
    }

    /// Tells whether a page token is refused, however good.
    pub(crate) fn rejects_token(&self) -> bool {
        self.faults.contains(&Fault::RejectToken)
    }
}

/// A vendor's front, over a world.
pub(crate) struct Front {
    pub world: World,
    provider: Provider,
    gate: Mutex<Gate>,
}

impl Front {
    /// Opens a world to a vendor's callers.
    pub(crate) fn new(provider: Provider, world: World) -> Self {
        Self { world, provider, gate: Mutex::default() }
    }

    /// Finds whom an access key belongs to. Other vendors' are unknown.
    pub(crate) fn caller(&self, key_id: &str) -> Option<Caller> {
        let state = self.world.state();
        let mut accounts = state.accounts.iter().enumerate();
        accounts.find_map(|(index, account)| {
            let key = account.keys.iter().find(|key| key.id == key_id)?;
            let ours = account.provider == self.provider;
            ours.then(|| Caller { account: index, id: account.id.clone(), key: key.clone() })
        })
    }

    /// Notes a nonce, and tells whether it is new.
    pub(crate) fn is_first(
        &self,
        key: &str,
        nonce: &str,
        expires: Timestamp,
        now: Timestamp,
    ) -> bool {
        lock(&self.gate).is_first(key, nonce, expires, now)
    }

    /// Lets a call pass whose signature is good: within its limits, allowed,
    /// and not struck by an error. What else strikes is noted at once, since
    /// it concerns refusals too.
    pub(crate) fn pass<R: Refusal>(
        &self,
        account: usize,
        call: Call,
        (limit, dry_run): (Limit, bool),
        now: Timestamp,
        struck: &mut Vec<Fault>,
    ) -> Result<Admitted, R> {
        if !self.is_within(&call, limit, now) {
            return Err(R::throttled());
        }
        *struck = self.world.faults().strike(&call);
        for fault in struck.iter() {
            if let Fault::Error { status, code, message } = fault {
                return Err(R::fault(*status, code, message));
            }
        }
        let blind = self.permit(account, &call.action, dry_run)?;
        Ok(Admitted { account, call, faults: struck.clone(), blind, now })
    }

    fn is_within(&self, call: &Call, limit: Limit, now: Timestamp) -> bool {
        match limit.most(self.world.settings().limits) {
            Some(most) => lock(&self.gate).admit(call, limit, most, now),
            None => true,
        }
    }

    /// Checks the permission, and tells whether the account sees nothing.
    fn permit<R: Refusal>(&self, account: usize, action: &str, dry_run: bool) -> Result<bool, R> {
        let state = self.world.state();
        let found = state.accounts.get(account);
        let permission = found.map_or(Permission::Denied, |account| account.permissions.of(action));
        match permission {
            Permission::Denied => Err(R::forbidden(action)),
            Permission::SilentlyEmpty if dry_run => Err(R::forbidden(action)),
            Permission::Allowed if dry_run => Err(R::dry_run()),
            Permission::SilentlyEmpty => Ok(true),
            Permission::Allowed => Ok(false),
        }
    }
}
