//! Errors as RFC 9457 problem documents.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use cloud_sync_dispatch::DispatchError;
use cloud_sync_runtime::store::StoreError;
use serde::Serialize;
use utoipa::ToSchema;

/// The media type of problem documents.
pub(crate) const MEDIA_TYPE: &str = "application/problem+json";

/// After so many seconds it is worth trying again where there was too much to
/// do.
const RETRY_AFTER: u16 = 5;

/// At most so many characters of what a caller sent are shown back.
const MOST_SHOWN: usize = 300;

/// A problem document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Problem {
    /// The kind of problem.
    #[serde(rename = "type")]
    pub kind: ProblemType,
    /// The kind of problem, in few words.
    pub title: &'static str,
    /// The HTTP status.
    pub status: u16,
    /// What is wrong with this request, and what to do.
    pub detail: String,
    /// The fields of the request that are wrong, where it is about some.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    pub errors: Vec<FieldError>,
    /// The tasks that stand in the way, where it is about some.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    pub task_ids: Vec<String>,
    /// The accounts for which nothing could be done, where it is about some.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    pub problems: Vec<cloud_sync_dispatch::Problem>,
}

/// The kinds of problems that a program can tell apart, as URIs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub enum ProblemType {
    /// The status says it all.
    #[serde(rename = "about:blank")]
    Blank,
    /// Tasks that are open do already what was asked for; `task_ids` has them.
    #[serde(rename = "urn:cloud-sync:problem:already-running")]
    AlreadyRunning,
    /// The idempotency key was used for another request.
    #[serde(rename = "urn:cloud-sync:problem:idempotency-key-reused")]
    KeyReused,
}

/// A field of a request that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct FieldError {
    /// The parameter, header or path into the body: `account_ids[0]`.
    pub field: String,
    /// What is wrong with it.
    pub reason: String,
}

impl Problem {
    /// Returns a problem with a request as a whole.
    pub fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self {
            kind: ProblemType::Blank,
            title: status.canonical_reason().unwrap_or("Error"),
            status: status.as_u16(),
            detail: detail.into(),
            errors: Vec::new(),
            task_ids: Vec::new(),
            problems: Vec::new(),
        }
    }

    /// Returns a problem with one field of a request, which can be read and
    /// makes no sense.
    pub fn field(field: impl Into<String>, reason: impl Into<String>) -> Self {
        let (field, reason) = (field.into(), shown(&reason.into()));
        let detail = format!("{field}: {reason}");
        Self {
            errors: vec![FieldError { field, reason }],
            ..Self::new(StatusCode::UNPROCESSABLE_ENTITY, detail)
        }
    }

    /// Returns the same problem under another status.
    #[must_use]
    pub fn with_status(self, status: StatusCode) -> Self {
        let title = status.canonical_reason().unwrap_or("Error");
        Self { title, status: status.as_u16(), ..self }
    }

    /// Returns that there is no such thing: a task, a resource.
    pub(crate) fn not_found(what: &str, name: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, format!("there is no {what} '{}'", shown(name)))
    }

    /// Returns what a vendor, or the way to it, refused.
    pub(crate) fn of_accounts(problems: Vec<cloud_sync_dispatch::Problem>) -> Self {
        let detail = "nothing could be done for any account; `problems` says why";
        Self { problems, ..Self::new(StatusCode::BAD_GATEWAY, detail) }
    }

    /// Returns a problem that hides its cause, which is logged instead.
    pub(crate) fn internal(error: &dyn std::error::Error) -> Self {
        tracing::error!(error = %error, "the request failed");
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "the service could not do this now; trying again is right",
        )
    }
}

/// Cuts a text that may hold what a caller sent.
fn shown(text: &str) -> String {
    text.char_indices()
        .nth(MOST_SHOWN)
        .map_or_else(|| text.to_owned(), |(end, _)| format!("{}…", &text[..end]))
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, Json(self)).into_response();
        let media_type = HeaderValue::from_static(MEDIA_TYPE);
        response.headers_mut().insert(header::CONTENT_TYPE, media_type);
        if status == StatusCode::TOO_MANY_REQUESTS {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(RETRY_AFTER));
        }
        response
    }
}

impl From<DispatchError> for Problem {
    fn from(error: DispatchError) -> Self {
        match error {
            DispatchError::Invalid(invalid) => Self::field(invalid.field, invalid.reason),
            error => Self::internal(&error),
        }
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        Self::internal(&error)
    }
}
