//! Requests of Tencent Cloud's API 3.0, and its errors.

use std::time::Duration;

use cloud_sync_core::account::{Account, InvalidAccount};
use cloud_sync_core::error::{ErrorClass, VendorError};
use jiff::Timestamp;
use memchr::memmem;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderName, HeaderValue};
use reqwest::{Method, Request, Url};
use secrecy::ExposeSecret;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::{errors, sign};
use crate::Result;
use crate::engine::errors::rule_for;
use crate::engine::http::{Reply, header_value};
use crate::engine::params::Params;
use crate::engine::redact::Secrets;
use crate::engine::refusal::{Answered, Refused, foreign};
use crate::engine::spec::Call;
use crate::engine::{Asked, Protocol, endpoint};

/// The vendor counts requests by the second, and does not say when the next
/// one begins.
const WAIT: Duration = Duration::from_secs(1);

/// Makes an account's requests.
pub(super) struct Api {
    /// Instead of the vendor's hosts.
    endpoint: Option<Url>,
}

impl Api {
    pub(super) fn open(account: &Account) -> std::result::Result<Self, InvalidAccount> {
        Ok(Self { endpoint: endpoint::override_of(account)? })
    }

    /// Returns where a call goes. A service has one host for all regions,
    /// which is answered by what is near.
    fn url(&self, call: &Call) -> Result<Url> {
        match &self.endpoint {
            Some(endpoint) => Ok(endpoint.clone()),
            None => endpoint::of_host(call, &format!("{}.tencentcloudapi.com", call.product)),
        }
    }
}

/// Returns the body of a request: an object of its parameters, whose values
/// are JSON. One that is not stands for a text.
fn body_of(params: &Params) -> String {
    let value = |text: &str| {
        let json = serde_json::from_str(text);
        json.unwrap_or_else(|_| Value::String(text.to_owned()))
    };
    let fields = params.iter().map(|(name, text)| (name.clone(), value(text)));
    Value::Object(fields.collect::<Map<_, _>>()).to_string()
}

impl Protocol for Api {
    fn request(&self, asked: Asked<'_>) -> Result<Request> {
        let Asked { call, region, params, credentials, now } = asked;
        let url = self.url(call)?;
        let (host, body) = (endpoint::host_header(&url), body_of(&params));
        let authorization =
            sign::authorization(credentials, call.product, &host, body.as_bytes(), now);
        let mut request = Request::new(Method::POST, url);
        let headers = request.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(sign::CONTENT_TYPE));
        headers.insert(AUTHORIZATION, header_value(call, &authorization)?);
        for (name, value) in [
            ("x-tc-action", call.action),
            ("x-tc-version", call.version),
            ("x-tc-timestamp", &now.as_second().to_string()),
            ("x-tc-region", &region.id),
        ] {
            headers.insert(HeaderName::from_static(name), header_value(call, value)?);
        }
        if let Some(token) = &credentials.security_token {
            let token = header_value(call, token.expose_secret())?;
            headers.insert(HeaderName::from_static("x-tc-token"), token);
        }
        *request.body_mut() = Some(body.into());
        Ok(request)
    }

    /// Refusals come with the status of success. A page is only parsed for
    /// one where the word is in it at all.
    fn refusal(
        &self,
        call: &Call,
        reply: &Reply,
        secrets: &Secrets,
        now: Timestamp,
    ) -> Option<VendorError> {
        let is_success = reply.status.is_success();
        if is_success && memmem::find(&reply.body, b"\"Error\"").is_none() {
            return None;
        }
        let answered = Answered { call, reply, secrets, now, wait: WAIT };
        let read = serde_json::from_slice::<Envelope>(&reply.body).ok();
        let Some((error, request_id)) = read.and_then(|envelope| envelope.error()) else {
            return (!is_success).then(|| foreign(answered));
        };
        let rule = rule_for(errors::RULES, &error.code);
        let is_denied = rule.is_some_and(|rule| rule.hint == errors::GRANT);
        let permission = format!("{}:{}", call.product, call.action);
        let refused = Refused {
            rule,
            code: &error.code,
            message: &error.message,
            request_id: &request_id,
            permission: if is_denied { &permission } else { "" },
        };
        let mut refusal = refused.error(answered);
        if refusal.class == ErrorClass::Internal && errors::rejects_position(&error.code) {
            refusal.class = ErrorClass::Data;
            refusal.token_rejected = true;
        }
        Some(refusal)
    }
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(rename = "Response", borrow)]
    response: Response<'a>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Response<'a> {
    #[serde(default, borrow)]
    error: Option<&'a RawValue>,
    #[serde(default)]
    request_id: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ErrorBody {
    #[serde(default)]
    code: String,
    #[serde(default)]
    message: String,
}

impl Envelope<'_> {
    /// Returns the error and the request's id. An error that cannot be read
    /// is one nevertheless.
    fn error(self) -> Option<(ErrorBody, String)> {
        let error = self.response.error?;
        let body = serde_json::from_str(error.get()).unwrap_or_else(|_| ErrorBody {
            code: "UnreadableError".to_owned(),
            message: error.get().to_owned(),
        });
        Some((body, self.response.request_id))
    }
}

