//! What is stored of every kind of every vendor, by filter.

use std::collections::BTreeMap;

use cloud_sync_provider::Registry;
use serde_json::Value;
use simulated_cloud::{AccessKey, Counts, Plan, Provider, spread_of};

use crate::support::{Case, Ran, in_time, text};

fn key_of(vendor: Provider) -> AccessKey {
    AccessKey::new(&format!("key-{}", vendor.name()), "canary-of-all")
}

/// Returns a cloud with an account of each vendor, with some of every kind,
/// and a configuration of all of them.
async fn case() -> Case {
    let (mut plan, mut accounts) = (Plan::new(5), Vec::new());
    for vendor in Provider::ALL {
        let regions = spread_of(vendor, 24, 2);
        let managed: Vec<_> =
            regions.iter().map(|(region, _)| (*region, Counts::of_each(8))).collect();
        let kinds = Registry::kinds_of(vendor.name()).expect("a vendor");
        let kinds: Vec<_> = kinds.iter().map(|kind| format!("\"{kind}\"")).collect();
        accounts.push((vendor.name(), regions[0].0, kinds.join(", ")));
        plan = plan.account_of(vendor, vendor.name(), key_of(vendor), regions).managed(managed);
    }
    let case = Case::of(&plan).await;
    let accounts = accounts.into_iter().map(|(vendor, region, kinds)| {
        format!(
            "[[accounts]]\nid = \"{vendor}\"\nprovider = \"{vendor}\"\nkinds = [{kinds}]\n\
             default_region = \"{region}\"\nendpoint = \"{}\"\ncredentials = {{ env = \"{}\" }}\n",
            case.cloud.url(),
            vendor.to_uppercase()
        )
    });
    case.configure(&accounts.collect::<Vec<_>>().join("\n"));
    case
}

fn sync(case: &Case) -> Ran {
    let mut command = case.command(&["sync", "--json"]);
    for vendor in Provider::ALL {
        let (env, key) = (vendor.name().to_uppercase(), key_of(vendor));
        command.env(format!("{env}_ACCESS_KEY_ID"), key.id);
        command.env(format!("{env}_ACCESS_KEY_SECRET"), "canary-of-all");
    }
    in_time(command)
}

/// Asserts that a filter leaves exactly what it says, of what there is of a
/// kind, and returns how many that are.
#[track_caller]
fn check(case: &Case, all: &[Value], args: &[&str], holds: impl Fn(&Value) -> bool) -> usize {
    let kind = text(&all[0], "kind");
    let found = case.run(&[&["resources", "--json", "--kind", kind], args].concat()).lines();
    let ids = |lines: &[Value]| -> Vec<String> {
        let mut ids: Vec<_> = lines.iter().map(|line| text(line, "id").to_owned()).collect();
        ids.sort();
        ids
    };
    let wanted: Vec<_> = all.iter().filter(|line| holds(line)).cloned().collect();
    assert_eq!(ids(&found), ids(&wanted), "{kind} {args:?}");
    wanted.len()
}

#[tokio::test(flavor = "multi_thread")]
async fn filters_and_histories_work_for_every_kind() {
    let case = case().await;
    let ran = sync(&case);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let mut by_kind: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for line in case.run(&["resources", "--json"]).lines() {
        by_kind.entry(text(&line, "kind").to_owned()).or_default().push(line);
    }
    let known = Provider::ALL.map(|vendor| Registry::kinds_of(vendor.name()).expect("a vendor"));
    assert_eq!(by_kind.len(), known.iter().map(Vec::len).sum::<usize>());
    for (kind, all) in &by_kind {
        assert_eq!(check(&case, all, &[], |_| true), all.len());
        let (first, last) = (&all[0], &all[all.len() - 1]);
        assert_eq!(text(first, "provider"), kind.split('.').next().expect("a vendor"));
        let status = text(first, "status");
        check(&case, all, &["--status", status], |line| line["status"] == status);
        let name: String = text(last, "name").chars().take(5).collect();
        check(&case, all, &["--name", &name], |line| text(line, "name").starts_with(&name));
        let id = text(last, "id");
        assert_eq!(check(&case, all, &["--id", id], |line| line["id"] == id), 1);
        let tagged = all.iter().find_map(|line| line["tags"].as_object()?.iter().next());
        let (key, value) = tagged.unwrap_or_else(|| panic!("no {kind} has a tag"));
        let value = value.as_str().expect("a text");
        let tag = format!("{key}={value}");
        check(&case, all, &["--tag", &tag], |line| line["tags"][key] == value);
        check(&case, all, &["--tag", key], |line| line["tags"][key].is_string());
        let region = text(first, "region");
        check(&case, all, &["--region", region], |line| line["region"] == region);
        let history = case.run(&["changes", "--json", "--id", id, "--kind", kind]).lines();
        assert_eq!((history.len(), text(&history[0], "change")), (1, "added"), "{kind}");
        let changes = case.run(&["changes", "--json", "--kind", kind]).lines();
        let is_it = |change: &Value| change["kind"] == **kind;
        assert!(changes.len() == all.len() && changes.iter().all(is_it), "{kind}");
    }
}
