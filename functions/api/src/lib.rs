//! The api function: on-demand runs and queries over HTTP. The same router
//! serves behind API Gateway and on one machine.

mod problem;
mod routes;

use std::sync::Arc;

use cloud_sync_dispatch::Dispatcher;
use cloud_sync_runtime::clock::Clock;
use cloud_sync_runtime::store::Store;

pub use problem::Problem;
pub use routes::router;

/// What the API works with.
#[derive(Clone)]
pub struct Api {
    /// Starts tasks.
    pub dispatcher: Arc<Dispatcher>,
    /// The tables.
    pub store: Arc<dyn Store>,
    /// The time.
    pub clock: Arc<dyn Clock>,
}
