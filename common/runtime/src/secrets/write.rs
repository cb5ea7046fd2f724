//! Writing credentials of vendor accounts where only the service reads them.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::error::{ProvideErrorMetadata, SdkError};
use cloud_sync_core::account::CredentialsRef;
use cloud_sync_core::credentials::Credentials;
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;
use thiserror::Error;

use super::FixedCredentials;
use crate::aws::explain;

/// A secret that was removed can be had back for so many days.
const DAYS_OF_GRACE: i64 = 7;

/// A secret could not be written.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("secret {secret} cannot be written: {reason}")]
pub struct NotWritten {
    /// The secret's name.
    pub secret: String,
    /// What happened, for a person.
    pub reason: String,
}

/// Keeps the credentials of accounts. What it keeps it does not tell.
#[async_trait]
pub trait SecretWriter: Send + Sync {
    /// Writes an account's credentials in the place of any before, and returns
    /// where they are.
    async fn write(
        &self,
        account_id: &str,
        credentials: &Credentials,
    ) -> Result<CredentialsRef, NotWritten>;
    /// Removes the credentials that were written for an account, if any were.
    async fn remove(&self, account_id: &str) -> Result<(), NotWritten>;
}

/// Keeps credentials in AWS Secrets Manager.
pub struct SecretsManager {
    client: Client,
    prefix: String,
}

impl fmt::Debug for SecretsManager {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecretsManager").field("prefix", &self.prefix).finish_non_exhaustive()
    }
}

impl SecretsManager {
    /// Returns a keeper of secrets whose names begin with `prefix`.
    #[must_use]
    pub fn new(client: Client, prefix: &str) -> Self {
        Self { client, prefix: prefix.to_owned() }
    }

    fn name(&self, account_id: &str) -> String {
        format!("{}accounts/{account_id}", self.prefix)
    }

    /// Writes a new version of a secret; `None` where there is none.
    async fn put(&self, name: &str, text: &SecretString) -> Result<Option<String>, NotWritten> {
        let request = self.client.put_secret_value().secret_id(name);
        match request.secret_string(text.expose_secret()).send().await {
            Ok(answer) => Ok(answer.arn),
            Err(error) if is(&error, "ResourceNotFoundException") => Ok(None),
            Err(error) => Err(not_written(name, &error)),
        }
    }
}

fn is<E: ProvideErrorMetadata>(error: &SdkError<E>, code: &str) -> bool {
    error.as_service_error().and_then(ProvideErrorMetadata::code) == Some(code)
}

fn not_written<E>(name: &str, error: &SdkError<E>) -> NotWritten
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    NotWritten { secret: name.to_owned(), reason: explain(error) }
}

fn text_of(credentials: &Credentials) -> SecretString {
    let token = credentials.security_token.as_ref().map(ExposeSecret::expose_secret);
    let mut text = json!({
        "access_key_id": credentials.access_key_id,
        "access_key_secret": credentials.access_key_secret.expose_secret(),
    });
    if let Some(token) = token {
        text["security_token"] = json!(token);
    }
    SecretString::from(text.to_string())
}

#[async_trait]
impl SecretWriter for SecretsManager {
    async fn write(
        &self,
        account_id: &str,
        credentials: &Credentials,
    ) -> Result<CredentialsRef, NotWritten> {
        let (name, text) = (self.name(account_id), text_of(credentials));
        let request = self.client.create_secret().name(&name);
        let created = request.secret_string(text.expose_secret()).send().await;
        let arn = match created {
            Ok(answer) => answer.arn,
            Err(error) if is(&error, "ResourceExistsException") => self.put(&name, &text).await?,
            // One that was removed lately is still there, and takes nothing.
            Err(error) if is(&error, "InvalidRequestException") => {
                let restored = self.client.restore_secret().secret_id(&name).send().await;
                restored.map_err(|error| not_written(&name, &error))?;
                self.put(&name, &text).await?
            }
            Err(error) => return Err(not_written(&name, &error)),
        };
        arn.map(CredentialsRef::SecretArn).ok_or_else(|| NotWritten {
            secret: name,
            reason: "the service did not say where it is; trying again is right".to_owned(),
        })
    }

    async fn remove(&self, account_id: &str) -> Result<(), NotWritten> {
        let name = self.name(account_id);
        let request = self.client.delete_secret().secret_id(&name);
        match request.recovery_window_in_days(DAYS_OF_GRACE).send().await {
            Ok(_) => Ok(()),
            Err(error)
                if is(&error, "ResourceNotFoundException")
                    || is(&error, "InvalidRequestException") =>
            {
                Ok(())
            }
            Err(error) => Err(not_written(&name, &error)),
        }
    }
}

/// Keeps credentials where a [`FixedCredentials`] hands them out, for tests.
#[derive(Debug)]
pub struct FixedSecrets(pub Arc<FixedCredentials>);

