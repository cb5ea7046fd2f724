//! The one integration-test binary. Every file beside this one is a module.

mod layout;
mod store_contract;
mod queue_contract;
mod events;
mod stories;
mod template_tables;
