//! What happens from now on, as the documents that an event bus would get.
//!
//! There is no stream to listen to on one machine, so the tables are asked
//! again and again. A change is stamped before it is written, so that one with
//! an earlier time may appear after one with a later: the time before the
//! newest is read again, and what was returned of it is remembered.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use cloud_sync_core::document::{Detail, Document};
use cloud_sync_core::query::is_wanted;
use cloud_sync_runtime::store::{Result, Store, TaskQuery};
use jiff::{SignedDuration, Timestamp};

/// By so much at most a change is later than its time: a worker stamps it,
/// reads rows, and writes, and repeats what fails for some 20 seconds; and an
/// index follows its table within seconds.
const LATEST: SignedDuration = SignedDuration::from_mins(3);

/// By so much nearly every change is later at most.
const LATE: SignedDuration = SignedDuration::from_secs(10);

/// So often the whole of [`LATEST`] is read again; in between [`LATE`] is.
const LOOK_BACK_EVERY: SignedDuration = SignedDuration::from_secs(15);

/// So many tasks that began lately are looked at.
const MOST_TASKS: usize = 10_000;

/// What was returned, by time and id.
type Returned = BTreeSet<(Timestamp, String)>;

/// Follows what happens in the tables.
pub struct Follower {
    store: Arc<dyn Store>,
    /// Of these only; of all where empty.
    accounts: Vec<String>,
    since: Timestamp,
    looked_back_at: Option<Timestamp>,
    changes: BTreeMap<String, Followed>,
    open_tasks: BTreeSet<String>,
    others: Returned,
}

/// What is known of an account's changes.
struct Followed {
    newest: Timestamp,
    returned: Returned,
}

