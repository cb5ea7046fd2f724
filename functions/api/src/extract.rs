//! What is taken out of requests. Each refusal is a problem document that
//! names the field.

use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use cloud_sync_core::scope::is_key_word;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde::{Deserialize, Serialize};
use serde_json::error::Category;
use utoipa::IntoParams;
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{ObjectBuilder, Type};

use crate::Problem;

/// A body in JSON, of a request or of an answer.
pub(crate) struct Json<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        if !is_json(request.headers()) {
            return Err(Problem::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "the body has to be JSON, sent with content-type: application/json",
            ));
        }
        let bytes = Bytes::from_request(request, state)
            .await
            .map_err(|rejection| Problem::new(rejection.status(), rejection.body_text()))?;
        from_json(&bytes).map(Self)
    }
}

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        axum::Json(self.0).into_response()
    }
}

/// Tells whether a request says that its body is JSON.
fn is_json(headers: &HeaderMap) -> bool {
    let Some(value) = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok())
    else {
        return false;
    };
    let media_type = value.split(';').next().unwrap_or_default().trim();
    media_type.eq_ignore_ascii_case("application/json")
}

/// Reads a body, which has to be an object: a list would be taken for the
/// values of its fields.
pub(crate) fn from_json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    if !bytes.trim_ascii_start().starts_with(b"{") {
        return Err(match serde_json::from_slice::<IgnoredAny>(bytes) {
            Ok(_) => Problem::field("body", "expected an object"),
            Err(error) => not_json(&error),
        });
    }
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let path = error.path().to_string();
        let error = error.into_inner();
        match error.classify() {
            Category::Data => {
                Problem::field(if path == "." { "body" } else { &path }, error.to_string())
            }
            _ => not_json(&error),
        }
    })?;
    reader.end().map_err(|error| not_json(&error))?;
    Ok(value)
}

fn not_json(error: &serde_json::Error) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, format!("the body is not JSON: {error}"))
}

/// The parameters of a request. A list's values are given by repeating its
/// name.
pub(crate) struct Query<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let text = parts.uri.query().unwrap_or_default();
        let pairs = serde_html_form::Deserializer::from_bytes(text.as_bytes());
        serde_path_to_error::deserialize(pairs).map(Self).map_err(|error| {
            let path = error.path().to_string();
            let field = if path == "." { "query" } else { &path };
            Problem::field(field, error.into_inner().to_string())
        })
    }
}

/// The parameters of a path.
pub(crate) struct Path<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Path<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let path = axum::extract::Path::from_request_parts(parts, state).await;
        path.map(|path| Self(path.0)).map_err(|rejection| {
            Problem::field("path", rejection.body_text()).with_status(rejection.status())
        })
    }
}

/// A word that may become part of a key: an account's id or a region.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct KeyWord(String);

impl KeyWord {
    /// Returns the word.
    pub(crate) fn into_inner(self) -> String {
        self.0
    }
}

impl TryFrom<String> for KeyWord {
    type Error = String;

    fn try_from(word: String) -> Result<Self, String> {
        let reason = "expected 1 to 64 letters, digits, '-', '_' or '.'";
        if is_key_word(&word) { Ok(Self(word)) } else { Err(reason.to_owned()) }
    }
}

/// What makes two requests one, where the sender gave it.
pub(crate) struct IdempotencyKey(Option<String>);

impl IdempotencyKey {
    /// The header's name.
    pub(crate) const HEADER: &str = "Idempotency-Key";

    /// Returns the key.
    pub(crate) fn get(&self) -> Option<&str> {
        self.0.as_deref()
    }
}

impl<S: Send + Sync> FromRequestParts<S> for IdempotencyKey {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let Some(value) = parts.headers.get(Self::HEADER) else { return Ok(Self(None)) };
        let is_visible = |text: &&str| text.bytes().all(|byte| byte.is_ascii_graphic());
        let text = value.to_str().ok().filter(is_visible);
        match text.filter(|text| (1..=255).contains(&text.len())) {
            Some(text) => Ok(Self(Some(text.to_owned()))),
            None => Err(Problem::field(Self::HEADER, "expected 1 to 255 visible characters")),
        }
    }
}

impl IntoParams for IdempotencyKey {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let schema = ObjectBuilder::new().schema_type(Type::String);
        let schema = schema.min_length(Some(1)).max_length(Some(255)).pattern(Some("^[!-~]+$"));
        let description = "The same key with the same body is the same request, for 24 hours";
        let parameter =
            ParameterBuilder::new().name(Self::HEADER).parameter_in(ParameterIn::Header);
        vec![parameter.description(Some(description)).schema(Some(schema)).build()]
    }
}
