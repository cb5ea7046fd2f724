//! Databases, caches, addresses and balancers, as their products show them.

use std::collections::BTreeSet;

use simulated_cloud::{Churn, Family, FamilyChurn, Fault, Limits, Permission, Rule};

use crate::client::{Client, REGION, strings};
use crate::managed::world;

/// A listing of a product.
struct Product {
    family: Family,
    service: &'static str,
    version: &'static str,
    action: &'static str,
    items: &'static str,
    id: &'static str,
    status: &'static str,
    total: &'static str,
    most: usize,
}

const PRODUCTS: [Product; 4] = [
    Product {
        family: Family::Database,
        service: "rds",
        version: "2014-08-15",
        action: "DescribeDBInstances",
        items: "/Items/DBInstance",
        id: "DBInstanceId",
        status: "DBInstanceStatus",
        total: "TotalRecordCount",
        most: 100,
    },
    Product {
        family: Family::Cache,
        service: "r-kvstore",
        version: "2015-01-01",
        action: "DescribeInstances",
        items: "/Instances/KVStoreInstance",
        id: "InstanceId",
        status: "InstanceStatus",
        total: "TotalCount",
        most: 50,
    },
    Product {
        family: Family::Address,
        service: "vpc",
        version: "2016-04-28",
        action: "DescribeEipAddresses",
        items: "/EipAddresses/EipAddress",
        id: "AllocationId",
        status: "Status",
        total: "TotalCount",
        most: 100,
    },
    Product {
        family: Family::Balancer,
        service: "slb",
        version: "2014-05-15",
        action: "DescribeLoadBalancers",
        items: "/LoadBalancers/LoadBalancer",
        id: "LoadBalancerId",
        status: "LoadBalancerStatus",
        total: "TotalCount",
        most: 100,
    },
];

impl Product {
    fn page(&self, client: &Client, number: usize, size: usize) -> crate::client::Reply {
        let (number, size) = (number.to_string(), size.to_string());
        client.call(
            self.action,
            &[("Version", self.version), ("PageNumber", &number), ("PageSize", &size)],
        )
    }

    fn walk(&self, client: &Client, size: usize) -> Vec<String> {
        let mut found = Vec::new();
        for number in 1.. {
            let reply = self.page(client, number, size);
            assert_eq!(reply.status, 200, "{}", reply.body);
            let some = strings(reply.items(self.items), self.id);
            if some.is_empty() {
                break;
            }
            found.extend(some);
        }
        found
    }

    fn truth(&self, client: &Client) -> Vec<String> {
        client.world.at("demo", REGION).expect("a site").ids_of(self.family)
    }
}

#[test]
fn every_page_size_finds_everything_once_and_too_large_ones_are_refused() {
    let client = Client::new(world(130));
    for product in &PRODUCTS {
        for size in [7, 33, product.most] {
            assert_eq!(product.walk(&client, size), product.truth(&client), "{}", product.action);
        }
        let total = &product.page(&client, 1, 10).body[product.total];
        assert_eq!(total.as_u64(), Some(product.truth(&client).len() as u64));
        for wrong in [0, product.most + 1] {
            let refused = product.page(&client, 1, wrong);
            assert_eq!((refused.status, refused.code()), (400, "InvalidParameter"));
        }
    }
}

#[test]
fn what_is_released_is_listed_no_more_and_what_is_new_is() {
    let client = Client::new(world(40));
    let each = FamilyChurn { create: 4, release: 5, ..FamilyChurn::default() };
    let churn = Churn {
        databases: each,
        caches: each,
        addresses: each,
        balancers: each,
        ..Churn::default()
    };
    let before: Vec<_> = PRODUCTS.iter().map(|product| product.truth(&client)).collect();
    client.world.churn(&churn, 1);
    for (product, before) in PRODUCTS.iter().zip(before) {
        let after = product.walk(&client, product.most);
        assert_eq!(after, product.truth(&client));
        assert_ne!(after, before, "{}", product.action);
    }
}

#[test]
fn what_is_not_simulated_is_refused_by_name() {
    let client = Client::new(world(3));
    for (version, action, name) in [
        ("2014-08-15", "DescribeDBInstances", "SearchKey"),
        ("2015-01-01", "DescribeInstances", "SearchKey"),
        ("2016-04-28", "DescribeEipAddresses", "SegmentInstanceId"),
        ("2014-05-15", "DescribeLoadBalancers", "ServerId"),
    ] {
        let refused = client.call(action, &[("Version", version), (name, "x")]);
        assert_eq!((refused.status, refused.code()), (400, "InvalidParameter"), "{action}");
        assert!(refused.body["Message"].as_str().is_some_and(|text| text.contains(name)));
    }
}

