//! Pages and filters.

use std::collections::BTreeSet;

use simulated_cloud::Churn;

use crate::client::{Client, Params, REGION, strings};

fn live(client: &Client) -> Vec<String> {
    client.world.at("demo", REGION).expect("a site").live()
}

#[test]
fn walking_by_token_finds_every_instance_once() {
    let client = Client::of(257);
    for size in ["10", "33", "100"] {
        let pages = client.walk(&[("MaxResults", size)]);
        assert_eq!(pages.concat(), live(&client));
        let size: usize = size.parse().expect("a number");
        assert_eq!(pages.len(), 257_usize.div_ceil(size));
    }
}

#[test]
fn page_sizes_by_token_are_moved_into_bounds() {
    let client = Client::of(257);
    let first = |params: &[(&str, &str)]| client.call("DescribeInstances", params).ids().len();
    assert_eq!(first(&[("MaxResults", "1")]), 10);
    assert_eq!(first(&[("MaxResults", "5000")]), 100);
    let reply = client.call("DescribeInstances", &[("MaxResults", "100"), ("PageSize", "20")]);
    assert_eq!(reply.ids().len(), 100, "a token's size wins over a number's");
    assert_eq!(reply.body["TotalCount"], 0, "by token there is no total");
    let refused = client.call("DescribeInstances", &[("MaxResults", "ten")]);
    assert_eq!((refused.status, refused.code()), (400, "InvalidParameter"));
}

#[test]
fn walking_by_number_finds_every_instance_once() {
    let client = Client::of(257);
    let mut found = Vec::new();
    for number in 1..=7 {
        let number = number.to_string();
        let params = [("PageNumber", number.as_str()), ("PageSize", "50")];
        let reply = client.call("DescribeInstances", &params);
        assert_eq!(reply.body["TotalCount"], 257);
        assert_eq!(reply.body["NextToken"], "");
        found.extend(reply.ids());
    }
    assert_eq!(found, live(&client));
    assert_eq!(client.call("DescribeInstances", &[]).ids().len(), 10);
    let refused = client.call("DescribeInstances", &[("PageSize", "101")]);
    assert_eq!(refused.code(), "InvalidParameter");
}

#[test]
fn a_walk_during_churn_loses_and_doubles_nothing_that_stays() {
    let client = Client::of(500);
    let before: BTreeSet<String> = live(&client).into_iter().collect();
    let mut found = Vec::new();
    let mut token = String::new();
    for seed in 0.. {
        let reply = match token.as_str() {
            "" => client.call("DescribeInstances", &[("MaxResults", "20")]),
            token => {
                client.call("DescribeInstances", &[("MaxResults", "20"), ("NextToken", token)])
            }
        };
        found.extend(reply.ids());
        token = reply.body["NextToken"].as_str().expect("a token").to_owned();
        if token.is_empty() {
            break;
        }
        client.world.churn(&Churn { create: 5, release: 5, ..Churn::default() }, seed);
    }
    let after: BTreeSet<String> = live(&client).into_iter().collect();
    let distinct: BTreeSet<String> = found.iter().cloned().collect();
    assert_eq!(distinct.len(), found.len(), "an instance was listed twice");
    let lost: Vec<_> = before.intersection(&after).filter(|id| !distinct.contains(*id)).collect();
    assert!(lost.is_empty(), "{lost:?} were there all the time and not listed");
    assert!(before.difference(&after).count() > 50, "nothing was released in mid-walk");
}

