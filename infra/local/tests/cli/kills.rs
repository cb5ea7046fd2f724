//! A sync that is killed, at any moment: the next one needs nobody's help, and
//! rows, history, counts and file are right after it.

#![allow(clippy::unwrap_used, reason = "a test may fail by it")]
#![allow(clippy::print_stdout, reason = "what was killed when is worth reading")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::{Duration, Instant};

use cloud_sync::database::Database;
use cloud_sync_core::change::{Change, ChangeKind, replay};
use cloud_sync_core::resource::{Resource, Row};
use cloud_sync_core::task::{SyncTask, TaskStatus};
use cloud_sync_runtime::store::{Store, TaskQuery};
use simulated_cloud::{Churn, TruthInstance};

use crate::support::{Case, eventually};

/// Where a first seed other than the usual one is given; each test has its own
/// from there on.
const SEED: &str = "KILLS_SEED";

/// Answers take so many milliseconds, or so many: a kill meets a sync that
/// waits, or one that writes.
const LATENCIES: [u64; 4] = [0, 3, 10, 30];

/// So many of a hundred rounds begin with a file that is not there yet.
const BEGIN_ANEW: u64 = 25;

/// So many of a hundred kills are followed by another before a sync may end.
const KILL_AGAIN: u64 = 30;

/// Everything that is stored, read back.
struct Stored {
    rows: Vec<Row>,
    changes: Vec<Change>,
    tasks: Vec<SyncTask>,
}

impl Stored {
    async fn read(file: &Path) -> Self {
        let database = Database::read(file).await.expect("the file is a database");
        let store = database.store();
        let stored = Self {
            rows: rows(store.as_ref()).await,
            changes: changes(store.as_ref()).await,
            tasks: tasks(store.as_ref()).await,
        };
        drop(store);
        database.close().await;
        stored
    }
}

async fn rows(store: &dyn Store) -> Vec<Row> {
    let mut rows = Vec::new();
    for state in store.scopes("prod").await.unwrap() {
        assert_eq!(state.lease, None, "{}: all work is done", state.scope);
        let mut cursor = None;
        loop {
            let page = store.scope_rows(&state.scope, true, cursor.as_deref()).await.unwrap();
            rows.extend(page.items);
            cursor = page.cursor;
            if cursor.is_none() {
                break;
            }
        }
        let (mut indexed, mut cursor) = (0, None);
        loop {
            let page = store.live_index(&state.scope, cursor.as_deref()).await.unwrap();
            indexed += page.items.len();
            cursor = page.cursor;
            if cursor.is_none() {
                break;
            }
        }
        let live = rows.iter().filter(|row| row.scope == state.scope && row.is_live());
        assert_eq!(indexed, live.clone().count(), "{}: the index", state.scope);
        assert_eq!(state.findings.live_count, live.count() as u64, "{}", state.scope);
    }
    rows
}

async fn changes(store: &dyn Store) -> Vec<Change> {
    let (mut changes, mut cursor) = (Vec::new(), None);
    loop {
        let page = store.account_changes("prod", None, cursor.as_deref()).await.unwrap();
        changes.extend(page.items);
        cursor = page.cursor;
        if cursor.is_none() {
            return changes;
        }
    }
}

async fn tasks(store: &dyn Store) -> Vec<SyncTask> {
    let query = TaskQuery { limit: usize::MAX, ..TaskQuery::default() };
    let tasks = store.tasks(&query).await.unwrap();
    for task in &tasks {
        let results = store.region_results(&task.task_id).await.unwrap();
        assert!(task.status.is_terminal(), "{task:?}");
        let regions: Vec<_> = results.iter().map(|result| &result.region).collect();
        assert_eq!(regions, task.regions.iter().collect::<Vec<_>>(), "{}", task.task_id);
        let sum = results.iter().fold(Default::default(), |sum, r| r.counts.plus(sum));
        assert_eq!(task.counts, sum, "{}", task.task_id);
    }
    assert!(store.open_tasks().await.unwrap().is_empty());
    tasks
}

