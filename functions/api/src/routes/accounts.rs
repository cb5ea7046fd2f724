//! The accounts.
//!
//! **Invariant**: no answer holds a secret. Credentials are taken and written
//! to where secrets are kept; of those only the place is ever shown.

mod view;

use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use cloud_sync_core::account::{Account, AccountRecord, CredentialsRef, InvalidAccount};
use cloud_sync_core::credentials::{Credentials, LONGEST_PART};
use cloud_sync_core::scope::is_key_word;
use cloud_sync_dispatch::verify::Verification;
use cloud_sync_runtime::secrets::write::NotWritten;
use serde::Deserialize;
use serde_json::{Map, Value};
use utoipa::{IntoParams, ToSchema};

use self::view::AccountView;
use crate::extract::{Json, Path, Query, from_json, from_value, is_json, media_type};
use crate::page::{Cursor, Limit, Page, Room};
use crate::surface::{Surface, put};
use crate::{Api, Problem};

/// The media type of merge patches (RFC 7396).
const MERGE_PATCH: &str = "application/merge-patch+json";

/// Where credentials are before those that came with a request are written.
const NOT_YET: &str = "not written yet";

/// Returns the group's routes.
pub(super) fn routes<S: Surface>(surface: S) -> S {
    let surface = put!(surface, accounts);
    let surface = put!(surface, account, put_account, patch_account, delete_account);
    let surface = put!(surface, verify);
    put!(surface, resume)
}

/// An account as it is written. Either `credentials` say where the credentials
/// are, or `secret` has them.
#[derive(ToSchema)]
#[allow(dead_code, reason = "it is read field by field, so that each error names its field")]
struct AccountInput {
    #[serde(flatten)]
    account: Account,
    /// Credentials to be kept in the place of any before. No answer shows
    /// them.
    #[schema(value_type = Option<SecretInput>, write_only)]
    secret: Option<SecretInput>,
}

/// What is to be another in an account's configuration, and `secret` for other
/// credentials.
#[derive(ToSchema)]
#[schema(value_type = Object)]
#[allow(dead_code, reason = "it describes what is merged as it is")]
struct AccountPatch(Map<String, Value>);

/// Credentials.
#[derive(ToSchema)]
#[allow(dead_code, reason = "it describes what is read as credentials")]
struct SecretInput {
    /// The key's id.
    #[schema(min_length = 1)]
    access_key_id: String,
    /// The key's secret.
    #[schema(min_length = 1, format = Password)]
    access_key_secret: String,
    /// The token of temporary credentials.
    #[schema(format = Password)]
    security_token: Option<String>,
}

/// Which accounts to list.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Listing {
    /// How many at most.
    #[serde(default)]
    #[param(value_type = Option<u16>, minimum = 1, maximum = 1000)]
    limit: Limit,
    /// Where to go on, from the page before.
    #[serde(default)]
    #[param(value_type = Option<String>)]
    cursor: Option<Cursor<String>>,
}

/// List accounts.
#[utoipa::path(
    get,
    path = "/accounts",
    tag = "accounts",
    params(Listing),
    responses((status = 200, description = "The accounts, by id", body = Page<AccountView>)),
)]
async fn accounts(
    State(api): State<Api>,
    Query(Listing { limit, cursor }): Query<Listing>,
) -> Result<Json<Page<AccountView>>, Problem> {
    let mut items = api.store.accounts().await?;
    if let Some(Cursor(after)) = cursor {
        items.retain(|record| record.account.id > after);
    }
    let found = items.len();
    items.truncate(limit.get());
    items.truncate(Room::default().count(&items));
    let last = items.last().filter(|_| items.len() < found);
    let cursor = last.map(|record| Cursor(record.account.id.clone()).text());
    Ok(Json(Page { items: items.into_iter().map(AccountView::from).collect(), cursor }))
}

/// Show an account.
#[utoipa::path(
    get,
    path = "/accounts/{id}",
    tag = "accounts",
    params(("id" = String, Path, description = "The account's id")),
    responses((
        status = 200, description = "The account", body = AccountView,
        headers(("ETag" = String, description = "Give it as If-Match to change just this")),
    )),
)]
async fn account(State(api): State<Api>, Path(id): Path<String>) -> Result<Response, Problem> {
    Ok(shown(StatusCode::OK, find(&api, &id).await?))
}

