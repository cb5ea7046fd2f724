//! Faults, as a client sees them.

use simulated_cloud::aliyun::Delivery;
use simulated_cloud::{Fault, Rule};

use crate::client::{Client, Reply};

fn page(client: &Client) -> Reply {
    client.call("DescribeInstances", &[("MaxResults", "10")])
}

#[test]
fn errors_come_where_and_when_they_should() {
    let client = Client::of(50);
    let faults = client.world.faults();
    let rule = faults.add(Rule::new(Fault::unavailable()).on("DescribeInstances").times(1));
    assert_eq!(client.call("DescribeDisks", &[]).status, 200);
    let refused = page(&client);
    assert_eq!((refused.status, refused.code()), (503, "ServiceUnavailable"));
    assert_eq!(page(&client).status, 200);
    assert_eq!(faults.struck(rule), 1);
    faults.clear();
    faults.add(Rule::new(Fault::forbidden()).after(2));
    let codes: Vec<u16> = (0..4).map(|_| page(&client).status).collect();
    assert_eq!(codes, [200, 200, 403, 403], "the permission is revoked in mid-walk");
    faults.clear();
    faults.add(Rule::new(Fault::region_not_opened()).in_region("cn-beijing"));
    let beijing = client.call("DescribeInstances", &[("RegionId", "cn-beijing")]);
    assert_eq!((beijing.status, beijing.code()), (403, "RegionUnauthorized"));
    assert_eq!(page(&client).status, 200);
}

#[test]
fn one_item_of_a_page_is_malformed() {
    let client = Client::of(50);
    let faults = client.world.faults();
    let bad = |fault: Fault, is_bad: &dyn Fn(&serde_json::Value) -> bool| {
        faults.clear();
        faults.add(Rule::new(fault));
        let reply = page(&client);
        let items = reply.items("/Instances/Instance");
        assert_eq!(items.len(), 10);
        items.iter().filter(|item| is_bad(item)).count()
    };
    assert_eq!(bad(Fault::StatusNumber, &|item| item["Status"].is_number()), 1);
    assert_eq!(bad(Fault::NoId, &|item| item.get("InstanceId").is_none()), 1);
    assert_eq!(bad(Fault::UnknownStatus("Molten".into()), &|item| item["Status"] == "Molten"), 1);
    let huge = |item: &serde_json::Value| {
        item["Tags"]["Tag"][0]["TagValue"].as_str().is_some_and(|value| value.len() == 10 << 20)
    };
    assert_eq!(bad(Fault::HugeTag(10 << 20), &huge), 1);
}

#[test]
fn listings_lie() {
    let client = Client::of(50);
    let all = client.walk(&[("MaxResults", "10")]).concat();
    let faults = client.world.faults();
    let walk = |fault: Fault| {
        faults.clear();
        faults.add(Rule::new(fault).after(1).times(1));
        client.walk(&[("MaxResults", "10")])
    };
    let repeated = walk(Fault::Repeat(3));
    assert_eq!(repeated[1][..3], all[7..10]);
    assert_eq!(repeated[1][3..], all[10..20]);
    assert_eq!(walk(Fault::Skip(4)).concat(), [&all[..20], &all[24..]].concat());
    let short = walk(Fault::ShortPage(2));
    assert_eq!((short[1].len(), short.concat()), (2, all.clone()), "short pages lose nothing");
    let none = walk(Fault::ShortPage(0));
    assert_eq!((none[1].len(), none.concat()), (0, all.clone()), "nor do empty ones");
    assert_eq!(walk(Fault::Empty).concat(), all[..10], "the walk ends early, as a success");
    faults.clear();
    faults.add(Rule::new(Fault::WrongTotal(-7)));
    assert_eq!(client.call("DescribeInstances", &[]).body["TotalCount"], 43);
}

#[test]
fn a_token_is_refused_though_it_is_good() {
    let client = Client::of(50);
    let token = page(&client).body["NextToken"].as_str().expect("a token").to_owned();
    client.world.faults().add(Rule::new(Fault::RejectToken).times(2));
    assert_eq!(page(&client).status, 200, "the first page has no token");
    let refused = client.call("DescribeInstances", &[("NextToken", &token)]);
    assert_eq!((refused.status, refused.code()), (400, "InvalidParameter.NextToken"));
    assert_eq!(client.call("DescribeInstances", &[("NextToken", &token)]).status, 200);
}

#[test]
fn answers_are_cut_and_dropped() {
    let client = Client::of(50);
    let faults = client.world.faults();
    faults.add(Rule::new(Fault::Truncate));
    let half = client.raw("DescribeInstances", &[]);
    serde_json::from_slice::<serde_json::Value>(&half.body).expect_err("half a document");
    assert_eq!((half.status, half.delivery), (200, Delivery::Whole));
    for (fault, delivery) in [(Fault::Drop, Delivery::Nothing), (Fault::CutOff, Delivery::Half)] {
        faults.clear();
        faults.add(Rule::new(fault));
        assert_eq!(client.raw("DescribeInstances", &[]).delivery, delivery);
    }
}
