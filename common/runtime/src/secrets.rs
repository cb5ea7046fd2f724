//! Credentials of vendor accounts: from the environment or from AWS Secrets
//! Manager. Errors never hold a part of them.

use std::collections::HashMap;
use std::env::{self, VarError};
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::error::{ProvideErrorMetadata, SdkError};
use cloud_sync_core::account::CredentialsRef;
use cloud_sync_core::credentials::Credentials;
use cloud_sync_core::error::ErrorClass;
use secrecy::{ExposeSecret, SecretString};
use serde_json::error::Category;
use thiserror::Error;
use tokio::time::Instant;

use crate::aws::explain;
use crate::own_credentials::OwnCredentials;

/// How long a secret is remembered.
const SECRET_TTL: Duration = Duration::from_secs(300);

/// The largest secret that is read: the limit of Secrets Manager itself.
const MOST_SECRET_BYTES: usize = 64 * 1024;

/// Credentials cannot be had.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum CredentialError {
    /// An environment variable is not set, or holds nothing.
    #[error(
        "environment variable {name} is not set or empty; the account's credentials belong there"
    )]
    MissingVariable {
        /// Its name.
        name: String,
    },
    /// An environment variable is set to something that is no text.
    #[error("environment variable {name} is not valid UTF-8")]
    UnreadableVariable {
        /// Its name.
        name: String,
    },
    /// The credentials are in a secret, and there is no way to read one.
    #[error(
        "secret {secret} cannot be read: this run has no access to AWS; configure it, or use \
         credentials = {{ env = \"PREFIX\" }}"
    )]
    NoSecretsManager {
        /// The secret's name or ARN.
        secret: String,
    },
    /// The process's own credentials are wanted, and it has none.
    #[error(
        "this process has no credentials of AWS of its own: {reason}; run it with a role, \
         configure the AWS CLI, or use credentials = {{ env = \"PREFIX\" }}"
    )]
    NoOwn {
        /// Where they were looked for.
        reason: String,
    },
    /// What hands out the process's own credentials does not answer.
    #[error("this process's own credentials of AWS cannot be had for now: {reason}")]
    OwnUnavailable {
        /// What happened.
        reason: String,
    },
    /// Secrets Manager is busy or out of reach: it may answer later.
    #[error("secret {secret} cannot be read for now: {reason}")]
    Unavailable {
        /// The secret's name or ARN.
        secret: String,
        /// What happened.
        reason: String,
    },
    /// Secrets Manager does not hand out the secret.
    #[error("secret {secret} cannot be read: {reason}")]
    Refused {
        /// The secret's name or ARN.
        secret: String,
        /// What it answered.
        reason: String,
    },
    /// The secret does not hold credentials.
    #[error(
        "secret {secret} {problem}: expected a JSON object with the texts access_key_id, \
         access_key_secret and, optionally, security_token"
    )]
    Malformed {
        /// The secret's name or ARN.
        secret: String,
        /// What is wrong with it.
        problem: String,
    },
    /// A [`FixedCredentials`] was not given any for this reference.
    #[error("no credentials are known for {reference}")]
    Unknown {
        /// What was asked for.
        reference: String,
    },
}

impl CredentialError {
    /// Returns what kind of error it is, as far as handling it goes.
    #[must_use]
    pub const fn class(&self) -> ErrorClass {
        match self {
            Self::Unavailable { .. } | Self::OwnUnavailable { .. } => ErrorClass::Network,
            Self::MissingVariable { .. }
            | Self::NoOwn { .. }
            | Self::UnreadableVariable { .. }
            | Self::NoSecretsManager { .. }
            | Self::Refused { .. }
            | Self::Malformed { .. }
            | Self::Unknown { .. } => ErrorClass::Auth,
        }
    }
}

/// Hands out credentials.
#[async_trait]
pub trait CredentialSource: Send + Sync {
    /// Returns the credentials behind a reference, which may be minutes old.
    async fn credentials(&self, reference: &CredentialsRef)
    -> Result<Credentials, CredentialError>;

