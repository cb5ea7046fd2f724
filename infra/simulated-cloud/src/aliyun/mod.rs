//! Alibaba Cloud: RPC APIs and its object store, as the vendor serves them.
//!
//! A request passes the signature, the flow control and the account's
//! permissions before an API sees it. Nothing here knows of sockets: the
//! server hands requests in and sends the answers out. A product is one file
//! and one line in `rpc.rs`.

mod acs3;
mod arguments;
mod directory;
mod ecs;
mod error;
mod kvstore;
mod oss;
mod paging;
mod params;
mod rds;
mod regions;
mod rpc;
mod sign;
mod slb;
mod sts;
mod trail;
mod vpc;

use jiff::Timestamp;

pub use self::error::INVALID_TOKEN;
use crate::front::Front;
pub use crate::front::{Answer, Delivery, Request};
use crate::world::{Provider, World};

/// The vendor's front, over a world.
pub struct Aliyun {
    front: Front,
    address: String,
}

/// Returns the number of an account at the vendor.
fn number(account: usize) -> u64 {
    1_690_700_000_000_030 + account as u64
}

/// Returns which account has a number.
fn account_of(number: &str) -> Option<usize> {
    let number: u64 = number.parse().ok()?;
    usize::try_from(number.checked_sub(self::number(0))?).ok()
}

impl Aliyun {
    /// Opens a world. `address` is where the server can be reached, as
    /// `host:port`.
    pub fn new(world: World, address: String) -> Self {
        Self { front: Front::new(Provider::Aliyun, world), address }
    }

    /// Answers a request that arrived at a given time.
    pub fn answer(&self, request: &Request<'_>, now: Timestamp) -> Answer {
        match oss::is_for(request) {
            true => oss::answer(self, request, now),
            false => rpc::answer(self, request, now),
        }
    }
}
