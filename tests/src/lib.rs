//! What the suite's modules share: servers to test against, and sample data.