    /// Makes the next call read anew: a vendor refused what was remembered.
    async fn forget(&self, reference: &CredentialsRef);
}

/// Reads an environment variable.
type ReadVariable = Box<dyn Fn(&str) -> Result<String, VarError> + Send + Sync>;

/// Credentials from the environment and, in AWS, from Secrets Manager and the
/// process's own role.
pub struct EnvAndSecretsManager {
    read: ReadVariable,
    client: Option<Client>,
    own: Option<OwnCredentials>,
    remembered: Mutex<HashMap<String, (Instant, Credentials)>>,
}

impl fmt::Debug for EnvAndSecretsManager {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EnvAndSecretsManager").field("client", &self.client).finish_non_exhaustive()
    }
}

impl EnvAndSecretsManager {
    /// Returns a source for a function in AWS.
    #[must_use]
    pub fn connect(sdk: &aws_config::SdkConfig) -> Self {
        let own = sdk.credentials_provider().map(OwnCredentials::new);
        Self { own, ..Self::new(Some(Client::new(sdk))) }
    }

    /// Returns a source; without a client, references to secrets are errors.
    #[must_use]
    pub fn new(client: Option<Client>) -> Self {
        Self::with(Box::new(|name| env::var(name)), client)
    }

    fn with(read: ReadVariable, client: Option<Client>) -> Self {
        Self { read, client, own: None, remembered: Mutex::default() }
    }

    fn in_env(&self, prefix: &str) -> Result<Credentials, CredentialError> {
        let needed = |suffix: &str| {
            let name = format!("{prefix}_{suffix}");
            self.variable(&name)?.ok_or(CredentialError::MissingVariable { name })
        };
        Ok(Credentials {
            access_key_id: needed("ACCESS_KEY_ID")?,
            access_key_secret: SecretString::from(needed("ACCESS_KEY_SECRET")?),
            security_token: self
                .variable(&format!("{prefix}_SECURITY_TOKEN"))?
                .map(SecretString::from),
        })
    }

    /// Returns a variable's value, if it has one: what sets variables often
    /// cannot leave one out, and leaves it empty.
    fn variable(&self, name: &str) -> Result<Option<String>, CredentialError> {
        match (self.read)(name) {
            Ok(value) => Ok(Some(value.trim().to_owned()).filter(|value| !value.is_empty())),
            Err(VarError::NotPresent) => Ok(None),
            Err(VarError::NotUnicode(_)) => {
                Err(CredentialError::UnreadableVariable { name: name.to_owned() })
            }
        }
    }

    async fn in_secret(&self, secret: &str) -> Result<Credentials, CredentialError> {
        if let Some((until, credentials)) = self.remembered().get(secret)
            && Instant::now() < *until
        {
            return Ok(credentials.clone());
        }
        let Some(client) = &self.client else {
            return Err(CredentialError::NoSecretsManager { secret: secret.to_owned() });
        };
        let answer = client.get_secret_value().secret_id(secret).send().await;
        let answer = answer.map_err(|error| not_read(secret, &error))?;
        let text = SecretString::from(answer.secret_string.unwrap_or_default());
        let credentials = parse_credentials(secret, &text)?;
        let now = Instant::now();
        let mut remembered = self.remembered();
        remembered.retain(|_, (until, _)| now < *until);
        remembered.insert(secret.to_owned(), (now + SECRET_TTL, credentials.clone()));
        Ok(credentials)
    }

