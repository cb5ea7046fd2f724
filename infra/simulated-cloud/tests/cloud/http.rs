//! The same over a real connection.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use simulated_cloud::{AccessKey, Endpoints, Fault, Plan, Rule, Running, SimulatedCloud, World};

use crate::client::{Client, KEY, REGION, SECRET};

const ANY: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

async fn serve() -> (Running, Client) {
    let key = AccessKey::new(KEY, SECRET);
    let plan =
        Plan { endpoints: Endpoints::Server, ..Plan::new(7).account("demo", key, [(REGION, 120)]) };
    let world = World::new(&plan).expect("a world");
    let running = SimulatedCloud::start(world.clone(), ANY).await.expect("started");
    let mut client = Client::new(world);
    client.now = Timestamp::now();
    (running, client)
}

fn url(running: &Running, query: &str) -> String {
    format!("{}/?{query}", running.url())
}

async fn get(running: &Running, client: &Client) -> reqwest::Result<serde_json::Value> {
    let query = client.sign("GET", "DescribeInstances", &[]);
    let text = reqwest::get(url(running, &query)).await?.text().await?;
    Ok(serde_json::from_str(&text).unwrap_or_default())
}

#[tokio::test]
async fn get_and_post_are_answered_with_parameters_in_query_or_form() {
    let (running, client) = serve().await;
    let body = get(&running, &client).await.expect("answered");
    assert_eq!(body["TotalCount"], 120);
    let post = reqwest::Client::new();
    for in_form in [false, true] {
        let mut query = client.sign("POST", "DescribeInstances", &[("PageSize", "20")]);
        let mut form = "";
        if in_form {
            query = query.replace("PageSize=20&", "");
            form = "PageSize=20";
        }
        let request = post.post(url(&running, &query)).body(form);
        let request = request.header("content-type", "application/x-www-form-urlencoded");
        let text = request.send().await.expect("answered").text().await.expect("text");
        assert!(text.contains("\"PageSize\":20"), "{text}");
    }
    let put = post.put(running.url()).send().await.expect("answered");
    assert_eq!(put.status(), 405);
    running.shutdown().await;
}

#[tokio::test]
async fn regions_are_reached_where_the_server_is() {
    let (running, client) = serve().await;
    let query = client.sign("GET", "DescribeRegions", &[("RegionId", "-")]);
    let reply = reqwest::get(url(&running, &query)).await.expect("answered");
    let text = reply.text().await.expect("text");
    assert!(text.contains(&format!("\"RegionEndpoint\":\"{}\"", running.addr)), "{text}");
    running.shutdown().await;
}

#[tokio::test]
async fn connections_break_before_and_within_an_answer() {
    let (running, client) = serve().await;
    let faults = client.world.faults();
    faults.add(Rule::new(Fault::Drop));
    let query = client.sign("GET", "DescribeInstances", &[]);
    let error = reqwest::get(url(&running, &query)).await.expect_err("no answer");
    assert!(error.is_request(), "{error:?}");
    faults.clear();
    faults.add(Rule::new(Fault::CutOff));
    let query = client.sign("GET", "DescribeInstances", &[]);
    let reply = reqwest::get(url(&running, &query)).await.expect("a head");
    assert_eq!(reply.status(), 200);
    reply.bytes().await.expect_err("half a body");
    faults.clear();
    get(&running, &client).await.expect("answered again");
    running.shutdown().await;
}

#[tokio::test]
async fn answers_take_as_long_as_they_are_told_to() {
    let (running, client) = serve().await;
    client.world.set_latency(Duration::from_millis(60));
    client.world.faults().add(Rule::new(Fault::Delay(Duration::from_millis(60))));
    let start = Instant::now();
    get(&running, &client).await.expect("answered");
    assert!(start.elapsed() >= Duration::from_millis(120));
    running.shutdown().await;
}

#[tokio::test]
async fn a_server_that_is_shut_down_is_gone_and_a_taken_port_is_said() {
    let (running, client) = serve().await;
    let addr = running.addr;
    let refused = SimulatedCloud::start(client.world.clone(), addr).await.err();
    let text = refused.expect("the port is taken").to_string();
    assert!(text.contains(&addr.to_string()), "{text}");
    get(&running, &client).await.expect("answered");
    running.shutdown().await;
    tokio::net::TcpStream::connect(addr).await.expect_err("nothing listens");
}

#[tokio::test]
async fn vendors_are_told_apart_by_how_requests_are_signed_or_look() {
    let world = crate::signing::world(10);
    let running = SimulatedCloud::start(world.clone(), ANY).await.expect("started");
    let web = reqwest::Client::new();
    for vendor in crate::signing::OTHERS {
        let mut caller = crate::signing::Caller::new(world.clone(), vendor);
        caller.now = Timestamp::now();
        let sent = caller.page(20, None);
        let url = format!("{}{}?{}", running.url(), sent.path, sent.query);
        let method = sent.method.parse().expect("a method");
        let request = web.request(method, url).headers(sent.headers).body(sent.body);
        let reply = request.send().await.expect("answered");
        assert_eq!(reply.status(), 200);
        let text = reply.text().await.expect("text");
        for id in world.at(vendor.name(), &caller.region).expect("a place").live() {
            assert!(text.contains(&id), "{vendor:?} lacks {id}");
        }
    }
    let get = |path: &str| web.get(format!("{}{path}", running.url()));
    let unsigned = [
        (get("/").header("x-tc-action", "DescribeInstances"), "\"Code\":\"MissingParameter\""),
        (get("/v1/0/cloudservers/detail"), "\"error_code\":\"APIGW.0301\""),
        (get("/v3/projects"), "\"title\":\"Unauthorized\""),
        (get("/?Action=DescribeInstances&Version=2016-11-15"), "<Errors><Error><Code>MissingParam"),
        (get("/?Action=GetCallerIdentity&Version=2011-06-15"), "MissingAuthenticationToken"),
        (get("/").header("x-amz-date", "20261122T120000Z"), "<Code>AccessDenied</Code>"),
        (get("/?Action=DescribeInstances&Format=JSON"), "\"HostId\""),
    ];
    for (request, wanted) in unsigned {
        let text = request.send().await.expect("answered").text().await.expect("text");
        assert!(text.contains(wanted), "{wanted} in {text}");
    }
    running.shutdown().await;
}
