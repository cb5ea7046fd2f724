//! The vendor's error codes. Sources: "Error codes" of EC2's reference, S3's
//! "Error responses", and "Common errors" of the other services.

use cloud_sync_core::error::ErrorClass::{Auth, Network, NotOffered, Throttled};

use crate::engine::errors::{Rule, rule as new, rule_for};
use crate::engine::refusal::SET_CLOCK;
use crate::engine::spec::Call;

/// The hint of a rule for a permission that is missing.
pub(super) const GRANT: &str = "grant the account's user or role the permission";

const KEY: &str = "check the account's access key, and that the region is enabled for the account";
const TOKEN: &str = "renew the account's temporary credentials";
const BLOCKED: &str = "ask the vendor's support what is wrong with the account";
const SIGN_UP: &str = "subscribe the account to the service";

/// What codes mean. The first rule that fits a code holds.
static RULES: &[Rule] = &[
    new("RequestLimitExceeded", Throttled, ""),
    new("Throttling*", Throttled, ""),
    new("Throttled*", Throttled, ""),
    new("RequestThrottled*", Throttled, ""),
    new("EC2ThrottledException", Throttled, ""),
    new("TooManyRequestsException", Throttled, ""),
    new("BandwidthLimitExceeded", Throttled, ""),
    new("SlowDown", Throttled, ""),
    new("InternalError*", Network, ""),
    new("InternalFailure", Network, ""),
    new("ServiceUnavailable*", Network, ""),
    new("Unavailable", Network, ""),
    new("RequestTimeout", Network, ""),
    new("RequestTimeoutException", Network, ""),
    new("PriorRequestNotComplete", Network, ""),
    new("OptInRequired", NotOffered, SIGN_UP),
    new("NotSignedUp", NotOffered, SIGN_UP),
    new("SubscriptionRequired*", NotOffered, SIGN_UP),
    new("UnauthorizedOperation", Auth, GRANT),
    new("AccessDenied*", Auth, GRANT),
    new("NotAuthorized", Auth, GRANT),
    new("SignatureDoesNotMatch", Auth, "check the account's access key secret"),
    new("AuthFailure", Auth, KEY),
    new("InvalidAccessKeyId", Auth, KEY),
    new("InvalidClientTokenId", Auth, KEY),
    new("UnrecognizedClientException", Auth, KEY),
    new("IncompleteSignature", Auth, KEY),
    new("MissingAuthenticationToken*", Auth, KEY),
    new("RequestExpired", Auth, TOKEN),
    new("ExpiredToken*", Auth, TOKEN),
    new("InvalidToken", Auth, TOKEN),
    new("TokenRefreshRequired", Auth, TOKEN),
    new("AccountProblem", Auth, BLOCKED),
    new("AllAccessDisabled", Auth, BLOCKED),
    new("Blocked", Auth, BLOCKED),
    new("PendingVerification", Auth, BLOCKED),
    CLOCK,
];

const CLOCK: Rule = new("RequestTimeTooSkewed", Auth, SET_CLOCK);

static SKEWED: Rule = CLOCK;

/// A request that is for another region than where it arrived.
static REGION: Rule = new(
    "",
    NotOffered,
    "enable the region for the account; where the account has an endpoint, see that it serves \
     the region",
);

/// Returns what an error means. Some codes have two meanings, which the
/// message, or how far the clocks are apart, tells from each other.
pub(super) fn rule(code: &str, message: &str, is_skewed: bool) -> Option<&'static Rule> {
    let blames_time =
        ["Signature expired", "Signature not yet current"].iter().any(|at| message.starts_with(at));
    match code {
        "AuthFailure" | "SignatureDoesNotMatch" | "AuthorizationHeaderMalformed"
            if message.contains("scoped to a valid region") =>
        {
            Some(&REGION)
        }
        "SignatureDoesNotMatch" | "RequestExpired" if blames_time => Some(&SKEWED),
        "RequestExpired" if is_skewed => Some(&SKEWED),
        code => rule_for(RULES, code),
    }
}

/// Returns the permission that a call needs, as the vendor's message has it or
/// as it follows from the call.
pub(super) fn permission(call: &Call, message: &str) -> String {
    let told = message.split_once("is not authorized to perform: ");
    let told = told.and_then(|(_, rest)| rest.split_whitespace().next());
    let told = told.map(|action| action.trim_end_matches(['.', ',']));
    let action = match call.action {
        "ListBuckets" => "ListAllMyBuckets",
        action => action,
    };
    told.filter(|action| action.contains(':'))
        .map_or_else(|| format!("{}:{action}", call.product), str::to_owned)
}

/// Leaves out the request as the vendor read it, headers and all.
pub(super) fn without_request(message: &str) -> &str {
    let quoted = message.find("The Canonical String for this request");
    message[..quoted.unwrap_or(message.len())].trim_end()
}

/// Tells whether an error that no rule knows is about the page token. Every
/// service words it in its own way; all name the parameter.
pub(super) fn rejects_token(code: &str, message: &str) -> bool {
    let message = message.to_ascii_lowercase();
    let is_named = ["nexttoken", "marker", "continuation token", "continuation-token"]
        .iter()
        .any(|name| message.contains(name));
    let is_value = ["InvalidParameterValue", "InvalidArgument", "ValidationError"].contains(&code);
    (is_value && is_named) || ["InvalidNextToken", "InvalidPaginationToken"].contains(&code)
}
