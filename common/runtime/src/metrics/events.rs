//! What the vendors' events amount to.

use std::time::SystemTime;

use metrique::unit::Count;
use metrique::unit_of_work::metrics;

/// What one body of events amounted to.
#[metrics(rename_all = "PascalCase")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventMetrics {
    /// When it came.
    #[metrics(timestamp)]
    pub at: SystemTime,
    /// The vendor.
    pub provider: String,
    /// The account.
    pub account_id: String,
    /// How many events.
    #[metrics(unit = Count)]
    pub events: u64,
    /// Those whose resources are re-read now.
    #[metrics(unit = Count)]
    pub events_taken: u64,
    /// Those that were heard before.
    #[metrics(unit = Count)]
    pub events_known: u64,
    /// Those that name nothing that is synced.
    #[metrics(unit = Count)]
    pub events_unknown: u64,
    /// Those of an account of which nothing is synced for now.
    #[metrics(unit = Count)]
    pub events_idle: u64,
}
