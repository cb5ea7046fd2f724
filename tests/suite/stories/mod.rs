//! Stories: the whole service over in-memory twins and a scripted vendor.

mod counting;
mod deletions;
mod dispatching;
mod faults;
mod feed;
mod heard;
mod identity;
mod large;
mod long;
mod named;
mod planning;
mod retries;
mod spending;
mod syncing;
mod types;
