//! Huawei Cloud's requests, and its errors.

use cloud_sync_core::account::{Account, InvalidAccount, Region};
use cloud_sync_core::error::VendorError;
use jiff::Timestamp;
use reqwest::header::{HOST, HeaderName};
use reqwest::{Method, Request, Url};
use serde_json::Value;

use super::{errors, sign};
use crate::Result;
use crate::engine::http::{Reply, header_value};
use crate::engine::params::{fill_path, query};
use crate::engine::redact::Secrets;
use crate::engine::refusal::{Answered, Refused, foreign, told_wait};
use crate::engine::spec::Call;
use crate::engine::{Asked, Protocol, endpoint};

/// Makes an account's requests.
pub(super) struct Rest {
    /// Instead of the vendor's hosts.
    endpoint: Option<Url>,
}

impl Rest {
    pub(super) fn open(account: &Account) -> std::result::Result<Self, InvalidAccount> {
        Ok(Self { endpoint: endpoint::override_of(account)? })
    }

    fn url(&self, call: &Call, region: &Region) -> Result<Url> {
        if let Some(endpoint) = &self.endpoint {
            return Ok(endpoint.clone());
        }
        // A project that a user made is `cn-north-4_its-name`.
        let region = region.id.split('_').next().unwrap_or_default();
        match call.host {
            "" => endpoint::of_host(call, &format!("{}.{region}.myhuaweicloud.com", call.product)),
            host => endpoint::of_host(call, host),
        }
    }
}

impl Protocol for Rest {
    fn request(&self, asked: Asked<'_>) -> Result<Request> {
        let Asked { call, region, mut params, credentials, now } = asked;
        let mut url = self.url(call, region)?;
        params.insert("project".to_owned(), region.project.clone());
        let path = fill_path(call.path, &mut params);
        // A call without a project in its path is of none.
        let project = params.remove("project").map_or(region.project.as_str(), |_| "");
        url.set_path(&format!("{}{path}", url.path().trim_end_matches('/')));
        url.set_query(Some(&query(&params)).filter(|query| !query.is_empty()).map(|q| &**q));
        let host = endpoint::host_header(&url);
        let headers = sign::signed(credentials, (&host, url.path()), &params, project, now);
        let mut request = Request::new(Method::GET, url);
        for (name, value) in headers {
            let name = HeaderName::from_static(name);
            // It goes where the URL says.
            if name != HOST {
                request.headers_mut().insert(name, header_value(call, &value)?);
            }
        }
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
        let answered = Answered { call, reply, secrets, now, wait: told_wait(reply, now) };
        let body = serde_json::from_slice::<Value>(&reply.body).unwrap_or_default();
        let Some(words) = Words::of(&body) else {
            return Some(foreign(answered));
        };
        let refused = Refused {
            rule: errors::rule_of(&words.code, words.message, reply.status.as_u16()),
            code: &words.code,
            message: words.message,
            request_id: body["request_id"].as_str().unwrap_or_default(),
            permission: "",
        };
        Some(refused.error(answered))
    }
}

/// What an error says.
struct Words<'a> {
    code: String,
    message: &'a str,
}

impl<'a> Words<'a> {
    /// Reads an error: the gateway writes `error_code` and `error_msg`; the
    /// services `code` and `message`, which most of them wrap in an object of
    /// one field or another.
    fn of(body: &'a Value) -> Option<Self> {
        let wrapped = || body.as_object()?.values().find(|value| value.is_object());
        let text = |at: &'a Value, code: &str, message: &str| {
            let code = match &at[code] {
                Value::String(code) => code.clone(),
                Value::Number(code) => code.to_string(),
                _ => return None,
            };
            Some(Self { code, message: at[message].as_str().unwrap_or_default() })
        };
        text(body, "error_code", "error_msg")
            .or_else(|| text(body, "code", "message"))
            .or_else(|| text(wrapped()?, "code", "message"))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use cloud_sync_core::credentials::Credentials;
    use cloud_sync_core::error::ErrorClass;
    use reqwest::StatusCode;
    use reqwest::header::HeaderMap;
    use serde_json::json;

    use super::*;
    use crate::huawei::{REGIONS, ecs_server};

    fn credentials() -> Credentials {
        Credentials {
            access_key_id: "AK".into(),
            access_key_secret: "s3cr3t".to_owned().into(),
            security_token: Some("t0k3n+/=".to_owned().into()),
        }
    }

