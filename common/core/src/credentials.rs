//! Credentials of a vendor account, which never show in a log.

use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use thiserror::Error;

/// An access key, and the token that goes with it where it is temporary.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Credentials {
    /// The key's id.
    pub access_key_id: String,
    /// The key's secret.
    pub access_key_secret: SecretString,
    /// The token of temporary credentials.
    #[serde(default)]
    pub security_token: Option<SecretString>,
}

/// A key or token has so many bytes at most: tokens of temporary credentials
/// have a thousand or two.
pub const LONGEST_PART: usize = 8192;

/// A part of credentials that no request can carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("{part} {reason}")]
pub struct UnusablePart {
    /// The part's name, as in a secret.
    pub part: &'static str,
    /// What is wrong with it, without showing it: "is empty".
    pub reason: &'static str,
}

/// Returns why no request can carry a key or a token, if so.
#[must_use]
pub fn why_unusable(text: &str) -> Option<&'static str> {
    if text.is_empty() {
        return Some("is empty");
    }
    if text.len() > LONGEST_PART {
        return Some("is longer than any key");
    }
    let is_sendable = text.bytes().all(|byte| byte.is_ascii_graphic());
    (!is_sendable).then_some("has a blank, a line break or another sign in it that no key has")
}

impl Credentials {
    /// Checks that requests can carry all parts.
    ///
    /// # Errors
    ///
    /// The first part that none can carry.
    pub fn check(&self) -> Result<(), UnusablePart> {
        let token = self.security_token.as_ref();
        let parts = [
            ("access_key_id", Some(self.access_key_id.as_str())),
            ("access_key_secret", Some(self.access_key_secret.expose_secret())),
            ("security_token", token.map(|token| token.expose_secret())),
        ];
        for (part, text) in parts {
            if let Some(reason) = text.and_then(why_unusable) {
                return Err(UnusablePart { part, reason });
            }
        }
        Ok(())
    }

    /// Returns a digest that tells these credentials, and what they are used
    /// for, from others, and nothing else about them.
    #[must_use]
    pub fn digest<'a>(&self, uses: impl IntoIterator<Item = &'a str>) -> String {
        let token = self.security_token.as_ref().map_or("", |token| token.expose_secret());
        let mut digest = Sha256::new()
            .chain_update(b"cloud-sync credentials digest\0")
            .chain_update(&self.access_key_id)
            .chain_update([0])
            .chain_update(self.access_key_secret.expose_secret())
            .chain_update([0])
            .chain_update(token);
        for part in uses {
            digest.update([0]);
            digest.update(part);
        }
        let digest = digest.finalize();
        digest[..8].iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn credentials(secret: &str) -> Credentials {
        Credentials {
            access_key_id: "id".into(),
            access_key_secret: secret.to_owned().into(),
            security_token: None,
        }
    }

    #[test]
    fn what_no_request_can_carry_is_told_by_its_name() {
        let with_token = |token: &str| Credentials {
            security_token: Some(token.to_owned().into()),
            ..credentials("s+/=")
        };
        let wrong = |credentials: Credentials| credentials.check().unwrap_err().to_string();
        assert_eq!(with_token("t").check(), Ok(()));
        assert_eq!(credentials("s+/=").check(), Ok(()));
        assert_eq!(wrong(credentials("")), "access_key_secret is empty");
        for text in ["two words", "line\n", "t\u{e4}g", "nul\0"] {
            let problem = wrong(with_token(text));
            assert!(problem.starts_with("security_token has a blank"), "{problem}");
        }
        let problem = wrong(with_token(&"x".repeat(LONGEST_PART + 1)));
        assert_eq!(problem, "security_token is longer than any key");
        assert_eq!(with_token(&"x".repeat(LONGEST_PART)).check(), Ok(()));
        let no_id = Credentials { access_key_id: String::new(), ..credentials("s") };
        assert_eq!(wrong(no_id), "access_key_id is empty");
    }

    #[test]
    fn a_digest_tells_secrets_apart_and_shows_none() {
        let digest = |secret: &str, uses: &[&str]| credentials(secret).digest(uses.to_vec());
        assert_ne!(digest("canary", &[]), digest("other", &[]));
        assert_ne!(digest("canary", &["role"]), digest("canary", &[]));
        assert_ne!(digest("canary", &["role", ""]), digest("canary", &["", "role"]));
        assert!(!format!("{:?}", credentials("canary")).contains("canary"));
    }
}