/// Asserts that the live rows are what the cloud has.
fn assert_rows_are_true(case: &Case, stored: &Stored) {
    let truth = case.world.truth();
    let truth = truth.accounts.iter().flat_map(|account| account.regions.values()).flatten();
    let truth: BTreeMap<_, _> = truth.map(|instance| (instance.id.as_str(), instance)).collect();
    let live = stored.rows.iter().filter(|row| row.is_live());
    let live: BTreeMap<_, _> = live.map(|row| (row.resource.id.as_str(), row)).collect();
    assert_eq!(live.keys().collect::<Vec<_>>(), truth.keys().collect::<Vec<_>>());
    for (id, row) in live {
        assert_eq!(row.missing, None, "{id}");
        assert_is_true(&row.resource, truth[id]);
    }
}

fn assert_is_true(stored: &Resource, truth: &TruthInstance) {
    let set = |ips: &[std::net::Ipv4Addr]| ips.iter().map(ToString::to_string).collect();
    let disks = truth.data_disks.iter().map(|disk| disk.id.as_str());
    let stored_disks = stored.data_disks.iter().flatten().map(|disk| disk.id.as_str());
    let expected = Resource {
        id: truth.id.clone(),
        name: truth.name.clone(),
        vendor_status: truth.status.clone(),
        spec: truth.instance_type.clone(),
        zone: truth.zone.clone(),
        public_ips: set(&truth.public_ips),
        private_ips: set(&truth.private_ips),
        security_groups: truth.security_groups.iter().cloned().collect(),
        tags: truth.tags.clone(),
        ..stored.clone()
    };
    assert_eq!(stored, &expected);
    assert!(stored.data_disks.is_some(), "{}: disks are known", truth.id);
    assert_eq!(stored_disks.collect::<BTreeSet<_>>(), disks.collect(), "{}", truth.id);
}

/// Asserts that replaying each resource's changes gives its row, and that
/// there is no change without a row.
fn assert_history_is_whole(stored: &Stored) {
    let mut replayed: BTreeMap<_, Row> = BTreeMap::new();
    let mut changes: Vec<_> = stored.changes.iter().collect();
    changes.sort_by_key(|change| (&change.scope, &change.id, change.version));
    for change in changes {
        let of = (&change.scope, &change.id);
        let next = replay(replayed.get(&of), change);
        replayed.insert(of, next.unwrap_or_else(|error| panic!("{of:?}: {error}")));
    }
    assert_eq!(replayed.len(), stored.rows.len(), "a row each");
    for row in &stored.rows {
        let told = &replayed[&(&row.scope, &row.resource.id)];
        let attributes = row.resource.attributes.clone();
        let resource = Resource { attributes, ..told.resource.clone() };
        assert_eq!(resource, row.resource);
        let known = |row: &Row| (row.version, row.task_id.clone(), row.deleted_at);
        assert_eq!(known(told), known(row), "{}", row.resource.id);
    }
}

/// Asserts that every task counted what it recorded.
fn assert_counts_are_exact(stored: &Stored) {
    let mut recorded: BTreeMap<&str, BTreeMap<_, BTreeSet<&str>>> = BTreeMap::new();
    for change in &stored.changes {
        let of_task = recorded.entry(&change.task_id).or_default();
        of_task.entry((&change.scope, &change.id)).or_default().insert(change.change.as_str());
    }
    for task in &stored.tasks {
        let of_task = recorded.remove(task.task_id.as_str()).unwrap_or_default();
        let has = |kinds: &BTreeSet<&str>, kind: ChangeKind| kinds.contains(kind.as_str());
        let is_added = |kinds: &BTreeSet<&str>| {
            has(kinds, ChangeKind::Added) || has(kinds, ChangeKind::Restored)
        };
        let number = |wanted: &dyn Fn(&BTreeSet<&str>) -> bool| {
            of_task.values().filter(|kinds| wanted(kinds)).count() as u64
        };
        let expected = [
            number(&is_added),
            number(&|kinds| has(kinds, ChangeKind::Updated) && !is_added(kinds)),
            number(&|kinds| has(kinds, ChangeKind::Deleted)),
        ];
        let counts = task.counts;
        let counted = [counts.added_count, counts.updated_count, counts.deleted_count];
        assert_eq!(counted, expected, "{}: {}", task.task_id, task.status.as_str());
        let seen = counts.added_count + counts.updated_count + counts.unchanged_count;
        assert_eq!(counts.total_count, seen, "{}", task.task_id);
    }
    assert!(recorded.is_empty(), "changes of tasks that are not there: {recorded:?}");
}

