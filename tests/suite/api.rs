//! The API over the in-memory twins: the very router that is deployed.

mod accounts;
mod document;
mod hooks;
mod support;
