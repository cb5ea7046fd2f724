//! Requests in Alibaba Cloud's RPC style, and its errors.

use std::time::Duration;

use cloud_sync_core::account::{Account, InvalidAccount, Region};
use cloud_sync_core::error::{ErrorClass, VendorError};
use jiff::fmt::rfc2822;
use jiff::{SignedDuration, Timestamp};
use reqwest::header::{CONTENT_TYPE, DATE, HeaderValue};
use reqwest::{Method, Request, Url};
use serde::Deserialize;
use uuid::Uuid;

use super::{errors, sign};
use crate::Result;
use crate::engine::errors::{bounded, class_of_status, rule_for, snippet};
use crate::engine::http::Reply;
use crate::engine::params::query;
use crate::engine::redact::Secrets;
use crate::engine::spec::Call;
use crate::engine::{Asked, Protocol};

/// The service that lists regions, each with its own host there.
const REGIONS_PRODUCT: &str = super::REGIONS.call.product;

/// However long the vendor asks to wait, it is asked again after this.
const LONGEST_WAIT: Duration = Duration::from_secs(3600);

/// Makes an account's requests.
pub(super) struct Rpc {
    /// Instead of the vendor's hosts.
    endpoint: Option<Url>,
}

impl Rpc {
    pub(super) fn open(account: &Account) -> std::result::Result<Self, InvalidAccount> {
        let endpoint = account.endpoint.as_deref().map(parse_endpoint).transpose();
        let endpoint = endpoint.map_err(|reason| InvalidAccount {
            account: account.id.clone(),
            field: "endpoint",
            reason,
        })?;
        Ok(Self { endpoint })
    }

    fn url(&self, call: &Call, region: &Region) -> Result<Url> {
        if let Some(endpoint) = &self.endpoint {
            return Ok(endpoint.clone());
        }
        let host = match (call.host, call.product) {
            ("", REGIONS_PRODUCT) if !region.endpoint.is_empty() => region.endpoint.clone(),
            ("", product) => format!("{product}.{}.aliyuncs.com", region.id),
            (host, _) => host.to_owned(),
        };
        // What is not a host would send signed requests who knows where.
        let is_host = host.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'.' || b == b'-');
        let url = Url::parse(&format!("https://{host}/")).ok().filter(|_| is_host);
        url.ok_or_else(|| {
            let text = format!("'{}' is not a host", bounded(&host));
            VendorError::new(ErrorClass::Internal, call.action, "BadEndpoint", text)
        })
    }
}

/// Takes secrets out of a refusal of the vendor's, which for one quotes the
/// text it signed, security token and all.
fn without_secrets(secrets: &Secrets, text: &str) -> String {
    let lower = text.to_ascii_lowercase();
    let quoted = ["string to sign", "stringtosign"].iter().filter_map(|at| lower.find(at)).min();
    bounded(&secrets.redacted(text[..quoted.unwrap_or(text.len())].trim_end()))
}

