//! The api function: on-demand runs and queries over HTTP. The same router
//! serves behind API Gateway and on one machine.

mod access;
mod document;
mod extract;
mod filters;
mod gateway;
mod log;
mod page;
mod panics;
mod problem;
mod routes;
mod surface;

use std::sync::Arc;

use cloud_sync_dispatch::Dispatcher;
use cloud_sync_provider::Vendors;
use cloud_sync_runtime::clock::Clock;
use cloud_sync_runtime::metrics::{MetricSink, NoMetrics};
use cloud_sync_runtime::secrets::CredentialSource;
use cloud_sync_runtime::secrets::write::SecretWriter;
use cloud_sync_runtime::store::Store;
use tokio::sync::Semaphore;

pub use access::Access;
pub use gateway::OPEN_ROUTES;
pub use problem::{FieldError, Problem, ProblemType};
pub use routes::{openapi, router};

/// So many requests may wait at a time for something to happen. A function has
/// one request at a time, and its concurrency is the limit.
const MOST_WAITS: usize = 100;

/// What the API works with.
#[derive(Clone)]
pub struct Api {
    /// Starts tasks.
    pub dispatcher: Arc<Dispatcher>,
    /// The tables.
    pub store: Arc<dyn Store>,
    /// The vendors.
    pub vendors: Arc<dyn Vendors>,
    /// Where credentials are.
    pub credentials: Arc<dyn CredentialSource>,
    /// Where credentials are kept that somebody hands in, where they may be.
    pub secrets: Option<Arc<dyn SecretWriter>>,
    /// Where metrics go.
    pub metrics: Arc<dyn MetricSink>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Who may call.
    pub access: Arc<Access>,
    /// How many more requests may wait for something to happen.
    pub waits: Arc<Semaphore>,
}

impl Api {
    /// Returns the API over what a dispatcher works with. It keeps no
    /// credentials, and its metrics go nowhere.
    #[must_use]
    pub fn new(dispatcher: Arc<Dispatcher>, access: Access) -> Self {
        Self {
            store: dispatcher.store.clone(),
            vendors: dispatcher.vendors.clone(),
            credentials: dispatcher.credentials.clone(),
            secrets: None,
            metrics: Arc::new(NoMetrics),
            clock: dispatcher.clock.clone(),
            access: Arc::new(access),
            waits: Arc::new(Semaphore::new(MOST_WAITS)),
            dispatcher,
        }
    }
}