/// Create an account, or replace its configuration.
///
/// What was learnt of it stays. `If-None-Match: *` only creates, `If-Match`
/// only replaces what its `ETag` shows.
#[utoipa::path(
    put,
    path = "/accounts/{id}",
    tag = "accounts",
    params(
        ("id" = String, Path, description = "The account's id", max_length = 64,
         pattern = "^[A-Za-z0-9._-]+$"),
        ("If-Match" = Option<String>, Header, description = "The ETag of what is to be replaced"),
        ("If-None-Match" = Option<String>, Header, description = "`*`, not to replace anything"),
    ),
    request_body = AccountInput,
    responses(
        (
            status = 200, description = "Replaced", body = AccountView,
            headers(("ETag" = String, description = "Give it as If-Match to change just this")),
            links(
                ("read" = (operation_id = "account", parameters(("id" = "$request.path.id")))),
                ("change" = (operation_id = "patch_account", parameters(("id" = "$request.path.id")))),
                ("verify" = (operation_id = "verify", parameters(("id" = "$request.path.id")))),
                ("resume" = (operation_id = "resume", parameters(("id" = "$request.path.id")))),
                ("remove" = (operation_id = "delete_account", parameters(("id" = "$request.path.id")))),
            ),
        ),
        (
            status = 201, description = "Created", body = AccountView,
            headers(("ETag" = String, description = "Give it as If-Match to change just this")),
            links(
                ("read" = (operation_id = "account", parameters(("id" = "$request.path.id")))),
                ("change" = (operation_id = "patch_account", parameters(("id" = "$request.path.id")))),
                ("verify" = (operation_id = "verify", parameters(("id" = "$request.path.id")))),
                ("resume" = (operation_id = "resume", parameters(("id" = "$request.path.id")))),
                ("remove" = (operation_id = "delete_account", parameters(("id" = "$request.path.id")))),
            ),
        ),
        (status = 409, description = "Somebody else changed it meanwhile", body = Problem,
         content_type = "application/problem+json"),
        (status = 412, description = "It is not what If-Match or If-None-Match says",
         body = Problem, content_type = "application/problem+json"),
    ),
)]
async fn put_account(
    State(api): State<Api>,
    Path(id): Path<String>,
    headers: HeaderMap,
    Json(mut input): Json<Map<String, Value>>,
) -> Result<Response, Problem> {
    if !is_key_word(&id) {
        return Err(Problem::field("id", "expected 1 to 64 letters, digits, '-', '_' or '.'"));
    }
    let known = api.store.account(&id).await?;
    check_preconditions(&headers, known.as_ref())?;
    let secret = take_secret(&mut input)?;
    input.entry("id").or_insert_with(|| Value::from(id.as_str()));
    write(&api, &id, known.as_ref(), input, secret).await
}

/// Change an account's configuration.
///
/// The body is a merge patch (RFC 7396): what it does not name stays, `null`
/// takes away. It is merged into the configuration, the account's `account`.
#[utoipa::path(
    patch,
    path = "/accounts/{id}",
    tag = "accounts",
    params(
        ("id" = String, Path, description = "The account's id"),
        ("If-Match" = Option<String>, Header, description = "The ETag of what is to be changed"),
    ),
    request_body(
        description = "What is to be another, and `secret` for other credentials",
        content((AccountPatch = "application/merge-patch+json"), (AccountPatch = "application/json")),
    ),
    responses(
        (
            status = 200, description = "Changed", body = AccountView,
            headers(("ETag" = String, description = "Give it as If-Match to change just this")),
        ),
        (status = 409, description = "Somebody else changed it meanwhile", body = Problem,
         content_type = "application/problem+json"),
        (status = 412, description = "It is not what If-Match says", body = Problem,
         content_type = "application/problem+json"),
    ),
)]
async fn patch_account(
    State(api): State<Api>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Problem> {
    if !is_json(&headers) && media_type(&headers) != Some(MERGE_PATCH) {
        let text =
            format!("the body has to be a merge patch, sent with content-type: {MERGE_PATCH}");
        return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, text));
    }
    let body = body.map_err(|error| Problem::new(error.status(), error.body_text()))?;
    let mut patch: Map<String, Value> = from_json(&body)?;
    let known = find(&api, &id).await?;
    check_preconditions(&headers, Some(&known))?;
    let secret = take_secret(&mut patch)?;
    // A configuration is an object, in JSON.
    let mut merged = serde_json::to_value(&known.account).unwrap_or_default();
    merge(&mut merged, Value::Object(patch));
    let merged = merged.as_object().cloned().unwrap_or_default();
    write(&api, &id, Some(&known), merged, secret).await
}

