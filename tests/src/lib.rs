//! What the suite's modules share: servers to test against, and sample data.

pub mod dynamodb;
pub mod failing;
pub mod vendor;
pub mod world;
