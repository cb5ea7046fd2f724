//! The command line as its users meet it: the real binary, a real simulated
//! cloud on loopback, known to it through the configuration alone.

mod accounts;
mod bad_input;
mod deletions;
mod every_kind;
mod following;
mod incremental;
mod interruptions;
mod kills;
mod kinds;
mod organisations;
mod own_role;
mod printing;
mod reading;
mod serving;
mod simulating;
mod statuses;
mod support;
mod syncing;