impl FixedSecrets {
    fn reference(account_id: &str) -> CredentialsRef {
        CredentialsRef::SecretArn(format!("arn:fixed:accounts/{account_id}"))
    }
}

#[async_trait]
impl SecretWriter for FixedSecrets {
    async fn write(
        &self,
        account_id: &str,
        credentials: &Credentials,
    ) -> Result<CredentialsRef, NotWritten> {
        let reference = Self::reference(account_id);
        self.0.set(&reference, credentials.clone());
        Ok(reference)
    }

    async fn remove(&self, account_id: &str) -> Result<(), NotWritten> {
        self.0.unset(&Self::reference(account_id));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use aws_sdk_secretsmanager::config::retry::RetryConfig;
    use aws_sdk_secretsmanager::config::{BehaviorVersion, Credentials as SdkCredentials, Region};
    use wiremock::matchers::any;
    use wiremock::{Mock, MockServer, Request, ResponseTemplate};

    use super::*;

    fn credentials() -> Credentials {
        Credentials {
            access_key_id: "id".to_owned(),
            access_key_secret: "canary".to_owned().into(),
            security_token: None,
        }
    }

    /// Answers one request after another, by what each answer says.
    async fn answering(answers: Vec<(u16, serde_json::Value)>) -> (MockServer, SecretsManager) {
        let server = MockServer::start().await;
        let left = Mutex::new(answers.into_iter());
        let answer = move |_: &Request| {
            let (status, body) = left.lock().unwrap().next().unwrap();
            ResponseTemplate::new(status).set_body_json(body)
        };
        Mock::given(any()).respond_with(answer).mount(&server).await;
        let config = aws_sdk_secretsmanager::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("eu-west-1"))
            .endpoint_url(server.uri())
            .retry_config(RetryConfig::disabled())
            .credentials_provider(SdkCredentials::new("test", "test", None, None, "test"))
            .build();
        let keeper = SecretsManager::new(Client::from_conf(config), "sync/");
        (server, keeper)
    }

    async fn asked(server: &MockServer) -> Vec<String> {
        let requests = server.received_requests().await.unwrap();
        let target =
            |request: &Request| request.headers["x-amz-target"].to_str().unwrap().to_owned();
        requests.iter().map(|one| target(one).replace("secretsmanager.", "")).collect()
    }

    fn refusal(code: &str) -> (u16, serde_json::Value) {
        (400, json!({ "__type": code, "message": "said so" }))
    }

    fn arn() -> (u16, serde_json::Value) {
        (200, json!({ "ARN": "arn:secret", "Name": "sync/accounts/prod" }))
    }

    #[tokio::test]
    async fn credentials_are_written_where_they_can_be_read_again() {
        let (server, keeper) = answering(vec![arn()]).await;
        let reference = keeper.write("prod", &credentials()).await.unwrap();
        assert_eq!(reference, CredentialsRef::SecretArn("arn:secret".to_owned()));
        let request = &server.received_requests().await.unwrap()[0];
        let body: serde_json::Value = request.body_json().unwrap();
        assert_eq!(body["Name"], "sync/accounts/prod");
        let text = SecretString::from(body["SecretString"].as_str().unwrap());
        let read = super::super::parse_credentials("x", &text).unwrap();
        assert_eq!(read.digest([]), credentials().digest([]));
    }

    #[tokio::test]
    async fn a_secret_that_exists_gets_a_new_version() {
        let (server, keeper) = answering(vec![refusal("ResourceExistsException"), arn()]).await;
        keeper.write("prod", &credentials()).await.unwrap();
        assert_eq!(asked(&server).await, ["CreateSecret", "PutSecretValue"]);
    }

    #[tokio::test]
    async fn a_secret_that_was_removed_comes_back() {
        let answers = vec![refusal("InvalidRequestException"), arn(), arn()];
        let (server, keeper) = answering(answers).await;
        keeper.write("prod", &credentials()).await.unwrap();
        assert_eq!(asked(&server).await, ["CreateSecret", "RestoreSecret", "PutSecretValue"]);
    }

    #[tokio::test]
    async fn an_error_names_the_secret_and_does_not_show_it() {
        let (_server, keeper) = answering(vec![refusal("AccessDeniedException")]).await;
        let error = keeper.write("prod", &credentials()).await.unwrap_err();
        let text = format!("{error} {error:?} {keeper:?}");
        assert!(text.contains("sync/accounts/prod") && text.contains("AccessDenied"), "{text}");
        assert!(!text.contains("canary"), "{text}");
    }

    #[tokio::test]
    async fn removing_what_is_not_there_is_no_error() {
        let (_server, keeper) = answering(vec![
            arn(),
            refusal("ResourceNotFoundException"),
            refusal("InvalidRequestException"),
            refusal("AccessDeniedException"),
        ])
        .await;
        for _ in 0..3 {
            keeper.remove("prod").await.unwrap();
        }
        assert!(keeper.remove("prod").await.is_err());
    }
}
