//! Requests to the vendor's services, and their errors: all of them XML. Most
//! are asked by a form, one is by paths.

use cloud_sync_core::account::{Account, InvalidAccount, Region};
use cloud_sync_core::error::{ErrorClass, VendorError};
use jiff::{SignedDuration, Timestamp};
use reqwest::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use reqwest::{Method, Request, Url};
use serde_json::Value;

use super::{errors, sign};
use crate::Result;
use crate::engine::http::Reply;
use crate::engine::params::{Params, fill_path, query};
use crate::engine::redact::Secrets;
use crate::engine::refusal::{Answered, Refused, foreign, server_time, told_wait};
use crate::engine::spec::Call;
use crate::engine::{Asked, Protocol, endpoint, xml};

/// The parameter that names a bucket.
pub(super) const BUCKET: &str = "Bucket";

/// A clock that is off by more is blamed for an expired request, and otherwise
/// the credentials are.
const SKEW: SignedDuration = SignedDuration::from_mins(4);

/// Makes an account's requests.
pub(super) struct Api {
    /// Instead of the vendor's hosts.
    endpoint: Option<Url>,
}

impl Api {
    pub(super) fn open(account: &Account) -> std::result::Result<Self, InvalidAccount> {
        Ok(Self { endpoint: endpoint::override_of(account)? })
    }

    /// Returns the URL of a service in a region, or within it, of a bucket.
    fn url(&self, call: &Call, region: &Region, bucket: Option<&str>) -> Result<Url> {
        if let Some(endpoint) = &self.endpoint {
            return Ok(endpoint.clone());
        }
        let id = &region.id;
        let domain = if id.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
        let bucket = bucket.map(|name| format!("{name}.")).unwrap_or_default();
        endpoint::of_host(call, &format!("{bucket}{}.{id}.{domain}", call.product))
    }

    /// Returns a POST with everything in its body, so that none is too long
    /// for a URL.
    fn form(&self, call: &Call, region: &Region, mut params: Params) -> Result<Request> {
        params.insert("Action".to_owned(), call.action.to_owned());
        params.insert("Version".to_owned(), call.version.to_owned());
        let mut request = Request::new(Method::POST, self.url(call, region, None)?);
        let form = "application/x-www-form-urlencoded; charset=utf-8";
        request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(form));
        *request.body_mut() = Some(query(&params).into());
        Ok(request)
    }

    /// Returns a GET. A bucket is asked at a host of its own, unless the name
    /// is none that the certificate of the service's hosts is good for.
    fn path(&self, call: &Call, region: &Region, mut params: Params) -> Result<Request> {
        let is_label = |name: &String| {
            name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        };
        let own = params.get(BUCKET).filter(|name| self.endpoint.is_none() && is_label(name));
        let own = own.cloned();
        let mut url = self.url(call, region, own.as_deref())?;
        if own.is_some() {
            params.remove(BUCKET);
        } else {
            let path = fill_path(call.path, &mut params);
            url.set_path(&format!("{}{path}", url.path().trim_end_matches('/')));
        }
        if !params.is_empty() {
            url.set_query(Some(&query(&params)));
        }
        Ok(Request::new(Method::GET, url))
    }
}

impl Protocol for Api {
    fn request(&self, asked: Asked<'_>) -> Result<Request> {
        let Asked { call, region, params, credentials, now } = asked;
        let mut request = if call.product == sign::S3 {
            self.path(call, region, params)?
        } else {
            self.form(call, region, params)?
        };
        let signed = sign::sign(&mut request, credentials, (call.product, &region.id), now);
        signed.map_err(|error| {
            VendorError::new(ErrorClass::Internal, call.action, "NotSigned", error.to_string())
        })?;
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
        let wait = told_wait(reply, now);
        let answered = Answered { call, reply, secrets, now, wait };
        let Some(told) = xml::to_json(&reply.body).ok().as_ref().and_then(Told::read) else {
            return Some(foreign(answered));
        };
        let is_skewed =
            server_time(reply).is_some_and(|theirs| now.duration_since(theirs).abs() > SKEW);
        let rule = errors::rule(&told.code, &told.message, is_skewed);
        let is_denied = rule.is_some_and(|rule| rule.hint == errors::GRANT);
        let permission = is_denied.then(|| errors::permission(call, &told.message));
        let refused = Refused {
            rule,
            code: &told.code,
            message: errors::without_request(&told.message),
            request_id: &told.request_id,
            permission: permission.as_deref().unwrap_or_default(),
        };
        let mut error = refused.error(answered);
        // Its limits fill up again every second, so what it does not say how
        // long to wait for is tried again after a while that grows.
        error.retry_after = error.retry_after.filter(|_| reply.headers.contains_key(RETRY_AFTER));
        if rule.is_none() && errors::rejects_token(&told.code, &told.message) {
            error.class = ErrorClass::Data;
            error.token_rejected = true;
        }
        Some(error)
    }
}

/// What a refusal says.
struct Told {
    code: String,
    message: String,
    request_id: String,
}

impl Told {
    /// Reads it, in whichever of the three ways it is wrapped.
    fn read(body: &Value) -> Option<Self> {
        let places = ["/Errors/Error/0", "/Errors/Error", "/Error", ""];
        let error = places
            .into_iter()
            .filter_map(|place| body.pointer(place))
            .find(|error| error["Code"].is_string())?;
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let ids = ["RequestID", "RequestId"].into_iter();
        let request_id = ids.map(|name| text(&body[name])).find(|id| !id.is_empty());
        Some(Self {
            code: text(&error["Code"]),
            message: text(&error["Message"]),
            request_id: request_id.unwrap_or_default(),
        })
    }
}
