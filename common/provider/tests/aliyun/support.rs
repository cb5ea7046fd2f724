//! A server that answers by a function of the request's parameters, and
//! accounts at it.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use cloud_sync_core::account::{Account, Region};
use cloud_sync_core::credentials::Credentials;
use cloud_sync_core::meter::Meter;
use cloud_sync_core::resource::Resource;
use cloud_sync_core::scope::Kind;
use cloud_sync_provider::{Registry, RetryPolicy, Settings, Vendor, Vendors};
use serde_json::{Value, json};
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, Request, ResponseTemplate};

pub const SECRET: &str = "canary-secret";
pub const TOKEN: &str = "canary-token+/=";

/// A request's parameters, by name.
pub type Params = BTreeMap<String, String>;

/// A vendor on loopback.
pub struct Cloud {
    server: MockServer,
    pub meter: Arc<Meter>,
}

impl Cloud {
    /// Returns a vendor that answers as `answer` says.
    pub async fn answering(
        answer: impl Fn(&Params) -> ResponseTemplate + Send + Sync + 'static,
    ) -> Self {
        LazyLock::force(&LOG);
        let server = MockServer::start().await;
        let respond = move |request: &Request| answer(&params(request));
        Mock::given(any()).respond_with(respond).mount(&server).await;
        Self { server, meter: Arc::default() }
    }

    /// Returns an account at it.
    pub fn open(&self) -> Arc<dyn Vendor> {
        open(&self.uri(), Arc::clone(&self.meter))
    }

    /// Returns where it listens.
    pub fn uri(&self) -> String {
        self.server.uri()
    }

    /// Returns what was asked so far.
    pub async fn requests(&self) -> Vec<Params> {
        self.server.received_requests().await.unwrap().iter().map(params).collect()
    }
}

/// Reads what a POST has in its body; nothing may be in its URL.
fn params(request: &Request) -> Params {
    assert_eq!(request.url.query(), None, "parameters belong into the body");
    let body = format!("http://form/?{}", std::str::from_utf8(&request.body).unwrap());
    reqwest::Url::parse(&body).unwrap().query_pairs().into_owned().collect()
}

/// Returns an account whose vendor is at `endpoint`, with retries that hardly
/// wait.
pub fn open(endpoint: &str, meter: Arc<Meter>) -> Arc<dyn Vendor> {
    LazyLock::force(&LOG);
    let retry = RetryPolicy {
        attempts: 4,
        base: Duration::from_millis(2),
        cap: Duration::from_millis(5),
        total: Duration::from_secs(10),
        throttle_wait: Duration::from_millis(100),
    };
    let registry = Registry::with(Settings { retry, paced: false }).unwrap();
    registry.open(&account(endpoint), credentials(), meter).ok().unwrap()
}

pub fn account(endpoint: &str) -> Account {
    let account = json!({
        "id": "prod", "provider": "aliyun", "default_region": "cn-hangzhou",
        "endpoint": endpoint, "credentials": { "env": "PROD" },
    });
    serde_json::from_value(account).unwrap()
}

pub fn credentials() -> Credentials {
    Credentials {
        access_key_id: "LTAI".into(),
        access_key_secret: SECRET.to_owned().into(),
        security_token: Some(TOKEN.to_owned().into()),
    }
}

pub fn kind() -> Kind {
    "aliyun.ecs.instance".parse().unwrap()
}

pub fn region() -> Region {
    Region::new("cn-hangzhou")
}

pub fn machine(id: &str) -> Resource {
    Resource { id: id.to_owned(), ..Resource::default() }
}

pub fn ids(range: std::ops::Range<u32>) -> Vec<String> {
    range.map(|n| format!("i-{n}")).collect()
}

pub fn ok(body: &Value) -> ResponseTemplate {
    ResponseTemplate::new(200).set_body_json(body)
}

pub fn error(status: u16, code: &str) -> ResponseTemplate {
    let body = json!({ "Code": code, "Message": "no", "RequestId": "R-1" });
    ResponseTemplate::new(status).set_body_json(body)
}

/// Returns a page of instances that have nothing but ids.
pub fn instances(ids: &[String], next: &str) -> ResponseTemplate {
    let items: Vec<_> = ids.iter().map(|id| json!({ "InstanceId": id })).collect();
    ok(&json!({ "Instances": { "Instance": items }, "NextToken": next }))
}

/// Everything that any test of this process has logged. It is the process's
/// own subscriber: one of a thread would miss what another thread was the
/// first to log.
static LOG: LazyLock<Log> = LazyLock::new(|| {
    let log = Log::default();
    let writer = log.clone();
    tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .init();
    log
});

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

pub fn logged() -> String {
    String::from_utf8_lossy(&LOG.0.lock().unwrap()).into_owned()
}
