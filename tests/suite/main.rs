//! The one integration-test binary. Every file beside this one is a module.

#![allow(clippy::unwrap_used, reason = "a test may fail by it")]

mod api;
mod emulated;
mod events;
mod fuzzed;
mod layout;
mod providers;
mod queue_contract;
mod simulation;
mod store_contract;
mod stories;
mod template_tables;
mod vendors;
