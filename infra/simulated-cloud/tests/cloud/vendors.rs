//! What every vendor has: signatures, limits, permissions, faults, pages.

use jiff::SignedDuration;
use simulated_cloud::{
    AccessKey, Call, Delivery, Fault, Limits, Permission, Plan, Provider, Rule, World,
};

use crate::signing::{Caller, OTHERS, action_of, region_of, world};

/// Returns the status and the code with which each vendor refuses.
fn refused(case: &str, vendor: Provider) -> (u16, &'static str) {
    match (case, vendor) {
        ("key", Provider::Tencent) => (200, "AuthFailure.SecretIdNotFound"),
        ("secret", Provider::Tencent) => (200, "AuthFailure.SignatureFailure"),
        ("token", Provider::Tencent) => (200, "AuthFailure.TokenFailure"),
        ("expired token", Provider::Tencent) => (200, "AuthFailure.TokenFailure"),
        ("time", Provider::Tencent) => (200, "AuthFailure.SignatureExpire"),
        ("rate", Provider::Tencent) => (200, "RequestLimitExceeded"),
        ("permission", Provider::Tencent) => (200, "AuthFailure.UnauthorizedOperation"),
        ("closed", Provider::Tencent) => (200, "FailedOperation.ServiceNotOpen"),
        ("closed", Provider::Huawei) => (403, "APIGW.0801"),
        ("closed", Provider::Aws) => (403, "OptInRequired"),
        ("rate", Provider::Huawei) => (429, "APIGW.0308"),
        ("permission", Provider::Huawei) => (403, "APIGW.0302"),
        (_, Provider::Huawei) => (401, "APIGW.0301"),
        ("time" | "expired token", Provider::Aws) => (400, "RequestExpired"),
        ("rate", Provider::Aws) => (503, "RequestLimitExceeded"),
        ("permission", Provider::Aws) => (403, "UnauthorizedOperation"),
        (_, Provider::Aws) => (401, "AuthFailure"),
        _ => panic!("{case} of {vendor:?}"),
    }
}

fn check(case: &str, caller: &Caller) {
    let found = caller.list(20, None);
    let wanted = refused(case, caller.vendor);
    assert_eq!((found.status, found.code.as_str()), wanted, "{case} of {:?}", caller.vendor);
    assert!(!found.text.contains("secret"), "{}", found.text);
}

#[test]
fn every_vendor_lists_what_there_is_in_its_own_words() {
    let world = world(130);
    for vendor in OTHERS {
        let caller = Caller::new(world.clone(), vendor);
        let truth = world.at(vendor.name(), region_of(vendor)).expect("a place").truth();
        let pages = caller.walk(50);
        assert_eq!(pages.iter().map(|page| page.ids.len()).collect::<Vec<_>>(), [50, 50, 30]);
        let mut found: Vec<(String, String)> =
            pages.into_iter().flat_map(|page| page.ids.into_iter().zip(page.statuses)).collect();
        let mut wanted: Vec<(String, String)> =
            truth.iter().map(|each| (each.id.clone(), each.status.clone())).collect();
        found.sort();
        wanted.sort();
        assert_eq!(found, wanted, "{vendor:?}");
    }
}

#[test]
fn ids_and_zones_are_of_the_vendors_form() {
    let world = world(40);
    let first = |vendor: Provider| {
        let place = world.at(vendor.name(), region_of(vendor)).expect("a place");
        place.truth().remove(0)
    };
    let is_form = |text: &str, prefix: &str, digits: usize| {
        let rest = text.strip_prefix(prefix).unwrap_or("");
        rest.len() == digits && rest.chars().all(|c| c.is_ascii_alphanumeric())
    };
    let tencent = first(Provider::Tencent);
    assert!(is_form(&tencent.id, "ins-", 8), "{}", tencent.id);
    assert!(tencent.zone.starts_with("ap-guangzhou-"), "{}", tencent.zone);
    let aws = first(Provider::Aws);
    assert!(is_form(&aws.id, "i-", 17), "{}", aws.id);
    assert!(is_form(&aws.zone, "us-east-1", 1), "{}", aws.zone);
    assert_eq!(aws.tags["Name"], aws.name);
    let huawei = first(Provider::Huawei);
    huawei.id.parse::<uuid::Uuid>().expect("a UUID");
    assert!(is_form(&huawei.zone, "cn-north-4", 1), "{}", huawei.zone);
}