#[test]
fn a_token_is_good_only_for_the_listing_it_came_from() {
    let client = Client::of(257);
    let first = client.call("DescribeInstances", &[("MaxResults", "10")]);
    let token = first.body["NextToken"].as_str().expect("a token");
    assert!(!token.contains(&first.ids()[9][5..]), "the token shows where it points");
    let refused: [&[(&str, &str)]; 4] = [
        &[("NextToken", "nonsense")],
        &[("NextToken", &token[4..])],
        &[("NextToken", token), ("Status", "Running")],
        &[("NextToken", token), ("RegionId", "cn-beijing")],
    ];
    for params in refused {
        let reply = client.call("DescribeInstances", params);
        assert_eq!((reply.status, reply.code()), (400, "InvalidParameter.NextToken"), "{params:?}");
    }
    let other = client.call("DescribeDisks", &[("NextToken", token)]);
    assert_eq!(other.code(), "InvalidParameter.NextToken");
    let larger = client.call("DescribeInstances", &[("NextToken", token), ("MaxResults", "100")]);
    assert_eq!(larger.ids().len(), 100, "the size may change on the way");
}

#[test]
fn a_filter_that_fits_little_makes_short_pages_with_a_token() {
    let client = Client::of(25_000);
    let pages = client.walk(&[("MaxResults", "100"), ("InstanceName", "nothing such")]);
    assert_eq!(pages.concat().len(), 0);
    assert_eq!(pages.len(), 2, "one look is at 20,000");
}

#[test]
fn instances_are_found_by_id() {
    let client = Client::of(257);
    let all = live(&client);
    let call = |ids: &[String], more: &[(&str, &str)]| {
        let list = serde_json::to_string(ids).expect("JSON");
        let params = [&[("InstanceIds", list.as_str())], more].concat();
        client.call("DescribeInstances", &params)
    };
    let some = [all[200].clone(), all[3].clone(), "i-bp1acfm0000000000000".into(), "x".into()];
    let sized = [("PageSize", "100")];
    assert_eq!(call(&some, &sized).ids(), [all[3].as_str(), all[200].as_str()]);
    assert_eq!(call(&[], &sized).ids(), [""; 0], "an empty list is a filter");
    assert_eq!(call(&all[..100], &sized).ids(), &all[..100]);
    assert_eq!(call(&all[..101], &sized).code(), "InvalidParameter");
    let elsewhere = call(&all[..5], &[("RegionId", "cn-beijing")]);
    assert_eq!(elsewhere.ids(), [""; 0], "ids of another region");
    let broken = client.call("DescribeInstances", &[("InstanceIds", "i-1")]);
    assert_eq!(broken.code(), "InvalidParameter");
}

