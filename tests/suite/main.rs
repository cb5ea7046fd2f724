//! The one integration-test binary. Every file beside this one is a module.

#![allow(clippy::unwrap_used, reason = "a test may fail by it")]

mod layout;
mod store_contract;
mod queue_contract;
mod events;
mod stories;
mod template_tables;