#[cfg(test)]
mod tests {
    use cloud_sync_core::account::Region;
    use cloud_sync_core::credentials::Credentials;
    use reqwest::StatusCode;
    use reqwest::header::HeaderMap;
    use serde_json::json;

    use super::*;
    use crate::tencent::cvm_instance::KIND;

    fn credentials() -> Credentials {
        Credentials {
            access_key_id: "AKID".into(),
            access_key_secret: "s3cr3t".to_owned().into(),
            security_token: Some("t0k3n+/=".to_owned().into()),
        }
    }

    fn refusal(status: u16, body: &str) -> Option<VendorError> {
        let status = StatusCode::from_u16(status).unwrap();
        let reply = Reply { status, headers: HeaderMap::new(), body: body.into() };
        let secrets = Secrets::of(&credentials());
        Api { endpoint: None }.refusal(&KIND.list, &reply, &secrets, Timestamp::now())
    }

    fn with_code(code: &str) -> VendorError {
        let error = json!({ "Code": code, "Message": "no t0k3n+/=" });
        let body = json!({ "Response": { "Error": error, "RequestId": "R-1" } });
        refusal(200, &body.to_string()).unwrap()
    }

    #[test]
    fn the_code_decides_though_the_status_is_that_of_success() {
        use ErrorClass::{Auth, Internal, Network, NotOffered, Throttled};
        for (code, class, hint) in [
            ("RequestLimitExceeded.UinLimitExceeded", Throttled, ""),
            ("InternalError", Network, ""),
            ("UnsupportedRegion", NotOffered, ""),
            ("AuthFailure.SignatureExpire", Auth, "set the clock"),
            ("AuthFailure.SignatureFailure", Auth, "key secret"),
            ("AuthFailure.SecretIdNotFound", Auth, "access key"),
            ("AuthFailure.TokenFailure", Auth, "temporary credentials"),
            ("AuthFailure.UnauthorizedOperation", Auth, "permission cvm:DescribeInstances"),
            ("UnauthorizedOperation.CamNoAuth", Auth, "permission cvm:DescribeInstances"),
            ("IpNotInWhitelist", Auth, "this machine's address"),
            ("InvalidFilter", Internal, ""),
        ] {
            let error = with_code(code);
            assert_eq!((error.class, error.code.as_str()), (class, code));
            assert!(error.message.contains(hint), "{error}");
            assert!(error.message.contains("R-1") && !error.message.contains("t0k3n"), "{error}");
        }
        assert_eq!(with_code("RequestLimitExceeded").retry_after, Some(WAIT));
        assert!(with_code("InvalidParameterValueOffset").token_rejected);
    }

    #[test]
    fn a_list_is_no_error_whatever_its_names_are_and_an_error_beside_one_is() {
        let item = json!({ "InstanceId": "ins-1", "InstanceName": "\"Error\"", "x": "Error" });
        let mut body = json!({ "Response": { "InstanceSet": [item], "RequestId": "R" } });
        assert_eq!(refusal(200, &body.to_string()), None);
        body["Response"]["Error"] = json!(null);
        assert_eq!(refusal(200, &body.to_string()), None);
        body["Response"]["Error"] = json!({ "Code": "InternalError" });
        assert_eq!(refusal(200, &body.to_string()).unwrap().code, "InternalError");
        body["Response"]["Error"] = json!("busy");
        assert_eq!(refusal(200, &body.to_string()).unwrap().code, "UnreadableError");
    }

    #[test]
    fn an_answer_of_someone_else_is_no_verdict_on_the_account() {
        assert_eq!(refusal(403, "<html>no</html>").unwrap().class, ErrorClass::Data);
        assert_eq!(refusal(502, "{}").unwrap().class, ErrorClass::Network);
        assert_eq!(refusal(200, "<html>no</html>"), None, "what reads the list says so");
    }

    #[test]
    fn requests_are_signed_for_the_host_they_go_to() {
        let sent = |endpoint: Option<&str>| {
            let endpoint = endpoint.map(|url| url.parse().unwrap());
            let asked = Asked {
                call: &KIND.list,
                region: &Region::new("ap-guangzhou"),
                params: [("Limit", "100"), ("Ids", "[\"a\"]"), ("Text", "a b")]
                    .map(|(name, value)| (name.to_owned(), value.to_owned()))
                    .into(),
                credentials: &credentials(),
                now: Timestamp::from_second(1_795_334_400).unwrap(),
            };
            Api { endpoint }.request(asked).unwrap()
        };
        let request = sent(None);
        assert_eq!(request.url().as_str(), "https://cvm.tencentcloudapi.com/");
        assert_eq!(sent(Some("http://127.0.0.1:1/")).url().as_str(), "http://127.0.0.1:1/");
        let body = request.body().and_then(|body| body.as_bytes()).unwrap();
        assert_eq!(body, br#"{"Ids":["a"],"Limit":100,"Text":"a b"}"#);
        let headers = request.headers();
        assert_eq!(headers["x-tc-region"], "ap-guangzhou");
        assert_eq!(headers["x-tc-token"], "t0k3n+/=");
        assert!(!format!("{headers:?}").contains("t0k3n"), "{headers:?}");
        let elsewhere = sent(Some("http://127.0.0.1:1/"));
        assert_ne!(headers["authorization"], elsewhere.headers()["authorization"]);
    }
}
