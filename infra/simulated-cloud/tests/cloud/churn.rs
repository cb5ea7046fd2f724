//! The world changes, and knows what it did.

use std::collections::BTreeMap;

use simulated_cloud::{
    Change, Churn, ChurnReport, Family, Happening, NotPossible, TruthInstance, Which, World,
};

use crate::client::{Client, REGION, world};

fn truths(world: &World) -> BTreeMap<Which, TruthInstance> {
    let mut all = BTreeMap::new();
    for account in world.truth().accounts {
        for (region, instances) in account.regions {
            for instance in instances {
                let which = Which {
                    account: account.id.clone(),
                    region: region.clone(),
                    family: Family::Instance,
                    id: instance.id.clone(),
                };
                all.insert(which, instance);
            }
        }
    }
    all
}

/// Checks that a report is the difference between two moments.
fn assert_report(
    report: &ChurnReport,
    before: &BTreeMap<Which, TruthInstance>,
    after: &BTreeMap<Which, TruthInstance>,
) {
    let created: Vec<&Which> = after.keys().filter(|id| !before.contains_key(*id)).collect();
    let released: Vec<&Which> = before.keys().filter(|id| !after.contains_key(*id)).collect();
    let changed: Vec<&Which> = before
        .iter()
        .filter(|(id, old)| after.get(*id).is_some_and(|new| new != *old))
        .map(|(id, _)| id)
        .collect();
    assert_eq!(report.created.iter().collect::<Vec<_>>(), created);
    assert_eq!(report.released.iter().collect::<Vec<_>>(), released);
    assert_eq!(report.changed.keys().collect::<Vec<_>>(), changed);
}

#[test]
fn the_same_seed_gives_the_same_world_and_the_same_churn() {
    let (one, other) = (world(300), world(300));
    assert_eq!(one.truth(), other.truth());
    let churn = Churn::percent(&one, 10.0);
    assert_eq!(one.churn(&churn, 3), other.churn(&churn, 3));
    assert_eq!(one.truth(), other.truth());
    one.churn(&churn, 4);
    other.churn(&churn, 5);
    assert_ne!(one.truth(), other.truth());
}

#[test]
fn a_report_is_exactly_what_a_sync_would_find() {
    let world = world(800);
    for seed in 0..20 {
        let before = truths(&world);
        let report = world.churn(&Churn::percent(&world, 20.0), seed);
        assert_report(&report, &before, &truths(&world));
        assert_eq!(report.by_change().len(), 9, "{:?}", report.by_change());
    }
}

#[test]
fn churn_does_as_much_as_it_is_told() {
    let world = world(800);
    let churn = Churn {
        create: 7,
        release: 6,
        power: 5,
        rename: 4,
        retag: 3,
        move_eip: 2,
        attach_disk: 5,
        detach_disk: 4,
        swap_group: 3,
        change_type: 2,
        ..Churn::default()
    };
    let report = world.churn(&churn, 1);
    assert_eq!((report.created.len(), report.released.len()), (7, 6));
    assert_eq!(report.changed.len(), 5 + 4 + 3 + 2 * 2 + 5 + 4 + 3 + 2);
    let by_change = report.by_change();
    assert_eq!(by_change[&Change::EipMoved], 4, "a move touches two");
    assert_eq!(by_change[&Change::Started] + by_change[&Change::Stopped], 5);
    assert!(report.changed.values().all(|changes| changes.len() == 1));
}

#[test]
fn churn_that_exceeds_the_world_touches_each_instance_once() {
    let world = world(200);
    let before = truths(&world);
    let (rename, retag, power, release) = (70, 70, 70, 500);
    let churn = Churn { rename, retag, power, release, ..Churn::default() };
    let report = world.churn(&churn, 1);
    assert_report(&report, &before, &truths(&world));
    assert_eq!((report.changed.len(), report.released.len()), (210, before.len() - 210));
    assert!(report.changed.values().all(|changes| changes.len() == 1));
}

#[test]
fn churn_of_what_is_not_there_does_nothing() {
    let world = world(0);
    let site = world.at("demo", "cn-beijing").expect("a site");
    for id in site.live() {
        site.release(&id).expect("released");
    }
    let churn = Churn { release: 9, rename: 9, move_eip: 9, ..Churn::default() };
    assert!(world.churn(&churn, 1).is_empty());
    let born = world.churn(&Churn { create: 2, ..Churn::default() }, 1);
    assert_eq!(born.created.len(), 2, "an empty world can grow");
}

