//! Whose credentials an account's are. With somebody else's, everything that
//! is stored would look gone.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// The code of the error that credentials are another account's.
pub const ANOTHER_ACCOUNT: &str = "AnotherAccount";

/// So long the same credentials are not asked about again.
const TTL: SignedDuration = SignedDuration::from_hours(24);

/// Who the vendor says is calling.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The vendor's number of the account.
    pub account_number: String,
    /// The vendor's name of the user or role.
    pub principal: String,
}

/// An identity as it is remembered with the account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct KnownIdentity {
    /// The vendor's number of the account whose resources are stored.
    pub account_number: String,
    /// The vendor's name of the user or role.
    pub principal: String,
    /// A digest of the credentials that were asked about.
    pub credentials_digest: String,
    /// When.
    pub checked_at: Timestamp,
}

/// Whether the vendor is to be asked who is calling.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Question {
    /// It is known.
    Settled,
    /// It is worth asking; without an answer things go on.
    Desired,
    /// These credentials were never asked about: without an answer nothing
    /// may be compared with what is stored.
    Required,
}

/// The credentials are another account's.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error(
    "the credentials are of the vendor's account {found}, and what is stored is of {known}; \
     nothing is synced, since all of it would look gone. Put the right credentials back, or, if \
     account '{account_id}' is to be {found} from now on, say `cloud-sync accounts resume \
     {account_id}`"
)]
pub struct AnotherAccount {
    /// The account's id in this service.
    pub account_id: String,
    /// The vendor's number that is remembered.
    pub known: String,
    /// The vendor's number that the credentials have.
    pub found: String,
}

impl KnownIdentity {
    /// Returns an identity as it is to be remembered.
    #[must_use]
    pub fn new(identity: Identity, credentials_digest: &str, now: Timestamp) -> Self {
        Self {
            account_number: identity.account_number,
            principal: identity.principal,
            credentials_digest: credentials_digest.to_owned(),
            checked_at: now,
        }
    }

    /// Tells whether the vendor is to be asked about credentials, given what
    /// is remembered of their account.
    #[must_use]
    pub fn question(known: Option<&Self>, credentials_digest: &str, now: Timestamp) -> Question {
        match known {
            None => Question::Desired,
            Some(known) if known.credentials_digest != credentials_digest => Question::Required,
            Some(known) if now.duration_since(known.checked_at) < TTL => Question::Settled,
            Some(_) => Question::Desired,
        }
    }

    /// Checks that an answer is of the account that is remembered.
    ///
    /// # Errors
    ///
    /// It is of another.
    pub fn check(&self, account_id: &str, found: &Identity) -> Result<(), AnotherAccount> {
        if self.account_number == found.account_number {
            return Ok(());
        }
        Err(AnotherAccount {
            account_id: account_id.to_owned(),
            known: self.account_number.clone(),
            found: found.account_number.clone(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(number: &str) -> Identity {
        Identity { account_number: number.into(), principal: "acs:ram::1:user/kim".into() }
    }

    fn known() -> KnownIdentity {
        KnownIdentity::new(identity("1"), "digest", Timestamp::UNIX_EPOCH)
    }

    #[test]
    fn the_same_credentials_are_asked_about_once_a_day() {
        let question = |digest, hours| {
            let now = Timestamp::UNIX_EPOCH + SignedDuration::from_hours(hours);
            KnownIdentity::question(Some(&known()), digest, now)
        };
        assert_eq!(question("digest", 23), Question::Settled);
        assert_eq!(question("digest", 24), Question::Desired);
        assert_eq!(question("another", 0), Question::Required);
        let first = KnownIdentity::question(None, "digest", Timestamp::UNIX_EPOCH);
        assert_eq!(first, Question::Desired);
    }

    #[test]
    fn another_account_is_told_with_both_numbers_and_what_to_do() {
        assert_eq!(known().check("prod", &identity("1")), Ok(()));
        let text = known().check("prod", &identity("2")).unwrap_err().to_string();
        assert!(text.contains("account 2") && text.contains("of 1"), "{text}");
        assert!(text.contains("accounts resume prod"), "{text}");
    }
}
