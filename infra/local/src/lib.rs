//! `cloud-sync`: the whole service on one machine.
//!
//! The functions' handlers over an embedded database and queues in memory, or
//! over the tables and queues of AWS, behind a command line. What a sync does
//! is in the functions; this crate only puts them to work and shows what came
//! of it. It is the only crate that prints, and [`output`] the only module.

pub mod cli;
pub mod connect;
pub mod database;
pub mod follow;
pub mod lock;
pub mod output;
pub mod progress;
pub mod service;
pub mod signals;
mod sqs;
pub mod table;
mod workers;
