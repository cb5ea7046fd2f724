//! One HTTP exchange: a bounded answer, or an error that names the host.
//!
//! What carries it is a port with two implementations: these clients, and a
//! simulated network that needs no socket and takes no time.

use std::error::Error;
use std::net::IpAddr;
use std::sync::OnceLock;
use std::time::Duration;

use async_trait::async_trait;
use cloud_sync_core::error::{ErrorClass, VendorError};
use reqwest::header::{HeaderMap, HeaderValue};
use reqwest::{Client, ClientBuilder, Request, Response, StatusCode};

use super::spec::Call;

/// At most so much of an answer is read. A page of 100 machines is about
/// 350 kB.
const MOST_BODY: usize = 64 << 20;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Carries requests to vendors and brings their answers.
#[async_trait]
pub trait Transport: Send + Sync {
    /// Sends a request, which says itself how long it may take, and returns
    /// the whole answer, whatever its status. `api` goes into the error.
    ///
    /// # Errors
    ///
    /// Of class network where no whole answer came, of class data where it is
    /// larger than anyone reads.
    async fn exchange(&self, api: &str, request: Request) -> Result<Reply, VendorError>;
}

/// A whole answer.
#[derive(Clone, Debug)]
pub struct Reply {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body, decompressed.
    pub body: Vec<u8>,
}

/// Returns the value of a header that is shown in no log.
pub(crate) fn header_value(call: &Call, text: &str) -> Result<HeaderValue, VendorError> {
    let mut value = HeaderValue::from_str(text).map_err(|_| {
        let text = "the account's access key or token has characters that no header can hold; \
                    check for blanks and line breaks";
        VendorError::new(ErrorClass::Auth, call.action, "MalformedCredentials", text)
    })?;
    value.set_sensitive(true);
    Ok(value)
}

/// The clients that all requests of a process share.
pub(crate) struct Clients {
    /// Goes through the proxy that the environment names, if any.
    proxied: Client,
    /// For this machine itself, which a proxy does not reach.
    direct: OnceLock<Client>,
}

impl Clients {
    /// Returns clients that have no connection yet.
    pub(crate) fn new() -> Result<Self, reqwest::Error> {
        Ok(Self { proxied: builder().build()?, direct: OnceLock::new() })
    }

    fn for_request(&self, request: &Request) -> &Client {
        if !is_this_machine(request.url().host_str().unwrap_or_default()) {
            return &self.proxied;
        }
        // What could be set up once can be again, or the other will have to do.
        let set_up = || builder().no_proxy().build().unwrap_or_else(|_| self.proxied.clone());
        self.direct.get_or_init(set_up)
    }
}

fn builder() -> ClientBuilder {
    Client::builder()
        .user_agent(concat!("cloud-sync/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(CONNECT_TIMEOUT)
        // A signed request must not follow to where it was not signed for.
        .redirect(reqwest::redirect::Policy::none())
}

fn is_this_machine(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

#[async_trait]
impl Transport for Clients {
    async fn exchange(&self, api: &str, request: Request) -> Result<Reply, VendorError> {
        let host = host_of(&request);
        let lost = |error: reqwest::Error| lost(api, &host, error);
        let client = self.for_request(&request);
        let response = client.execute(request).await.map_err(lost)?;
        let (status, headers) = (response.status(), response.headers().clone());
        match read(response).await.map_err(lost)? {
            Some(body) => Ok(Reply { status, headers, body }),
            None => Err(VendorError::new(
                ErrorClass::Data,
                api,
                "ReplyTooLarge",
                format!("{host} sent more than {} MiB in one answer", MOST_BODY >> 20),
            )),
        }
    }
}

/// Returns the body, or `None` where it is larger than allowed.
async fn read(mut response: Response) -> Result<Option<Vec<u8>>, reqwest::Error> {
    let announced = response.content_length().unwrap_or(0);
    if announced > MOST_BODY as u64 {
        return Ok(None);
    }
    let mut body = Vec::with_capacity(usize::try_from(announced).unwrap_or(0).min(1 << 20));
    while let Some(chunk) = response.chunk().await? {
        if body.len() + chunk.len() > MOST_BODY {
            return Ok(None);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Some(body))
}

fn host_of(request: &Request) -> String {
    let url = request.url();
    let host = url.host_str().unwrap_or("(no host)");
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

fn lost(api: &str, host: &str, error: reqwest::Error) -> VendorError {
    let error = error.without_url();
    let (code, what) = if error.is_timeout() {
        ("Timeout", "did not answer in time")
    } else if error.is_connect() {
        ("ConnectionFailed", "cannot be reached; check the network and the account's endpoint")
    } else {
        ("ConnectionLost", "broke off before its answer was whole")
    };
    let message = format!("{host} {what}: {}", root_cause(&error));
    VendorError::new(ErrorClass::Network, api, code, message)
}

/// Returns the innermost error, which is the one that says what happened.
fn root_cause(error: &dyn Error) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_is_asked_past_the_proxy() {
        for host in ["127.0.0.1", "127.8.9.10", "localhost", "[::1]"] {
            assert!(is_this_machine(host), "{host}");
        }
        for host in ["ecs.aliyuncs.com", "10.0.0.1", "128.0.0.1", "localhost.example.com", ""] {
            assert!(!is_this_machine(host), "{host}");
        }
    }
}
