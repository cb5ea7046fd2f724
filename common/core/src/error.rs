//! Errors have a class, and the class decides what is done.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// What kind of thing went wrong, as far as handling it goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum ErrorClass {
    /// The request or its answer was lost, or the vendor is briefly down.
    Network,
    /// The vendor asks for fewer requests.
    Throttled,
    /// The vendor does not accept the credentials, or refuses the call.
    Auth,
    /// The vendor's answer cannot be read.
    Data,
    /// The vendor does not offer the service in this region, or it was never
    /// opened for this account.
    NotOffered,
    /// A bug or a broken invariant on our side.
    Internal,
}

/// What to do about an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Handling {
    /// Retry in place with exponential backoff and full jitter, a bounded
    /// number of times; then give the work back to be delivered again.
    Retry,
    /// Wait as long as the vendor says (or to the next minute edge); where
    /// that is too long, give the work back to be delivered later.
    Wait,
    /// Stop the task, suspend the account, notify once.
    StopAccount,
    /// Record it and go on.
    Record,
    /// There is nothing here: the region is done, without an error.
    SkipRegion,
    /// This region has failed; the others go on.
    FailRegion,
}

impl ErrorClass {
    /// Every class.
    pub const ALL: [Self; 6] =
        [Self::Network, Self::Throttled, Self::Auth, Self::Data, Self::NotOffered, Self::Internal];

    /// Returns what to do about an error of this class.
    #[must_use]
    pub const fn handling(self) -> Handling {
        match self {
            Self::Network => Handling::Retry,
            Self::Throttled => Handling::Wait,
            Self::Auth => Handling::StopAccount,
            Self::Data => Handling::Record,
            Self::NotOffered => Handling::SkipRegion,
            Self::Internal => Handling::FailRegion,
        }
    }

    /// Returns the name used in tables, metrics and messages.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Network => "network",
            Self::Throttled => "throttled",
            Self::Auth => "auth",
            Self::Data => "data",
            Self::NotOffered => "not_offered",
            Self::Internal => "internal",
        }
    }
}

/// A vendor call that did not succeed, after the engine's retries in place.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{api}: {code}: {message}")]
pub struct VendorError {
    /// What kind of error it is.
    pub class: ErrorClass,
    /// The vendor's API: `DescribeInstances`.
    pub api: String,
    /// The vendor's error code, or one of ours for what never reached it.
    pub code: String,
    /// For a person: what happened and, where known, what to do. Holds no
    /// secret.
    pub message: String,
    /// How long to wait before the next call, where that is known.
    pub retry_after: Option<Duration>,
    /// The vendor did not accept the page token: the walk starts again.
    pub token_rejected: bool,
}

impl VendorError {
    /// Returns an error without a known wait.
    pub fn new(
        class: ErrorClass,
        api: impl Into<String>,
        code: impl Into<String>,
        message: impl Into<String>,
    ) -> Self {
        Self {
            class,
            api: api.into(),
            code: code.into(),
            message: message.into(),
            retry_after: None,
            token_rejected: false,
        }
    }
}
