//! Credentials of vendor accounts: from the environment or from AWS Secrets
//! Manager. Errors never hold a part of them. The secrets that events are
//! sent with are in the same places.

pub mod write;

use std::collections::HashMap;
use std::env::{self, VarError};
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::error::{ProvideErrorMetadata, SdkError};
use cloud_sync_core::account::{CredentialsRef, HookRef};
use cloud_sync_core::credentials::{Credentials, why_unusable};
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

/// A secret of events has at least so many bytes: it is all that stands before
/// a route that anybody can reach.
const SHORTEST_TOKEN: usize = 16;

/// A secret of events has at most so many bytes: it has to fit a header.
const LONGEST_TOKEN: usize = 1024;

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
    /// An environment variable holds what no request can carry.
    #[error("environment variable {name} {reason}; set it anew")]
    GarbledVariable {
        /// Its name.
        name: String,
        /// What is wrong with it.
        reason: &'static str,
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
    /// What is to be the secret of an account's events is no such secret.
    #[error(
        "{place} holds no secret for events: expected {SHORTEST_TOKEN} to {LONGEST_TOKEN} bytes of \
         text, made at random"
    )]
    NoToken {
        /// The variable, or the secret's name or ARN.
        place: String,
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
            | Self::GarbledVariable { .. }
            | Self::NoSecretsManager { .. }
            | Self::Refused { .. }
            | Self::Malformed { .. }
            | Self::NoToken { .. }
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

    /// Returns the secret that an account's events are sent with, which may
    /// be minutes old.
    async fn hook_token(&self, reference: &HookRef) -> Result<SecretString, CredentialError>;
}

/// Reads an environment variable.
type ReadVariable = Box<dyn Fn(&str) -> Result<String, VarError> + Send + Sync>;

/// Credentials from the environment and, in AWS, from Secrets Manager and the
/// process's own role.
pub struct EnvAndSecretsManager {
    read: ReadVariable,
    client: Option<Client>,
    own: Option<OwnCredentials>,
    remembered: Mutex<HashMap<String, (Instant, SecretString)>>,
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
            self.key(&name)?.ok_or(CredentialError::MissingVariable { name })
        };
        Ok(Credentials {
            access_key_id: needed("ACCESS_KEY_ID")?,
            access_key_secret: SecretString::from(needed("ACCESS_KEY_SECRET")?),
            security_token: self.key(&format!("{prefix}_SECURITY_TOKEN"))?.map(SecretString::from),
        })
    }

    /// Returns a variable's value, if it has one, which requests are to carry.
    fn key(&self, name: &str) -> Result<Option<String>, CredentialError> {
        let value = self.variable(name)?;
        match value.as_deref().and_then(why_unusable) {
            Some(reason) => Err(CredentialError::GarbledVariable { name: name.to_owned(), reason }),
            None => Ok(value),
        }
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

    /// Reads a secret and remembers it, where it can be read.
    async fn in_secret<T>(
        &self,
        secret: &str,
        parse: impl Fn(&str, &SecretString) -> Result<T, CredentialError>,
    ) -> Result<T, CredentialError> {
        let known = self.remembered().get(secret).cloned();
        if let Some((_, text)) = known.filter(|(until, _)| Instant::now() < *until) {
            return parse(secret, &text);
        }
        let Some(client) = &self.client else {
            return Err(CredentialError::NoSecretsManager { secret: secret.to_owned() });
        };
        let answer = client.get_secret_value().secret_id(secret).send().await;
        let answer = answer.map_err(|error| not_read(secret, &error))?;
        let text = SecretString::from(answer.secret_string.unwrap_or_default());
        let parsed = parse(secret, &text)?;
        let now = Instant::now();
        let mut remembered = self.remembered();
        remembered.retain(|_, (until, _)| now < *until);
        remembered.insert(secret.to_owned(), (now + SECRET_TTL, text));
        Ok(parsed)
    }

    fn remembered(&self) -> MutexGuard<'_, HashMap<String, (Instant, SecretString)>> {
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
            CredentialsRef::SecretArn(secret) => self.in_secret(secret, parse_credentials).await,
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

    async fn hook_token(&self, reference: &HookRef) -> Result<SecretString, CredentialError> {
        match reference {
            HookRef::Env(name) => {
                let found = self.variable(name)?.map(SecretString::from);
                let missing = || CredentialError::MissingVariable { name: name.clone() };
                parse_token(&format!("environment variable {name}"), &found.ok_or_else(missing)?)
            }
            HookRef::SecretArn(secret) => self.in_secret(secret, parse_token).await,
        }
    }
}

/// Reads the secret of an account's events: the whole text.
fn parse_token(place: &str, text: &SecretString) -> Result<SecretString, CredentialError> {
    let token = text.expose_secret().trim();
    if (SHORTEST_TOKEN..=LONGEST_TOKEN).contains(&token.len()) {
        return Ok(SecretString::from(token));
    }
    Err(CredentialError::NoToken { place: place.to_owned() })
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
    let mut credentials: Credentials = serde_json::from_str(text).map_err(|error| {
        malformed(match error.classify() {
            Category::Data => "has members that are missing, unknown or not texts".to_owned(),
            Category::Io | Category::Syntax | Category::Eof => {
                format!("is not JSON (line {}, column {})", error.line(), error.column())
            }
        })
    })?;
    // What writes secrets often cannot leave one out.
    credentials.security_token.take_if(|token| token.expose_secret().is_empty());
    match credentials.check() {
        Ok(()) => Ok(credentials),
        Err(unusable) => Err(malformed(format!("is of no use: its {unusable}"))),
    }
}

/// Hands out the credentials it was given, for tests and simulations.
#[derive(Debug, Default)]
pub struct FixedCredentials {
    known: Mutex<Vec<(CredentialsRef, Credentials)>>,
    tokens: Mutex<Vec<(HookRef, SecretString)>>,
    default: Option<Credentials>,
}

impl FixedCredentials {
    /// Returns a source with the same credentials for every reference.
    #[must_use]
    pub fn for_all(credentials: Credentials) -> Self {
        Self { default: Some(credentials), ..Self::default() }
    }

    /// Sets the credentials behind a reference.
    pub fn set(&self, reference: &CredentialsRef, credentials: Credentials) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|(other, _)| other != reference);
        known.push((reference.clone(), credentials));
    }

    /// Forgets the credentials behind a reference.
    pub fn unset(&self, reference: &CredentialsRef) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|(other, _)| other != reference);
    }

    /// Sets the secret behind a reference that events are sent with.
    pub fn set_token(&self, reference: &HookRef, token: &str) {
        let mut tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        tokens.retain(|(other, _)| other != reference);
        tokens.push((reference.clone(), SecretString::from(token)));
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

    async fn hook_token(&self, reference: &HookRef) -> Result<SecretString, CredentialError> {
        let tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        let found = tokens.iter().find(|(other, _)| other == reference);
        found
            .map(|(_, token)| token.clone())
            .ok_or_else(|| CredentialError::Unknown { reference: format!("{reference:?}") })
    }
}

#[cfg(test)]
mod tests;
