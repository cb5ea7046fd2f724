//! The dispatcher function: what its events mean. What is done about them is
//! in [`cloud_sync_dispatch`].

pub mod event;
