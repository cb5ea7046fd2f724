//! The one integration-test binary. Every file beside this one is a module.

mod layout;
mod queue_contract;
mod stories;