#[test]
fn a_region_is_of_its_vendor_though_another_has_one_of_that_name() {
    let key = |id: &str| AccessKey::new(id, "secret");
    let plan = Plan::new(7)
        .account_of(Provider::Aws, "a", key("one"), [("us-east-1", 7)])
        .account_of(Provider::Aliyun, "b", key("two"), [("us-east-1", 5)]);
    let world = World::new(&plan).expect("a world");
    let truth = |account: &str| world.at(account, "us-east-1").expect("a place").truth();
    assert_eq!((truth("a").len(), truth("b").len()), (7, 5));
    assert!(truth("a").iter().all(|each| !truth("b").iter().any(|other| other.id == each.id)));
    let wrong = Plan::new(7).account_of(Provider::Tencent, "c", key("three"), [("us-east-1", 1)]);
    let refused = World::new(&wrong).err().expect("not a region of that vendor's").to_string();
    assert!(refused.contains("us-east-1"), "{refused}");
}

#[test]
fn signatures_keys_and_times_are_checked() {
    let world = world(10);
    for vendor in OTHERS {
        let client = Caller::new(world.clone(), vendor);
        let caller = || client.clone();
        assert_eq!(caller().list(20, None).ids.len(), 10);
        check("secret", &Caller { secret: "wrong".into(), ..caller() });
        check("key", &Caller { key: "nobody".into(), ..caller() });
        check("key", &Caller { key: "key-aliyun".into(), ..caller() });
        check("token", &Caller { token: Some("token".into()), ..caller() });
        let mut sent = caller().page(20, None);
        sent.headers.remove("authorization");
        let unsigned = caller().read(&caller().send(&sent));
        let wanted = match vendor {
            Provider::Tencent => (200, "MissingParameter"),
            Provider::Huawei => (401, "APIGW.0301"),
            _ => (400, "MissingParameter"),
        };
        assert_eq!((unsigned.status, unsigned.code.as_str()), wanted);
    }
}

#[test]
fn what_is_signed_cannot_be_changed() {
    let world = world(10);
    for vendor in OTHERS {
        let caller = Caller::new(world.clone(), vendor);
        let mut sent = caller.page(20, None);
        sent.body = sent.body.replace("20", "21");
        sent.query = sent.query.replace("20", "21");
        let found = caller.read(&caller.send(&sent));
        assert_eq!(found.code, refused("secret", vendor).1, "{vendor:?}");
    }
}

#[test]
fn a_request_of_another_time_is_refused() {
    let world = world(10);
    for vendor in OTHERS {
        let minutes = if vendor == Provider::Tencent { 5 } else { 15 };
        let window = SignedDuration::from_mins(minutes);
        let caller = Caller::new(world.clone(), vendor);
        let sent = caller.page(20, None);
        for (off, is_good) in [(0, true), (1, false)] {
            for sign in [1, -1] {
                let now = caller.now + (window + SignedDuration::from_secs(off)) * sign;
                let server = Caller { now, ..caller.clone() };
                let found = server.read(&server.send(&sent));
                let wanted = if is_good { "" } else { refused("time", vendor).1 };
                assert_eq!(found.code, wanted, "{vendor:?} {off} {sign}");
            }
        }
    }
}

#[test]
fn a_temporary_key_ends_and_a_switched_off_one_is_none() {
    let world = world(10);
    for vendor in OTHERS {
        let fresh = Caller::new(world.clone(), vendor);
        let mut caller = fresh.clone();
        let key = AccessKey::new(&caller.key, "secret").with_token("token");
        let expires = Some(caller.now + SignedDuration::from_mins(10));
        world.set_keys(vendor.name(), vec![AccessKey { expires, ..key }]);
        check("token", &caller);
        caller.token = Some("token".into());
        assert_eq!(caller.list(20, None).ids.len(), 10, "{vendor:?}");
        caller.now += SignedDuration::from_mins(10);
        check("expired token", &caller);
        let off = AccessKey { active: false, ..AccessKey::new(&caller.key, "secret") };
        world.set_keys(vendor.name(), vec![off]);
        check("key", &fresh);
    }
}

#[test]
fn permissions_hold_for_every_vendor() {
    let world = world(10);
    for vendor in OTHERS {
        let caller = Caller::new(world.clone(), vendor);
        world.permit(vendor.name(), Some(action_of(vendor)), Permission::Denied);
        check("permission", &caller);
        world.permit(vendor.name(), Some(action_of(vendor)), Permission::SilentlyEmpty);
        let blind = caller.list(20, None);
        assert_eq!((blind.code.as_str(), blind.ids.len()), ("", 0), "{vendor:?}");
        world.permit(vendor.name(), None, Permission::Allowed);
        assert_eq!(caller.list(20, None).ids.len(), 10, "{vendor:?}");
    }
}

/// Lists so often, and returns how often that was let pass.
fn passed(caller: &Caller, times: usize) -> usize {
    (0..times).filter(|_| caller.list(20, None).code.is_empty()).count()
}

