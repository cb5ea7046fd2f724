//! Whole syncs: any stored rows against any listing in any pages, along the
//! path that a sync takes: index, walk, fingerprint, observer.

use std::collections::{BTreeMap, BTreeSet};

use cloud_sync_core::change::{Change, ChangeKind, Observer, Outcome, replay};
use cloud_sync_core::deletion::DeletionPolicy;
use cloud_sync_core::fingerprint::{Comparison, Fingerprint};
use cloud_sync_core::ids::Ids;
use cloud_sync_core::listing::{IndexEntry, MissingRows, Page, Undecodable, Walk, WalkState};
use cloud_sync_core::resource::{Missing, Resource, Row, Status};
use cloud_sync_core::scope::Scope;
use cloud_sync_core::task::Counts;
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;

use crate::strategies::{mixed, resource, tracked};

/// Believes every deletion.
const TRUSTING: DeletionPolicy = DeletionPolicy {
    plausible_count: u64::MAX,
    plausible_percent: 0,
    agreeing_listings: 1,
    on_delete: cloud_sync_core::deletion::OnDelete::Tombstone,
    tombstone_days: 1,
};

/// Believes no deletion before the third listing without it.
const DOUBTING: DeletionPolicy =
    DeletionPolicy { plausible_count: 0, agreeing_listings: 3, ..TRUSTING };

/// A table of rows with their changes, and how often it was synced.
#[derive(Clone, Debug, Default)]
struct Table {
    rows: BTreeMap<String, Row>,
    changes: BTreeMap<String, Vec<Change>>,
    syncs: u64,
}

impl Table {
    fn index(&self) -> Vec<(String, IndexEntry)> {
        let live = self.rows.iter().filter(|(_, row)| row.is_live());
        let entry = |row: &Row| IndexEntry { fingerprint: row.fingerprint, missing: row.missing };
        live.map(|(id, row)| (id.clone(), entry(row))).collect()
    }

    fn record(&mut self, change: Change, row: Row) {
        self.changes.entry(change.id.clone()).or_default().push(change);
        self.put(row);
    }

    fn put(&mut self, row: Row) {
        self.rows.insert(row.resource.id.clone(), row);
    }

    /// Syncs against a listing; `resume_at` breaks the walk before that page
    /// and goes on from what a checkpoint keeps.
    fn sync(&mut self, pages: &[Page], policy: &DeletionPolicy, resume_at: usize) -> Counts {
        self.syncs += 1;
        let scope = scope();
        let task_id = format!("task-{}", self.syncs);
        let now = Timestamp::UNIX_EPOCH + SignedDuration::from_hours(self.syncs.cast_signed());
        let observer = Observer { scope: &scope, task_id: &task_id, now };
        let index = self.index();
        let mut counts = Counts::default();
        let mut walk = Walk::new();
        let mut ids = Ids::new(&task_id);
        index.iter().for_each(|(id, entry)| ids.insert_live(id, entry));
        let mut saved = Vec::new();
        for (number, page) in pages.iter().enumerate() {
            let state = walk.state().clone();
            saved.push(ids.unsaved(usize::MAX));
            if number == resume_at {
                let text = serde_json::to_string(&state).unwrap();
                let state: WalkState = serde_json::from_str(&text).unwrap();
                ids = Ids::new(&task_id);
                assert!(saved.iter().all(|part| ids.load(part)));
                index.iter().for_each(|(id, entry)| ids.insert_live(id, entry));
                walk = Walk::resume(state, &ids).unwrap();
            }
            assert_eq!(walk.token(), (number > 0).then(|| number.to_string()).as_deref());
            let fresh = walk.take(page.clone(), &mut ids).unwrap();
            counts.error_count += fresh.undecodable.len() as u64;
            for id in fresh.undecodable.iter().filter_map(|item| item.id.as_ref()) {
                if let Some(row) = self.rows.get(id).and_then(|row| observer.sighted(row)) {
                    self.put(row);
                }
            }
            for resource in fresh.resources {
                self.see(&observer, &ids, resource, &mut counts);
            }
        }
        let listing = walk.complete().expect("every page was taken");
        counts.total_count = listing.total();
        assert_eq!(listing.undecodable(), counts.error_count);
        let mut missing = MissingRows::default();
        listing.add_missing(&ids, &index, &mut missing);
        self.miss(&observer, ids.live(), &missing, policy, &mut counts);
        counts
    }

