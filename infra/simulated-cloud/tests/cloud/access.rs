//! Signatures, keys, permissions, flow control.

use jiff::{SignedDuration, Timestamp};
use simulated_cloud::{AccessKey, Limits, Permission};

use crate::client::{Client, KEY, Params, SECRET, noon};

fn code_of(client: &Client, params: &[(&str, &str)]) -> (u16, String) {
    let reply = client.call("DescribeInstances", params);
    (reply.status, reply.code().to_owned())
}

fn error(status: u16, code: &str) -> (u16, String) {
    (status, code.to_owned())
}

#[test]
fn a_wrong_secret_is_told_what_the_server_signed() {
    let mut client = Client::of(10);
    client.secret = "wrong".into();
    let reply = client.call("DescribeInstances", &[]);
    assert_eq!((reply.status, reply.code()), (400, "SignatureDoesNotMatch"));
    let message = reply.body["Message"].as_str().expect("a message");
    let (_, signed) = message.split_once(':').expect("a colon");
    assert!(signed.starts_with("GET&%2F&AccessKeyId%3DLTAI5tTest%26Action%3D"), "{signed}");
    assert!(!message.contains(SECRET));
    let id = reply.body["RequestId"].as_str().expect("an id");
    assert!(id.len() == 36 && id == id.to_uppercase(), "{id}");
    assert_eq!(reply.body["HostId"], "ecs.cn-hangzhou.aliyuncs.com");
}

#[test]
fn a_signature_is_for_its_method_and_its_parameters() {
    let client = Client::of(10);
    let query = client.sign("POST", "DescribeInstances", &[]);
    assert_eq!(client.send("GET", &query).status, 400);
    let query = client.sign("GET", "DescribeInstances", &[("PageSize", "10")]);
    assert_eq!(client.send("GET", &query.replace("PageSize=10", "PageSize=11")).status, 400);
    assert_eq!(client.send("GET", &query).status, 200);
}

#[test]
fn a_request_is_taken_once() {
    let mut client = Client::of(10);
    let query = client.sign("GET", "DescribeInstances", &[]);
    let outcome = |client: &Client| {
        let answer = client.send("GET", &query);
        String::from_utf8(answer.body).expect("UTF-8").contains("SignatureNonceUsed")
    };
    assert!(!outcome(&client));
    assert!(outcome(&client));
    client.now += SignedDuration::from_mins(15);
    assert!(outcome(&client), "it is remembered as long as its time is good");
}

#[test]
fn a_refused_request_does_not_use_up_its_nonce() {
    let mut client = Client::of(10);
    client.secret = "wrong".into();
    let fixed = [("SignatureNonce", "one")];
    assert_eq!(code_of(&client, &fixed), error(400, "SignatureDoesNotMatch"));
    client.secret = SECRET.into();
    assert_eq!(client.call("DescribeInstances", &fixed).status, 200);
}

#[test]
fn the_clock_may_be_off_by_a_quarter_of_an_hour() {
    let client = Client::of(10);
    let at = |minutes: i64, seconds: i64| {
        let time = noon() + SignedDuration::from_secs(minutes * 60 + seconds);
        let text = time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        code_of(&client, &[("Timestamp", &text)])
    };
    assert_eq!(at(-15, 0), error(200, "no error"));
    assert_eq!(at(15, 0), error(200, "no error"));
    assert_eq!(at(-15, -1), error(400, "InvalidTimeStamp.Expired"));
    assert_eq!(at(15, 1), error(400, "InvalidTimeStamp.Expired"));
    for malformed in ["2026-11-22 12:00:01", "2026-11-22T12:00:01.5Z", "now"] {
        assert_eq!(code_of(&client, &[("Timestamp", malformed)]), error(400, "IllegalTimestamp"));
    }
}

#[test]
fn keys_that_are_unknown_or_off_are_refused() {
    let mut client = Client::of(10);
    let off = AccessKey { active: false, ..AccessKey::new("off", SECRET) };
    client.world.set_keys("demo", vec![off, AccessKey::new(KEY, SECRET)]);
    assert_eq!(client.call("DescribeInstances", &[]).status, 200);
    client.key = "off".into();
    assert_eq!(code_of(&client, &[]), error(400, "InvalidAccessKeyId.Inactive"));
    client.key = "unknown".into();
    assert_eq!(code_of(&client, &[]), error(404, "InvalidAccessKeyId.NotFound"));
}