#[test]
fn each_vendor_counts_calls_in_its_own_way() {
    let world = world(1);
    for vendor in OTHERS {
        let mut caller = Caller::new(world.clone(), vendor);
        caller.now = caller.now.round(jiff::Unit::Minute).expect("a minute");
        world.set_limits(Limits::Calls(10));
        assert_eq!(passed(&caller, 15), 10, "{vendor:?}");
        check("rate", &caller);
        caller.now += SignedDuration::from_millis(600);
        let is_bucket = vendor == Provider::Aws;
        assert_eq!(passed(&caller, 15), if is_bucket { 1 } else { 0 }, "{vendor:?}");
        caller.now += SignedDuration::from_millis(400);
        assert_eq!(passed(&caller, 15), if is_bucket { 1 } else { 10 }, "{vendor:?}");
        caller.now += SignedDuration::from_mins(1);
        assert_eq!(passed(&caller, 15), 10, "{vendor:?}: what was not used is not saved");
        world.set_limits(Limits::Off);
        assert_eq!(passed(&caller, 250), 250, "{vendor:?}");
    }
}

#[test]
fn what_vendors_document_in_numbers_holds_unless_told_otherwise() {
    let world = world(1);
    for (vendor, documented) in
        [(Provider::Tencent, 40), (Provider::Huawei, 200), (Provider::Aws, 100)]
    {
        let caller = Caller::new(world.clone(), vendor);
        assert_eq!(passed(&caller, 250), documented, "{vendor:?}");
    }
}

#[test]
fn a_service_that_is_not_open_says_so() {
    let world = world(1);
    for vendor in OTHERS {
        let caller = Caller::new(world.clone(), vendor);
        let service = match vendor {
            Provider::Tencent => "cvm",
            Provider::Huawei => "ecs",
            _ => "ec2",
        };
        world.set_service(service, "elsewhere", false);
        assert_eq!(passed(&caller, 1), 1, "{vendor:?}");
        world.set_service(service, region_of(vendor), false);
        check("closed", &caller);
        world.set_service(service, region_of(vendor), true);
        assert_eq!(passed(&caller, 1), 1, "{vendor:?}");
    }
}

#[test]
fn calls_are_counted_by_account_region_and_action() {
    let world = world(10);
    for vendor in OTHERS {
        let caller = Caller::new(world.clone(), vendor);
        caller.list(20, None);
        Caller { secret: "wrong".into(), ..caller.clone() }.list(20, None);
        let call = Call {
            account: vendor.name().into(),
            region: region_of(vendor).into(),
            action: action_of(vendor).into(),
        };
        assert_eq!(world.calls().get(&call), Some(&2), "{vendor:?}: {:?}", world.calls());
    }
}

#[test]
fn faults_strike_every_vendor() {
    let world = world(60);
    for vendor in OTHERS {
        let caller = Caller::new(world.clone(), vendor);
        let strike = |fault: Fault| {
            world.faults().clear();
            world.faults().add(Rule::new(fault).on(action_of(vendor)));
        };
        strike(Fault::error(503, "Odd", "odd"));
        let odd = caller.list(20, None);
        assert_eq!((odd.status, odd.code.as_str()), (503, "Odd"), "{vendor:?}");
        for (fault, case) in
            [(Fault::throttled_by(vendor), "rate"), (Fault::forbidden_by(vendor), "permission")]
        {
            strike(fault);
            check(case, &caller);
        }
        strike(Fault::unavailable_by(vendor));
        assert_ne!(caller.list(20, None).code, "", "{vendor:?}");
        strike(Fault::Empty);
        assert_eq!(caller.list(20, None).ids.len(), 0);
        strike(Fault::ShortPage(3));
        assert_eq!(caller.list(20, None).ids.len(), 3);
        strike(Fault::UnknownStatus("Molten".into()));
        let molten = caller.list(20, None).statuses;
        assert_eq!(molten.iter().filter(|status| *status == "Molten").count(), 1, "{vendor:?}");
        strike(Fault::StatusNumber);
        let numbers = caller.list(20, None).statuses;
        assert_eq!(numbers.iter().filter(|status| *status == "5").count(), 1, "{vendor:?}");
        strike(Fault::NoId);
        let ids = caller.list(20, None).ids;
        assert_eq!(ids.iter().filter(|id| *id != "null").count(), 19, "{vendor:?}");
        strike(Fault::HugeTag(4096));
        assert_eq!(caller.list(20, None).text.matches(&"x".repeat(4096)).count(), 1);
        strike(Fault::Truncate);
        let half = caller.send(&caller.page(20, None));
        assert_eq!((half.status, half.delivery), (200, Delivery::Whole));
        strike(Fault::Drop);
        assert_eq!(caller.send(&caller.page(20, None)).delivery, Delivery::Nothing);
        strike(Fault::CutOff);
        let cut = caller.send(&caller.page(20, None));
        assert_eq!(cut.delivery, Delivery::Half);
        assert_eq!(half.body.len(), cut.body.len() / 2, "{vendor:?}");
        world.faults().clear();
        let whole: Vec<String> = caller.walk(20).into_iter().flat_map(|page| page.ids).collect();
        world.faults().add(Rule::new(Fault::Repeat(3)).after(1).times(1).on(action_of(vendor)));
        assert_eq!(caller.walk(20)[1].ids[..3], whole[17..20], "{vendor:?}");
        world.faults().clear();
    }
}

