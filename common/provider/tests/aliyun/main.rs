//! Alibaba Cloud's adapter against a real server on loopback.

#![allow(clippy::unwrap_used, reason = "a test may fail by it")]

mod account;
mod failures;
mod feed;
mod lists;
mod support;
