//! Credentials of a vendor account, which never show in a log.

use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use sha2::{Digest, Sha256};

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

impl Credentials {
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
    fn a_digest_tells_secrets_apart_and_shows_none() {
        let digest = |secret: &str, uses: &[&str]| credentials(secret).digest(uses.to_vec());
        assert_ne!(digest("canary", &[]), digest("other", &[]));
        assert_ne!(digest("canary", &["role"]), digest("canary", &[]));
        assert_ne!(digest("canary", &["role", ""]), digest("canary", &["", "role"]));
        assert!(!format!("{:?}", credentials("canary")).contains("canary"));
    }
}
