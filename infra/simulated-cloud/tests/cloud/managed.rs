//! Managed resources and disks: what the world holds of them, and what
//! happens to them.

use std::collections::BTreeMap;

use simulated_cloud::{
    AccessKey, Churn, Counts, Family, FamilyChurn, NotPossible, Plan, TruthManaged, World,
};

use crate::client::{KEY, REGION, SECRET};

const OTHER: &str = "cn-beijing";

fn plan(instances: u32) -> Plan {
    let regions = [(REGION, instances), (OTHER, 30)];
    Plan::new(7).account("demo", AccessKey::new(KEY, SECRET), regions)
}

/// A world with so many managed resources of each family in two regions.
pub fn world(each: u32) -> World {
    let counts = Counts::of_each(each);
    World::new(&plan(120).managed([(REGION, counts), (OTHER, counts)])).expect("a world")
}

fn by_id(world: &World, family: Family) -> BTreeMap<String, TruthManaged> {
    let of = |region| world.at("demo", region).expect("a site").managed(family);
    let both = of(REGION).into_iter().chain(of(OTHER));
    both.map(|each| (each.id.clone(), each)).collect()
}

#[test]
fn asking_for_managed_resources_changes_no_instance() {
    let plain = World::new(&plan(120)).expect("a world");
    let full = world(20);
    let (plain_site, full_site) =
        (plain.at("demo", REGION).expect("a site"), full.at("demo", REGION).expect("a site"));
    assert_eq!(plain_site.truth(), full_site.truth());
    for family in [Family::Database, Family::Cache, Family::Bucket, Family::Balancer] {
        assert_eq!(plain_site.managed(family), [], "{family}");
        assert_eq!(full_site.managed(family).len(), 20, "{family}");
    }
    assert_eq!(full.truth(), world(20).truth(), "the same plan gives the same world");
}

#[test]
fn addresses_are_those_of_instances_and_free_ones() {
    let world = world(20);
    let site = world.at("demo", REGION).expect("a site");
    let instances = site.truth();
    let held: BTreeMap<_, _> =
        instances.iter().filter_map(|each| Some((each.eip?, each.id.clone()))).collect();
    let addresses = site.managed(Family::Address);
    let bound: BTreeMap<_, _> = addresses
        .iter()
        .filter_map(|each| Some((each.public_ips[0], each.bound_to.clone()?)))
        .collect();
    assert_eq!(bound, held);
    assert_eq!(addresses.len(), held.len() + 20);
    for each in &addresses {
        let status = if each.bound_to.is_some() { "InUse" } else { "Available" };
        assert_eq!(each.status, status);
    }
}

#[test]
fn an_address_goes_where_its_instance_says() {
    let world = world(20);
    let site = world.at("demo", REGION).expect("a site");
    let of = |id: &str| {
        let all = site.managed(Family::Address);
        all.into_iter().find(|each| each.id == id).expect("the address")
    };
    let bound = site.managed(Family::Address).into_iter().find(|each| each.bound_to.is_some());
    let bound = bound.expect("one that is bound");
    let holder = bound.bound_to.expect("an instance");
    let refused = site.release_of(Family::Address, &bound.id);
    assert_eq!(refused, Err(NotPossible::InUse(bound.id.clone())));
    let taker = site
        .truth()
        .into_iter()
        .find(|each| each.public_ips.is_empty() && site.move_eip(&holder, &each.id).is_ok());
    let taker = taker.expect("an instance that takes an address").id;
    assert_eq!(of(&bound.id).bound_to.as_deref(), Some(taker.as_str()));
    site.free_address(&bound.id).expect("freed");
    assert_eq!(of(&bound.id).status, "Available");
    assert_eq!(site.instance(&taker).expect("the instance").eip, None);
    site.bind_address(&bound.id, &taker).expect("bound again");
    assert_eq!(site.instance(&taker).expect("the instance").eip, Some(bound.public_ips[0]));
    site.release(&taker).expect("released");
    assert_eq!(of(&bound.id).bound_to, None, "the address stays");
    site.release_of(Family::Address, &bound.id).expect("released");
}

#[test]
fn a_familys_report_is_exactly_what_a_sync_would_find() {
    let world = world(40);
    let each = FamilyChurn::of_each(3);
    let churn = Churn {
        databases: each,
        caches: each,
        buckets: each,
        addresses: each,
        balancers: each,
        disks: each,
        ..Churn::default()
    };
    for seed in 0..10 {
        let before = Family::MANAGED.map(|family| by_id(&world, family));
        let report = world.churn(&churn, seed);
        for (family, before) in Family::MANAGED.into_iter().zip(before) {
            let after = by_id(&world, family);
            let part = report.only(family);
            let ids = |set: &std::collections::BTreeSet<simulated_cloud::Which>| -> Vec<String> {
                let mut ids: Vec<String> = set.iter().map(|which| which.id.clone()).collect();
                ids.sort();
                ids
            };
            let of = |keep: &dyn Fn(&String) -> bool, all: &BTreeMap<String, TruthManaged>| {
                all.keys().filter(|id| keep(id)).cloned().collect::<Vec<_>>()
            };
            assert_eq!(ids(&part.created), of(&|id| !before.contains_key(id), &after), "{family}");
            assert_eq!(ids(&part.released), of(&|id| !after.contains_key(id), &before), "{family}");
            let changed = of(&|id| after.get(id).is_some_and(|new| *new != before[id]), &before);
            let told = part.changed.keys().cloned().collect();
            assert_eq!(ids(&told), changed, "{family}");
            assert_eq!((part.created.len(), part.released.len()), (3, 3), "{family}");
            let ways = if family == Family::Bucket { 2 } else { 3 };
            assert!(part.by_change().len() >= ways, "{family}: {:?}", part.by_change());
        }
        assert!(report.only(Family::Instance).is_empty());
        let disks = report.only(Family::Disk);
        assert_eq!((disks.created.len(), disks.changed.len()), (3, 9));
    }
}

#[test]
fn what_a_family_does_not_have_cannot_be_done_to_it() {
    let world = world(3);
    let site = world.at("demo", REGION).expect("a site");
    let bucket = &site.ids_of(Family::Bucket)[0];
    let refused = site.rename_of(Family::Bucket, bucket, "other");
    assert_eq!(refused, Err(NotPossible::HasNo(Family::Bucket, "other name")));
    let refused = site.toggle_of(Family::Bucket, bucket);
    assert_eq!(refused, Err(NotPossible::HasNo(Family::Bucket, "power switch")));
    let refused = site.rename_of(Family::Database, "rm-none", "other");
    assert_eq!(refused, Err(NotPossible::NoResource(Family::Database, "rm-none".into())));
    let attached = site.volumes().into_iter().find(|disk| !disk.instances.is_empty());
    let attached = attached.expect("one that is attached").id;
    let refused = site.release_of(Family::Disk, &attached);
    assert_eq!(refused, Err(NotPossible::InUse(attached)));
}