#[test]
fn every_change_can_be_seen_and_is_logged() {
    type Do = fn(&simulated_cloud::Site, &str) -> Result<(), NotPossible>;
    let changes: [(Do, Change); 8] = [
        (|site, id| site.stop(id), Change::Stopped),
        (|site, id| site.start(id), Change::Started),
        (|site, id| site.rename(id, "新名字"), Change::Renamed),
        (|site, id| site.retag(id, Some(&[("k", "v")])), Change::Retagged),
        (|site, id| site.attach_disk(id).map(drop), Change::DiskAttached),
        (|site, id| site.detach_disk(id).map(drop), Change::DiskDetached),
        (|site, id| site.swap_security_group(id), Change::SecurityGroupSwapped),
        (|site, id| site.change_type(id, "ecs.n1.small"), Change::TypeChanged),
    ];
    let world = world(100);
    let site = world.at("demo", REGION).expect("a site");
    let running =
        site.truth().into_iter().find(|each| each.status == "Running" && !each.vpc.is_empty());
    let id = running.expect("a running one").id;
    for (change, expected) in changes {
        let before = site.instance(&id).expect("there");
        let sequence = world.sequence();
        change(&site, &id).expect("possible");
        assert_ne!(site.instance(&id).expect("there"), before, "{expected}");
        let events = world.events_since(sequence);
        assert_eq!(events.len(), 1);
        assert_eq!(events[0].what, Happening::Changed(expected));
        assert_eq!(events[0].sequence, sequence + 1);
    }
}

#[test]
fn swapping_a_security_group_keeps_their_number() {
    let world = world(50);
    let site = world.at("demo", REGION).expect("a site");
    for before in site.truth() {
        site.swap_security_group(&before.id).expect("swapped");
        let after = site.instance(&before.id).expect("there");
        assert_eq!(after.security_groups.len(), before.security_groups.len());
        let kept = after.security_groups.iter().filter(|id| before.security_groups.contains(id));
        assert_eq!(kept.count(), before.security_groups.len() - 1);
    }
}

#[test]
fn an_elastic_address_moves_to_one_that_can_take_it() {
    let world = world(300);
    let site = world.at("demo", REGION).expect("a site");
    let truth = site.truth();
    let from = truth.iter().find(|each| each.eip.is_some()).expect("one with");
    let classic = truth.iter().find(|each| each.vpc.is_empty()).expect("a classic one");
    let refused = site.move_eip(&from.id, &classic.id);
    assert_eq!(refused, Err(NotPossible::TakesNoEip(classic.id.clone())));
    let to = truth
        .iter()
        .find(|each| each.public_ips.is_empty() && site.move_eip(&from.id, &each.id).is_ok());
    let to = to.expect("one that takes it");
    assert_eq!(site.instance(&to.id).expect("there").eip, from.eip);
    assert_eq!(site.instance(&from.id).expect("there").eip, None);
}

#[test]
fn a_released_instance_vanishes_and_leaves_its_data_disks() {
    let client = Client::of(100);
    let site = client.world.at("demo", REGION).expect("a site");
    let holder = site.truth().into_iter().find(|each| each.data_disks.len() == 1).expect("one");
    let disk = format!("[\"{}\"]", holder.data_disks[0].id);
    site.release(&holder.id).expect("released");
    assert_eq!(site.instance(&holder.id), None);
    assert!(!site.live().contains(&holder.id));
    let reply = client.call("DescribeDisks", &[("DiskIds", &disk)]);
    assert_eq!(reply.items("/Disks/Disk")[0]["Status"], "Available");
    let system = [("InstanceId", holder.id.as_str())];
    assert!(client.call("DescribeDisks", &system).items("/Disks/Disk").is_empty());
    assert_eq!(site.release(&holder.id), Err(NotPossible::NoInstance(holder.id)));
}

#[test]
fn a_stop_that_saves_money_loses_the_public_address_until_the_start() {
    let world = world(300);
    let site = world.at("demo", REGION).expect("a site");
    let mut lost = 0;
    for before in site.truth() {
        if before.status != "Running" || before.public_ips.is_empty() || before.eip.is_some() {
            continue;
        }
        site.stop(&before.id).expect("stopped");
        lost += u32::from(site.instance(&before.id).expect("there").public_ips.is_empty());
        site.start(&before.id).expect("started");
        assert_eq!(site.instance(&before.id).expect("there").public_ips.len(), 1);
    }
    assert!(lost > 0);
}

#[test]
fn what_cannot_be_asked_of_a_world_is_said() {
    let world = world(10);
    let refusal = |account, region| world.at(account, region).err().expect("refused").to_string();
    assert!(refusal("nobody", REGION).contains("`nobody`"));
    assert!(refusal("demo", "us-east-1").contains("`us-east-1`"));
    let site = world.at("demo", REGION).expect("a site");
    let id = &site.live()[0];
    let no_type = site.change_type(id, "ecs.none");
    assert_eq!(no_type, Err(NotPossible::NoType("ecs.none".into())));
    site.rename(id, "same").expect("renamed");
    assert_eq!(site.rename(id, "same"), Err(NotPossible::Already("named so")));
    site.retag(id, Some(&[])).or_else(|_| site.retag(id, None)).ok();
    assert_eq!(site.retag(id, None), Err(NotPossible::Already("tagged so")));
}
