//! The way from a process to the vendor, without a socket.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use cloud_sync_core::error::{ErrorClass, VendorError};
use cloud_sync_provider::{Registry, Reply, RetryPolicy, Settings, Surroundings, Transport};
use cloud_sync_runtime::clock::Clock;
use jiff::fmt::rfc2822::DateTimePrinter;
use reqwest::header::{DATE, HOST, HeaderMap, HeaderValue};
use reqwest::{Request, StatusCode};
use simulated_cloud::{Answer, Delivery};

use crate::process::{Process, Step};

/// Carries a process's requests to the simulated cloud.
struct Network {
    process: Arc<Process>,
}

/// Returns the vendors as a process reaches them.
pub(crate) fn vendors(process: &Arc<Process>) -> Registry {
    let (clock, chance) = (process.clone(), process.clone());
    let around = Surroundings {
        transport: Arc::new(Network { process: process.clone() }),
        now: Arc::new(move || clock.now()),
        chance: Arc::new(move || chance.universe.dice.fraction()),
    };
    // A simulated vendor has no limits but those it enforces.
    Registry::within(around, Settings { retry: RetryPolicy::default(), paced: false })
}

/// What the network does to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mishap {
    None,
    /// The request never arrives.
    Lost,
    /// It arrives, and its answer does not.
    NoAnswer,
    /// Nothing is heard until the time is up.
    Silence,
    /// A gateway answers instead of the vendor.
    BadGateway,
}

fn lost(api: &str, code: &str) -> VendorError {
    VendorError::new(ErrorClass::Network, api, code, "the simulated network is at fault")
}

#[async_trait]
impl Transport for Network {
    async fn exchange(&self, api: &str, request: Request) -> Result<Reply, VendorError> {
        let universe = &self.process.universe;
        let dice = &universe.dice;
        self.process.step(Step::Read, api).await;
        let mishap = if universe.strikes(|chances| chances.network) {
            universe.count("network mishaps");
            let all = [Mishap::Lost, Mishap::NoAnswer, Mishap::Silence, Mishap::BadGateway];
            dice.one_of(&all, Mishap::Lost)
        } else {
            Mishap::None
        };
        let time = request.timeout().copied().unwrap_or(Duration::from_secs(30));
        tokio::time::sleep(dice.time(universe.plan.vendor_latency).min(time)).await;
        match mishap {
            Mishap::Lost => return Err(lost(api, "ConnectionFailed")),
            Mishap::Silence => {
                tokio::time::sleep(time).await;
                return Err(lost(api, "Timeout"));
            }
            _ => {}
        }
        let answer = self.ask(api, &request);
        if !answer.delay.is_zero() {
            tokio::time::sleep(answer.delay).await;
        }
        self.process.step(Step::Read, api).await;
        match (mishap, answer.delivery) {
            (Mishap::NoAnswer, _) | (_, Delivery::Nothing | Delivery::Half) => {
                Err(lost(api, "ConnectionLost"))
            }
            (Mishap::BadGateway, _) => Ok(self.reply(502, b"<html>Bad Gateway</html>".to_vec())),
            _ => Ok(self.reply(answer.status, answer.body)),
        }
    }
}

impl Network {
    fn ask(&self, api: &str, request: &Request) -> Answer {
        let universe = &self.process.universe;
        let mut headers = request.headers().clone();
        let host = request.url().host_str().unwrap_or_default();
        headers.extend(HeaderValue::try_from(host).ok().map(|host| (HOST, host)));
        let asked = simulated_cloud::Request {
            method: request.method().as_str(),
            path: request.url().path(),
            query: request.url().query().unwrap_or_default(),
            headers: &headers,
            body: request.body().and_then(|body| body.as_bytes()).unwrap_or_default(),
        };
        universe.count("vendor calls");
        if api == "LookupEvents" {
            universe.count("looks at a change feed");
        }
        universe.cloud.answer(&asked, universe.now())
    }

    fn reply(&self, status: u16, body: Vec<u8>) -> Reply {
        let mut headers = HeaderMap::new();
        let date = DateTimePrinter::new().timestamp_to_rfc9110_string(&self.process.universe.now());
        let date = date.ok().and_then(|date| HeaderValue::try_from(date).ok());
        headers.extend(date.map(|date| (DATE, date)));
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        Reply { status, headers, body }
    }
}