    fn remembered(&self) -> MutexGuard<'_, HashMap<String, (Instant, Credentials)>> {
        self.remembered.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl CredentialSource for EnvAndSecretsManager {
    async fn credentials(
        &self,
        reference: &CredentialsRef,
    ) -> Result<Credentials, CredentialError> {
        match reference {
            CredentialsRef::Env(prefix) => self.in_env(prefix),
            CredentialsRef::SecretArn(secret) => self.in_secret(secret).await,
            CredentialsRef::Own => match &self.own {
                Some(own) => own.get().await,
                None => {
                    let reason = "it was started without access to AWS".to_owned();
                    Err(CredentialError::NoOwn { reason })
                }
            },
        }
    }

    async fn forget(&self, reference: &CredentialsRef) {
        match reference {
            CredentialsRef::Env(_) => {}
            CredentialsRef::SecretArn(secret) => {
                self.remembered().remove(secret);
            }
            CredentialsRef::Own => self.own.iter().for_each(OwnCredentials::forget),
        }
    }
}

fn not_read<E>(secret: &str, error: &SdkError<E>) -> CredentialError
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    let secret = secret.to_owned();
    let reason = explain(error);
    // A service that is down answers with a server's status; one that is busy,
    // with its code. Without any answer, the next request may get one.
    let is_final = error.as_service_error().is_some_and(|answer| {
        let status = error.raw_response().map_or(0, |response| response.status().as_u16());
        status < 500 && answer.code() != Some("ThrottlingException")
    });
    if is_final {
        CredentialError::Refused { secret, reason }
    } else {
        CredentialError::Unavailable { secret, reason }
    }
}

/// Reads a secret's text. What is wrong is said by position and kind: the
/// parser's own words may quote the secret.
///
/// # Errors
///
/// The text does not hold credentials; `secret` is what the error calls it.
pub fn parse_credentials(
    secret: &str,
    text: &SecretString,
) -> Result<Credentials, CredentialError> {
    let malformed =
        |problem: String| CredentialError::Malformed { secret: secret.to_owned(), problem };
    let text = text.expose_secret();
    if text.is_empty() {
        return Err(malformed("holds no text".to_owned()));
    }
    if text.len() > MOST_SECRET_BYTES {
        return Err(malformed(format!("is larger than {MOST_SECRET_BYTES} bytes")));
    }
    let credentials: Credentials = serde_json::from_str(text).map_err(|error| {
        malformed(match error.classify() {
            Category::Data => "has members that are missing, unknown or not texts".to_owned(),
            Category::Io | Category::Syntax | Category::Eof => {
                format!("is not JSON (line {}, column {})", error.line(), error.column())
            }
        })
    })?;
    if credentials.access_key_id.is_empty()
        || credentials.access_key_secret.expose_secret().is_empty()
    {
        return Err(malformed("has an empty access_key_id or access_key_secret".to_owned()));
    }
    Ok(credentials)
}

/// Hands out the credentials it was given, for tests and simulations.
#[derive(Debug, Default)]
pub struct FixedCredentials {
    known: Mutex<Vec<(CredentialsRef, Credentials)>>,
    default: Option<Credentials>,
}

impl FixedCredentials {
    /// Returns a source with the same credentials for every reference.
    #[must_use]
    pub fn for_all(credentials: Credentials) -> Self {
        Self { known: Mutex::default(), default: Some(credentials) }
    }

    /// Sets the credentials behind a reference.
    pub fn set(&self, reference: &CredentialsRef, credentials: Credentials) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|(other, _)| other != reference);
        known.push((reference.clone(), credentials));
    }
}

