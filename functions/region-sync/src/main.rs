//! The region-sync function.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use aws_lambda_events::event::sqs::SqsEvent;
use cloud_sync_provider::Registry;
use cloud_sync_runtime::wiring::Wiring;
use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use region_sync::{RegionSync, Settings, TypeCache, event};

#[tokio::main]
async fn main() -> Result<(), Error> {
    cloud_sync_runtime::telemetry::init_lambda();
    let parts = Wiring::from_env().await?;
    let work = &parts.work.clone();
    let sync = &RegionSync {
        store: parts.store,
        work: parts.work,
        results: parts.results,
        vendors: Arc::new(Registry::new()?),
        credentials: parts.credentials,
        notifier: parts.notifier,
        metrics: parts.metrics,
        clock: parts.clock,
        settings: Settings::default(),
        types: TypeCache::default(),
        busy: AtomicU64::default(),
    };
    run(service_fn(async |event: LambdaEvent<SqsEvent>| {
        let (event, context) = event.into_parts();
        let deadline = event::deadline(context.deadline, sync.clock.now());
        let request_id = &context.request_id;
        Ok::<_, Error>(event::handle(sync, work.as_ref(), event, request_id, deadline).await)
    }))
    .await
}