fn assert_file_is_whole(file: &Path) {
    let file = rusqlite::Connection::open(file).expect("it opens");
    let verdict: String =
        file.query_row("PRAGMA integrity_check", (), |row| row.get(0)).expect("an answer");
    assert_eq!(verdict, "ok");
}

async fn assert_all_is_right(case: &Case) {
    let file = case.path("cloud-sync.db");
    assert_file_is_whole(&file);
    let stored = Stored::read(&file).await;
    assert_rows_are_true(case, &stored);
    assert_history_is_whole(&stored);
    assert_counts_are_exact(&stored);
    let last = &stored.tasks[0];
    let ended = (last.status, last.counts.total_count);
    assert_eq!(ended, (TaskStatus::Success, case.ids().len() as u64));
}

/// Numbers that look random and are the same for the same seed (SplitMix64).
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }
}

/// What a database file may consist of.
const FILES: [&str; 3] = ["cloud-sync.db", "cloud-sync.db-wal", "cloud-sync.db-shm"];

fn remove_database(case: &Case) {
    for name in FILES {
        // It may not be there.
        std::fs::remove_file(case.path(name)).ok();
    }
}

/// Returns whether something other than the lock is there of a database.
fn has_begun(case: &Case) -> bool {
    let names = std::fs::read_dir(case.folder.path()).expect("the folder");
    let names = names.map(|entry| entry.expect("a file").file_name());
    names
        .map(|name| name.into_string().expect("UTF-8"))
        .any(|name| name.starts_with("cloud-sync.db") && name != "cloud-sync.db.lock")
}

/// Lets a few instances change: never so many between two complete syncs that
/// a deletion is held.
fn churn(case: &Case, chance: &mut Chance) {
    let churn = Churn {
        create: 3,
        release: 1,
        power: 4,
        rename: 3,
        retag: 3,
        move_eip: 1,
        attach_disk: 2,
        detach_disk: 1,
        swap_group: 2,
        change_type: 1,
        ..Churn::default()
    };
    case.world.churn(&churn, chance.next());
}

/// Starts a sync, lets the cloud change under it or before it, and kills it
/// at some moment of the time that one usually takes. Returns whether it was
/// still running; if it was not, that moment is what one takes from then on.
async fn kill_one(case: &Case, chance: &mut Chance, usual: &mut Duration) -> bool {
    let micros = |time: Duration| u64::try_from(time.as_micros()).expect("seconds");
    let moment = Duration::from_micros(chance.below(micros(*usual)));
    let churned = Duration::from_micros(chance.below(micros(moment) + 1));
    let mut run = case.start(&["sync", "--json"]);
    tokio::time::sleep(churned).await;
    churn(case, chance);
    tokio::time::sleep(moment - churned).await;
    let was_running = run.has_ended().is_none();
    if was_running {
        run.signal("-KILL");
    }
    let code = run.wait().code;
    println!("  changed after {churned:?}, killed after {moment:?} of {usual:?}: {code:?}");
    if !was_running {
        *usual = moment;
    }
    was_running
}

