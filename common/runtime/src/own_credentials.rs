//! The credentials that this process itself has in AWS, for an account that is
//! synced with them.

use std::error::Error;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use cloud_sync_core::credentials::Credentials;
use tokio::time::Instant;

use crate::secrets::CredentialError;

/// So long they are remembered at most: a role's are renewed long before they
/// expire.
const TTL: Duration = Duration::from_secs(300);

/// So long before they expire they are no longer used.
const MARGIN: Duration = Duration::from_secs(60);

/// What hands them out, and what it last did.
pub(crate) struct OwnCredentials {
    provider: SharedCredentialsProvider,
    remembered: Mutex<Option<(Instant, Credentials)>>,
}

impl OwnCredentials {
    pub(crate) fn new(provider: SharedCredentialsProvider) -> Self {
        Self { provider, remembered: Mutex::default() }
    }

    /// Returns them, which may be minutes old, but are good for a while.
    pub(crate) async fn get(&self) -> Result<Credentials, CredentialError> {
        let remembered = self.remembered().clone();
        if let Some((until, credentials)) = remembered
            && Instant::now() < until
        {
            return Ok(credentials);
        }
        let given = self.provider.provide_credentials().await.map_err(|error| not_had(&error))?;
        let credentials = Credentials {
            access_key_id: given.access_key_id().to_owned(),
            access_key_secret: given.secret_access_key().to_owned().into(),
            security_token: given.session_token().map(|token| token.to_owned().into()),
        };
        let left = given.expiry().map_or(TTL, |expiry| {
            let left = expiry.duration_since(SystemTime::now()).unwrap_or_default();
            left.saturating_sub(MARGIN).min(TTL)
        });
        *self.remembered() = Some((Instant::now() + left, credentials.clone()));
        Ok(credentials)
    }

    /// Makes the next call ask anew.
    pub(crate) fn forget(&self) {
        *self.remembered() = None;
    }

    fn remembered(&self) -> MutexGuard<'_, Option<(Instant, Credentials)>> {
        self.remembered.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn not_had(error: &CredentialsError) -> CredentialError {
    let mut reason = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        reason.push_str(": ");
        reason.push_str(&error.to_string());
        cause = error.source();
    }
    match error {
        CredentialsError::CredentialsNotLoaded(_) | CredentialsError::InvalidConfiguration(_) => {
            CredentialError::NoOwn { reason }
        }
        _ => CredentialError::OwnUnavailable { reason },
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use aws_credential_types::Credentials as Given;
    use aws_credential_types::provider::Result;
    use aws_credential_types::provider::future::ProvideCredentials as Future;
    use cloud_sync_core::error::ErrorClass;
    use secrecy::ExposeSecret;

    use super::*;

    /// Hands out other credentials every time, good for so long.
    #[derive(Clone, Debug)]
    struct Renewing(Option<Duration>, Arc<AtomicUsize>);

    impl ProvideCredentials for Renewing {
        fn provide_credentials<'a>(&'a self) -> Future<'a>
        where
            Self: 'a,
        {
            let count = self.1.fetch_add(1, Ordering::Relaxed);
            let expiry = self.0.map(|left| SystemTime::now() + left);
            let token = Some("token".to_owned());
            Future::ready(Ok(Given::new(format!("id-{count}"), "canary", token, expiry, "test")))
        }
    }

    #[derive(Debug)]
    struct Refusing(fn() -> CredentialsError);

    impl ProvideCredentials for Refusing {
        fn provide_credentials<'a>(&'a self) -> Future<'a>
        where
            Self: 'a,
        {
            Future::ready(Result::Err(self.0()))
        }
    }

    fn renewing(left: Option<u64>) -> OwnCredentials {
        let provider = Renewing(left.map(Duration::from_secs), Arc::default());
        OwnCredentials::new(SharedCredentialsProvider::new(provider))
    }

    async fn id(own: &OwnCredentials) -> String {
        own.get().await.unwrap().access_key_id
    }

    #[tokio::test(start_paused = true)]
    async fn they_are_remembered_for_a_while_and_renewed() {
        let own = renewing(None);
        let first = own.get().await.unwrap();
        assert_eq!(first.access_key_secret.expose_secret(), "canary");
        assert_eq!(first.security_token.unwrap().expose_secret(), "token");
        assert_eq!(id(&own).await, "id-0");
        tokio::time::advance(TTL).await;
        assert_eq!(id(&own).await, "id-1");
        own.forget();
        assert_eq!(id(&own).await, "id-2");
    }

    #[tokio::test(start_paused = true)]
    async fn what_soon_expires_is_not_remembered() {
        let own = renewing(Some(59));
        assert_eq!((id(&own).await, id(&own).await), ("id-0".to_owned(), "id-1".to_owned()));
        let own = renewing(Some(100));
        assert_eq!((id(&own).await, id(&own).await), ("id-0".to_owned(), "id-0".to_owned()));
        tokio::time::advance(Duration::from_secs(41)).await;
        assert_eq!(id(&own).await, "id-1");
    }

    #[tokio::test]
    async fn having_none_is_told_from_not_getting_them_now() {
        let class = async |error| {
            let own = OwnCredentials::new(SharedCredentialsProvider::new(Refusing(error)));
            own.get().await.unwrap_err().class()
        };
        assert_eq!(class(|| CredentialsError::not_loaded("none")).await, ErrorClass::Auth);
        let busy = || CredentialsError::provider_timed_out(Duration::from_secs(1));
        assert_eq!(class(busy).await, ErrorClass::Network);
    }
}
