//! What the service runs on: tables, queues, secrets, notifications, metrics.
//!
//! Ports and, for each, what stands behind it in AWS and in memory. This is
//! the only crate that names the AWS SDK crates of tables, queues, secrets and
//! topics, and it knows nothing of any vendor's API.

pub mod aws;
pub mod clock;
pub mod config;
pub mod metrics;
pub mod notify;
mod own_credentials;
pub mod query;
pub mod queue;
pub mod secrets;
pub mod spending;
pub mod store;
pub mod telemetry;
pub mod wiring;