/// Kills so many syncs between their start and their end. One that has ended
/// before its moment is no kill, and is tried again at an earlier one: how
/// quick a machine is decides nothing.
async fn kill(kills: u32, nth: u64) {
    let first = std::env::var(SEED).map_or(1, |seed| seed.parse().expect("a number"));
    let seed: u64 = first + nth;
    let chance = &mut Chance(seed);
    let case = Case::with(&[("cn-hangzhou", 40), ("cn-beijing", 20)]).await;
    let mut usual = BTreeMap::new();
    let (mut tries, mut killed) = (0, 0);
    while killed < kills {
        let latency = LATENCIES[usize::try_from(chance.below(4)).expect("a place")];
        case.world.set_latency(Duration::from_millis(latency));
        if chance.below(100) < BEGIN_ANEW {
            remove_database(&case);
        }
        println!("seed {seed}, {killed} killed, answers after {latency} ms");
        loop {
            tries += 1;
            assert!(tries <= 10 * kills, "{killed} of {tries} syncs were killed before their end");
            let usual = usual.entry(latency).or_insert(Duration::from_millis(500));
            killed += u32::from(kill_one(&case, chance, usual).await);
            if chance.below(100) >= KILL_AGAIN {
                break;
            }
        }
        if chance.below(2) == 0 {
            churn(&case, chance);
        }
        let began = Instant::now();
        case.sync(&[]);
        // The moments follow how busy the machine is.
        usual.insert(latency, began.elapsed());
        assert_all_is_right(&case).await;
    }
    println!("{killed} of {tries} syncs were killed before their end (seed {seed})");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_few_leave_rows_history_counts_and_file_right() {
    kill(8, 0).await;
}

/// The tables of a new file are made within milliseconds of its first byte.
#[tokio::test(flavor = "multi_thread")]
async fn while_the_file_is_made_leaves_none_or_a_whole_one() {
    let chance = &mut Chance(1);
    let case = Case::with(&[("cn-beijing", 2)]).await;
    let mut whole = 0;
    for _ in 0..24 {
        remove_database(&case);
        let mut run = case.start(&["sync", "--json"]);
        while !has_begun(&case) {
            assert_eq!(run.has_ended(), None, "it makes a file first");
            std::thread::sleep(Duration::from_micros(200));
        }
        // Most kills come while it is made, some after it.
        let longest =
            [500, 2_000, 5_000, 40_000][usize::try_from(chance.below(4)).expect("a place")];
        std::thread::sleep(Duration::from_micros(chance.below(longest)));
        run.signal("-KILL");
        run.wait();
        if case.path("cloud-sync.db").exists() {
            whole += 1;
            Stored::read(&case.path("cloud-sync.db")).await;
        }
        case.sync(&[]);
        assert_all_is_right(&case).await;
    }
    println!("{whole} files were whole");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_removed_file_left_is_not_taken_for_the_new_one_s() {
    let case = Case::with(&[("cn-beijing", 2)]).await;
    case.world.set_latency(Duration::from_secs(5));
    let run = case.start(&["sync", "--json"]);
    let has_task = || case.run(&["tasks", "--json"]).stdout.contains("task_id");
    eventually("a task", has_task).await;
    run.signal("-KILL");
    run.wait();
    std::fs::remove_file(case.path("cloud-sync.db")).expect("it was there");
    let left = case.path("cloud-sync.db-wal").metadata().expect("SQLite's log is left");
    assert!(left.len() > 0);
    case.world.set_latency(Duration::ZERO);

    case.sync(&[]);

    assert_all_is_right(&case).await;
    let stored = Stored::read(&case.path("cloud-sync.db")).await;
    assert_eq!(stored.tasks.len(), 1, "the removed file's task is gone");
}

// Two, since they wait most of the time, and tests run side by side.

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes"]
async fn a_hundred_leave_rows_history_counts_and_file_right() {
    kill(100, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes"]
async fn another_hundred_leave_rows_history_counts_and_file_right() {
    kill(100, 2).await;
}
