//! The API over the in-memory twins: the very router that is deployed.

mod access;
mod accounts;
mod changes;
mod deletions;
mod document;
mod hooks;
mod limits;
mod plans;
mod requests;
mod resources;
mod secrets;
mod stats;
mod status_changes;
mod support;
mod syncs;
mod tasks;