    fn see(&mut self, observer: &Observer<'_>, ids: &Ids, resource: Resource, counts: &mut Counts) {
        let is_known = ids.stored(&resource.id).is_some_and(|stored| {
            !stored.is_marked() && stored.compare(&resource) == Comparison::Same
        });
        if is_known {
            counts.unchanged_count += 1;
            return;
        }
        match observer.seen(self.rows.get(&resource.id), resource) {
            Outcome::Unchanged => counts.unchanged_count += 1,
            Outcome::Refreshed(row) => {
                counts.unchanged_count += 1;
                self.put(*row);
            }
            Outcome::Changed(change, row) => {
                match change.change {
                    ChangeKind::Added | ChangeKind::Restored => counts.added_count += 1,
                    ChangeKind::Updated => counts.updated_count += 1,
                    ChangeKind::Deleted => panic!("what was listed is not deleted: {change:?}"),
                }
                self.record(change, *row);
            }
        }
    }

    fn miss(
        &mut self,
        observer: &Observer<'_>,
        live: u64,
        missing: &MissingRows,
        policy: &DeletionPolicy,
        counts: &mut Counts,
    ) {
        let verdict = policy.judge(live, self.syncs, missing.iter().collect(), &[]);
        counts.held_count = verdict.hold.len() as u64;
        for id in verdict.hold {
            if let Some(row) = observer.missed(&self.rows[&id], self.syncs) {
                self.put(row);
            }
        }
        for id in verdict.delete {
            counts.deleted_count += 1;
            let (change, tombstone) = observer.gone(&self.rows[&id]);
            self.record(change, tombstone);
        }
    }
}

fn scope() -> Scope {
    Scope {
        account_id: "a".into(),
        kind: "aliyun.ecs.instance".parse().unwrap(),
        region: "cn-hangzhou".into(),
    }
}

/// A listing by id (`None` for what cannot be decoded), and the order,
/// repetitions and cuts of its pages.
#[derive(Clone, Debug)]
struct Listing {
    shown: BTreeMap<String, Option<Resource>>,
    order: Vec<(usize, Option<Resource>)>,
    cuts: BTreeSet<usize>,
    resume_at: usize,
}

impl Listing {
    /// Returns the pages, tokens being the page's number; an item listed again
    /// looks different from the first time, as it does when a list moves.
    fn pages(&self) -> Vec<Page> {
        let entries: Vec<_> = self.shown.iter().collect();
        let mut pages = vec![Page::default()];
        let mut seen = BTreeSet::new();
        let whole = (0..entries.len()).map(|index| (index, None));
        let items = self.order.iter().cloned().chain(whole);
        for (number, (index, again)) in items.enumerate() {
            if self.cuts.contains(&number) {
                let next = pages.len().to_string();
                pages.last_mut().expect("never empty").next = Some(next);
                pages.push(Page::default());
            }
            let Some((id, shown)) = entries.get(index) else { continue };
            let page = pages.last_mut().expect("never empty");
            match (shown, again) {
                (Some(_), Some(again)) if seen.contains(id) => {
                    page.resources.push(Resource { id: (*id).clone(), ..again });
                }
                (Some(resource), _) => {
                    page.resources.push(Resource { id: (*id).clone(), ..resource.clone() });
                }
                (None, _) => page
                    .undecodable
                    .push(Undecodable { id: Some((*id).clone()), message: "no status".into() }),
            }
            seen.insert(*id);
        }
        pages
    }
}

fn listing(count: usize) -> impl Strategy<Value = Listing> {
    let shown = prop::option::weighted(0.9, resource());
    (
        prop::collection::btree_map("i-[0-9a]", shown, 0..count),
        prop::collection::vec((0..count, prop::option::of(resource())), 0..2 * count),
        prop::collection::btree_set(0..2 * count, 0..4),
        0..6_usize,
    )
        .prop_map(|(shown, order, cuts, resume_at)| Listing { shown, order, cuts, resume_at })
}

/// Listings of a world that changes a little from each to the next: what was
/// shown before looks the same but for a few fields, also after an absence.
fn listings(most: usize) -> impl Strategy<Value = Vec<Listing>> {
    let bits = prop_oneof![Just(0_u16), any::<u16>().prop_map(|bits| bits & 0x0924)];
    prop::collection::vec((listing(8), bits), 1..most).prop_map(|drawn| {
        let mut known: BTreeMap<String, Resource> = BTreeMap::new();
        let evolve = |(mut listing, bits): (Listing, u16)| {
            for (id, shown) in &mut listing.shown {
                if let Some(resource) = shown {
                    if let Some(last) = known.get(id) {
                        *resource = mixed(last, resource, bits);
                    }
                    known.insert(id.clone(), resource.clone());
                }
            }
            listing
        };
        drawn.into_iter().map(evolve).collect()
    })
}

