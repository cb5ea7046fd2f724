//! The api function.

use std::sync::Arc;

use api::{Access, Api};
use cloud_sync_dispatch::Dispatcher;
use cloud_sync_provider::Registry;
use cloud_sync_runtime::wiring::Wiring;
use lambda_http::{Error, run};

#[tokio::main]
async fn main() -> Result<(), Error> {
    cloud_sync_runtime::telemetry::init_lambda();
    let parts = Wiring::from_env().await?;
    let dispatcher = Arc::new(Dispatcher {
        store: parts.store,
        work: parts.work,
        results: parts.results,
        vendors: Arc::new(Registry::new()?),
        credentials: parts.credentials,
        notifier: parts.notifier,
        clock: parts.clock,
    });
    run(api::router(Api::new(dispatcher, Access::Gateway))).await
}
