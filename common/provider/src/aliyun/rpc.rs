//! Alibaba Cloud's requests, most of them in RPC style, and its errors.

use std::time::Duration;

use cloud_sync_core::account::{Account, InvalidAccount};
use cloud_sync_core::error::{ErrorClass, VendorError};
use jiff::Timestamp;
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderValue};
use reqwest::{Method, Request, Url};
use serde::Deserialize;
use uuid::Uuid;

use super::{acs3, errors, oss, products, sign};
use crate::Result;
use crate::engine::errors::rule_for;
use crate::engine::http::Reply;
use crate::engine::params::query;
use crate::engine::redact::Secrets;
use crate::engine::refusal::{Answered, LONGEST_WAIT, Refused, foreign, to_next_minute};
use crate::engine::spec::Call;
use crate::engine::{Asked, Protocol, endpoint, xml};

/// The signatures that an account may have configured, the usual one first.
pub(crate) const SIGNATURES: &[&str] = &["rpc-v1", ACS3];

const ACS3: &str = "acs3";

/// The object store counts anew every second.
const OSS_WAIT: Duration = Duration::from_secs(1);

/// Makes an account's requests.
pub(super) struct Rpc {
    /// Instead of the vendor's hosts.
    endpoint: Option<Url>,
    /// Whether requests in RPC style are signed in version 3.
    is_acs3: bool,
}

impl Rpc {
    pub(super) fn open(account: &Account) -> std::result::Result<Self, InvalidAccount> {
        let is_acs3 = account.signature.as_deref() == Some(ACS3);
        Ok(Self { endpoint: endpoint::override_of(account)?, is_acs3 })
    }

    fn url(&self, asked: &Asked<'_>) -> Result<Url> {
        match &self.endpoint {
            Some(endpoint) => Ok(endpoint.clone()),
            None => endpoint::of_host(asked.call, &products::host(asked.call, asked.region)),
        }
    }

    /// Returns a POST with everything in its body, so that no access log on
    /// the way keeps a signature or a token, and none is too long for a URL.
    fn with_rpc_v1(&self, asked: Asked<'_>) -> Result<Request> {
        let mut request = Request::new(Method::POST, self.url(&asked)?);
        let Asked { call, region, mut params, credentials, now } = asked;
        params.insert("Action".to_owned(), call.action.to_owned());
        params.insert("Version".to_owned(), call.version.to_owned());
        params.insert("RegionId".to_owned(), region.id.clone());
        let params = sign::signed(credentials, "POST", params, &nonce(), now);
        let form = HeaderValue::from_static("application/x-www-form-urlencoded");
        request.headers_mut().insert(CONTENT_TYPE, form);
        *request.body_mut() = Some(query(&params).into());
        Ok(request)
    }

    /// Returns a POST with what is asked in its query, as the vendor's own SDK
    /// has it, and everything else in headers.
    fn with_acs3(&self, asked: Asked<'_>) -> Result<Request> {
        let mut url = self.url(&asked)?;
        let Asked { call, region, mut params, credentials, now } = asked;
        params.insert("RegionId".to_owned(), region.id.clone());
        let wanted = acs3::Acs3Request {
            method: "POST",
            host: &endpoint::host_header(&url),
            action: call.action,
            version: call.version,
            params: &params,
        };
        let mut headers = acs3::signed(credentials, wanted, &nonce(), now);
        // Whoever sends the request names the host, by the URL.
        headers.remove("host");
        url.set_query(Some(&query(&params)));
        let mut request = Request::new(Method::POST, url);
        *request.headers_mut() = oss::header_map(call.action, headers)?;
        request.headers_mut().insert(ACCEPT, HeaderValue::from_static("application/json"));
        Ok(request)
    }
}

fn nonce() -> String {
    Uuid::new_v4().to_string()
}

