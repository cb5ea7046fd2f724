//! Requests that are carried out once, however often they are sent.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::message::SyncRequest;

/// So long a request that comes again is known.
pub const KNOWN_FOR: SignedDuration = SignedDuration::from_hours(24);

/// What is remembered of a request, under the key that its sender gave it.
///
/// Its trigger makes it the same request again: tasks' ids follow from that.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownRequest {
    /// A hash of the sender's key.
    pub key: String,
    /// A hash of what was asked for.
    pub digest: String,
    /// Tells it from every other request.
    pub trigger_id: String,
    /// When it came first.
    pub at: Timestamp,
}

impl KnownRequest {
    /// Returns what is to be remembered of a request that comes now.
    #[must_use]
    pub fn new(key: &str, request: &SyncRequest, trigger_id: String, at: Timestamp) -> Self {
        // A request has a JSON form, the same for the same request.
        let digest = hash(&serde_json::to_vec(request).unwrap_or_default());
        Self { key: hash(key.as_bytes()), digest, trigger_id, at }
    }

    /// Returns when it is forgotten.
    #[must_use]
    pub fn expires_at(&self) -> Timestamp {
        self.at.saturating_add(KNOWN_FOR).unwrap_or(Timestamp::MAX)
    }
}

fn hash(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_differ_by_what_they_ask_for_and_not_by_when() {
        let request = SyncRequest::default();
        let other = SyncRequest { regions: vec!["r1".into()], ..SyncRequest::default() };
        let at = Timestamp::UNIX_EPOCH;
        let first = KnownRequest::new("k", &request, "a".into(), at);
        let again = KnownRequest::new("k", &request, "b".into(), at + KNOWN_FOR);
        let changed = KnownRequest::new("k", &other, "c".into(), at);
        assert_eq!((&first.key, &first.digest), (&again.key, &again.digest));
        assert_eq!(first.key, changed.key);
        assert_ne!(first.digest, changed.digest);
        assert_eq!(first.expires_at(), again.at);
        assert!(!first.key.contains('k'), "keys are kept as hashes");
    }
}
