//! Builds everything a function works with, from its environment.

use std::sync::Arc;

use aws_config::{BehaviorVersion, SdkConfig};

use crate::clock::{Clock, SystemClock};
use crate::config::{ConfigError, FunctionConfig};
use crate::metrics::{EmfSink, MetricSink};
use crate::notify::{LogNotifier, Notifier, SnsNotifier};
use crate::queue::Queue;
use crate::queue::sqs::SqsQueue;
use crate::secrets::write::{SecretWriter, SecretsManager};
use crate::secrets::{CredentialSource, EnvAndSecretsManager};
use crate::store::Store;
use crate::store::dynamo::DynamoStore;

/// What a function works with, each part behind its port. Built once a
/// process: connections are kept between invocations.
pub struct Wiring {
    /// The tables.
    pub store: Arc<dyn Store>,
    /// The work queue.
    pub work: Arc<dyn Queue>,
    /// The results queue.
    pub results: Arc<dyn Queue>,
    /// Where credentials are.
    pub credentials: Arc<dyn CredentialSource>,
    /// Where credentials are kept that somebody hands in, where they may be.
    pub secrets: Option<Arc<dyn SecretWriter>>,
    /// Who is told.
    pub notifier: Arc<dyn Notifier>,
    /// Where metrics go.
    pub metrics: Arc<dyn MetricSink>,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

impl Wiring {
    /// Builds the parts from the function's environment.
    ///
    /// # Errors
    ///
    /// Names the variable that is missing or wrong.
    pub async fn from_env() -> Result<Self, ConfigError> {
        let config = FunctionConfig::from_env()?;
        let sdk = aws_config::load_defaults(BehaviorVersion::latest()).await;
        let queue = |url: &str| Arc::new(SqsQueue::new(aws_sdk_sqs::Client::new(&sdk), url));
        Ok(Self {
            store: Arc::new(DynamoStore::connect(&sdk, &config.table_prefix)),
            work: queue(&config.work_queue_url),
            results: queue(&config.results_queue_url),
            credentials: Arc::new(EnvAndSecretsManager::connect(&sdk)),
            secrets: config.secrets_prefix.as_deref().map(|prefix| {
                let client = aws_sdk_secretsmanager::Client::new(&sdk);
                Arc::new(SecretsManager::new(client, prefix)) as Arc<dyn SecretWriter>
            }),
            notifier: notifier(&config, &sdk),
            metrics: Arc::new(EmfSink::stdout(&config.metrics_namespace)),
            clock: Arc::new(SystemClock),
        })
    }
}

/// Returns who is told: the configured topic, or else the log.
#[must_use]
pub fn notifier(config: &FunctionConfig, sdk: &SdkConfig) -> Arc<dyn Notifier> {
    match &config.notify_topic_arn {
        Some(topic) => Arc::new(SnsNotifier::new(aws_sdk_sns::Client::new(sdk), topic)),
        None => Arc::new(LogNotifier),
    }
}
