//! What must hold for every byte that comes from outside: one function a
//! target, which panics where it does not. cargo-fuzz calls them with bytes of
//! its making, the suite with those that once made one panic.
//!
//! Every one is given to the parsers that the service itself uses. The first
//! byte says which of them, so that one target needs one corpus.

#![allow(clippy::unwrap_used, reason = "a panic is what a target answers with")]

mod config;
mod messages;
mod stored;
mod vendor_reply;
mod world;

pub use config::config;
pub use messages::messages;
pub use stored::stored;
pub use vendor_reply::{any_reply, vendor_reply};

/// A target.
pub type Target = fn(&[u8]);

/// Every target by its name, which is also that of its folders.
pub const TARGETS: [(&str, Target); 5] = [
    ("any_reply", any_reply),
    ("vendor_reply", vendor_reply),
    ("messages", messages),
    ("config", config),
    ("stored", stored),
];

/// Runs a future to its end, in time that passes at once.
fn run<T>(future: impl Future<Output = T>) -> T {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = builder.enable_time().start_paused(true).build();
    runtime.unwrap().block_on(future)
}
