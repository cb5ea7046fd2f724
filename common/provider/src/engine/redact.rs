//! Keeps secrets out of what vendors quote of the requests they got.

use cloud_sync_core::credentials::Credentials;
use secrecy::{ExposeSecret, SecretString};

use super::params::encode;

/// The secrets of an account's requests.
#[derive(Default)]
pub(crate) struct Secrets(Vec<SecretString>);

impl Secrets {
    /// Returns those of credentials.
    pub(crate) fn of(credentials: &Credentials) -> Self {
        let mut secrets = Self::default();
        secrets.add(credentials);
        secrets
    }

    /// Adds those of further credentials.
    pub(crate) fn add(&mut self, credentials: &Credentials) {
        self.0.extend(credentials.security_token.clone());
        self.0.push(credentials.access_key_secret.clone());
    }

    /// Tells whether those of some credentials are among them.
    pub(crate) fn contain(&self, credentials: &Credentials) -> bool {
        let wanted = credentials.access_key_secret.expose_secret();
        self.0.iter().any(|secret| secret.expose_secret() == wanted)
    }

    /// Returns a text without them.
    pub(crate) fn redacted(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for secret in &self.0 {
            let secret = secret.expose_secret();
            // What quotes the request it got has it as it was sent, and what
            // quotes the text it signed has it encoded once more.
            let sent = encode(secret);
            let signed = encode(&sent);
            for form in [secret, &sent, &signed].into_iter().filter(|form| !form.is_empty()) {
                text = text.replace(form, "***");
            }
        }
        text
    }
}