#[test]
fn a_fault_spoils_one_item_of_any_kind() {
    let client = Client::new(world(20));
    let faults = client.world.faults();
    for product in &PRODUCTS {
        let spoilt = |fault: Fault, is_bad: &dyn Fn(&serde_json::Value) -> bool| {
            faults.clear();
            faults.add(Rule::new(fault).on(product.action));
            let reply = product.page(&client, 1, 10);
            reply.items(product.items).iter().filter(|item| is_bad(item)).count()
        };
        let status = product.status;
        assert_eq!(spoilt(Fault::StatusNumber, &|item| item[status] == 5), 1);
        assert_eq!(spoilt(Fault::UnknownStatus("Odd".into()), &|item| item[status] == "Odd"), 1);
        assert_eq!(spoilt(Fault::NoId, &|item| item.get(product.id).is_none()), 1);
        let huge = |item: &serde_json::Value| item.to_string().len() > 1 << 20;
        assert_eq!(spoilt(Fault::HugeTag(1 << 20), &huge), 1, "{}", product.action);
        assert_eq!(spoilt(Fault::Empty, &|_| true), 0);
        faults.clear();
        faults.add(Rule::new(Fault::WrongTotal(5)));
        let told = product.page(&client, 1, 10).body[product.total].as_i64();
        faults.clear();
        let total = product.page(&client, 1, 10).body[product.total].as_i64().expect("a number");
        assert_eq!(told, Some(total + 5), "{}", product.action);
    }
}

#[test]
fn permissions_and_faults_are_by_action_and_where_wanted_by_service() {
    let client = Client::new(world(20));
    let redis = &PRODUCTS[1];
    client.world.permit("demo", Some("r-kvstore:DescribeInstances"), Permission::Denied);
    let refused = redis.page(&client, 1, 10);
    assert_eq!((refused.status, refused.code()), (403, "Forbidden.RAM"));
    let action = &refused.body["AccessDeniedDetail"]["AuthAction"];
    assert_eq!(action, "r-kvstore:DescribeInstances");
    assert_eq!(client.call("DescribeInstances", &[]).status, 200, "that of servers is another");
    client.world.permit("demo", None, Permission::SilentlyEmpty);
    for product in &PRODUCTS {
        assert!(product.walk(&client, 10).is_empty(), "{}", product.action);
    }
    client.world.permit("demo", None, Permission::Allowed);
    client.world.faults().add(Rule::new(Fault::unavailable()).on("rds:DescribeDBInstances"));
    assert_eq!(PRODUCTS[0].page(&client, 1, 10).status, 503);
    assert_eq!(redis.page(&client, 1, 10).status, 200);
    assert_eq!(client.world.calls_of("r-kvstore:DescribeInstances"), 3);
}

#[test]
fn a_service_that_is_not_open_says_so_in_its_region_only() {
    let client = Client::new(world(5));
    for product in &PRODUCTS {
        client.world.set_service(product.service, REGION, false);
        let refused = product.page(&client, 1, 10);
        assert!(refused.status >= 400, "{}", product.action);
        let elsewhere = [("Version", product.version), ("RegionId", "cn-beijing")];
        assert_eq!(client.call(product.action, &elsewhere).status, 200, "{}", product.action);
        client.world.set_service(product.service, REGION, true);
        assert_eq!(product.page(&client, 1, 10).status, 200);
    }
    client.world.set_service("ecs", REGION, false);
    assert_eq!(client.call("DescribeInstances", &[]).code(), "RegionUnauthorized");
    client.world.set_service("slb", REGION, false);
    assert_eq!(PRODUCTS[3].page(&client, 1, 10).code(), "UserNotAllowed");
}

#[test]
fn limits_are_each_actions_own() {
    let client = Client::new(world(5));
    client.world.set_limits(Limits::Calls(1));
    for product in &PRODUCTS {
        assert_eq!(product.page(&client, 1, 10).status, 200, "{}", product.action);
        assert_eq!(product.page(&client, 1, 10).code(), "Throttling.User", "{}", product.action);
    }
}

#[test]
fn disks_are_listed_by_themselves_with_their_tags() {
    let client = Client::new(world(5));
    let site = client.world.at("demo", REGION).expect("a site");
    let truth = site.volumes();
    let tagged: BTreeSet<&str> = truth
        .iter()
        .filter(|disk| disk.tags.get("env").is_some_and(|env| env == "prod"))
        .map(|disk| disk.id.as_str())
        .collect();
    assert!(!tagged.is_empty() && tagged.len() < truth.len());
    let params = [("MaxResults", "500"), ("Tag.1.Key", "env"), ("Tag.1.Value", "prod")];
    let found = strings(client.call("DescribeDisks", &params).items("/Disks/Disk"), "DiskId");
    assert_eq!(found.iter().map(String::as_str).collect::<BTreeSet<_>>(), tagged);
    let all = client.call("DescribeDisks", &[("MaxResults", "500")]);
    let kinds: BTreeSet<String> = strings(all.items("/Disks/Disk"), "Type").into_iter().collect();
    assert_eq!(kinds, BTreeSet::from(["data".to_owned(), "system".to_owned()]));
    assert_eq!(strings(all.items("/Disks/Disk"), "DiskId"), site.ids_of(Family::Disk));
}

#[test]
fn the_record_names_what_was_done_to_other_families() {
    let client = Client::new(world(5));
    client.world.set_time(client.now);
    let site = client.world.at("demo", REGION).expect("a site");
    let id = site.ids_of(Family::Database).remove(0);
    site.rename_of(Family::Database, &id, "renamed").expect("renamed");
    let reply = client.call("LookupEvents", &[("Version", "2020-07-06")]);
    let [event] = reply.items("/Events") else { panic!("{}", reply.body) };
    assert_eq!(event["eventName"], "ModifyDBInstanceDescription");
    assert_eq!(event["serviceName"], "Rds");
    assert_eq!(event["requestParameters"]["DBInstanceId"], id);
}
