//! Services of the other vendors beside the one that lists machines.

use jiff::SignedDuration;
use serde_json::{Value, json};
use simulated_cloud::{AccessKey, Family, Fault, Limits, Permission, Provider, Rule, World};

use crate::signing::{Caller, between, plan, region_of};

const RDS: &str = "Action=DescribeDBInstances&Version=2014-10-31";
const CACHES: &str = "Action=DescribeCacheClusters&Version=2015-02-02";
const CDB: (&str, &str) = ("cdb", "2017-03-20");

fn world(managed: u32) -> World {
    World::new(&plan(5, managed)).expect("a world")
}

/// Returns status, code and text of an answer of AWS.
fn aws(caller: &Caller, service: &str, query: &str, form: &str) -> (u16, String, String) {
    let sent = caller.signed_by_aws(service, "/", query, form);
    let answer = caller.send(&sent);
    let text = String::from_utf8(answer.body).expect("UTF-8");
    let code = between(&text, "Code").first().copied().unwrap_or("").to_owned();
    (answer.status, code, text)
}

/// Returns the same for a service by its name.
fn ask(caller: &Caller, service: &str) -> (u16, String, String) {
    let form = match service {
        "rds" => RDS,
        "elasticache" => CACHES,
        _ => "",
    };
    aws(caller, service, "", form)
}

fn ids(world: &World, family: Family) -> Vec<String> {
    let vendor = Provider::Aws;
    world.at(vendor.name(), region_of(vendor)).expect("a place").ids_of(family)
}

