//! Which data disks machines had at any time, to know a change of disks that
//! never happened.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

use cloud_sync_core::change::{Change, ChangeKind};
use cloud_sync_core::diff::Field;
use serde_json::Value;
use simulated_cloud::World;

use crate::universe::lock;

type Ids = BTreeSet<String>;

/// A machine's disks over its life.
#[derive(Clone, Debug)]
struct Life {
    /// Those it had at some time.
    ever: Ids,
    /// Those it had at all times.
    always: Ids,
}

/// The disks of every machine, by account and id.
#[derive(Default)]
pub(crate) struct DiskLog(Mutex<BTreeMap<(String, String), Life>>);

impl DiskLog {
    /// Notes what machines have now. To be called after every change.
    pub(crate) fn look_at(&self, world: &World) {
        let mut lives = lock(&self.0);
        for account in world.truth().accounts {
            for machine in account.regions.into_values().flatten() {
                let now: Ids = machine.data_disks.iter().map(|disk| disk.id.clone()).collect();
                let life = lives
                    .entry((account.id.clone(), machine.id))
                    .or_insert_with(|| Life { ever: Ids::new(), always: now.clone() });
                life.always.retain(|id| now.contains(id));
                life.ever.extend(now);
            }
        }
    }

    /// Returns how a change of disks contradicts what a machine ever had: it
    /// shows a disk that never was there, or misses one that always was.
    ///
    /// A listing that moves under its reader may show a set that never was
    /// there as a whole; that is not looked for.
    pub(crate) fn contradicts(&self, change: &Change) -> Option<String> {
        let field = change.fields.get(&Field::DataDisks)?;
        if change.change == ChangeKind::Deleted || field.new.is_null() {
            return None;
        }
        let id = |disk: &Value| disk["id"].as_str().map(str::to_owned);
        let shown: Ids = field.new.as_array()?.iter().filter_map(id).collect();
        let lives = lock(&self.0);
        let life = lives.get(&(change.scope.account_id.clone(), change.id.clone()))?;
        let is_possible = shown.is_subset(&life.ever) && life.always.is_subset(&shown);
        (!is_possible).then(|| format!("shows disks {shown:?} of a machine with {life:?}"))
    }
}
