//! The simulated cloud over HTTP.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Method, Response, StatusCode, Uri, header};
use futures::stream;
use jiff::Timestamp;
use thiserror::Error;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::aliyun::Aliyun;
use crate::aws::{self, Aws};
use crate::front::{Answer, Delivery, Request};
use crate::huawei::Huawei;
use crate::tencent::Tencent;
use crate::world::{Provider, World};

/// How long requests may take to end once the server is told to.
const GRACE: Duration = Duration::from_secs(2);

/// The server.
pub struct SimulatedCloud;

/// A server that runs. Dropping it stops it.
pub struct Running {
    /// Where it listens. With port 0 asked for, this is the one it got.
    pub addr: SocketAddr,
    /// The world that it serves.
    pub world: World,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
}

/// The server could not start.
#[derive(Debug, Error)]
#[error("the simulated cloud cannot listen on {addr}: {source}; choose another address or port")]
pub struct StartError {
    /// The address that was asked for.
    pub addr: SocketAddr,
    /// What went wrong.
    pub source: std::io::Error,
}

impl SimulatedCloud {
    /// Serves a world.
    ///
    /// # Errors
    ///
    /// The address cannot be listened on.
    pub async fn start(world: World, listen: SocketAddr) -> Result<Running, StartError> {
        let failed = |source| StartError { addr: listen, source };
        let listener = TcpListener::bind(listen).await.map_err(failed)?;
        let addr = listener.local_addr().map_err(failed)?;
        let clouds = Arc::new(Clouds::new(&world, addr.to_string()));
        let app = Router::new().fallback(answer).with_state(clouds);
        let (stop, stopped) = oneshot::channel::<()>();
        let task = tokio::spawn(async move {
            // A dropped sender stops the server too.
            let stopped = async { stopped.await.unwrap_or_default() };
            let served = axum::serve(listener, app).with_graceful_shutdown(stopped).await;
            if let Err(error) = served {
                tracing::error!(%error, "the simulated cloud stopped");
            }
        });
        Ok(Running { addr, world, stop: Some(stop), task })
    }
}

impl Running {
    /// Returns where it can be reached: `http://127.0.0.1:8080`.
    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// Stops it, and waits until its requests have ended, for two seconds at
    /// most.
    pub async fn shutdown(mut self) {
        drop(self.stop.take());
        if tokio::time::timeout(GRACE, &mut self.task).await.is_err() {
            self.task.abort();
        }
    }
}

/// Every vendor's front, over one world. It knows nothing of sockets.
pub struct Clouds {
    aliyun: Aliyun,
    tencent: Tencent,
    aws: Aws,
    huawei: Huawei,
}

impl Clouds {
    /// Opens a world to the callers of every vendor. `address` is where the
    /// server can be reached, as `host:port`.
    pub fn new(world: &World, address: String) -> Self {
        Self {
            aliyun: Aliyun::new(world.clone(), address),
            tencent: Tencent::new(world.clone()),
            aws: Aws::new(world.clone()),
            huawei: Huawei::new(world.clone()),
        }
    }

    /// Answers a request that arrived at a given time, as the vendor does that
    /// it is for.
    pub fn answer(&self, request: &Request<'_>, now: Timestamp) -> Answer {
        match vendor_of(request) {
            Provider::Aliyun => self.aliyun.answer(request, now),
            Provider::Tencent => self.tencent.answer(request, now),
            Provider::Huawei => self.huawei.answer(request, now),
            Provider::Aws => self.aws.answer(request, now),
        }
    }
}

/// Tells whom a request is for. All vendors are reached at one address, so it
/// is told by how the request is signed or, unsigned, by what it looks like.
fn vendor_of(request: &Request<'_>) -> Provider {
    let scheme = request.header("authorization").split(' ').next().unwrap_or_default();
    let has = |name: &str| request.headers.contains_key(name);
    let starts = |beginnings: &[&str]| beginnings.iter().any(|path| request.path.starts_with(path));
    match scheme {
        "TC3-HMAC-SHA256" => Provider::Tencent,
        "SDK-HMAC-SHA256" => Provider::Huawei,
        "AWS4-HMAC-SHA256" => Provider::Aws,
        _ if has("x-tc-action") || has("x-tc-version") => Provider::Tencent,
        _ if has("x-sdk-date") || has("x-project-id") || has("x-domain-id") => Provider::Huawei,
        _ if starts(&["/v1/", "/v2/", "/v3/", "/v3.0/"]) => Provider::Huawei,
        _ if has("x-amz-date") || has("x-amz-content-sha256") => Provider::Aws,
        _ if aws::is_query(request) => Provider::Aws,
        _ => Provider::Aliyun,
    }
}

async fn answer(
    State(clouds): State<Arc<Clouds>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response<Body> {
    if !(method == Method::GET || method == Method::POST) {
        return empty(StatusCode::METHOD_NOT_ALLOWED);
    }
    let request = Request {
        method: method.as_str(),
        path: uri.path(),
        query: uri.query().unwrap_or(""),
        headers: &headers,
        body: &body,
    };
    let answer = clouds.answer(&request, Timestamp::now());
    if !answer.delay.is_zero() {
        tokio::time::sleep(answer.delay).await;
    }
    deliver(answer)
}

fn deliver(answer: Answer) -> Response<Body> {
    let length = answer.body.len();
    let mut response = match answer.delivery {
        Delivery::Whole => Response::new(Body::from(answer.body)),
        Delivery::Nothing => Response::new(broken(Bytes::new())),
        Delivery::Half => {
            let half = Bytes::from(answer.body).slice(..length / 2);
            Response::new(broken(half))
        }
    };
    let Ok(status) = StatusCode::from_u16(answer.status) else {
        return empty(StatusCode::INTERNAL_SERVER_ERROR);
    };
    *response.status_mut() = status;
    let content_type = header::HeaderValue::from_static(answer.content_type);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, content_type);
    headers.insert(header::CONTENT_LENGTH, length.into());
    response
}

fn empty(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

/// A body that ends in an error, upon which the connection is closed. Where
/// the error comes first, the head is not sent either; a pause lets out what
/// comes before it.
fn broken(start: Bytes) -> Body {
    let error = || Err(std::io::Error::other("a fault of the simulated cloud"));
    Body::from_stream(stream::unfold(Some(start), move |start| async move {
        match start {
            Some(start) if !start.is_empty() => Some((Ok(start), None)),
            Some(_) => Some((error(), None)),
            None => {
                tokio::time::sleep(Duration::from_millis(20)).await;
                Some((error(), None))
            }
        }
    }))
}
