//! What the API says of itself: `OpenAPI` 3.1, made of the routes.

use utoipa::openapi::path::{Operation, Parameter, ParameterIn};
use utoipa::openapi::response::{Response, ResponseBuilder};
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{Components, Content, OpenApi as Document, Ref, RefOr};
use utoipa::{Modify, OpenApi, ToResponse, ToSchema};

use crate::problem::{self, Problem};

/// What the document says of the whole API.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "cloud-sync",
        description = "On-demand syncs and queries. Errors are problem documents (RFC 9457); \
                       lists come in pages, each with the cursor of the next.",
    ),
    components(schemas(Problem, GatewayMessage), responses(Conflict, BadGateway, TooManyWait)),
    modifiers(&Schemes),
    security(("bearer" = []), ("iam" = [])),
    tags(
        (name = "syncs", description = "Start syncs"),
        (name = "plans", description = "See what syncs would do"),
        (name = "tasks", description = "Follow and stop what was started"),
        (name = "resources", description = "What there is"),
        (name = "changes", description = "What happened"),
        (name = "stats", description = "How much there is"),
        (name = "deletions", description = "Deletions that are held back"),
        (name = "accounts", description = "What is synced"),
        (name = "hooks", description = "Events of the vendors"),
    ),
)]
pub(crate) struct Described;

struct Schemes;

impl Modify for Schemes {
    fn modify(&self, document: &mut Document) {
        let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some(
            "On one machine the token of CLOUD_SYNC_API_TOKEN, where it is set; in the cloud a \
             token of the stack's JwtIssuer for its JwtAudience, where it has these",
        ));
        let iam = ApiKeyValue::with_description(
            "Authorization",
            "In the cloud, where the stack has no JwtIssuer: a signature of AWS (version 4, \
             service execute-api) of whoever may execute-api:Invoke",
        );
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("bearer", SecurityScheme::Http(bearer.build()));
        components.add_security_scheme("iam", SecurityScheme::ApiKey(ApiKey::Header(iam)));
    }
}

/// What API Gateway answers with itself.
#[derive(ToSchema)]
#[allow(dead_code, reason = "only described")]
pub(crate) struct GatewayMessage {
    /// In its own words.
    message: String,
}

/// Too many wait at once.
#[derive(ToResponse)]
#[response(
    description = "As many requests wait as may; Retry-After says when to try again. API \
                   Gateway's own 429, of too many requests, is no problem document",
    content_type = "application/problem+json",
    headers(("Retry-After" = u16, description = "In so many seconds"))
)]
pub(crate) struct TooManyWait(#[allow(dead_code, reason = "only described")] Problem);

/// What is asked for contradicts what is.
#[derive(ToResponse)]
#[response(
    description = "It contradicts what is: tasks that are open, or have ended",
    content_type = "application/problem+json"
)]
pub(crate) struct Conflict(#[allow(dead_code, reason = "only described")] Problem);

/// The vendor refuses, or cannot be reached.
#[derive(ToResponse)]
#[response(
    description = "The vendor refuses, or cannot be reached; `problems` says why",
    content_type = "application/problem+json"
)]
pub(crate) struct BadGateway(#[allow(dead_code, reason = "only described")] Problem);

/// A refusal that any operation of some shape may answer with.
struct Refusal {
    status: &'static str,
    name: &'static str,
    description: &'static str,
    of: fn(&Operation) -> bool,
}

const REFUSALS: [Refusal; 10] = [
    Refusal {
        status: "400",
        name: "BadRequest",
        description: "The body is not JSON, or the path says nothing that can be read",
        of: |operation| has_body(operation) || has_path(operation),
    },
    Refusal {
        status: "401",
        name: "Unauthorized",
        description: "Nobody said who calls, or it is nobody known. API Gateway's own is no \
                      problem document: {\"message\": …}, as application/json",
        of: |_| true,
    },
    Refusal {
        status: "403",
        name: "Forbidden",
        description: "Who calls may not. API Gateway's own is no problem document: \
                      {\"message\": …}, as application/json",
        of: |_| true,
    },
    Refusal {
        status: "404",
        name: "NotFound",
        description: "There is no such thing",
        of: has_path,
    },
    Refusal { status: "413", name: "TooLarge", description: "The body is too large", of: has_body },
    Refusal {
        status: "415",
        name: "UnsupportedMediaType",
        description: "The body is not said to be JSON",
        of: |operation| has_body(operation) && !is_hook(operation),
    },
    Refusal {
        status: "422",
        name: "Unprocessable",
        description: "A field makes no sense; `errors` names it",
        of: |operation| has_body(operation) || operation.parameters.is_some(),
    },
    Refusal {
        status: "429",
        name: "TooManyRequests",
        description: "Too many requests: API Gateway says so, and this is its own answer",
        of: |_| true,
    },
    Refusal {
        status: "500",
        name: "InternalError",
        description: "A mistake of the service's own; its log says more",
        of: |_| true,
    },
    Refusal {
        status: "503",
        name: "Unavailable",
        description: "Not now; trying again is right. API Gateway's own is no problem document",
        of: |_| true,
    },
];

/// Tells whether it takes vendors' events, which come as the vendors send them.
fn is_hook(operation: &Operation) -> bool {
    operation.tags.iter().flatten().any(|tag| tag == "hooks")
}

const fn has_body(operation: &Operation) -> bool {
    operation.request_body.is_some()
}

fn has_path(operation: &Operation) -> bool {
    let is_path = |parameter: &RefOr<Parameter>| matches!(parameter, RefOr::T(parameter) if parameter.parameter_in == ParameterIn::Path);
    operation.parameters.iter().flatten().any(is_path)
}

/// Adds to every operation how it may refuse, each as a problem document.
/// What an operation says itself of a status stays.
pub(crate) fn with_refusals(mut document: Document) -> Document {
    let components = document.components.get_or_insert_with(Components::new);
    for refusal in &REFUSALS {
        let response = RefOr::T(match refusal.status {
            "429" => answer(refusal.description, "application/json", "GatewayMessage"),
            _ => answer(refusal.description, problem::MEDIA_TYPE, "Problem"),
        });
        components.responses.insert(refusal.name.to_owned(), response);
    }
    for item in document.paths.paths.values_mut() {
        let methods =
            [&mut item.get, &mut item.put, &mut item.post, &mut item.patch, &mut item.delete];
        for operation in methods.into_iter().filter_map(Option::as_mut) {
            for refusal in &REFUSALS {
                if !(refusal.of)(operation) {
                    continue;
                }
                let name = format!("#/components/responses/{}", refusal.name);
                let responses = &mut operation.responses.responses;
                let response = RefOr::Ref(Ref::new(name));
                responses.entry(refusal.status.to_owned()).or_insert(response);
            }
        }
    }
    document
}

fn answer(description: &str, media_type: &str, schema: &str) -> Response {
    let content = Content::new(Some(Ref::from_schema_name(schema)));
    ResponseBuilder::new().description(description).content(media_type, content).build()
}
