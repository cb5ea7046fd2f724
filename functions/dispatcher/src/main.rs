//! The dispatcher function.

use cloud_sync_dispatch::Dispatcher;
use cloud_sync_provider::Registry;
use cloud_sync_runtime::wiring::Wiring;
use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use serde_json::Value;

#[tokio::main]
async fn main() -> Result<(), Error> {
    cloud_sync_runtime::telemetry::init_lambda();
    let parts = Wiring::from_env().await?;
    let dispatcher = &Dispatcher {
        store: parts.store,
        work: parts.work,
        results: parts.results,
        vendors: std::sync::Arc::new(Registry::new()?),
        credentials: parts.credentials,
        notifier: parts.notifier,
        clock: parts.clock,
    };
    run(service_fn(async |event: LambdaEvent<Value>| {
        dispatcher::event::handle(dispatcher, event.payload).await.map_err(Error::from)
    }))
    .await
}