    fn refusal(status: u16, body: &str) -> VendorError {
        let status = StatusCode::from_u16(status).unwrap();
        let mut headers = HeaderMap::new();
        headers.insert("date", "Mon, 23 Nov 2026 10:15:48 GMT".parse().unwrap());
        let reply = Reply { status, headers, body: body.into() };
        let secrets = Secrets::of(&credentials());
        let rest = Rest { endpoint: None };
        rest.refusal(&ecs_server::KIND.list, &reply, &secrets, Timestamp::now()).unwrap()
    }

    #[test]
    fn codes_have_their_classes_and_say_what_to_do() {
        use ErrorClass::{Auth, Internal, Network, Throttled};
        let gateway = |status: u16, code: &str, message: &str| {
            let body = json!({ "error_code": code, "error_msg": message, "request_id": "R-1" });
            (refusal(status, &body.to_string()), code.to_owned())
        };
        for ((error, code), class, hint) in [
            (gateway(401, "APIGW.0301", "verify aksk signature fail"), Auth, "key secret"),
            (gateway(401, "APIGW.0301", "ak X not exist"), Auth, "access key"),
            (gateway(401, "APIGW.0301", "decrypt security token fail"), Auth, "temporary"),
            (gateway(401, "APIGW.0301", "x-sdk-date is expired"), Auth, "the vendor's 2026-11-23"),
            (gateway(403, "APIGW.0302", "Policy doesn't allow ecs:x"), Auth, "permission: "),
            (gateway(403, "Ecs.9999", "no"), Auth, "permission"),
            (gateway(429, "APIGW.0308", "t0k3n+/="), Throttled, "***"),
            (gateway(502, "APIGW.0201", "busy"), Network, "busy"),
            (gateway(400, "Ecs.0005", "limit is invalid"), Internal, "limit is invalid"),
        ] {
            assert_eq!((error.class, &error.code), (class, &code), "{error}");
            assert!(error.message.contains(hint) && error.message.contains("R-1"), "{error}");
        }
        let throttled = refusal(429, r#"{"error_code": "APIGW.0308", "error_msg": ""}"#);
        assert_eq!(throttled.retry_after, Some(Duration::from_secs(12)));
    }

    #[test]
    fn every_service_words_errors_in_its_own_way() {
        for body in [
            json!({ "error": { "code": "Ecs.0114", "message": "gone" } }),
            json!({ "code": "Ecs.0114", "message": "gone" }),
            json!({ "itemNotFound": { "code": "Ecs.0114", "message": "gone" } }),
        ] {
            let error = refusal(404, &body.to_string());
            assert_eq!((&*error.code, &*error.message), ("Ecs.0114", "gone"), "{body}");
        }
        let iam = json!({ "error": { "code": 401, "title": "Unauthorized", "message": "no" } });
        assert_eq!(refusal(401, &iam.to_string()).class, ErrorClass::Auth);
    }

    #[test]
    fn an_answer_of_someone_else_is_no_verdict_on_the_account() {
        for body in ["<html>403</html>", "{}", "[1]", "\"no\"", ""] {
            assert_eq!(refusal(403, body).class, ErrorClass::Data, "{body}");
        }
        assert_eq!(refusal(504, "<html/>").class, ErrorClass::Network);
    }

    #[test]
    fn requests_name_the_project_and_go_to_the_regions_host() {
        let sent = |endpoint: Option<&str>, region: &str, call| {
            let endpoint = endpoint.map(|url| url.parse().unwrap());
            let region = Region { project: "p1".into(), ..Region::new(region) };
            let params = [("limit".to_owned(), "5 0".to_owned())].into();
            let (credentials, now) = (&credentials(), Timestamp::now());
            let asked = Asked { call, region: &region, params, credentials, now };
            Rest { endpoint }.request(asked).unwrap()
        };
        let list = &ecs_server::KIND.list;
        let request = sent(None, "cn-north-4_mine", list);
        let url = "https://ecs.cn-north-4.myhuaweicloud.com/v1/p1/cloudservers/detail?limit=5%200";
        assert_eq!(request.url().as_str(), url);
        assert_eq!(request.headers()["x-project-id"], "p1");
        assert!(!format!("{:?}", request.headers()).contains("t0k3n"));
        let request = sent(Some("http://127.0.0.1:1/proxy/"), "cn-north-4", list);
        let url = "http://127.0.0.1:1/proxy/v1/p1/cloudservers/detail?limit=5%200";
        assert_eq!(request.url().as_str(), url);
        let request = sent(None, "cn-north-4", &REGIONS.call);
        assert_eq!(request.url().host_str(), Some("iam.myhuaweicloud.com"));
        assert!(!request.headers().contains_key("x-project-id"));
    }
}
