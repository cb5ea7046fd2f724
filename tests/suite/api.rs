//! The API over the in-memory twins: the very router that is deployed.

mod document;
mod support;