/// What the live rows are to be after a listing: as shown, disks as last
/// known where they are not; as they were where nothing could be decoded.
fn expected(
    before: &BTreeMap<String, Row>,
    shown: &BTreeMap<String, Option<Resource>>,
) -> BTreeMap<String, Resource> {
    let mut after = BTreeMap::new();
    for (id, shown) in shown {
        let row = before.get(id);
        match shown {
            Some(resource) => {
                let mut resource = Resource { id: id.clone(), ..tracked(resource) };
                if resource.data_disks.is_none() {
                    resource.data_disks = row.and_then(|row| row.resource.data_disks.clone());
                }
                after.insert(id.clone(), resource);
            }
            None => {
                if let Some(row) = row.filter(|row| row.is_live()) {
                    after.insert(id.clone(), tracked(&row.resource));
                }
            }
        }
    }
    after
}

fn live(table: &Table) -> BTreeMap<String, Resource> {
    let rows = table.rows.iter().filter(|(_, row)| row.is_live());
    rows.map(|(id, row)| (id.clone(), tracked(&row.resource))).collect()
}

fn assert_adds_up(counts: &Counts) {
    let sum =
        counts.added_count + counts.updated_count + counts.unchanged_count + counts.error_count;
    assert_eq!(counts.total_count, sum, "{counts:?}");
}

