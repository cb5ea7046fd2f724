//! Requests in Alibaba Cloud's RPC style, and its errors.

use std::time::Duration;

use cloud_sync_core::account::{Account, InvalidAccount, Region};
use cloud_sync_core::error::{ErrorClass, VendorError};
use jiff::Timestamp;
use reqwest::header::{CONTENT_TYPE, HeaderValue};
use reqwest::{Method, Request, Url};
use serde::Deserialize;
use uuid::Uuid;

use super::{errors, sign};
use crate::Result;
use crate::engine::errors::rule_for;
use crate::engine::http::Reply;
use crate::engine::params::query;
use crate::engine::redact::Secrets;
use crate::engine::refusal::{Answered, LONGEST_WAIT, Refused, foreign, to_next_minute};
use crate::engine::spec::Call;
use crate::engine::{Asked, Protocol, endpoint};

/// The service that lists regions, each with its own host there.
const REGIONS_PRODUCT: &str = super::REGIONS.call.product;

/// Makes an account's requests.
pub(super) struct Rpc {
    /// Instead of the vendor's hosts.
    endpoint: Option<Url>,
}

impl Rpc {
    pub(super) fn open(account: &Account) -> std::result::Result<Self, InvalidAccount> {
        Ok(Self { endpoint: endpoint::override_of(account)? })
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
        endpoint::of_host(call, &host)
    }
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
        let wait = retry_after(reply, now);
        let answered = Answered { call, reply, secrets, now, wait };
        let Ok(body) = serde_json::from_slice::<ErrorBody>(&reply.body) else {
            return Some(foreign(answered));
        };
        let permission =
            body.access_denied_detail.as_ref().map_or("", |denied| &denied.auth_action);
        let refused = Refused {
            rule: rule_for(errors::RULES, &body.code),
            code: &body.code,
            message: &body.message,
            request_id: &body.request_id,
            permission,
        };
        let mut error = refused.error(answered);
        if error.class == ErrorClass::Internal && errors::rejects_token(&body.code, &body.message) {
            error.class = ErrorClass::Data;
            error.token_rejected = true;
        }
        Some(error)
    }
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

/// Returns how long the vendor wants no further call: as it says, else until
/// its next minute begins, when it counts anew.
fn retry_after(reply: &Reply, now: Timestamp) -> Duration {
    let told = reply.headers.get("x-acs-retry-after").and_then(|value| value.to_str().ok());
    told.and_then(|text| text.trim().parse().ok())
        .map_or_else(|| to_next_minute(reply, now), Duration::from_millis)
        .min(LONGEST_WAIT)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use cloud_sync_core::account::CredentialsRef;
    use cloud_sync_core::credentials::Credentials;
    use jiff::SignedDuration;
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
            let region = Region { endpoint: host.into(), ..Region::new("cn-beijing") };
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