/// Remove an account.
///
/// It is not synced any more. What is stored of its resources stays as it is,
/// with its history: nothing of it is recorded as deleted, and an account of
/// the same id goes on with it, if it is the same account of the vendor's.
#[utoipa::path(
    delete,
    path = "/accounts/{id}",
    tag = "accounts",
    params(
        ("id" = String, Path, description = "The account's id"),
        ("If-Match" = Option<String>, Header, description = "The ETag of what is to be removed"),
    ),
    responses(
        (status = 204, description = "Removed"),
        (status = 409, description = "Tasks of it have not ended; `task_ids` has them",
         body = Problem, content_type = "application/problem+json"),
        (status = 412, description = "It is not what If-Match says", body = Problem,
         content_type = "application/problem+json"),
    ),
)]
async fn delete_account(
    State(api): State<Api>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<StatusCode, Problem> {
    let record = find(&api, &id).await?;
    check_preconditions(&headers, Some(&record))?;
    let open = api.store.open_tasks().await?;
    let open = open.into_iter().filter(|task| task.account_id == id).map(|task| task.task_id);
    let task_ids: Vec<_> = open.collect();
    if !task_ids.is_empty() {
        let detail = "tasks of the account have not ended; cancel them, or wait";
        return Err(Problem { task_ids, ..Problem::new(StatusCode::CONFLICT, detail) });
    }
    if !api.store.remove_account(&id, record.revision, api.clock.now()).await? {
        return Err(changed_meanwhile());
    }
    remove_secret(&api, &id, &record.account.credentials).await.map_err(|left| {
        let detail = format!(
            "the account is removed, but the credentials that were kept for it are not: remove \
             the secret {} yourself",
            left.secret
        );
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, detail)
    })?;
    Ok(StatusCode::NO_CONTENT)
}

/// Check what an account's credentials work for.
///
/// The vendor is asked whose they are, and for each kind whether it may be
/// listed, by the cheapest calls there are, in the default region. Nothing is
/// written.
#[utoipa::path(
    post,
    path = "/accounts/{id}/verify",
    tag = "accounts",
    params(("id" = String, Path, description = "The account's id")),
    responses((status = 200, description = "What works", body = Verification)),
)]
async fn verify(
    State(api): State<Api>,
    Path(id): Path<String>,
) -> Result<Json<Verification>, Problem> {
    let record = find(&api, &id).await?;
    Ok(Json(api.dispatcher.verify(&record).await?))
}

/// End an account's suspension.
///
/// One that is not suspended stays as it is. After credentials of another of
/// the vendor's accounts this takes that one for the right one.
#[utoipa::path(
    post,
    path = "/accounts/{id}/resume",
    tag = "accounts",
    params(("id" = String, Path, description = "The account's id")),
    responses((status = 200, description = "The account", body = AccountView)),
)]
async fn resume(State(api): State<Api>, Path(id): Path<String>) -> Result<Response, Problem> {
    let record = find(&api, &id).await?;
    cloud_sync_dispatch::verify::resume(api.store.as_ref(), &record).await?;
    Ok(shown(StatusCode::OK, find(&api, &id).await?))
}

async fn find(api: &Api, id: &str) -> Result<AccountRecord, Problem> {
    let found = if is_key_word(id) { api.store.account(id).await? } else { None };
    found.ok_or_else(|| Problem::not_found("account", id))
}

fn etag(record: &AccountRecord) -> String {
    format!("\"{}\"", record.revision)
}

fn shown(status: StatusCode, record: AccountRecord) -> Response {
    let etag = HeaderValue::from_str(&etag(&record));
    let mut response = (status, Json(AccountView::from(record))).into_response();
    if let Ok(etag) = etag {
        response.headers_mut().insert(header::ETAG, etag);
    }
    response
}

/// Checks that an account is what the caller takes it for.
fn check_preconditions(headers: &HeaderMap, known: Option<&AccountRecord>) -> Result<(), Problem> {
    let etags = |name| {
        let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
        let all: Vec<_> = values.flat_map(|value| value.split(',')).map(str::trim).collect();
        let is_in = |etag: &&str| *etag == "*" || known.is_some_and(|one| *etag == self::etag(one));
        (!all.is_empty()).then(|| known.is_some() && all.iter().any(is_in))
    };
    let failed =
        |detail: &str| Err(Problem::new(StatusCode::PRECONDITION_FAILED, detail.to_owned()));
    match (etags(header::IF_MATCH), etags(header::IF_NONE_MATCH)) {
        (Some(false), _) => failed("the account is not what If-Match says; read it again"),
        (_, Some(true)) => failed("the account is there already, and If-None-Match forbids that"),
        _ => Ok(()),
    }
}

