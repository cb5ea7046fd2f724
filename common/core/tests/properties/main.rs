//! Properties of the core, at random: one binary, a module for each concern.
#![allow(
    clippy::unwrap_used,
    reason = "the configuration allows it in tests, not in their helpers"
)]

mod decisions;
mod detection;
mod history;
mod packed;
mod shapes;
mod strategies;
mod tasks;