/// Versions run 1, 2, 3, …, and their replay ends at the row.
fn assert_replays(table: &Table) {
    assert!(table.rows.keys().eq(table.changes.keys()), "a row without a change");
    for (id, changes) in &table.changes {
        let row = &table.rows[id];
        let mut replayed: Option<Row> = None;
        for (change, version) in changes.iter().zip(1..) {
            assert_eq!(change.version, version, "{id}");
            let text = serde_json::to_string(change).unwrap();
            let read = serde_json::from_str(&text).unwrap();
            replayed = Some(replay(replayed.as_ref(), &read).unwrap());
        }
        let (first, last) = (&changes[0], &changes[changes.len() - 1]);
        assert_eq!((row.first_seen_at, row.changed_at), (first.at, last.at), "{id}");
        assert_eq!(row.deleted_at, (last.change == ChangeKind::Deleted).then_some(last.at));
        assert_eq!((&row.task_id, row.version), (&last.task_id, last.version), "{id}");
        // Neither attributes nor the mark are part of a change.
        let stored = Row { resource: tracked(&row.resource), missing: None, ..row.clone() };
        assert_eq!(replayed, Some(stored), "{changes:?}");
        assert_eq!(row.fingerprint, Fingerprint::of(&row.resource), "{id}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn a_sync_turns_any_set_into_the_one_listed(listings in listings(5)) {
        let mut table = Table::default();
        for listing in &listings {
            let before = table.rows.clone();
            let counts = table.sync(&listing.pages(), &TRUSTING, listing.resume_at);
            prop_assert_eq!(live(&table), expected(&before, &listing.shown));
            assert_adds_up(&counts);
            prop_assert_eq!(counts.total_count, listing.shown.len() as u64);
            let gone = before.values().filter(|row| row.is_live()).filter(|row| {
                !listing.shown.contains_key(&row.resource.id)
            });
            prop_assert_eq!(counts.deleted_count, gone.count() as u64);
            assert_replays(&table);
        }
    }

    #[test]
    fn counts_are_what_the_table_shows(listings in listings(4)) {
        let mut table = Table::default();
        for listing in &listings {
            let before = table.clone();
            let counts = table.sync(&listing.pages(), &TRUSTING, usize::MAX);
            let mut recorded = Counts::default();
            for (id, changes) in &table.changes {
                let known = before.changes.get(id).map_or(0, Vec::len);
                prop_assert!(changes.len() <= known + 1, "two changes of {} in one sync", id);
                for change in &changes[known..] {
                    match change.change {
                        ChangeKind::Added => prop_assert!(!before.rows.contains_key(id)),
                        ChangeKind::Restored => prop_assert!(!before.rows[id].is_live()),
                        ChangeKind::Updated => {
                            prop_assert!(before.rows[id].is_live());
                            prop_assert!(!change.fields.is_empty());
                        }
                        ChangeKind::Deleted => {
                            prop_assert!(before.rows[id].is_live());
                            prop_assert_eq!(table.rows[id].resource.status, Status::Terminated);
                        }
                    }
                    match change.change {
                        ChangeKind::Added | ChangeKind::Restored => recorded.added_count += 1,
                        ChangeKind::Updated => recorded.updated_count += 1,
                        ChangeKind::Deleted => recorded.deleted_count += 1,
                    }
                }
                if changes.len() == known {
                    prop_assert_eq!(&table.rows[id], &before.rows[id], "written for nothing");
                }
            }
            prop_assert_eq!(
                (counts.added_count, counts.updated_count, counts.deleted_count),
                (recorded.added_count, recorded.updated_count, recorded.deleted_count)
            );
        }
    }

    #[test]
    fn the_same_set_in_other_pages_is_no_change(first in listing(8), pages in listing(8)) {
        let mut table = Table::default();
        table.sync(&first.pages(), &TRUSTING, first.resume_at);
        let before = table.clone();
        let again = Listing { shown: first.shown, ..pages };
        let counts = table.sync(&again.pages(), &TRUSTING, again.resume_at);
        prop_assert_eq!(&table.rows, &before.rows);
        prop_assert_eq!(&table.changes, &before.changes);
        prop_assert_eq!(counts.unchanged_count + counts.error_count, counts.total_count);
    }

    #[test]
    fn a_doubted_deletion_waits_for_the_third_listing(listings in listings(7)) {
        let mut table = Table::default();
        let mut unseen: BTreeMap<String, u64> = BTreeMap::new();
        for listing in &listings {
            let before = live(&table);
            let counts = table.sync(&listing.pages(), &DOUBTING, listing.resume_at);
            assert_adds_up(&counts);
            let mut held = 0;
            for id in before.keys() {
                if listing.shown.contains_key(id) {
                    // Any sight ends the doubt, decodable or not.
                    unseen.remove(id);
                    prop_assert_eq!(table.rows[id].missing, None);
                    prop_assert!(table.rows[id].is_live());
                    continue;
                }
                let since = *unseen.entry(id.clone()).or_insert(table.syncs);
                let is_due = table.syncs - since + 1 >= DOUBTING.agreeing_listings;
                prop_assert_eq!(table.rows[id].is_live(), !is_due);
                if is_due {
                    unseen.remove(id);
                } else {
                    held += 1;
                    let mark: Option<Missing> = table.rows[id].missing;
                    prop_assert_eq!(mark.map(|mark| mark.listing), Some(since));
                }
            }
            prop_assert_eq!(counts.held_count, held);
            assert_replays(&table);
        }
    }

    #[test]
    fn a_change_without_its_row_is_finished_by_replay(listings in listings(4)) {
        let mut table = Table::default();
        for listing in &listings {
            let before = table.rows.clone();
            table.sync(&listing.pages(), &TRUSTING, listing.resume_at);
            for (id, changes) in &table.changes {
                let change = changes.last().expect("never empty");
                let old = before.get(id);
                if old.is_some_and(|row| row.version == change.version) {
                    let error = replay(old, change).unwrap_err();
                    prop_assert!(error.to_string().contains("cannot follow"), "{}", error);
                    continue;
                }
                let finished = replay(old, change).unwrap();
                let row = &table.rows[id];
                prop_assert_eq!(tracked(&finished.resource), tracked(&row.resource));
                prop_assert_eq!(finished.version, row.version);
                prop_assert_eq!(finished.fingerprint, row.fingerprint);
            }
        }
    }
}

#[test]
fn an_unreadable_fingerprint_costs_one_write_and_no_change() {
    let mut table = Table::default();
    let resource = Resource { id: "i-1".into(), name: "web".into(), ..Resource::default() };
    let pages = [Page { resources: vec![resource], ..Page::default() }];
    table.sync(&pages, &TRUSTING, usize::MAX);
    let whole = table.clone();
    let newer = format!("9.{}", "00".repeat(16)).parse().unwrap();
    table.rows.get_mut("i-1").unwrap().fingerprint = newer;
    let counts = table.sync(&pages, &TRUSTING, usize::MAX);
    assert_eq!(counts, Counts { total_count: 1, unchanged_count: 1, ..Counts::default() });
    assert_eq!((&table.rows, &table.changes), (&whole.rows, &whole.changes));
}
