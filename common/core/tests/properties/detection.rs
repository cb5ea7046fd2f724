//! Diff and fingerprint: what counts as a change, and what does not.

use std::collections::{BTreeMap, BTreeSet};

use cloud_sync_core::change::{Observer, Outcome, replay};
use cloud_sync_core::diff::{Field, apply, diff};
use cloud_sync_core::fingerprint::{Comparison, Fingerprint};
use cloud_sync_core::resource::{Disk, Resource, Row};
use cloud_sync_core::scope::Scope;
use jiff::Timestamp;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::strategies::{disks, mixed, resource, successors, text, tracked};

/// What is expected of `new` after `old`: what secondary calls tell, where it
/// knows that.
fn merged(old: &Resource, new: &Resource) -> Resource {
    let old = old.clone();
    match &new.data_disks {
        Some(_) => tracked(new),
        None if new.is_deferred => tracked(&Resource {
            data_disks: old.data_disks,
            tags: old.tags,
            public_ips: old.public_ips,
            private_ips: old.private_ips,
            security_groups: old.security_groups,
            ..new.clone()
        }),
        None => tracked(&Resource { data_disks: old.data_disks, ..new.clone() }),
    }
}

/// Two descriptions of a resource of a kind that defers more than its disks to
/// secondary calls, or of another.
fn of_any_kind() -> impl Strategy<Value = (Resource, Resource)> {
    (successors(), any::<bool>()).prop_map(|((old, new), is_deferred)| {
        (Resource { is_deferred, ..old }, Resource { is_deferred, ..new })
    })
}

