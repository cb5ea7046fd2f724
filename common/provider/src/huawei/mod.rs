//! Huawei Cloud.

pub(crate) mod ecs_server;
mod errors;
mod iam;
mod rest;
pub mod sign;

use std::time::Duration;

use cloud_sync_core::account::{Account, InvalidAccount};

pub(crate) use self::iam::{IDENTITY, REGIONS};
use crate::engine::Protocol;
use crate::engine::spec::Call;

/// Returns a call. The vendor's own SDK waits twice as long for an answer,
/// which is longer than a worker may retry.
const fn call(product: &'static str, action: &'static str, path: &'static str) -> Call {
    let timeout = Duration::from_secs(60);
    Call { path, timeout, per_second: 5, ..Call::new(product, "", action) }
}

/// Returns what makes requests for an account.
pub(crate) fn open(account: &Account) -> Result<Box<dyn Protocol>, InvalidAccount> {
    Ok(Box::new(rest::Rest::open(account)?))
}
