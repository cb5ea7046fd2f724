//! Where requests go: the vendor's host, or what an account has instead.

use cloud_sync_core::account::{Account, InvalidAccount};
use cloud_sync_core::error::{ErrorClass, VendorError};
use reqwest::Url;

use super::errors::bounded;
use super::spec::Call;
use crate::Result;

/// Reads an account's endpoint: scheme, host, perhaps a port and a path.
pub(crate) fn override_of(account: &Account) -> std::result::Result<Option<Url>, InvalidAccount> {
    let endpoint = account.endpoint.as_deref().map(parse).transpose();
    endpoint.map_err(|reason| InvalidAccount {
        account: account.id.clone(),
        field: "endpoint",
        reason,
    })
}

fn parse(text: &str) -> std::result::Result<Url, String> {
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

/// Returns the URL of a host of the vendor's. What is not a host would send
/// signed requests who knows where.
pub(crate) fn of_host(call: &Call, host: &str) -> Result<Url> {
    let is_host = host.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'.' || b == b'-');
    let url = Url::parse(&format!("https://{host}/")).ok().filter(|_| is_host);
    url.ok_or_else(|| {
        let text = format!("'{}' is not a host", bounded(host));
        VendorError::new(ErrorClass::Internal, call.action, "BadEndpoint", text)
    })
}

/// Returns the host that a request to a URL names, with the port where that
/// is not the scheme's own.
pub(crate) fn host_header(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}