/// What secondary calls tell of a resource.
fn is_detail(field: Field, resource: &Resource) -> bool {
    match field {
        Field::DataDisks => true,
        Field::Tags | Field::PublicIps | Field::PrivateIps | Field::SecurityGroups => {
            resource.is_deferred
        }
        _ => false,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]

    #[test]
    fn applying_the_diff_to_the_old_gives_the_new((old, new) in of_any_kind()) {
        let fields = diff(&old, &new);
        let mut patched = old.clone();
        apply(&mut patched, &fields).unwrap();
        prop_assert_eq!(tracked(&patched), merged(&old, &new));
        prop_assert!(fields.values().all(|field| field.old != field.new), "{:?}", fields);
    }

    #[test]
    fn a_history_gives_the_row_whatever_was_unknown((first, then) in of_any_kind()) {
        let kind = "aws.elasticache.cluster".parse().unwrap();
        let scope = Scope { account_id: "a".into(), kind, region: "r".into() };
        let observer = Observer { scope: &scope, task_id: "t", now: Timestamp::UNIX_EPOCH };
        let then = Resource { id: first.id.clone(), ..then };
        let (mut row, mut replayed) = (None::<Row>, None::<Row>);
        for seen in [first, then] {
            match observer.seen(row.as_ref(), seen) {
                Outcome::Changed(change, next) => {
                    replayed = Some(replay(replayed.as_ref(), &change).unwrap());
                    row = Some(*next);
                }
                Outcome::Refreshed(next) => row = Some(*next),
                Outcome::Unchanged => {}
            }
            let given = replayed.as_ref().map(|row| tracked(&row.resource));
            // A change does not say what is told by which call.
            let stored = row.as_ref().map(|row| tracked(&row.resource));
            let stored = stored.map(|stored| Resource { is_deferred: false, ..stored });
            prop_assert_eq!(given, stored);
        }
    }

    #[test]
    fn a_diff_survives_the_table((old, new) in of_any_kind()) {
        let fields = diff(&old, &new);
        let text = serde_json::to_string(&fields).unwrap();
        let read: BTreeMap<_, _> = serde_json::from_str(&text).unwrap();
        let mut patched = old.clone();
        apply(&mut patched, &read).unwrap();
        prop_assert_eq!(tracked(&patched), merged(&old, &new));
    }

    #[test]
    fn nothing_differs_from_itself(resource in resource()) {
        prop_assert!(diff(&resource, &resource).is_empty());
        prop_assert_eq!(Fingerprint::of(&resource).compare(&resource), Comparison::Same);
    }

    /// Looking at fingerprints instead of rows loses nothing and adds nothing.
    #[test]
    fn fingerprints_tell_what_the_diff_tells((old, new) in of_any_kind()) {
        let fields = diff(&old, &new);
        let expected = if fields.is_empty() {
            Comparison::Same
        } else if fields.keys().all(|field| is_detail(*field, &new)) {
            Comparison::DetailDiffers
        } else {
            Comparison::Differs
        };
        prop_assert_eq!(Fingerprint::of(&old).compare(&new), expected);
    }

    #[test]
    fn each_tracked_field_alone_is_seen(
        (old, other) in (resource(), resource()),
    ) {
        for bit in 0..12 {
            let new = mixed(&old, &other, 1 << bit);
            if tracked(&new) == tracked(&old) || new.data_disks.is_none() {
                continue;
            }
            prop_assert_eq!(diff(&old, &new).len(), 1);
            prop_assert_ne!(Fingerprint::of(&old).compare(&new), Comparison::Same);
            prop_assert_ne!(Fingerprint::of(&old), Fingerprint::of(&new));
        }
    }

    /// The same few texts dealt out in two ways: an encoding that lets a text
    /// run into its neighbour would take one deal for the other.
    #[test]
    fn no_deal_of_the_same_texts_looks_like_another(
        texts in prop::collection::vec(text(), 1..6),
        one in prop::collection::vec(0..11_u8, 5),
        other in prop::collection::vec(0..11_u8, 5),
    ) {
        let (one, other) = (dealt(&texts, &one), dealt(&texts, &other));
        prop_assert_eq!(
            Fingerprint::of(&one) == Fingerprint::of(&other),
            one == other,
            "{:?} {:?}", one, other
        );
    }

    #[test]
    fn two_fields_that_change_places_are_a_difference(old in resource()) {
        macro_rules! swapped {
            ($($one:ident $other:ident)*) => {
                [$(Resource { $one: old.$other.clone(), $other: old.$one.clone(), ..old.clone() }),*]
            };
        }
        let all = swapped!(name vendor_status vendor_status spec spec zone zone name
            public_ips private_ips private_ips security_groups created_at expires_at);
        for new in all {
            prop_assert_eq!(Fingerprint::of(&old) == Fingerprint::of(&new), old == new);
        }
    }

    #[test]
    fn order_and_repetition_are_no_change(
        base in resource(),
        values in prop::collection::vec(text(), 1..6),
        disks in prop::collection::vec((text(), text()), 0..4),
        tags in prop::collection::btree_map(text(), text(), 0..5),
        (one, other) in (shuffles(), shuffles()),
    ) {
        let stored = reply(&base, &values, &disks, &tags, &one);
        let seen = reply(&base, &values, &disks, &tags, &other);
        prop_assert_eq!(Fingerprint::of(&stored), Fingerprint::of(&seen));
        prop_assert!(diff(&stored, &seen).is_empty());
    }

    #[test]
    fn swapping_one_security_group_for_another_is_an_update(
        mut old in resource(), gone in "sg-[a-f]{4}", came in "sg-[g-k]{4}",
    ) {
        let mut new = old.clone();
        old.security_groups.insert(gone);
        new.security_groups.insert(came);
        let fields = diff(&old, &new);
        prop_assert_eq!(fields.keys().collect::<Vec<_>>(), [&Field::SecurityGroups]);
        prop_assert_eq!(old.security_groups.len(), new.security_groups.len());
        prop_assert_eq!(Fingerprint::of(&old).compare(&new), Comparison::Differs);
    }

    #[test]
    fn unknown_disks_are_never_a_change(old in resource(), known in disks()) {
        let old = Resource { data_disks: known, ..old };
        let new = Resource { data_disks: None, ..old.clone() };
        prop_assert!(diff(&old, &new).is_empty());
        prop_assert_eq!(Fingerprint::of(&old).compare(&new), Comparison::Same);
    }

    #[test]
    fn a_fingerprint_is_read_back_as_it_was_written(resource in resource()) {
        let fingerprint = Fingerprint::of(&resource);
        prop_assert_eq!(fingerprint.to_string().parse(), Ok(fingerprint));
    }

    #[test]
    fn what_is_read_as_a_fingerprint_is_one(
        text in r"1\.([0-9a-f+][0-9a-f]){16}(\.([0-9a-f+][0-9a-f]){8})?",
    ) {
        if let Ok(fingerprint) = text.parse::<Fingerprint>() {
            prop_assert_eq!(fingerprint.to_string(), text);
        }
    }
}