#[test]
fn the_totals_of_those_that_tell_any_lie() {
    let world = world(60);
    world.faults().add(Rule::new(Fault::WrongTotal(-7)));
    for (vendor, total) in
        [(Provider::Tencent, "\"TotalCount\":53"), (Provider::Huawei, "\"count\":53")]
    {
        let found = Caller::new(world.clone(), vendor).list(20, None);
        assert!(found.text.contains(total), "{}", found.text);
    }
}

#[test]
fn a_token_is_good_for_its_own_listing_and_may_be_refused() {
    let world = world(60);
    let caller = Caller::new(world.clone(), Provider::Aws);
    let token = caller.list(20, None).next.expect("a token");
    assert_eq!(caller.list(20, Some(&token)).ids.len(), 20);
    assert_eq!(caller.list(30, Some(&token)).ids.len(), 30, "the size may change");
    assert_eq!(caller.list(20, Some("AAAA")).code, "InvalidParameterValue");
    world.faults().add(Rule::new(Fault::RejectToken).times(1));
    assert_eq!(caller.list(20, Some(&token)).code, "InvalidParameterValue");
    assert_eq!(caller.list(20, Some(&token)).code, "");
    let other = Caller { region: "us-east-2".into(), ..caller.clone() };
    assert_eq!(other.list(20, None).code, "AuthFailure", "a region that is not offered");
}

#[test]
fn a_marker_is_an_id_that_is_still_there() {
    let world = world(60);
    let caller = Caller::new(world.clone(), Provider::Huawei);
    let ids: Vec<String> = caller.walk(60).remove(0).ids;
    let after =
        |id: &str| caller.read(&caller.send(&caller.huawei(&format!("limit=20&marker={id}"))));
    assert_eq!(after(&ids[19]).ids, ids[20..40]);
    world.at("huawei", "cn-north-4").and_then(|place| place.release(&ids[19])).expect("released");
    assert_eq!((after(&ids[19]).status, after(&ids[19]).code.as_str()), (400, "Ecs.0005"));
}

#[test]
fn what_is_terminated_is_shown_for_an_hour_where_the_vendor_does_so() {
    let world = world(20);
    let start = Caller::new(world.clone(), Provider::Aws).now;
    world.set_time(start);
    for vendor in OTHERS {
        let mut caller = Caller::new(world.clone(), vendor);
        let place = world.at(vendor.name(), region_of(vendor)).expect("a place");
        let gone = place.live()[7].clone();
        place.release(&gone).expect("released");
        assert!(!place.live().contains(&gone));
        let shown = |caller: &Caller| {
            let page = caller.list(100, None);
            page.ids.iter().position(|id| *id == gone).map(|place| page.statuses[place].clone())
        };
        let is_aws = vendor == Provider::Aws;
        assert_eq!(shown(&caller), is_aws.then(|| "terminated".to_owned()), "{vendor:?}");
        caller.now = start + SignedDuration::from_secs(3599);
        assert_eq!(shown(&caller).is_some(), is_aws, "{vendor:?}");
        caller.now = start + SignedDuration::from_hours(1);
        assert_eq!(shown(&caller), None, "{vendor:?}");
    }
}

#[test]
fn what_is_changed_shows_in_the_vendors_words() {
    let world = world(20);
    for (vendor, stopped) in
        [(Provider::Tencent, "STOPPED"), (Provider::Huawei, "SHUTOFF"), (Provider::Aws, "stopped")]
    {
        let place = world.at(vendor.name(), region_of(vendor)).expect("a place");
        let running = place.truth().into_iter().find(|each| place.stop(&each.id).is_ok());
        let id = running.expect("one that runs").id;
        let page = Caller::new(world.clone(), vendor).list(100, None);
        let at = page.ids.iter().position(|each| *each == id).expect("listed");
        assert_eq!(page.statuses[at], stopped);
        let created = place.create().expect("created");
        let page = Caller::new(world.clone(), vendor).list(100, None);
        assert!(page.ids.contains(&created), "{created}");
        let disk = place.attach_disk(&created).expect("attached");
        let truth = place.instance(&created).expect("there");
        assert!(truth.data_disks.iter().any(|each| each.id == disk), "{disk}");
    }
}
