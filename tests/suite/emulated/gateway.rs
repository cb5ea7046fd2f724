//! A gateway before a DynamoDB, which lets writes be throttled, done in part,
//! or done without an answer, as the real one does when it is busy.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// What becomes of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// It is refused: too many at a time. Nothing is written.
    Throttled,
    /// Of a batch, every second item is written, and the others are named.
    /// Any other write is throttled.
    InPart,
    /// It is done, and the answer says that it was not.
    AnswerLost,
    /// It is refused, now and later.
    Refused,
    /// It is done, after a while.
    Late,
}

/// How late.
const LATE: Duration = Duration::from_millis(300);

/// What is planned for writes to tables whose name ends so.
#[derive(Debug, Default)]
struct Plan {
    table: &'static str,
    troubles: VecDeque<Trouble>,
    met: usize,
}

/// The gateway; it lives as long as the test's runtime. Clones are the same.
#[derive(Clone)]
pub struct Gateway {
    behind: String,
    client: reqwest::Client,
    plan: Arc<Mutex<Plan>>,
}

impl Gateway {
    /// Starts one before the DynamoDB at a URL. Returns it and its own URL.
    pub async fn start(behind: &str) -> (Self, String) {
        let gateway = Self {
            behind: behind.to_owned(),
            client: reqwest::Client::builder().no_proxy().build().unwrap(),
            plan: Arc::default(),
        };
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().fallback(answer).with_state(gateway.clone());
        tokio::spawn(async { axum::serve(listener, router).await });
        (gateway, url)
    }

    /// Lets the next writes to a table meet these, one each.
    pub fn trouble(&self, table: &'static str, troubles: &[Trouble]) {
        let troubles = troubles.iter().copied().collect();
        *self.plan.lock().unwrap() = Plan { table, troubles, met: 0 };
    }

    /// Returns how many writes met what was planned for them, which must be
    /// all that was planned.
    pub fn met(&self) -> usize {
        let plan = self.plan.lock().unwrap();
        assert_eq!(plan.troubles, [], "not met");
        plan.met
    }

    fn next(&self, operation: &str, body: &Value) -> Option<Trouble> {
        let is_write = ["BatchWriteItem", "UpdateItem", "PutItem"].contains(&operation);
        let mut plan = self.plan.lock().unwrap();
        let batch = body["RequestItems"].as_object().into_iter().flat_map(|items| items.keys());
        let mut tables = batch.map(String::as_str).chain(body["TableName"].as_str());
        if !is_write || !tables.any(|table| table.ends_with(plan.table)) {
            return None;
        }
        let trouble = plan.troubles.pop_front()?;
        plan.met += 1;
        Some(trouble)
    }

    async fn forward(&self, headers: &HeaderMap, body: Bytes) -> Response {
        let mut headers = headers.clone();
        for name in [header::HOST, header::CONTENT_LENGTH, header::ACCEPT_ENCODING] {
            headers.remove(name);
        }
        let request = self.client.request(Method::POST, &self.behind);
        let answer = request.headers(headers).body(body).send().await.unwrap();
        let (status, kind) = (answer.status(), answer.headers().get(header::CONTENT_TYPE).cloned());
        let body = answer.bytes().await.unwrap();
        let mut answer = (status, body).into_response();
        answer.headers_mut().extend(kind.map(|kind| (header::CONTENT_TYPE, kind)));
        answer
    }
}

async fn answer(State(gateway): State<Gateway>, headers: HeaderMap, body: Bytes) -> Response {
    let target = headers.get("x-amz-target").and_then(|target| target.to_str().ok());
    let operation = target.and_then(|target| target.split('.').nth(1)).unwrap_or_default();
    let mut asked: Value = serde_json::from_slice(&body).unwrap_or_default();
    match (gateway.next(operation, &asked), operation) {
        (None, _) => gateway.forward(&headers, body).await,
        (Some(Trouble::InPart), "BatchWriteItem") => {
            let left = take_every_second(&mut asked);
            let answer = gateway.forward(&headers, asked.to_string().into()).await;
            assert_eq!(answer.status(), StatusCode::OK);
            as_json(StatusCode::OK, &json!({ "UnprocessedItems": left }))
        }
        (Some(Trouble::AnswerLost), _) => {
            gateway.forward(&headers, body).await;
            error(StatusCode::INTERNAL_SERVER_ERROR, "InternalServerError")
        }
        (Some(Trouble::Late), _) => {
            tokio::time::sleep(LATE).await;
            gateway.forward(&headers, body).await
        }
        (Some(Trouble::Refused), _) => error(StatusCode::BAD_REQUEST, "ValidationException"),
        (Some(_), _) => error(StatusCode::BAD_REQUEST, "ProvisionedThroughputExceededException"),
    }
}

/// Takes every second item out of a batch, and returns them by table. Of a
/// batch of one, which is written whole, none is left.
fn take_every_second(asked: &mut Value) -> Value {
    let mut left = serde_json::Map::new();
    for (table, writes) in asked["RequestItems"].as_object_mut().unwrap() {
        let all = std::mem::take(writes.as_array_mut().unwrap());
        let (kept, taken): (Vec<_>, Vec<_>) =
            all.into_iter().enumerate().partition(|(n, _)| n % 2 == 0);
        let values = |of: Vec<(usize, Value)>| of.into_iter().map(|(_, write)| write).collect();
        *writes = Value::Array(values(kept));
        if !taken.is_empty() {
            left.insert(table.clone(), Value::Array(values(taken)));
        }
    }
    left.into()
}

fn error(status: StatusCode, code: &str) -> Response {
    let code = format!("com.amazonaws.dynamodb.v20120810#{code}");
    as_json(status, &json!({ "__type": code, "message": "told to" }))
}

fn as_json(status: StatusCode, body: &Value) -> Response {
    (status, [(header::CONTENT_TYPE, "application/x-amz-json-1.0")], body.to_string())
        .into_response()
}
