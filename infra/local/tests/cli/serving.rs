//! `serve` and `simulated-cloud`.

use std::net::{Ipv4Addr, TcpListener};
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{Case, eventually, in_time, number, text};

fn free_address() -> String {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    listener.local_addr().expect("its address").to_string()
}

async fn answer(request: reqwest::RequestBuilder) -> Option<(u16, Value)> {
    let response = request.send().await.ok()?;
    let status = response.status().as_u16();
    let body = response.text().await.ok()?;
    Some((status, serde_json::from_str(&body).unwrap_or(Value::String(body))))
}

#[tokio::test(flavor = "multi_thread")]
async fn serve_syncs_on_schedule_and_on_demand_until_it_is_stopped() {
    let case = Case::new().await;
    let address = free_address();
    let run = case.start(&["serve", "--listen", &address, "--every", "1h"]);
    // What was never synced is due at once.
    eventually("a scheduled task", || {
        let tasks = case.run(&["tasks", "--json"]);
        tasks
            .lines()
            .iter()
            .any(|task| task["trigger"] == "scheduled" && task["status"] == "success")
    })
    .await;
    let http = reqwest::Client::builder().no_proxy().build().expect("a client");
    let syncs = format!("http://{address}/syncs");
    let body = json!({ "account_ids": ["prod"], "regions": ["cn-beijing"] });
    let post = |body: Value| {
        http.post(&syncs).header("content-type", "application/json").body(body.to_string())
    };
    let (status, accepted) = answer(post(body)).await.expect("an answer");
    assert_eq!(status, 202, "{accepted}");
    let id = accepted["task_ids"][0].as_str().expect("a task").to_owned();
    let mut task = Value::Null;
    for _ in 0..200 {
        let url = format!("http://{address}/tasks/{id}");
        task = answer(http.get(url)).await.expect("an answer").1;
        if task["status"] != "pending" && task["status"] != "running" {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!((text(&task, "status"), number(&task, "unchanged_count")), ("success", 5));
    let (status, problem) = answer(post(json!({ "account_ids": ["x"] }))).await.expect("an answer");
    assert_eq!(status, 422, "{problem}");

    run.signal("-TERM");
    let ran = run.wait();
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn serve_listens_only_where_other_machines_cannot_call() {
    let case = Case::new().await;
    let ran = case.run(&["serve", "--listen", "0.0.0.0:0"]);
    ran.assert_problem(2, &["0.0.0.0:0", "127.0.0.1", "CLOUD_SYNC_API_TOKEN"]);
    for bad in ["", "short", "not all of it is visible"] {
        let mut serve = case.command(&["serve", "--listen", "127.0.0.1:0"]);
        serve.env("CLOUD_SYNC_API_TOKEN", bad);
        let ran = in_time(serve);
        ran.assert_problem(2, &["CLOUD_SYNC_API_TOKEN", "16 visible characters"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn serve_asks_for_its_token_everywhere_and_never_shows_it() {
    const TOKEN: &str = "canary-api-token-91bd";
    let case = Case::new().await;
    let address = free_address().replace("127.0.0.1", "0.0.0.0");
    let mut serve = case.command(&["serve", "-vv", "--listen", &address]);
    serve.env("CLOUD_SYNC_API_TOKEN", TOKEN);
    let run = case.start_command(serve);
    let url = format!("http://{}", address.replace("0.0.0.0", "127.0.0.1"));
    let http = reqwest::Client::builder().no_proxy().build().expect("a client");
    let mut health = None;
    for _ in 0..400 {
        health = answer(http.get(format!("{url}/healthz"))).await;
        if health.is_some() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(health.expect("it listens").0, 200);
    let tasks = || http.get(format!("{url}/tasks"));
    assert_eq!(answer(tasks()).await.expect("an answer").0, 401);
    assert_eq!(answer(tasks().bearer_auth("canary-api-token-91be")).await.expect("one").0, 401);
    let (status, body) = answer(tasks().bearer_auth(TOKEN)).await.expect("an answer");
    assert_eq!(status, 200, "{body}");

    run.signal("-TERM");
    let ran = run.wait();
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert!(ran.stderr.contains("/tasks"), "requests are logged: {}", ran.stderr);
    assert!(!ran.stderr.contains("canary-api-token"), "{}", ran.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_of_somebody_elses_that_leads_here_is_refused() {
    let case = Case::new().await;
    let address = free_address();
    let _run = case.start(&["serve", "--listen", &address, "--every", "1h"]);
    let http = reqwest::Client::builder().no_proxy().build().expect("a client");
    let tasks = || http.get(format!("http://{address}/tasks"));
    let mut status = None;
    for _ in 0..400 {
        status = answer(tasks()).await.map(|(status, _)| status);
        if status.is_some() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(status, Some(200));
    let rebound = tasks().header("host", "rebound.example");
    assert_eq!(answer(rebound).await.expect("an answer").0, 403);
}

#[tokio::test(flavor = "multi_thread")]
async fn events_are_counted_in_the_log_and_no_page_from_elsewhere_may_post() {
    const TOKEN: &str = "canary-hook-token";
    let case = Case::new().await;
    let accounts = std::fs::read_to_string(case.path("accounts.toml")).expect("a configuration");
    case.configure(&format!("{accounts}\nhook = {{ env = \"HOOK\" }}\n"));
    let address = free_address();
    let mut serve = case.command(&["serve", "-v", "--listen", &address, "--every", "1h"]);
    serve.env("HOOK", TOKEN);
    let run = case.start_command(serve);
    let http = reqwest::Client::builder().no_proxy().build().expect("a client");
    let hook = format!("http://{address}/hooks/aliyun?account=prod");
    let event = json!({
        "specversion": "1.0", "id": "1", "source": "acs.oss", "type": "oss:Bucket:x", "data": {},
    });
    let post = || http.post(&hook).header("x-hook-token", TOKEN).body(event.to_string());
    let mut answered = None;
    for _ in 0..400 {
        answered = answer(post()).await;
        if answered.is_some() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let (status, body) = answered.expect("it listens");
    assert_eq!((status, &body["unknown"]), (202, &json!(1)), "{body}");
    let resume = || http.post(format!("http://{address}/accounts/prod/resume"));
    assert_eq!(answer(resume()).await.expect("an answer").0, 200);
    let foreign = resume().header("origin", "https://evil.example");
    assert_eq!(answer(foreign).await.expect("an answer").0, 403);

    run.signal("-TERM");
    let ran = run.wait();
    assert!(ran.stderr.contains("events_unknown=1"), "{}", ran.stderr);
    assert!(!ran.stderr.contains(TOKEN), "{}", ran.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_simulated_cloud_says_how_to_use_it_and_that_works() {
    let case = Case::new().await;
    let address = free_address();
    let args = ["simulated-cloud", "--listen", &address, "--instances", "40", "--regions", "2"];
    let more = ["--latency-ms", "0", "--truth", "truth.json", "--json"];
    let run = case.start(&[&args[..], &more[..]].concat());
    eventually("the truth", || case.path("truth.json").exists()).await;
    let truth = std::fs::read(case.path("truth.json")).expect("the truth");
    let truth: Value = serde_json::from_slice(&truth).expect("JSON");
    assert_eq!(number(&truth, "seed"), 42);

    run.signal("-INT");
    let ran = run.wait();
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let access = ran.json();
    assert_eq!(text(&access, "endpoint"), format!("http://{address}"));
    let _again = case.start(&[&args[..], &["--latency-ms", "0"]].concat());
    syncs(&case, &access, &[40]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_simulated_cloud_can_be_that_of_every_vendor_with_every_kind() {
    let case = Case::new().await;
    let address = free_address();
    let args = ["simulated-cloud", "--listen", &address, "--instances", "10", "--regions", "1"];
    let more = ["--latency-ms", "0", "--managed", "3", "--truth", "truth.json", "--json"];
    let all = ["--provider", "aliyun,aws,tencent,huawei"];
    let run = case.start(&[&args[..], &more[..], &all[..]].concat());
    eventually("the truth", || case.path("truth.json").exists()).await;
    run.signal("-INT");
    let access = run.wait().json();
    let _again = case.start(&[&args[..], &more[..4], &all[..]].concat());
    // Of each kind what was asked for; disks and addresses are machines' too.
    let managed = [3, 3, 3, 3];
    syncs(&case, &access, &[&[10; 4], &managed[..], &managed[..]].concat()).await;

    let ran = case.run(&["simulated-cloud", "--provider", "azure"]);
    ran.assert_problem(2, &["azure", "aliyun", "huawei"]);
}

/// Syncs what the simulated cloud said of itself, until tasks have added so
/// many resources each, among others.
async fn syncs(case: &Case, access: &Value, added: &[u64]) {
    case.configure(text(access, "accounts_toml"));
    eventually("a sync of it", || {
        let mut sync = case.command(&["sync", "--json"]);
        for account in access["accounts"].as_array().expect("accounts") {
            let env = text(account, "env");
            sync.env(format!("{env}_ACCESS_KEY_ID"), text(account, "access_key_id"));
            sync.env(format!("{env}_ACCESS_KEY_SECRET"), text(account, "access_key_secret"));
        }
        let ran = in_time(sync);
        let report = ran.json();
        let counts = report["tasks"].as_array().into_iter().flatten();
        let mut counts: Vec<_> = counts.filter_map(|task| task["added_count"].as_u64()).collect();
        ran.code == Some(0)
            && added.iter().all(|wanted| {
                let found = counts.iter().position(|count| count == wanted);
                found.map(|place| counts.swap_remove(place)).is_some()
            })
    })
    .await;
}
