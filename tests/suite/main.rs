//! The one integration-test binary. Every file beside this one is a module.

mod layout;
mod stories;