/// Reads an account's endpoint: scheme, host, perhaps a port and a path.
fn parse_endpoint(text: &str) -> std::result::Result<Url, String> {
    let expected = "expected https://host[:port][/path]";
    let url = Url::parse(text).map_err(|error| format!("'{text}': {error}; {expected}"))?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
        return Err(format!("'{text}' is not a URL of HTTP; {expected}"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(format!("credentials do not belong into a URL; {expected}"));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(format!("'{text}' has a query or a fragment; {expected}"));
    }
    Ok(url)
}

impl Protocol for Rpc {
    /// Returns a POST with everything in its body, so that no access log on
    /// the way keeps a signature or a token, and none is too long for a URL.
    fn request(&self, asked: Asked<'_>) -> Result<Request> {
        let Asked { call, region, mut params, credentials, now } = asked;
        params.insert("Action".to_owned(), call.action.to_owned());
        params.insert("Version".to_owned(), call.version.to_owned());
        params.insert("RegionId".to_owned(), region.id.clone());
        let nonce = Uuid::new_v4().to_string();
        let params = sign::signed(credentials, "POST", params, &nonce, now);
        let mut request = Request::new(Method::POST, self.url(call, region)?);
        let form = HeaderValue::from_static("application/x-www-form-urlencoded");
        request.headers_mut().insert(CONTENT_TYPE, form);
        *request.body_mut() = Some(query(&params).into());
        Ok(request)
    }

    fn refusal(
        &self,
        call: &Call,
        reply: &Reply,
        secrets: &Secrets,
        now: Timestamp,
    ) -> Option<VendorError> {
        if reply.status.is_success() {
            return None;
        }
        let Ok(body) = serde_json::from_slice::<ErrorBody>(&reply.body) else {
            return Some(unreadable_refusal(call, reply, secrets, now));
        };
        let rule = rule_for(errors::RULES, &body.code);
        let message = without_secrets(secrets, &body.text(rule.map_or("", |rule| rule.hint)));
        let class = rule.map_or_else(|| class_of_status(reply.status), |rule| rule.class);
        let code = bounded(&secrets.redacted(&body.code));
        let mut error = VendorError::new(class, call.action, code, message);
        if class == ErrorClass::Throttled {
            error.retry_after = Some(retry_after(reply, now));
        }
        if class == ErrorClass::Internal && errors::rejects_token(&body.code, &body.message) {
            error.class = ErrorClass::Data;
            error.token_rejected = true;
        }
        if errors::is_about_time(&body.code) {
            error.message.push_str(&compare_clocks(reply, now));
        }
        Some(error)
    }
}

/// Returns the error for an answer that is not the vendor's: a proxy's or a
/// gateway's.
fn unreadable_refusal(
    call: &Call,
    reply: &Reply,
    secrets: &Secrets,
    now: Timestamp,
) -> VendorError {
    let class = match class_of_status(reply.status) {
        ErrorClass::Internal => ErrorClass::Data,
        class => class,
    };
    let text = format!(
        "HTTP {} with '{}', which is not an error of the vendor's; check that the account's \
         endpoint is the vendor's API",
        reply.status.as_u16(),
        without_secrets(secrets, &snippet(&reply.body))
    );
    let code = format!("Http{}", reply.status.as_u16());
    let mut error = VendorError::new(class, call.action, code, text);
    if class == ErrorClass::Throttled {
        error.retry_after = Some(retry_after(reply, now));
    }
    error
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ErrorBody {
    code: String,
    #[serde(default)]
    message: String,
    #[serde(default)]
    request_id: String,
    #[serde(default)]
    access_denied_detail: Option<AccessDenied>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct AccessDenied {
    #[serde(default)]
    auth_action: String,
}

impl ErrorBody {
    /// Returns what the vendor says and what to do. The vendor's own words
    /// come last, since they may have to be cut.
    fn text(&self, hint: &str) -> String {
        let action = self.access_denied_detail.as_ref().map_or("", |denied| &denied.auth_action);
        let mut text = match (hint, action) {
            ("", _) => String::new(),
            (hint, "") => format!("{hint}: "),
            (hint, action) => format!("{hint} {action}: "),
        };
        if !self.request_id.is_empty() {
            text.push_str(&format!("(request {}) ", self.request_id));
        }
        text.push_str(&self.message);
        text
    }
}

/// Returns how long the vendor wants no further call: as it says, else until
/// its next minute begins, when it counts anew.
fn retry_after(reply: &Reply, now: Timestamp) -> Duration {
    let told = reply.headers.get("x-acs-retry-after").and_then(|value| value.to_str().ok());
    if let Some(milliseconds) = told.and_then(|text| text.trim().parse().ok()) {
        return Duration::from_millis(milliseconds).min(LONGEST_WAIT);
    }
    // Its own clock says when its minute ends. The header has whole seconds,
    // so that this is late by less than one, never early.
    let second = server_time(reply).unwrap_or(now).as_second().rem_euclid(60);
    Duration::from_secs(60 - second.unsigned_abs())
}

fn server_time(reply: &Reply) -> Option<Timestamp> {
    let date = reply.headers.get(DATE)?.to_str().ok()?;
    rfc2822::DateTimeParser::new().parse_timestamp(date).ok()
}

/// Says how far this machine's clock is from the vendor's.
fn compare_clocks(reply: &Reply, now: Timestamp) -> String {
    let Some(theirs) = server_time(reply) else {
        return format!(" (this machine's clock says {now:.0})");
    };
    let ahead = now.duration_since(theirs);
    let (seconds, word) = (ahead.as_secs().unsigned_abs(), direction(ahead));
    format!(" (this machine's clock says {now:.0}, the vendor's {theirs}: {seconds} s {word})")
}

fn direction(ahead: SignedDuration) -> &'static str {
    if ahead.is_negative() { "behind" } else { "ahead" }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use cloud_sync_core::account::CredentialsRef;
    use cloud_sync_core::credentials::Credentials;
    use reqwest::StatusCode;
    use reqwest::header::HeaderMap;
    use serde_json::{Value, json};

    use super::*;
    use crate::aliyun::REGIONS;
    use crate::engine::params::Params;

    fn account(endpoint: Option<&str>) -> Account {
        let account = json!({
            "id": "a", "provider": "aliyun", "default_region": "cn-hangzhou",
            "endpoint": endpoint, "credentials": CredentialsRef::Env("A".into()),
        });
        serde_json::from_value(account).unwrap()
    }

    fn credentials() -> Credentials {
        Credentials {
            access_key_id: "LTAI".into(),
            access_key_secret: "s3cr3t".to_owned().into(),
            security_token: Some("t0k3n+/=".to_owned().into()),
        }
    }

    fn rpc(endpoint: Option<&str>) -> std::result::Result<Rpc, InvalidAccount> {
        Rpc::open(&account(endpoint))
    }

    fn refusal(status: u16, headers: &[(&'static str, &str)], body: &str) -> VendorError {
        let status = StatusCode::from_u16(status).unwrap();
        let headers: HeaderMap =
            headers.iter().map(|(k, v)| (k.parse().unwrap(), v.parse().unwrap())).collect();
        let reply = Reply { status, headers, body: body.into() };
        let secrets = Secrets::of(&credentials());
        rpc(None).unwrap().refusal(&REGIONS.call, &reply, &secrets, Timestamp::now()).unwrap()
    }

    fn with_code(status: u16, code: &str) -> VendorError {
        refusal(status, &[], &json!({ "Code": code, "Message": "m" }).to_string())
    }

    #[test]
    fn samples_of_errors_have_their_classes() {
        use ErrorClass::{Auth, Network, Throttled};
        let samples = include_str!("../../testdata/sample_aliyun_errors.json");
        let samples: BTreeMap<String, Value> = serde_json::from_str(samples).unwrap();
        let classes: Vec<_> = samples
            .iter()
            .map(|(code, sample)| {
                let status = sample["http_status"].as_u64().unwrap().try_into().unwrap();
                let error = refusal(status, &[], &sample["body"].to_string());
                assert_eq!(error.code, *code);
                (code.as_str(), error.class)
            })
            .collect();
        let expected = [
            ("Forbidden.RAM", Auth),
            ("InternalError", Network),
            ("InvalidAccessKeyId.NotFound", Auth),
            ("InvalidSecurityToken.Expired", Auth),
            ("InvalidTimeStamp.Expired", Auth),
            ("ServiceUnavailable", Network),
            ("SignatureDoesNotMatch", Auth),
            ("SignatureNonceUsed", Network),
            ("Throttling", Throttled),
            ("Throttling.User", Throttled),
        ];
        assert_eq!(classes, expected);
    }

    #[test]
    fn the_code_decides_and_the_status_only_where_no_rule_does() {
        assert_eq!(with_code(404, "InvalidRegionId.NotFound").class, ErrorClass::NotOffered);
        assert_eq!(with_code(403, "Throttling.Api").class, ErrorClass::Throttled);
        assert_eq!(with_code(400, "InternalError.Dispatch").class, ErrorClass::Network);
        assert_eq!(with_code(400, "MissingParameter").class, ErrorClass::Internal);
        assert_eq!(with_code(502, "Whatever").class, ErrorClass::Network);
        assert_eq!(with_code(400, "DryRunOperation").code, "DryRunOperation");
    }

    #[test]
    fn a_rejected_token_is_told_apart() {
        assert!(with_code(400, "InvalidParameter.NextToken").token_rejected);
        let body = r#"{"Code": "InvalidParameter", "Message": "NextToken is not valid."}"#;
        assert!(refusal(400, &[], body).token_rejected);
        assert!(!with_code(400, "InvalidParameter").token_rejected);
    }

    #[test]
    fn a_throttled_call_waits_as_told_or_to_the_vendors_next_minute() {
        let wait = |headers: &[(&'static str, &str)]| {
            refusal(400, headers, r#"{"Code": "Throttling"}"#).retry_after.unwrap()
        };
        let date = ("date", "Mon, 23 Nov 2026 10:15:48 GMT");
        assert_eq!(wait(&[date, ("x-acs-retry-after", "1500")]), Duration::from_millis(1500));
        assert_eq!(wait(&[date]), Duration::from_secs(12));
        assert_eq!(wait(&[date, ("x-acs-retry-after", "soon")]), Duration::from_secs(12));
        assert_eq!(wait(&[("x-acs-retry-after", "99999999999")]), LONGEST_WAIT);
        assert!((1..=60).contains(&wait(&[]).as_secs()));
    }

    #[test]
    fn a_wrong_clock_is_shown_beside_the_vendors() {
        let date =
            (Timestamp::now() - SignedDuration::from_mins(20)).strftime("%a, %d %b %Y %T GMT");
        let body = r#"{"Code": "InvalidTimeStamp.Expired", "Message": "expired"}"#;
        let error = refusal(400, &[("date", &date.to_string())], body);
        assert_eq!(error.class, ErrorClass::Auth);
        assert!(error.message.contains("set the clock"), "{error}");
        assert!(error.message.contains("120") && error.message.contains("s ahead"), "{error}");
    }

    #[test]
    fn a_missing_permission_is_named() {
        let samples = include_str!("../../testdata/sample_aliyun_errors.json");
        let samples: Value = serde_json::from_str(samples).unwrap();
        let error = refusal(403, &[], &samples["Forbidden.RAM"]["body"].to_string());
        assert!(error.message.contains("permission ecs:DescribeInstances"), "{error}");
    }

    #[test]
    fn no_secret_that_the_vendor_quotes_gets_into_an_error() {
        let signed = "specified signature is not matched with our calculation.             server string to sign is:GET&%2F&SecurityToken%3Dt0k3n%252B";
        for message in [signed, "token t0k3n+/= is odd", "is s3cr3t the secret?"] {
            let body = json!({ "Code": "SignatureDoesNotMatch", "Message": message }).to_string();
            for body in [body, message.to_owned()] {
                let text = refusal(400, &[], &body).to_string();
                assert!(!text.contains("t0k3n") && !text.contains("s3cr3t"), "{text}");
            }
        }
    }

    #[test]
    fn an_answer_of_someone_else_is_no_verdict_on_the_account() {
        let html = "<html><h1>403 Forbidden</h1></html>";
        assert_eq!(refusal(403, &[], html).class, ErrorClass::Data);
        assert_eq!(refusal(504, &[], html).class, ErrorClass::Network);
        assert_eq!(refusal(429, &[], "").class, ErrorClass::Throttled);
        assert!(refusal(403, &[], html).message.contains("<h1>403 Forbidden"));
    }

    #[test]
    fn requests_go_to_the_override_the_regions_host_or_the_usual_one() {
        let url = |endpoint, host: &str| {
            let region = Region { id: "cn-beijing".into(), endpoint: host.into() };
            let request = rpc(endpoint)?.request(Asked {
                call: &REGIONS.call,
                region: &region,
                params: Params::new(),
                credentials: &credentials(),
                now: Timestamp::now(),
            });
            Ok::<_, InvalidAccount>(request.map(|request| request.url().to_string()))
        };
        let proxy = Some("http://127.0.0.1:8080/aliyun");
        assert_eq!(url(proxy, "h.example"), Ok(Ok("http://127.0.0.1:8080/aliyun".to_owned())));
        assert_eq!(url(None, "h.example"), Ok(Ok("https://h.example/".to_owned())));
        assert_eq!(url(None, ""), Ok(Ok("https://ecs.cn-beijing.aliyuncs.com/".to_owned())));
        assert!(url(None, "evil.example/x?").unwrap().is_err());
        for bad in ["127.0.0.1:8080", "ftp://h", "http://", "http://u:p@h/", "http://h/?q"] {
            let error = url(Some(bad), "").unwrap_err();
            assert_eq!(error.field, "endpoint", "{bad}");
            assert!(error.reason.contains("expected https://") && !error.reason.contains("u:p"));
        }
    }
}
