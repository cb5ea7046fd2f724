//! Requests to the object store, which is no API in RPC style: the path names
//! a bucket, headers carry the signature, answers are XML.

use cloud_sync_core::error::{ErrorClass, VendorError};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, Request, Url};

use super::oss_sign::{OssRequest, query, signed};
use super::products;
use crate::Result;
use crate::engine::params::fill_path;
use crate::engine::{Asked, endpoint};

/// The product's name.
pub(super) const PRODUCT: &str = "oss";

/// The parameter that takes a bucket, which the path or the host names.
pub(super) const BUCKET: &str = "bucket";

/// Returns a signed request. At an `endpoint` instead of the vendor's hosts,
/// buckets are named by the path.
pub(super) fn request(asked: Asked<'_>, endpoint: Option<&Url>) -> Result<Request> {
    let Asked { call, region, mut params, credentials, now } = asked;
    let bucket = params.get(BUCKET).cloned();
    let path = fill_path(call.path, &mut params);
    let mut url = match (endpoint, bucket) {
        (Some(endpoint), _) => {
            let mut url = endpoint.clone();
            url.set_path(&format!("{}{path}", endpoint.path().trim_end_matches('/')));
            url
        }
        (None, Some(bucket)) => {
            endpoint::of_host(call, &format!("{bucket}.{}", products::host(call, region)))?
        }
        (None, None) => endpoint::of_host(call, &products::host(call, region))?,
    };
    let wanted = OssRequest { method: "GET", region: &region.id, path: &path, params: &params };
    let headers = signed(credentials, wanted, now);
    let query = query(&params);
    url.set_query(Some(query.as_str()).filter(|query| !query.is_empty()));
    let mut request = Request::new(Method::GET, url);
    *request.headers_mut() = header_map(call.action, headers)?;
    Ok(request)
}

/// Returns headers as HTTP has them, marked not to be shown.
pub(super) fn header_map(
    action: &str,
    headers: impl IntoIterator<Item = (String, String)>,
) -> Result<HeaderMap> {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        let pair = name.parse::<HeaderName>().ok().zip(HeaderValue::try_from(value).ok());
        let Some((name, mut value)) = pair else {
            let text = "the account's credentials have characters that no header can have; \
                        check for blanks and line breaks";
            return Err(VendorError::new(ErrorClass::Auth, action, "BadCredentials", text));
        };
        value.set_sensitive(true);
        map.insert(name, value);
    }
    Ok(map)
}

#[cfg(test)]
mod tests {
    use cloud_sync_core::account::Region;
    use cloud_sync_core::credentials::Credentials;
    use jiff::Timestamp;

    use super::*;
    use crate::aliyun::oss_bucket::KIND;
    use crate::engine::params::{Params, fixed};
    use crate::engine::spec::Call;

    fn sent(call: &Call, bucket: Option<&str>, endpoint: Option<&str>) -> Result<Request> {
        let region = Region { endpoint: "ecs.example".into(), ..Region::new("cn-shanghai") };
        let mut params: Params = fixed(call.params);
        params.extend(bucket.map(|bucket| (BUCKET.to_owned(), bucket.to_owned())));
        let credentials = Credentials {
            access_key_id: "LTAI".into(),
            access_key_secret: "s3cr3t".to_owned().into(),
            security_token: Some("t0k3n".to_owned().into()),
        };
        let endpoint = endpoint.map(|endpoint| endpoint.parse().unwrap());
        let now = Timestamp::UNIX_EPOCH;
        let asked = Asked { call, region: &region, params, credentials: &credentials, now };
        request(asked, endpoint.as_ref())
    }

    #[test]
    fn a_bucket_is_named_by_the_host_or_at_an_endpoint_by_the_path() {
        let tags = &KIND.secondary[0].call;
        let url = |call, bucket, endpoint| {
            sent(call, bucket, endpoint).map(|request| request.url().to_string())
        };
        let host = "https://oss-cn-shanghai.aliyuncs.com/?max-keys=1000";
        assert_eq!(url(&KIND.list, None, None).as_deref(), Ok(host));
        let own = "https://b-1.oss-cn-shanghai.aliyuncs.com/?tagging";
        let by_host = url(tags, Some("b-1"), None);
        // The path of the host's own root names no bucket a second time.
        assert_eq!(by_host.as_deref(), Ok(own));
        let proxy = Some("http://127.0.0.1:8080/oss/");
        let by_path = "http://127.0.0.1:8080/oss/b-1/?tagging";
        assert_eq!(url(tags, Some("b-1"), proxy).as_deref(), Ok(by_path));
        assert!(url(tags, Some("evil.example/"), None).is_err());
    }

    #[test]
    fn secrets_are_in_headers_that_are_not_shown() {
        let request = sent(&KIND.list, None, None).unwrap();
        assert_eq!(request.headers()["x-oss-security-token"], "t0k3n");
        assert!(!format!("{request:?}").contains("t0k3n"), "{request:?}");
        assert!(request.headers()["authorization"].to_str().unwrap().contains("/cn-shanghai/oss/"));
        let error = header_map("ListBuckets", [("a".to_owned(), "b\n".to_owned())]).unwrap_err();
        assert!(error.message.contains("line breaks"), "{error}");
    }
}