impl Protocol for Rpc {
    fn request(&self, asked: Asked<'_>) -> Result<Request> {
        match asked.call.product {
            oss::PRODUCT => oss::request(asked, self.endpoint.as_ref()),
            _ if self.is_acs3 => self.with_acs3(asked),
            _ => self.with_rpc_v1(asked),
        }
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
        let wait = if call.product == oss::PRODUCT { OSS_WAIT } else { retry_after(reply, now) };
        let answered = Answered { call, reply, secrets, now, wait };
        let Some(body) = ErrorBody::read(&reply.body) else {
            return Some(foreign(answered));
        };
        let rule = rule_for(errors::RULES, &body.code);
        let refused = Refused {
            rule,
            code: &body.code,
            message: &body.message,
            request_id: &body.request_id,
            permission: &body.object_of(rule.map_or("", |rule| rule.hint), call),
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

impl ErrorBody {
    /// Reads it from JSON or, of the object store, from XML.
    fn read(body: &[u8]) -> Option<Self> {
        let json = serde_json::from_slice(body).ok();
        json.or_else(|| serde_json::from_value(xml::to_json(body).ok()?).ok())
    }

    /// Returns what the hint is about: the missing permission, the product
    /// that is to be opened.
    fn object_of(&self, hint: &str, call: &Call) -> String {
        let told = self.access_denied_detail.as_ref().map_or("", |denied| &denied.auth_action);
        match hint {
            errors::GRANT if told.is_empty() => products::permission(call),
            errors::GRANT => told.to_owned(),
            errors::OPEN => products::title(call).to_owned(),
            _ => String::new(),
        }
    }
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

    use cloud_sync_core::account::{CredentialsRef, Region};
    use cloud_sync_core::credentials::Credentials;
    use jiff::SignedDuration;
    use reqwest::StatusCode;
    use reqwest::header::HeaderMap;
    use serde_json::{Value, json};

    use super::*;
    use crate::aliyun::{REGIONS, oss_bucket};
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

    fn of_store(call: &Call, status: u16, code: &str) -> VendorError {
        let body = format!(
            "<?xml version='1.0'?><Error><Code>{code}</Code><Message>m</Message>\
             <RequestId>R-1</RequestId><StringToSign>t0k3n+/=</StringToSign></Error>"
        );
        let status = StatusCode::from_u16(status).unwrap();
        let reply = Reply { status, headers: HeaderMap::new(), body: body.into() };
        let secrets = Secrets::of(&credentials());
        rpc(None).unwrap().refusal(call, &reply, &secrets, Timestamp::now()).unwrap()
    }

    #[test]
    fn the_object_store_refuses_in_xml_and_its_codes_have_classes_too() {
        use ErrorClass::{Auth, Data, Network, NotOffered, Throttled};
        let (list, tags) = (&oss_bucket::KIND.list, &oss_bucket::KIND.secondary[0].call);
        for (call, status, code, class, words) in [
            (list, 403, "AccessDenied", Auth, "permission oss:ListBuckets"),
            (tags, 403, "AccessDenied", Data, "permission oss:GetBucketTagging"),
            (list, 403, "InvalidAccessKeyId", Auth, "access key"),
            (list, 403, "SignatureDoesNotMatch", Auth, "access key secret"),
            (list, 403, "SecurityTokenExpired", Auth, "renew"),
            (list, 403, "RequestTimeTooSkewed", Auth, "this machine's clock says"),
            (list, 403, "UserDisable", NotOffered, "open for the account Object Storage Service"),
            (list, 503, "QpsLimitExceeded", Throttled, "R-1"),
            (list, 500, "InternalError", Network, "R-1"),
        ] {
            let error = of_store(call, status, code);
            assert_eq!((error.class, &*error.code), (class, code), "{error}");
            assert!(error.message.contains(words) && !error.message.contains("t0k3n"), "{error}");
        }
        assert_eq!(of_store(list, 503, "QpsLimitExceeded").retry_after, Some(OSS_WAIT));
        let error = of_store(tags, 404, "NoSuchBucket");
        assert_eq!(error.code, "NoSuchBucket", "which is how one that is gone is told");
    }

    #[test]
    fn a_product_that_is_not_open_is_named() {
        let error = with_code(403, "UserNotAllowed");
        assert_eq!(error.class, ErrorClass::NotOffered);
        assert!(error.message.contains("open for the account Elastic Compute"), "{error}");
    }

    #[test]
    fn version_3_has_what_is_asked_in_the_query_and_who_asks_in_headers() {
        let mut account = account(Some("http://127.0.0.1:8080/aliyun"));
        account.signature = Some(ACS3.to_owned());
        let region = Region::new("cn-beijing");
        let params: Params = [("InstanceIds".to_owned(), r#"["a b"]"#.to_owned())].into();
        let asked = Asked {
            call: &REGIONS.call,
            region: &region,
            params,
            credentials: &credentials(),
            now: Timestamp::UNIX_EPOCH,
        };
        let request = Rpc::open(&account).unwrap().request(asked).unwrap();
        let url = "http://127.0.0.1:8080/aliyun?InstanceIds=%5B%22a%20b%22%5D&RegionId=cn-beijing";
        assert_eq!(request.url().as_str(), url);
        assert!(request.body().is_none() && !request.headers().contains_key("host"));
        assert_eq!(request.headers()["x-acs-action"], "DescribeRegions");
        assert!(!format!("{request:?}").contains("t0k3n"), "{request:?}");
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
