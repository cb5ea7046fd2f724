//! What is counted without a walk has to be what a walk would count.

use std::collections::BTreeMap;

use cloud_sync_core::resource::Row;
use cloud_sync_core::scope::{Kind, Scope};
use cloud_sync_core::stats::{Flow, Live, StatusCounts, day_of_task};
use cloud_sync_core::task::SyncTask;
use cloud_sync_runtime::store::{ScopeStore, StatsStore, StoreError};
use jiff::civil::Date;

use crate::universe::Universe;

/// Checks the statuses counted of a scope against its rows.
pub(crate) async fn statuses(
    universe: &Universe,
    scope: &Scope,
    rows: &[Row],
) -> Result<(), StoreError> {
    let live = rows.iter().filter(|row| row.is_live());
    let stored: StatusCounts = live.map(|row| row.resource.status).collect();
    let counted = universe.store.scope(scope).await?.findings.statuses.map(|known| known.counts);
    if counted.as_ref() != Some(&stored) {
        let text = format!("{scope}: {counted:?} are counted by status, {stored:?} are stored");
        universe.violated("exact counts", text);
    }
    Ok(())
}

/// Checks the days of every account against the tasks that ended on them, and
/// the last of them against what is live.
pub(crate) async fn days(universe: &Universe, tasks: &[SyncTask]) -> Result<(), StoreError> {
    let wrong = |text: String| universe.violated("exact counts", text);
    for plan in &universe.plan.accounts {
        let mut expected = BTreeMap::<(Date, Kind), Flow>::new();
        for task in tasks.iter().filter(|task| task.account_id == plan.id) {
            if let Some(day) = day_of_task(task) {
                let flow = expected.entry((day, task.resource_type.clone())).or_default();
                *flow = flow.plus(Flow::of(&task.counts));
            }
        }
        let found = universe.store.days(&plan.id, Date::MIN, Date::MAX).await?;
        let counted: BTreeMap<_, _> =
            found.iter().map(|day| ((day.day, day.kind.clone()), day.flow)).collect();
        if counted != expected {
            wrong(format!("{}: the days say {counted:?}, their tasks {expected:?}", plan.id));
        }
        for kind in &plan.kinds {
            let last = found.iter().rfind(|day| day.kind == *kind);
            let noted = last.and_then(|day| day.snapshot.as_ref()).map(|snapshot| &snapshot.live);
            let live = Live::of(&universe.store.scopes_of_kind(&plan.id, kind).await?);
            if noted != Some(&live) {
                wrong(format!("{} {kind}: {live:?} is live, of which {noted:?} is noted", plan.id));
            }
        }
    }
    Ok(())
}