/// The order in which a list's items come, with repetitions.
type Picks = Vec<usize>;

/// An order for each of four lists of at most six items, none of them left
/// out.
fn shuffles() -> impl Strategy<Value = [Picks; 4]> {
    let repeats = prop::collection::vec(0..6_usize, 0..6);
    let order = repeats.prop_flat_map(|repeats| {
        let all: Picks = (0..6).chain(repeats).collect();
        Just(all).prop_shuffle()
    });
    prop::array::uniform4(order)
}

fn picked<'a, T>(values: &'a [T], order: &'a [usize]) -> impl Iterator<Item = &'a T> {
    order.iter().filter_map(|index| values.get(*index))
}

/// Returns a resource as it is decoded from a document whose lists have the
/// given order and repetitions.
fn reply(
    base: &Resource,
    values: &[String],
    disks: &[(String, String)],
    tags: &BTreeMap<String, String>,
    [groups, ips, attached, tagged]: &[Picks; 4],
) -> Resource {
    let mut document = serde_json::to_value(base).unwrap();
    document["security_groups"] = picked(values, groups).cloned().collect();
    document["public_ips"] = picked(values, ips).cloned().collect();
    document["private_ips"] = picked(values, attached).cloned().collect();
    document["data_disks"] = picked(disks, attached)
        .map(|(id, category)| json!({ "id": id, "category": category, "size_gib": 20 }))
        .collect();
    let tags: Vec<_> = tags.iter().collect();
    document["tags"] = Value::Object(
        picked(&tags, tagged)
            .map(|(key, value)| ((*key).clone(), (*value).clone().into()))
            .collect(),
    );
    serde_json::from_value(document).unwrap()
}

/// Deals texts out, each to where its place says: to the end of a text, to a
/// set as an element of its own, or to the end of the set's last element.
fn dealt(texts: &[String], places: &[u8]) -> Resource {
    fn extend(set: &mut BTreeSet<String>, text: &str) {
        let last = set.pop_last().unwrap_or_default();
        set.insert(last + text);
    }
    let mut resource = Resource::default();
    let mut disks = BTreeSet::new();
    for (text, place) in texts.iter().zip(places) {
        let last_tag = resource.tags.last_key_value().map(|(key, _)| key.clone());
        match place {
            0 => resource.name.push_str(text),
            1 => resource.vendor_status.push_str(text),
            2 => _ = resource.public_ips.insert(text.clone()),
            3 => extend(&mut resource.public_ips, text),
            4 => _ = resource.private_ips.insert(text.clone()),
            5 => extend(&mut resource.private_ips, text),
            6 => _ = resource.tags.entry(text.clone()).or_default(),
            7 => resource.tags.entry(last_tag.unwrap_or_default()).or_default().push_str(text),
            8 => {
                let (key, value) = resource.tags.pop_last().unwrap_or_default();
                resource.tags.insert(key + text, value);
            }
            9 => _ = disks.insert(Disk { id: text.clone(), ..Disk::default() }),
            _ => {
                let disk: Disk = disks.pop_last().unwrap_or_default();
                disks.insert(Disk { category: disk.category + text, ..disk });
            }
        }
    }
    Resource { data_disks: Some(disks), ..resource }
}