impl Follower {
    /// Returns what follows some accounts, or all, from a time on.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, accounts: Vec<String>, since: Timestamp) -> Self {
        Self {
            store,
            accounts,
            since,
            looked_back_at: None,
            changes: BTreeMap::new(),
            open_tasks: BTreeSet::new(),
            others: Returned::new(),
        }
    }

    /// Returns what has happened and was not returned before, oldest first.
    ///
    /// # Errors
    ///
    /// The tables cannot be read; the same call again returns all of it.
    pub async fn poll(&mut self, now: Timestamp) -> Result<Vec<Document>> {
        let since_then = |then| now.duration_since(then) >= LOOK_BACK_EVERY;
        let looks_back = self.looked_back_at.is_none_or(since_then);
        // Before the changes, so that what a task changed comes before its end.
        let (open, mut news) = self.ended_tasks(now).await?;
        for record in self.store.accounts().await? {
            let account = &record.account;
            if !is_wanted(&self.accounts, &account.id) {
                continue;
            }
            let back = if looks_back { LATEST } else { LATE };
            news.extend(self.changes_of(&account.id, back).await?);
            let suspension = record.suspended.as_ref().filter(|found| found.at >= self.since);
            news.extend(suspension.map(|found| Document::of_suspension(account, found)));
        }
        news.retain(|document| !self.was_returned(document));
        news.sort_by(|a, b| (a.time, &a.head().event_id).cmp(&(b.time, &b.head().event_id)));
        news.dedup_by(|a, b| a.head().event_id == b.head().event_id);
        self.remember(&news, now);
        self.open_tasks = open;
        if looks_back {
            self.looked_back_at = Some(now);
        }
        Ok(news)
    }

    /// Returns an account's changes from some time before the newest on.
    async fn changes_of(&self, account_id: &str, back: SignedDuration) -> Result<Vec<Document>> {
        let newest = self.changes.get(account_id).map_or(self.since, |known| known.newest);
        let from = newest.saturating_sub(back).unwrap_or(Timestamp::MIN).max(self.since);
        let (mut found, mut cursor) = (Vec::new(), None);
        loop {
            let page =
                self.store.account_changes(account_id, Some(from), cursor.as_deref()).await?;
            found.extend(page.items.iter().map(Document::of_change));
            cursor = page.cursor;
            if cursor.is_none() {
                return Ok(found);
            }
        }
    }

    /// Returns the tasks that are open, and the news of those that have ended:
    /// that were open, or began and ended since the last look.
    async fn ended_tasks(&self, now: Timestamp) -> Result<(BTreeSet<String>, Vec<Document>)> {
        let mut open = BTreeSet::new();
        for task in self.store.open_tasks().await? {
            if is_wanted(&self.accounts, &task.account_id) {
                open.insert(task.task_id);
            }
        }
        let mut ended = Vec::new();
        for id in self.open_tasks.difference(&open) {
            ended.extend(self.store.task(id).await?);
        }
        let since = Some(self.tasks_since(now));
        let query = TaskQuery { since, limit: MOST_TASKS, ..TaskQuery::default() };
        ended.extend(self.store.tasks(&query).await?);
        let ended = ended.iter().filter(|task| is_wanted(&self.accounts, &task.account_id));
        let news = ended.filter_map(Document::of_task).filter(|news| news.time >= self.since);
        Ok((open, news.collect()))
    }

    /// Returns since when tasks began that are looked at though they were
    /// never seen open.
    fn tasks_since(&self, now: Timestamp) -> Timestamp {
        match self.looked_back_at {
            None => self.since,
            Some(_) => now.saturating_sub(LATEST).unwrap_or(Timestamp::MIN).max(self.since),
        }
    }

    fn was_returned(&self, document: &Document) -> bool {
        let head = document.head();
        let key = (document.time, head.event_id.clone());
        let of_account = self.changes.get(&head.account_id);
        self.others.contains(&key) || of_account.is_some_and(|known| known.returned.contains(&key))
    }

    /// Remembers what is returned, and forgets what cannot come again.
    fn remember(&mut self, news: &[Document], now: Timestamp) {
        for document in news {
            let head = document.head();
            let key = (document.time, head.event_id.clone());
            let Detail::Resource(_) = document.detail else {
                self.others.insert(key);
                continue;
            };
            let new = || Followed { newest: self.since, returned: Returned::new() };
            let known = self.changes.entry(head.account_id.clone()).or_insert_with(new);
            known.newest = known.newest.max(document.time);
            known.returned.insert(key);
        }
        for known in self.changes.values_mut() {
            let oldest = known.newest.saturating_sub(LATEST).unwrap_or(Timestamp::MIN);
            known.returned = known.returned.split_off(&(oldest, String::new()));
        }
        // A suspension is read at every look for as long as it lasts, and there
        // are as few of them as accounts.
        let oldest = now.saturating_sub(LATEST * 2).unwrap_or(Timestamp::MIN);
        self.others.retain(|(time, id)| *time >= oldest || id.contains("/suspended/"));
    }
}

