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
use uuid::Uuid;

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
    /// Writes an account's credentials to a place of their own, beside any
    /// before, and returns where they are.
    async fn write(
        &self,
        account_id: &str,
        credentials: &Credentials,
    ) -> Result<CredentialsRef, NotWritten>;
    /// Removes credentials that were written for this account. Any others
    /// stay, such as those that somebody keeps and the account only names.
    async fn remove(&self, account_id: &str, place: &CredentialsRef) -> Result<(), NotWritten>;
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

    /// Returns what the names of an account's secrets begin with.
    fn name(&self, account_id: &str) -> String {
        format!("{}accounts/{account_id}", self.prefix)
    }

    /// Tells whether a secret was written for an account. Its ARN ends with
    /// its name and six characters more.
    fn is_of(&self, account_id: &str, arn: &str) -> bool {
        let name = arn.rsplit(':').next().unwrap_or_default();
        let is_end = |end: &str| end.len() == 6 && end.bytes().all(|b| b.is_ascii_alphanumeric());
        let parts = name.rsplit_once('-').filter(|(_, end)| is_end(end));
        let name = parts.map_or(name, |(name, _)| name);
        let rest = name.strip_prefix(&self.name(account_id));
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
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
        let name = format!("{}/{}", self.name(account_id), Uuid::new_v4().simple());
        let request = self.client.create_secret().name(&name);
        let created = request.secret_string(text_of(credentials).expose_secret()).send().await;
        let arn = created.map_err(|error| not_written(&name, &error))?.arn;
        arn.map(CredentialsRef::SecretArn).ok_or_else(|| NotWritten {
            secret: name,
            reason: "the service did not say where it is; trying again is right".to_owned(),
        })
    }

    async fn remove(&self, account_id: &str, place: &CredentialsRef) -> Result<(), NotWritten> {
        let CredentialsRef::SecretArn(arn) = place else { return Ok(()) };
        if !self.is_of(account_id, arn) {
            return Ok(());
        }
        let request = self.client.delete_secret().secret_id(arn);
        match request.recovery_window_in_days(DAYS_OF_GRACE).send().await {
            Ok(_) => Ok(()),
            Err(error)
                if is(&error, "ResourceNotFoundException")
                    || is(&error, "InvalidRequestException") =>
            {
                Ok(())
            }
            Err(error) => Err(not_written(arn, &error)),
        }
    }
}

/// Keeps credentials where a [`FixedCredentials`] hands them out, for tests.
#[derive(Debug)]
pub struct FixedSecrets(pub Arc<FixedCredentials>);

impl FixedSecrets {
    fn prefix(account_id: &str) -> String {
        format!("arn:fixed:accounts/{account_id}/")
    }
}

#[async_trait]
impl SecretWriter for FixedSecrets {
    async fn write(
        &self,
        account_id: &str,
        credentials: &Credentials,
    ) -> Result<CredentialsRef, NotWritten> {
        let arn = format!("{}{}", Self::prefix(account_id), Uuid::new_v4().simple());
        let reference = CredentialsRef::SecretArn(arn);
        self.0.set(&reference, credentials.clone());
        Ok(reference)
    }

    async fn remove(&self, account_id: &str, place: &CredentialsRef) -> Result<(), NotWritten> {
        if let CredentialsRef::SecretArn(arn) = place
            && arn.starts_with(&Self::prefix(account_id))
        {
            self.0.unset(place);
        }
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

    const ARN: &str =
        "arn:aws:secretsmanager:eu-west-1:123456789012:secret:sync/accounts/prod/0f-a1B2c3";

    fn arn() -> (u16, serde_json::Value) {
        (200, json!({ "ARN": ARN, "Name": "sync/accounts/prod/0f" }))
    }

    fn place(arn: &str) -> CredentialsRef {
        CredentialsRef::SecretArn(arn.to_owned())
    }

    #[tokio::test]
    async fn credentials_are_written_where_they_can_be_read_again() {
        let (server, keeper) = answering(vec![arn()]).await;
        let reference = keeper.write("prod", &credentials()).await.unwrap();
        assert_eq!(reference, place(ARN));
        let request = &server.received_requests().await.unwrap()[0];
        let body: serde_json::Value = request.body_json().unwrap();
        assert!(body["Name"].as_str().unwrap().starts_with("sync/accounts/prod/"), "{body}");
        let text = SecretString::from(body["SecretString"].as_str().unwrap());
        let read = super::super::parse_credentials("x", &text).unwrap();
        assert_eq!(read.digest([]), credentials().digest([]));
    }

    #[tokio::test]
    async fn credentials_are_never_written_over_others() {
        let (server, keeper) = answering(vec![arn(), arn()]).await;
        for _ in 0..2 {
            keeper.write("prod", &credentials()).await.unwrap();
        }
        assert_eq!(asked(&server).await, ["CreateSecret", "CreateSecret"]);
        let requests = server.received_requests().await.unwrap();
        let name = |n: usize| requests[n].body_json::<serde_json::Value>().unwrap()["Name"].clone();
        assert_ne!(name(0), name(1));
    }

    #[tokio::test]
    async fn only_what_was_written_for_the_account_is_removed() {
        let (server, keeper) = answering(vec![arn(), arn()]).await;
        keeper.remove("prod", &place(ARN)).await.unwrap();
        // As it was named before each write had a place of its own.
        keeper.remove("prod", &place(&ARN.replace("/0f", ""))).await.unwrap();
        for other in [
            place(&ARN.replace("prod", "prod-2")),
            place(&ARN.replace("accounts/prod/0f", "prod")),
            place(&ARN.replace("sync/", "another/")),
            place("sync/accounts/other"),
            place("sync/accounts/prod-2"),
            CredentialsRef::Env("PROD".to_owned()),
            CredentialsRef::Own,
        ] {
            keeper.remove("prod", &other).await.unwrap();
        }
        assert_eq!(asked(&server).await, ["DeleteSecret", "DeleteSecret"]);
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
            keeper.remove("prod", &place(ARN)).await.unwrap();
        }
        let error = keeper.remove("prod", &place(ARN)).await.unwrap_err();
        assert!(error.to_string().contains(ARN), "{error}");
    }
}