#[test]
fn filters_find_what_the_world_says_is_there() {
    let client = Client::of(600);
    let truth = client.world.at("demo", REGION).expect("a site").truth();
    let chosen = |keep: &dyn Fn(&simulated_cloud::TruthInstance) -> bool| -> Vec<String> {
        truth.iter().filter(|each| keep(each)).map(|each| each.id.clone()).collect()
    };
    let found = |params: &[(&str, &str)]| client.walk(params).concat();
    let group = truth[0].security_groups[0].as_str();
    let vpc = truth.iter().find(|each| !each.vpc.is_empty()).expect("one in a network");
    let vpc = vpc.vpc.as_str();
    let cases: [(&Params<'_>, Vec<String>); 8] = [
        (&[("InstanceName", "*库*")], chosen(&|each| each.name.contains('库'))),
        (&[("InstanceName", "c++~*")], chosen(&|each| each.name.starts_with("c++~"))),
        (&[("Status", "Stopped")], chosen(&|each| each.status == "Stopped")),
        (
            &[("SecurityGroupId", group)],
            chosen(&|each| each.security_groups.iter().any(|g| g == group)),
        ),
        (&[("VpcId", vpc)], chosen(&|each| each.vpc == vpc)),
        (&[("InstanceNetworkType", "classic")], chosen(&|each| each.vpc.is_empty())),
        (
            &[("Tag.1.Key", "env"), ("Tag.1.Value", "prod"), ("Tag.2.Key", "empty")],
            chosen(&|each| {
                each.tags.get("env").is_some_and(|v| v == "prod") && each.tags.contains_key("empty")
            }),
        ),
        (
            &[("Status", "Running"), ("InstanceChargeType", "PrePaid")],
            chosen(&|each| each.status == "Running" && each.charge_type == "PrePaid"),
        ),
    ];
    for (params, expected) in cases {
        assert!(!expected.is_empty(), "{params:?} finds nothing to compare");
        let with = [&[("MaxResults", "100")], params].concat();
        assert_eq!(found(&with), expected, "{params:?}");
    }
}

#[test]
fn no_more_than_a_thousand_are_listed_by_tag() {
    let client = Client::of(3000);
    let tagged = client.walk(&[("MaxResults", "100"), ("Tag.1.Key", "env")]);
    assert_eq!(tagged.concat().len(), 1000);
    let numbered = client.call("DescribeInstances", &[("Tag.1.Key", "env")]);
    assert_eq!(numbered.body["TotalCount"], 1000);
}

#[test]
fn a_filter_that_is_not_simulated_is_refused_rather_than_ignored() {
    let reply = Client::of(10).call("DescribeInstances", &[("KeyPairName", "k")]);
    assert_eq!((reply.status, reply.code()), (400, "InvalidParameter"));
    assert!(reply.body["Message"].as_str().is_some_and(|text| text.contains("KeyPairName")));
}

#[test]
fn filters_by_creation_time_take_what_is_newer() {
    let client = Client::of(300);
    let site = client.world.at("demo", REGION).expect("a site");
    let new = site.create().expect("created");
    let params = [("Filter.1.Key", "CreationStartTime"), ("Filter.1.Value", "2026-10-31T23:59Z")];
    assert_eq!(client.call("DescribeInstances", &params).ids(), [new]);
    let bad = [("Filter.1.Key", "CreationStartTime"), ("Filter.1.Value", "yesterday")];
    assert_eq!(client.call("DescribeInstances", &bad).code(), "InvalidParameter");
}

#[test]
fn disks_join_with_the_instances_that_hold_them() {
    let client = Client::of(600);
    let site = client.world.at("demo", REGION).expect("a site");
    let holder = site.truth().into_iter().find(|each| each.data_disks.len() > 1).expect("one");
    let reply = client.call(
        "DescribeDisks",
        &[("InstanceId", &holder.id), ("DiskType", "data"), ("MaxResults", "10")],
    );
    let ids: Vec<&str> = holder.data_disks.iter().map(|disk| disk.id.as_str()).collect();
    assert_eq!(strings(reply.items("/Disks/Disk"), "DiskId"), ids);
    let all = client.call("DescribeDisks", &[("MaxResults", "500"), ("MultiAttach", "Enabled")]);
    let shared = all.items("/Disks/Disk");
    assert!(!shared.is_empty());
    for disk in shared {
        let attachments = disk["Attachments"]["Attachment"].as_array().expect("attachments");
        assert_eq!(attachments.len(), 2, "{disk}");
    }
    let loose = client.call("DescribeDisks", &[("MaxResults", "500"), ("Status", "Available")]);
    assert!(!loose.items("/Disks/Disk").is_empty());
    assert!(loose.items("/Disks/Disk").iter().all(|disk| disk["InstanceId"] == ""));
}

#[test]
fn statuses_come_in_pages_of_fifty() {
    let client = Client::of(257);
    let all = live(&client);
    let names: Vec<String> = (1..=101).map(|n| format!("InstanceId.{n}")).collect();
    let params: Vec<(&str, &str)> =
        names.iter().zip(&all).map(|(name, id)| (name.as_str(), id.as_str())).collect();
    let mut found = Vec::new();
    for number in ["1", "2"] {
        let paged = [&params[..100], &[("PageSize", "50"), ("PageNumber", number)]].concat();
        let reply = client.call("DescribeInstanceStatus", &paged);
        found.extend(strings(reply.items("/InstanceStatuses/InstanceStatus"), "InstanceId"));
    }
    assert_eq!(found, &all[..100]);
    assert_eq!(client.call("DescribeInstanceStatus", &params).code(), "InvalidParameter");
    let wide = client.call("DescribeInstanceStatus", &[("PageSize", "51")]);
    assert_eq!(wide.code(), "InvalidParameter");
}
