//! The finalizer function.

use aws_lambda_events::event::sqs::SqsEvent;
use cloud_sync_runtime::wiring::Wiring;
use finalizer::Finalizer;
use lambda_runtime::{Error, LambdaEvent, run, service_fn};

#[tokio::main]
async fn main() -> Result<(), Error> {
    cloud_sync_runtime::telemetry::init_lambda();
    let parts = Wiring::from_env().await?;
    let finalizer = &Finalizer {
        store: parts.store,
        notifier: parts.notifier,
        metrics: parts.metrics,
        clock: parts.clock,
    };
    run(service_fn(async |event: LambdaEvent<SqsEvent>| {
        Ok::<_, Error>(finalizer::event::handle(finalizer, event.payload).await)
    }))
    .await
}
