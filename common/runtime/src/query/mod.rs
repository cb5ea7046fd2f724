//! Questions to the inventory, in bounded steps over the tables' ports.

pub mod changes;
pub mod resources;
pub mod stats;