#[async_trait]
impl CredentialSource for FixedCredentials {
    async fn credentials(
        &self,
        reference: &CredentialsRef,
    ) -> Result<Credentials, CredentialError> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let found = known.iter().find(|(other, _)| other == reference);
        let found = found.map(|(_, credentials)| credentials).or(self.default.as_ref());
        found
            .cloned()
            .ok_or_else(|| CredentialError::Unknown { reference: format!("{reference:?}") })
    }

    async fn forget(&self, _: &CredentialsRef) {}
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use aws_sdk_secretsmanager::config::retry::RetryConfig;
    use aws_sdk_secretsmanager::config::{BehaviorVersion, Credentials as SdkCredentials, Region};
    use serde_json::json;
    use wiremock::matchers::any;
    use wiremock::{Mock, MockServer, ResponseTemplate};

    use super::*;

    const GOOD: &str = r#"{"access_key_id":"id","access_key_secret":"canary"}"#;

    fn env(variables: &'static [(&'static str, &'static str)]) -> EnvAndSecretsManager {
        let read = |name: &str| {
            let found = variables.iter().find(|(other, _)| *other == name);
            match found {
                Some((_, "not UTF-8")) => Err(VarError::NotUnicode(OsString::from("canary"))),
                Some((_, value)) => Ok((*value).to_owned()),
                None => Err(VarError::NotPresent),
            }
        };
        EnvAndSecretsManager::with(Box::new(read), None)
    }

    async fn of_prod(source: &EnvAndSecretsManager) -> Result<Credentials, CredentialError> {
        source.credentials(&CredentialsRef::Env("PROD".to_owned())).await
    }

    #[tokio::test]
    async fn credentials_are_read_from_the_environment() {
        let source = env(&[
            ("PROD_ACCESS_KEY_ID", "id"),
            ("PROD_ACCESS_KEY_SECRET", "secret\n"),
            ("PROD_SECURITY_TOKEN", "token"),
        ]);
        let credentials = of_prod(&source).await.unwrap();
        assert_eq!(credentials.access_key_id, "id");
        assert_eq!(credentials.access_key_secret.expose_secret(), "secret");
        assert_eq!(credentials.security_token.unwrap().expose_secret(), "token");
    }

    #[tokio::test]
    async fn an_empty_token_is_none() {
        let source = env(&[
            ("PROD_ACCESS_KEY_ID", "id"),
            ("PROD_ACCESS_KEY_SECRET", "secret"),
            ("PROD_SECURITY_TOKEN", ""),
        ]);
        assert!(of_prod(&source).await.unwrap().security_token.is_none());
    }

    #[tokio::test]
    async fn the_missing_variable_is_named() {
        for (source, expected) in [
            (env(&[("PROD_ACCESS_KEY_SECRET", "canary")]), "PROD_ACCESS_KEY_ID is not set"),
            (env(&[("PROD_ACCESS_KEY_ID", "id")]), "PROD_ACCESS_KEY_SECRET is not set"),
            (
                env(&[("PROD_ACCESS_KEY_ID", " "), ("PROD_ACCESS_KEY_SECRET", "canary")]),
                "PROD_ACCESS_KEY_ID is not set or empty",
            ),
            (env(&[("PROD_ACCESS_KEY_ID", "not UTF-8")]), "PROD_ACCESS_KEY_ID is not valid UTF-8"),
        ] {
            let error = of_prod(&source).await.unwrap_err();
            assert!(error.to_string().contains(expected), "{error}");
            assert!(!format!("{error:?}").contains("canary"));
            assert_eq!(error.class(), ErrorClass::Auth);
        }
    }

    fn reference() -> CredentialsRef {
        CredentialsRef::SecretArn("prod/aliyun".to_owned())
    }

    async fn answering(status: u16, body: serde_json::Value) -> (MockServer, EnvAndSecretsManager) {
        let server = MockServer::start().await;
        Mock::given(any())
            .respond_with(ResponseTemplate::new(status).set_body_json(body))
            .mount(&server)
            .await;
        let source = source_at(&server.uri());
        (server, source)
    }

    fn source_at(url: &str) -> EnvAndSecretsManager {
        let config = aws_sdk_secretsmanager::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("eu-west-1"))
            .endpoint_url(url)
            .retry_config(RetryConfig::disabled())
            .credentials_provider(SdkCredentials::new("test", "test", None, None, "test"))
            .build();
        EnvAndSecretsManager::new(Some(Client::from_conf(config)))
    }

    fn secret(text: &str) -> serde_json::Value {
        json!({"ARN": "arn", "Name": "prod/aliyun", "SecretString": text})
    }

    async fn requests(server: &MockServer) -> usize {
        server.received_requests().await.unwrap().len()
    }

    #[tokio::test]
    async fn a_secret_is_remembered_for_a_while() {
        let (server, source) = answering(200, secret(GOOD)).await;
        let first = source.credentials(&reference()).await.unwrap();
        assert_eq!(first.access_key_secret.expose_secret(), "canary");
        source.credentials(&reference()).await.unwrap();
        assert_eq!(requests(&server).await, 1);
        tokio::time::pause();
        tokio::time::advance(SECRET_TTL + Duration::from_secs(1)).await;
        tokio::time::resume();
        source.credentials(&reference()).await.unwrap();
        assert_eq!(requests(&server).await, 2);
    }

    #[tokio::test]
    async fn a_forgotten_secret_is_read_anew() {
        let (server, source) = answering(200, secret(GOOD)).await;
        source.credentials(&reference()).await.unwrap();
        source.forget(&reference()).await;
        source.credentials(&reference()).await.unwrap();
        assert_eq!(requests(&server).await, 2);
    }

    #[tokio::test]
    async fn what_is_wrong_with_a_secret_is_said_without_showing_it() {
        for (text, expected) in [
            ("canary", "prod/aliyun is not JSON (line 1, column 1)"),
            (r#"{"access_key_id":"id","access_key_secret":"canary""#, "is not JSON (line 1"),
            (r#""canary""#, "members that are missing, unknown or not texts"),
            (r#"{"access_key_id":"canary"}"#, "members that are missing"),
            (r#"{"access_key_id":"id","access_key_secret":"s","canary":1}"#, "members that are"),
            (r#"{"access_key_id":"","access_key_secret":"canary"}"#, "has an empty access_key_id"),
            ("", "holds no text"),
        ] {
            let (_server, source) = answering(200, secret(text)).await;
            let error = source.credentials(&reference()).await.unwrap_err();
            assert!(error.to_string().contains(expected), "{text}: {error}");
            assert!(!format!("{error} {error:?}").contains("canary"), "{error:?}");
            assert_eq!(error.class(), ErrorClass::Auth);
        }
    }

    #[tokio::test]
    async fn a_refusal_is_told_from_a_service_that_is_down() {
        for (status, code, class) in [
            (400, "ResourceNotFoundException", ErrorClass::Auth),
            (400, "AccessDeniedException", ErrorClass::Auth),
            (400, "ThrottlingException", ErrorClass::Network),
            (500, "InternalServiceError", ErrorClass::Network),
            (503, "ServiceUnavailable", ErrorClass::Network),
        ] {
            let (_server, source) =
                answering(status, json!({"__type": code, "message": "said so"})).await;
            let error = source.credentials(&reference()).await.unwrap_err();
            assert_eq!(error.class(), class, "{error}");
            assert!(error.to_string().contains(code), "{error}");
        }
    }

    #[tokio::test]
    async fn a_service_out_of_reach_may_answer_later() {
        // Nobody listens on a port that was just let go.
        let address = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap();
        let source = source_at(&format!("http://{address}"));
        let error = source.credentials(&reference()).await.unwrap_err();
        assert_eq!(error.class(), ErrorClass::Network, "{error}");
    }

    #[tokio::test]
    async fn without_aws_a_secret_is_a_clear_error() {
        let error = env(&[]).credentials(&reference()).await.unwrap_err();
        assert!(error.to_string().contains("no access to AWS"), "{error}");
    }

    #[tokio::test]
    async fn fixed_credentials_are_by_reference() {
        let known = |id: &str| Credentials {
            access_key_id: id.into(),
            access_key_secret: "canary".to_owned().into(),
            security_token: None,
        };
        let source = FixedCredentials::default();
        assert!(source.credentials(&reference()).await.is_err());
        source.set(&reference(), known("one"));
        source.set(&reference(), known("two"));
        assert_eq!(source.credentials(&reference()).await.unwrap().access_key_id, "two");
        let for_all = FixedCredentials::for_all(known("all"));
        assert_eq!(for_all.credentials(&reference()).await.unwrap().access_key_id, "all");
    }
}
