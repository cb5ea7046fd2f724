//! DynamoDB to test against: embedded, or wherever an address points.

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_dynamodb::config::{Credentials, SharedCredentialsProvider};
use dynoxide::Database;

/// Starts a DynamoDB with nothing in it, which lives as long as the test's
/// runtime, and returns how to reach it.
///
/// # Panics
///
/// It cannot be started: the test cannot run.
pub async fn embedded_dynamodb() -> SdkConfig {
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
    let address = listener.local_addr().expect("a bound address");
    let database = Database::memory().expect("a database in memory");
    tokio::spawn(dynoxide::server::serve_on(listener, database));
    dynamodb_at(&format!("http://{address}"))
}

/// Returns how to reach the DynamoDB at a URL, one that checks no signatures.
#[must_use]
pub fn dynamodb_at(url: &str) -> SdkConfig {
    let credentials = Credentials::new("test", "test", None, None, "test");
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("eu-west-1"))
        .endpoint_url(url)
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .build()
}
