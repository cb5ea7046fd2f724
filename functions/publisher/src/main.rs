//! The publisher function.

use aws_config::BehaviorVersion;
use aws_lambda_events::event::dynamodb::Event;
use cloud_sync_runtime::config::{ConfigError, FunctionConfig};
use cloud_sync_runtime::wiring::notifier;
use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use publisher::Publisher;
use publisher::bus::Bus;

#[tokio::main]
async fn main() -> Result<(), Error> {
    cloud_sync_runtime::telemetry::init_lambda();
    let config = FunctionConfig::from_env()?;
    let Some(bus) = &config.event_bus_name else {
        let problem = "is not set or empty: set it to the bus that changes are told of on";
        return Err(ConfigError { name: "EVENT_BUS_NAME", problem: problem.to_owned() }.into());
    };
    let sdk = aws_config::load_defaults(BehaviorVersion::latest()).await;
    let bus = Bus::new(aws_sdk_eventbridge::Client::new(&sdk), bus);
    let publisher = &Publisher::new(bus, notifier(&config, &sdk));
    run(service_fn(async |event: LambdaEvent<Event>| {
        Ok::<_, Error>(publisher::event::handle(publisher, event.payload).await)
    }))
    .await
}
