//! Errors as RFC 9457 problem documents.

use axum::Json;
use axum::extract::rejection::{JsonRejection, PathRejection};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use cloud_sync_dispatch::DispatchError;
use cloud_sync_runtime::store::StoreError;
use serde::Serialize;

/// A problem document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// The HTTP status.
    pub status: u16,
    /// The kind of problem, in few words.
    pub title: &'static str,
    /// What is wrong with this request, and what to do.
    pub detail: String,
    /// The field of the request that is wrong, where it is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
}

impl Problem {
    /// Returns a problem with a request as a whole.
    pub fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self {
            status: status.as_u16(),
            title: status.canonical_reason().unwrap_or("Error"),
            detail: detail.into(),
            field: None,
        }
    }

    /// Returns a problem that hides its cause, which is logged instead.
    fn internal(error: &dyn std::error::Error) -> Self {
        tracing::error!(error = %error, "the request failed");
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "the service could not do this now; trying again is right",
        )
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, Json(self)).into_response();
        let json = HeaderValue::from_static("application/problem+json");
        response.headers_mut().insert(header::CONTENT_TYPE, json);
        response
    }
}

impl From<DispatchError> for Problem {
    fn from(error: DispatchError) -> Self {
        match error {
            DispatchError::Invalid(invalid) => Self {
                field: Some(invalid.field.to_owned()),
                ..Self::new(StatusCode::UNPROCESSABLE_ENTITY, invalid.reason)
            },
            error => Self::internal(&error),
        }
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        Self::internal(&error)
    }
}

impl From<JsonRejection> for Problem {
    fn from(rejection: JsonRejection) -> Self {
        Self::new(rejection.status(), rejection.body_text())
    }
}

impl From<PathRejection> for Problem {
    fn from(rejection: PathRejection) -> Self {
        Self::new(rejection.status(), rejection.body_text())
    }
}