#[test]
fn a_temporary_key_goes_with_its_token() {
    let mut client = Client::of(10);
    client.token = Some("token".into());
    let mismatch = error(400, "InvalidSecurityToken.MismatchWithAccessKey");
    assert_eq!(code_of(&client, &[]), mismatch, "a lasting key has none");
    let lasts_until = |time: Timestamp| AccessKey {
        expires: Some(time),
        ..AccessKey::new(KEY, SECRET).with_token("token")
    };
    client.world.set_keys("demo", vec![lasts_until(noon() + SignedDuration::from_mins(1))]);
    assert_eq!(client.call("DescribeInstances", &[]).status, 200);
    client.token = Some("other".into());
    assert_eq!(code_of(&client, &[]), error(400, "InvalidSecurityToken.Malformed"));
    client.token = None;
    assert_eq!(code_of(&client, &[]), error(400, "MissingSecurityToken"));
    client.token = Some("token".into());
    client.world.set_keys("demo", vec![lasts_until(noon())]);
    assert_eq!(code_of(&client, &[]), error(400, "InvalidSecurityToken.Expired"));
}

#[test]
fn what_is_not_there_has_its_own_error() {
    let client = Client::of(10);
    let cases: [(&Params<'_>, u16, &str); 8] = [
        (&[("RegionId", "mars-north-1")], 404, "InvalidRegionId.NotFound"),
        (&[("RegionId", "ap-south-1")], 404, "InvalidRegionId.NotFound"),
        (&[("RegionId", "-")], 400, "MissingParameter"),
        (&[("SignatureNonce", "-")], 400, "MissingParameter"),
        (&[("Timestamp", "-")], 400, "MissingParameter"),
        (&[("Action", "RunInstances")], 404, "InvalidAction.NotFound"),
        (&[("Version", "2013-01-01")], 400, "InvalidVersion"),
        (&[("SignatureMethod", "HMAC-SHA256")], 400, "InvalidParameter"),
    ];
    for (params, status, code) in cases {
        assert_eq!(code_of(&client, params), error(status, code), "{params:?}");
    }
    let query = client.sign("GET", "DescribeInstances", &[]);
    let (unsigned, _) = query.split_once("&Signature=").expect("a signature");
    assert_eq!(client.send("GET", unsigned).status, 400);
}

#[test]
fn beyond_the_limit_calls_are_refused_until_the_next_minute() {
    let mut client = Client::of(10);
    client.world.set_limits(Limits::Calls(3));
    let throttled = error(400, "Throttling.User");
    for _ in 0..3 {
        assert_eq!(client.call("DescribeInstances", &[]).status, 200);
    }
    assert_eq!(code_of(&client, &[]), throttled);
    assert_eq!(client.call("DescribeDisks", &[]).status, 200, "each API has its own");
    assert_eq!(client.call("DescribeInstances", &[("RegionId", "cn-beijing")]).status, 200);
    client.now += SignedDuration::from_secs(58);
    assert_eq!(code_of(&client, &[]), throttled, "the minute is the clock's");
    client.now += SignedDuration::from_secs(1);
    assert_eq!(client.call("DescribeInstances", &[]).status, 200);
    assert_eq!(client.world.calls_of("DescribeInstances"), 7, "refused calls count as well");
}

#[test]
fn permissions_are_by_action_and_a_dry_run_tells_the_truth() {
    let client = Client::of(10);
    let dry = [("DryRun", "true")];
    assert_eq!(code_of(&client, &dry), error(400, "DryRunOperation"));
    client.world.permit("demo", Some("DescribeInstances"), Permission::Denied);
    let reply = client.call("DescribeInstances", &[]);
    assert_eq!((reply.status, reply.code()), (403, "Forbidden.RAM"));
    assert_eq!(reply.body["AccessDeniedDetail"]["AuthAction"], "ecs:DescribeInstances");
    assert_eq!(client.call("DescribeDisks", &[]).status, 200);
    client.world.permit("demo", Some("DescribeInstances"), Permission::SilentlyEmpty);
    let reply = client.call("DescribeInstances", &[("MaxResults", "10")]);
    assert_eq!((reply.status, reply.ids().len()), (200, 0));
    assert_eq!(reply.body["NextToken"], "");
    assert_eq!(code_of(&client, &dry), error(403, "Forbidden.RAM"));
    client.world.permit("demo", None, Permission::Allowed);
    assert_eq!(client.call("DescribeInstances", &[]).ids().len(), 10);
}

#[test]
fn an_answer_is_xml_unless_json_is_asked_for() {
    let client = Client::of(10);
    let answer = client.raw("DescribeInstances", &[("Format", "-")]);
    let text = String::from_utf8(answer.body).expect("UTF-8");
    assert!(answer.content_type.starts_with("text/xml"));
    assert!(text.contains("<DescribeInstancesResponse>"), "{text}");
    assert_eq!(text.matches("<Instance>").count(), 10);
    let answer = client.raw("DescribeInstances", &[("Format", "XML"), ("RegionId", "mars")]);
    let text = String::from_utf8(answer.body).expect("UTF-8");
    assert!(text.contains("<Error>") && text.contains("<Code>InvalidRegionId.NotFound</Code>"));
}