#[test]
fn the_same_trouble_has_each_services_own_code() {
    let world = world(3);
    let caller = Caller::new(world.clone(), Provider::Aws);
    let check = |caller: &Caller, wanted: [(u16, &str); 3]| {
        for (service, (status, code)) in ["rds", "elasticache", "s3"].into_iter().zip(wanted) {
            let found = ask(caller, service);
            assert_eq!((found.0, found.1.as_str()), (status, code), "{service}: {}", found.2);
        }
    };
    let query = |code| [(403, code), (403, code)];
    let all = |[rds, caches]: [(u16, &'static str); 2], s3| [rds, caches, s3];
    check(&caller, [(200, ""); 3]);
    let nobody = Caller { key: "nobody".into(), ..caller.clone() };
    check(&nobody, all(query("InvalidClientTokenId"), (403, "InvalidAccessKeyId")));
    let wrong = Caller { secret: "wrong".into(), ..caller.clone() };
    check(&wrong, all(query("SignatureDoesNotMatch"), (403, "SignatureDoesNotMatch")));
    let token = Caller { token: Some("token".into()), ..caller.clone() };
    check(&token, all(query("InvalidClientTokenId"), (400, "InvalidToken")));
    world.permit("aws", None, Permission::Denied);
    check(&caller, [(403, "AccessDenied"); 3]);
    world.permit("aws", None, Permission::Allowed);
    world.set_limits(Limits::Calls(0));
    check(&caller, [(400, "Throttling"), (400, "Throttling"), (503, "SlowDown")]);
    world.set_limits(Limits::Documented);
    let key = AccessKey::new(&caller.key, "secret").with_token("token");
    world.set_keys("aws", vec![AccessKey { expires: Some(caller.now), ..key }]);
    check(&token, all(query("ExpiredToken"), (400, "ExpiredToken")));
}

#[test]
fn a_service_may_be_closed_in_a_region() {
    let world = world(1);
    let caller = Caller::new(world.clone(), Provider::Aws);
    for (service, code) in [("rds", "OptInRequired"), ("s3", "NotSignedUp")] {
        world.set_service(service, "us-east-1", false);
        let found = ask(&caller, service);
        assert_eq!((found.0, found.1.as_str()), (403, code));
        world.set_service(service, "us-east-1", true);
        assert_eq!(ask(&caller, service).0, 200);
    }
}

#[test]
fn a_skewed_clock_is_told_both_times() {
    let caller = Caller::new(world(1), Provider::Aws);
    let sent = caller.signed_by_aws("rds", "/", "", RDS);
    let listing = caller.signed_by_aws("s3", "/", "", "");
    let server = Caller { now: caller.now + SignedDuration::from_mins(16), ..caller };
    let text = String::from_utf8(server.send(&sent).body).expect("UTF-8");
    let wanted = "Signature expired: 20261122T120001Z is now earlier than 20261122T120101Z \
                  (20261122T121601Z - 15 min.)";
    assert!(text.contains(wanted), "{text}");
    let text = String::from_utf8(server.send(&listing).body).expect("UTF-8");
    assert!(text.contains("<Code>RequestTimeTooSkewed</Code>"), "{text}");
}

#[test]
fn databases_and_caches_come_in_pages_under_a_marker() {
    let world = world(45);
    let caller = Caller::new(world.clone(), Provider::Aws);
    for (service, form, tag, family) in [
        ("rds", RDS, "DBInstanceIdentifier", Family::Database),
        ("elasticache", CACHES, "CacheClusterId", Family::Cache),
    ] {
        let walk = || {
            let mut pages: Vec<Vec<String>> = Vec::new();
            let mut marker = String::new();
            loop {
                let (status, _, text) =
                    aws(&caller, service, "", &format!("{form}&MaxRecords=20{marker}"));
                assert_eq!(status, 200, "{text}");
                pages.push(between(&text, tag).into_iter().map(str::to_owned).collect());
                let Some(next) = between(&text, "Marker").first().copied() else { return pages };
                let next: String = form_urlencoded::byte_serialize(next.as_bytes()).collect();
                marker = format!("&Marker={next}");
            }
        };
        let whole = walk();
        assert_eq!(whole.iter().map(Vec::len).collect::<Vec<_>>(), [20, 20, 5], "{service}");
        assert_eq!(whole.concat(), ids(&world, family));
        world.faults().add(Rule::new(Fault::Skip(4)).times(1));
        assert_eq!(walk().concat().len(), 41, "{service}");
        world.faults().clear();
        world.faults().add(Rule::new(Fault::RejectToken));
        let (status, code, _) = aws(&caller, service, "", &format!("{form}&Marker=AAAA"));
        assert_eq!((status, code.as_str()), (400, "InvalidParameterValue"));
        world.faults().clear();
    }
}

#[test]
fn buckets_come_in_pages_in_the_order_of_their_names() {
    let world = world(25);
    let caller = Caller::new(world.clone(), Provider::Aws);
    let walk = || {
        let mut pages: Vec<Vec<String>> = Vec::new();
        let mut query = "max-buckets=10".to_owned();
        loop {
            let (status, _, text) = aws(&caller, "s3", &query, "");
            assert_eq!(status, 200, "{text}");
            pages.push(between(&text, "Name").into_iter().map(str::to_owned).collect());
            let token =
                between(&text, "ContinuationToken").first().map(|token| (*token).to_owned());
            let Some(token) = token else { return pages };
            query = format!("continuation-token={token}&max-buckets=10");
        }
    };
    let whole = walk();
    assert_eq!(whole.iter().map(Vec::len).collect::<Vec<_>>(), [10, 10, 5]);
    let mut names = ids(&world, Family::Bucket);
    names.sort();
    assert_eq!(whole.concat(), names);
    for most in [3, 0] {
        for before in [0, 1] {
            world.faults().add(Rule::new(Fault::ShortPage(most)).after(before).times(1));
            assert_eq!(walk().concat(), names, "a page of {most} loses nothing");
            world.faults().clear();
        }
    }
    world.faults().add(Rule::new(Fault::Skip(2)).times(1));
    assert_eq!(walk().concat(), [&names[..10], &names[12..]].concat());
    world.faults().clear();
    let token = aws(&caller, "s3", "max-buckets=10", "").2;
    let token = between(&token, "ContinuationToken")[0];
    let other = aws(&caller, "s3", &format!("continuation-token={token}&prefix=logs"), "");
    assert_eq!((other.0, other.1.as_str()), (400, "InvalidArgument"), "another listing's token");
    world.faults().add(Rule::new(Fault::Empty));
    assert_eq!(walk().concat(), Vec::<String>::new());
}

#[test]
fn a_bucket_of_another_region_is_told_which() {
    let plan = plan(5, 0).account_of(
        Provider::Aws,
        "elsewhere",
        AccessKey::new("other", "secret"),
        [("us-east-1", 0), ("eu-west-1", 1)],
    );
    let world = World::new(&plan).expect("a world");
    let place = world.at("elsewhere", "eu-west-1").expect("a place");
    let name = place.create_of(Family::Bucket).expect("created");
    let caller = Caller { key: "other".into(), ..Caller::new(world.clone(), Provider::Aws) };
    let tagging = |caller: &Caller| {
        let sent = caller.signed_by_aws("s3", &format!("/{name}"), "tagging=", "");
        String::from_utf8(caller.send(&sent).body).expect("UTF-8")
    };
    let text = tagging(&caller);
    assert!(text.contains("<Code>AuthorizationHeaderMalformed</Code>"), "{text}");
    assert!(text.contains("<Region>eu-west-1</Region>"), "{text}");
    let there = Caller { region: "eu-west-1".into(), ..caller.clone() };
    place.retag_of(Family::Bucket, &name, Some(&[("env", "<prod>")])).expect("tagged");
    assert!(tagging(&there).contains("<Key>env</Key><Value>&lt;prod&gt;</Value>"));
    place.retag_of(Family::Bucket, &name, None).expect("untagged");
    assert!(tagging(&there).contains("<Code>NoSuchTagSet</Code>"));
    place.release_of(Family::Bucket, &name).expect("released");
    assert!(tagging(&there).contains("<Code>NoSuchBucket</Code>"));
}

#[test]
fn a_database_being_created_has_no_place_yet() {
    let world = world(60);
    let caller = Caller::new(world.clone(), Provider::Aws);
    let text = ask(&caller, "rds").2;
    let items = between(&text, "DBInstance");
    let creating: Vec<&&str> = items
        .iter()
        .filter(|item| item.contains("<DBInstanceStatus>creating</DBInstanceStatus>"))
        .collect();
    assert!(!creating.is_empty());
    for item in creating {
        assert!(!item.contains("<Endpoint>") && !item.contains("<AvailabilityZone>"), "{item}");
    }
}

#[test]
fn tencents_databases_follow_what_happens_to_them() {
    let world = world(12);
    let caller = Caller::new(world.clone(), Provider::Tencent);
    let place = world.at("tencent", region_of(Provider::Tencent)).expect("a place");
    let list = |params: Value| {
        let sent = caller.signed_by_tencent(CDB, "DescribeDBInstances", &params);
        let body: Value = serde_json::from_slice(&caller.send(&sent).body).expect("JSON");
        body["Response"].clone()
    };
    let find = |id: &str| {
        let reply = list(json!({ "InstanceIds": [id] }));
        reply["Items"].get(0).cloned()
    };
    assert_eq!(list(json!({}))["TotalCount"], 12);
    assert_eq!(
        list(json!({ "Limit": 5, "Offset": 10 }))["Items"].as_array().map(Vec::len),
        Some(2)
    );
    let new = place.create_of(Family::Database).expect("created");
    assert!(new.starts_with("cdb-") && new.len() == 12, "{new}");
    place.rename_of(Family::Database, &new, "另一个").expect("renamed");
    place.retag_of(Family::Database, &new, Some(&[("env", "prod")])).expect("tagged");
    let found = find(&new).expect("listed");
    assert_eq!(found["InstanceName"], "另一个");
    assert_eq!(found["TagList"], json!([{ "TagKey": "env", "TagValue": "prod" }]));
    assert_eq!(found["Status"], 1);
    place.toggle_of(Family::Database, &new).expect("stopped");
    assert_eq!(find(&new).expect("listed")["Status"], 5);
    place.release_of(Family::Database, &new).expect("released");
    assert_eq!(find(&new), None);
    let refused = list(json!({ "Limit": 2001 }));
    assert_eq!(refused["Error"]["Code"], "InvalidParameterValueLimit");
    let refused = list(json!({ "OrderBy": "instanceId" }));
    assert_eq!(refused["Error"]["Code"], "UnknownParameter");
}

#[test]
fn a_role_of_tencents_and_of_aws_is_its_accounts() {
    let world = world(1);
    let tencent = Caller::new(world.clone(), Provider::Tencent);
    let call = |caller: &Caller, action: &str, params: Value| {
        let sent = caller.signed_by_tencent(("sts", "2018-08-13"), action, &params);
        let body: Value = serde_json::from_slice(&caller.send(&sent).body).expect("JSON");
        body["Response"].clone()
    };
    let me = call(&tencent, "GetCallerIdentity", json!({}));
    let owner = me["AccountId"].as_str().expect("an account").to_owned();
    let role = |name: &str| {
        let arn = format!("qcs::cam::uin/{owner}:roleName/{name}");
        json!({ "RoleArn": arn, "RoleSessionName": "test", "DurationSeconds": 900 })
    };
    let lent = call(&tencent, "AssumeRole", role("sync"))["Credentials"].clone();
    let text = |name: &str| lent[name].as_str().expect("a text").to_owned();
    let mut session = Caller {
        key: text("TmpSecretId"),
        secret: text("TmpSecretKey"),
        token: Some(text("Token")),
        ..tencent.clone()
    };
    assert_eq!(session.list(20, None).ids.len(), 5);
    session.now += SignedDuration::from_mins(15);
    assert_eq!(session.list(20, None).code, "AuthFailure.TokenFailure", "it has ended");
    let none = call(&tencent, "AssumeRole", role("nothing"));
    assert_eq!(none["Error"]["Code"], "ResourceNotFound.RoleNotFound");

    let caller = Caller::new(world, Provider::Aws);
    let me = aws(&caller, "sts", "", "Action=GetCallerIdentity&Version=2011-06-15").2;
    let form = format!(
        "Action=AssumeRole&Version=2011-06-15&RoleSessionName=test&RoleArn=arn:aws:iam::{}:role/sync",
        between(&me, "Account")[0]
    );
    let lent = aws(&caller, "sts", "", &form).2;
    let text = |tag: &str| between(&lent, tag)[0].to_owned();
    let mut session = Caller {
        key: text("AccessKeyId"),
        secret: text("SecretAccessKey"),
        token: Some(text("SessionToken")),
        ..caller
    };
    assert_eq!(session.list(20, None).ids.len(), 5);
    session.now += SignedDuration::from_hours(1);
    assert_eq!(session.list(20, None).code, "RequestExpired", "it has ended");
}

#[test]
fn instance_types_say_what_machines_have() {
    let caller = Caller::new(world(1), Provider::Aws);
    let form = "Action=DescribeInstanceTypes&Version=2016-11-15";
    let first = aws(&caller, "ec2", "", &format!("{form}&MaxResults=10")).2;
    assert_eq!(between(&first, "instanceType").len(), 10);
    let token: String =
        form_urlencoded::byte_serialize(between(&first, "nextToken")[0].as_bytes()).collect();
    let second = aws(&caller, "ec2", "", &format!("{form}&MaxResults=10&NextToken={token}")).2;
    assert_eq!(
        (between(&second, "instanceType").len(), between(&second, "nextToken").len()),
        (8, 0)
    );
    let one = aws(&caller, "ec2", "", &format!("{form}&InstanceType.1=m6i.xlarge")).2;
    assert_eq!(between(&one, "defaultVCpus"), ["4"]);
    assert_eq!(between(&one, "sizeInMiB"), ["16384"]);
    let none = aws(&caller, "ec2", "", &format!("{form}&InstanceType.1=m0.none"));
    assert_eq!((none.0, none.1.as_str()), (400, "InvalidInstanceType"));
}
