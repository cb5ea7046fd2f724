//! The vendor's faults, as the simulated cloud knows them.

use std::time::Duration;

use simulated_cloud::{Family, Fault, Limits, Provider, Rule, World};

use crate::plan::{Chances, Plan};

/// That of machines at every vendor but one, and of what is no machine at
/// another.
const LIST: &str = "DescribeInstances";
/// Another list of a kind whose statuses another API tells.
const DATABASES: &str = "rds:DescribeDBInstances";
const DISKS: &str = "DescribeDisks";
const FEED: &str = "LookupEvents";

/// Makes pages short, so that small worlds have many of them.
fn short_pages(world: &World, plan: &Plan) {
    // Those by token or by offset: a numbered page is never short but at the
    // end.
    let short = || Rule::new(Fault::ShortPage(plan.page));
    world.faults().add(short().on_just(LIST));
    for action in [DISKS, FEED, "ListBuckets", "DescribeDBInstances"] {
        world.faults().add(short().on(action));
    }
}

/// Returns how a vendor calls the list of disks.
const fn disks_of(vendor: Provider) -> &'static str {
    match vendor {
        // Its machines' list tells their disks; there is none of disks.
        Provider::Aliyun | Provider::Tencent => DISKS,
        Provider::Huawei => "ListVolumes",
        Provider::Aws => "DescribeVolumes",
    }
}

/// Lets the vendor do wrong what the plan says.
pub(crate) fn begin(world: &World, plan: &Plan) {
    short_pages(world, plan);
    world.set_limits(plan.calls_a_minute.map_or(Limits::Off, Limits::Calls));
    let Chances {
        network,
        malformed,
        silent_empty,
        paging,
        token_rejected,
        wrong_total,
        disks,
        feed,
        ..
    } = plan.chances;
    world.set_trail(plan.feed_lag, feed / 5.0);
    let mut rules = vec![
        (network / 4.0, Rule::new(Fault::unavailable())),
        (network / 4.0, Rule::new(Fault::internal_error())),
        (network / 4.0, Rule::new(Fault::Truncate)),
        (network / 4.0, Rule::new(Fault::CutOff)),
        (network / 4.0, Rule::new(Fault::Delay(Duration::from_secs(7)))),
        (malformed / 4.0, Rule::new(Fault::StatusNumber)),
        (malformed / 4.0, Rule::new(Fault::NoId)),
        (malformed / 4.0, Rule::new(Fault::HugeTag(200_000))),
        (malformed / 4.0, Rule::new(Fault::UnknownStatus("Daydreaming".to_owned()))),
        // What lies is only a list that another API can contradict: two that
        // lie at once could not be told from the truth.
        (silent_empty, Rule::new(Fault::Empty).on_just(LIST)),
        (paging / 3.0, Rule::new(Fault::Skip(2)).on_just(LIST)),
        (paging / 3.0, Rule::new(Fault::Repeat(2))),
        (paging / 3.0, Rule::new(Fault::ShortPage(0)).on_just(LIST)),
        (paging / 3.0, Rule::new(Fault::ShortPage(0)).on(DISKS)),
        (token_rejected, Rule::new(Fault::RejectToken)),
        (wrong_total, Rule::new(Fault::WrongTotal(-3))),
        (feed / 3.0, Rule::new(Fault::forbidden()).on(FEED)),
        (feed / 3.0, Rule::new(Fault::unavailable()).on(FEED)),
        (feed / 3.0, Rule::new(Fault::throttled()).on(FEED)),
        (silent_empty, Rule::new(Fault::Empty).on_just(DATABASES)),
        (paging / 3.0, Rule::new(Fault::Skip(2)).on_just(DATABASES)),
        (paging / 3.0, Rule::new(Fault::ShortPage(0)).on_just(DATABASES)),
    ];
    for account in &plan.accounts {
        let mut of_account = |chance: f64, fault, action| {
            rules.push((chance / 3.0, Rule::new(fault).on(action).for_account(&account.id)));
        };
        let (vendor, action) = (account.provider, disks_of(account.provider));
        of_account(disks, Fault::forbidden_by(vendor), action);
        of_account(disks, Fault::unavailable_by(vendor), action);
        of_account(disks, Fault::throttled_by(vendor), action);
        // Where disks are resources by themselves, this is their only list.
        // A page of disks that misses some is seen through where it is a list
        // beside another, and where pages go on by token.
        if !account.has(Family::Disk) && vendor != Provider::Huawei {
            of_account(paging, Fault::Skip(2), action);
        }
    }
    for (chance, rule) in rules.into_iter().filter(|(chance, _)| *chance > 0.0) {
        world.faults().add(rule.with_chance(chance));
    }
}

/// Lets the vendor do everything right.
pub(crate) fn end(world: &World, plan: &Plan) {
    world.faults().clear();
    world.set_limits(Limits::Off);
    world.set_trail(plan.feed_lag, 0.0);
    if plan.short_pages_in_peace {
        short_pages(world, plan);
    }
}