fn changed_meanwhile() -> Problem {
    Problem::new(StatusCode::CONFLICT, "somebody else changed the account meanwhile; try again")
}

/// Takes the credentials out of a body.
fn take_secret(body: &mut Map<String, Value>) -> Result<Option<Credentials>, Problem> {
    let Some(secret) = body.remove("secret").filter(|secret| !secret.is_null()) else {
        return Ok(None);
    };
    // The parser's own words may quote a part of it.
    let expected = "expected the texts access_key_id and access_key_secret and, for temporary \
                    ones, security_token, and nothing else";
    let secret: Credentials =
        serde_json::from_value(secret).map_err(|_| Problem::field("secret", expected))?;
    secret.check().map_err(|unusable| {
        let expected =
            format!("expected 1 to {LONGEST_PART} letters, digits and signs of ASCII, no blanks");
        Problem::field(format!("secret.{}", unusable.part), expected)
    })?;
    Ok(Some(secret))
}

/// Merges a patch into a value, as RFC 7396 has it.
fn merge(target: &mut Value, patch: Value) {
    let Value::Object(patch) = patch else {
        *target = patch;
        return;
    };
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    let Some(target) = target.as_object_mut() else { return };
    for (name, value) in patch {
        if value.is_null() {
            target.remove(&name);
        } else {
            merge(target.entry(name).or_insert(Value::Null), value);
        }
    }
}

fn invalid(error: InvalidAccount) -> Problem {
    Problem::field(error.field, error.reason)
}

/// Removes credentials that were kept for an account and serve it no more.
/// Where that fails, the log names the place, which nothing else remembers.
async fn remove_secret(api: &Api, id: &str, reference: &CredentialsRef) -> Result<(), NotWritten> {
    let Some(secrets) = &api.secrets else { return Ok(()) };
    api.credentials.forget(reference).await;
    secrets.remove(id, reference).await.inspect_err(|error| {
        tracing::error!(account = id, %error, "a secret that serves no account is left behind");
    })
}

/// Checks a configuration and writes it. Credentials are written first, each
/// to a place of its own, so that they come into force with the configuration
/// that names them, or not at all.
async fn write(
    api: &Api,
    id: &str,
    known: Option<&AccountRecord>,
    mut input: Map<String, Value>,
    secret: Option<Credentials>,
) -> Result<Response, Problem> {
    if secret.is_some() {
        let not_yet = CredentialsRef::SecretArn(NOT_YET.to_owned());
        let not_yet = serde_json::to_value(not_yet).unwrap_or_default();
        input.insert("credentials".to_owned(), not_yet);
    }
    let mut account: Account = from_value(Value::Object(input))?;
    if account.id != id {
        return Err(Problem::field("id", "it is another than in the path, and cannot be changed"));
    }
    account.validate().map_err(invalid)?;
    api.vendors.kinds(&account).map_err(invalid)?;
    let is_handed_in = secret.is_some();
    if let Some(secret) = secret {
        let Some(secrets) = &api.secrets else {
            return Err(Problem::field(
                "secret",
                "this service keeps no credentials; put them into its environment and name the \
                 variables: \"credentials\": {\"env\": \"PREFIX\"}",
            ));
        };
        let kept = secrets.write(id, &secret).await;
        account.credentials = kept.map_err(|error| Problem::internal(&error))?;
    }
    let revision = known.map(|record| record.revision);
    // Where the tables fail nobody knows which credentials they name now: both
    // are kept.
    if api.store.replace_account(&account, revision).await?.is_none() {
        if is_handed_in {
            // It is logged, and the caller's request is refused either way.
            remove_secret(api, id, &account.credentials).await.ok();
        }
        return Err(changed_meanwhile());
    }
    let before = known.map(|record| &record.account.credentials);
    if let Some(before) = before.filter(|before| **before != account.credentials) {
        // It is logged, and what was asked for is done.
        remove_secret(api, id, before).await.ok();
    }
    let status = if known.is_some() { StatusCode::OK } else { StatusCode::CREATED };
    Ok(shown(status, find(api, id).await?))
}