#[cfg(test)]
mod tests {
    use cloud_sync_core::account::{Account, CredentialsRef, Suspension};
    use cloud_sync_core::change::{Change, ChangeKind};
    use cloud_sync_core::scope::Scope;
    use cloud_sync_core::task::{SyncTask, TaskStatus};
    use cloud_sync_runtime::store::memory::MemoryStore;

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH + SignedDuration::from_secs(100_000 + second)
    }

    fn change(account_id: &str, id: &str, second: i64) -> Change {
        Change {
            scope: Scope {
                account_id: account_id.to_owned(),
                kind: "aliyun.ecs.instance".parse().unwrap(),
                region: "r".to_owned(),
            },
            id: id.to_owned(),
            version: 1,
            change: ChangeKind::Added,
            fields: [].into(),
            task_id: "t".to_owned(),
            at: at(second),
        }
    }

    async fn store() -> Arc<dyn Store> {
        let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
        for id in ["a", "b"] {
            let account = Account::new(id, "aliyun", "r", CredentialsRef::Env("A".to_owned()));
            store.put_account(&account).await.unwrap();
        }
        store
    }

    /// Looks, and returns the ids of what is new.
    async fn look(follower: &mut Follower, second: i64) -> Vec<String> {
        let news = follower.poll(at(second)).await.unwrap();
        let name = |document: &Document| document.head().event_id.clone();
        let short = |id: String| id.split('/').nth(3).map_or(id.clone(), str::to_owned);
        news.iter().map(name).map(short).collect()
    }

    #[tokio::test]
    async fn every_change_is_returned_once_however_late_it_is() {
        let store = store().await;
        let put = async |id: &str, second| {
            store.put_changes(&[change("a", id, second)]).await.unwrap();
        };
        put("before", -1).await;
        let mut follower = Follower::new(store.clone(), vec![], at(0));
        assert_eq!(look(&mut follower, 0).await, [""; 0]);
        put("on-time", 50).await;
        assert_eq!(look(&mut follower, 50).await, ["on-time"]);
        put("late", 45).await;
        assert_eq!(look(&mut follower, 51).await, ["late"], "before the newest");
        put("latest", 2).await;
        assert_eq!(look(&mut follower, 52).await, [""; 0], "not at every look");
        let mut found = Vec::new();
        for second in 53..80 {
            found.extend(look(&mut follower, second).await);
        }
        assert_eq!(found, ["latest"], "but soon, and once");
        put("much-later", 4_000).await;
        assert_eq!(look(&mut follower, 4_000).await, ["much-later"]);
        assert_eq!(look(&mut follower, 4_020).await, [""; 0]);
        assert_eq!(follower.changes["a"].returned.len(), 1, "what cannot come again is forgotten");
    }

    #[tokio::test]
    async fn accounts_are_followed_side_by_side_or_some_of_them_alone() {
        let store = store().await;
        let mut all = Follower::new(store.clone(), vec![], at(0));
        let mut one = Follower::new(store.clone(), vec!["b".to_owned()], at(0));
        store.put_changes(&[change("a", "2", 9), change("b", "1", 8)]).await.unwrap();
        assert_eq!(look(&mut all, 10).await, ["1", "2"], "oldest first");
        assert_eq!(look(&mut one, 10).await, ["1"]);
        // One account's late change is not hidden by what another has since.
        store.put_changes(&[change("a", "3", 500)]).await.unwrap();
        assert_eq!(look(&mut all, 500).await, ["3"]);
        store.put_changes(&[change("b", "4", 11)]).await.unwrap();
        assert_eq!(look(&mut all, 501).await, ["4"]);
    }

    #[tokio::test]
    async fn a_task_is_returned_when_it_has_ended_and_a_suspension_when_it_begins() {
        let store = store().await;
        let task = |id: &str, second| {
            let kind = "aliyun.ecs.instance".parse().unwrap();
            SyncTask::new(id.to_owned(), "a", kind, vec!["r".to_owned()], at(second))
        };
        let end = async |task: &SyncTask, second| {
            let end_time = Some(at(second));
            let ended = SyncTask { status: TaskStatus::Success, end_time, ..task.clone() };
            assert!(store.update_task(&ended).await.unwrap());
        };
        let long = task("long", -9_000);
        store.create_task(&long).await.unwrap();
        let mut follower = Follower::new(store.clone(), vec![], at(0));
        assert_eq!(look(&mut follower, 0).await, [""; 0]);
        end(&long, 20).await;
        let brief = task("brief", 21);
        store.create_task(&brief).await.unwrap();
        end(&brief, 22).await;
        assert_eq!(look(&mut follower, 23).await, ["long/completed", "brief/completed"]);
        let suspension = Suspension {
            at: at(30),
            code: "Forbidden".into(),
            reason: "no".into(),
            task_id: "long".into(),
            credentials_digest: "d".into(),
        };
        assert!(store.suspend("a", &suspension).await.unwrap());
        assert_eq!(look(&mut follower, 31).await, [format!("a/suspended/{}", at(30))]);
        for second in [32, 60, 400, 4_000] {
            assert_eq!(look(&mut follower, second).await, [""; 0], "nothing twice");
        }
    }
}
