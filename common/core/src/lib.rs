//! The domain of the cloud resource sync service.
//!
//! Everything here is pure: no I/O, no clock, no randomness, no environment.
//! Time and identifiers come in as arguments, so that a decision can be
//! tested, simulated and replayed. The crate knows nothing of any vendor, of
//! `DynamoDB`, of SQS or of Lambda.

pub mod account;
pub mod attributes;
pub mod budget;
pub mod change;
pub mod cost;
pub mod credentials;
pub mod deletion;
pub mod diff;
pub mod disks;
pub mod document;
pub mod error;
pub mod feed;
pub mod fingerprint;
mod hashed;
pub mod identity;
pub mod ids;
pub mod index;
pub mod lease;
pub mod listing;
pub mod message;
pub mod meter;
pub mod pace;
mod packing;
pub mod plan;
pub mod query;
pub mod region;
pub mod request;
pub mod resource;
mod salt;
pub mod schedule;
pub mod scope;
pub mod stats;
pub mod tally;
pub mod task;
pub mod types;
