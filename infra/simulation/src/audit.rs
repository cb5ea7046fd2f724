//! What is checked at every write, against what is true at that moment.

use std::time::Duration;

use cloud_sync_core::change::{Change, ChangeKind};
use cloud_sync_core::resource::Row;
use cloud_sync_core::scope::Scope;
use cloud_sync_runtime::store::{ChangeStore, Result, ScopeStore};

use crate::kinds;
use crate::process::Process;
use crate::universe::lock;

/// A task that somebody wished cancelled so long ago deletes nothing.
const CANCEL_HEEDED: Duration = Duration::from_secs(120);

/// Checks changes that are about to be written.
pub(crate) async fn changes(process: &Process, changes: &[Change]) -> Result<()> {
    let universe = &process.universe;
    for change in changes {
        let of = || format!("{} {} v{}", change.scope, change.id, change.version);
        universe.count(match change.change {
            ChangeKind::Added => "changes: added",
            ChangeKind::Updated => "changes: updated",
            ChangeKind::Deleted => "changes: deleted",
            ChangeKind::Restored => "changes: restored",
        });
        if change.scope.kind != kinds::machines() {
            universe.count("changes of further kinds");
        }
        if change.change == ChangeKind::Deleted {
            if universe.exists(&change.scope, &change.id) {
                let text = format!("{}: recorded as deleted, yet the vendor has it", of());
                universe.violated("no false deletion", text);
            }
            let wished = lock(&universe.cancelled).get(&change.task_id).copied();
            if wished.is_some_and(|at| at.elapsed() > CANCEL_HEEDED) {
                let text = format!("{}: deleted by a task that was cancelled", of());
                universe.violated("no false deletion", text);
            }
        }
        let history = universe.store.history(&change.scope, &change.id).await?;
        let last = history.last().map_or(0, |last| last.version);
        if change.version > last + 1 {
            let text = format!("{}: recorded where the last version is {last}", of());
            universe.violated("no lost change", text);
        }
        let recorded = history.iter().find(|earlier| earlier.version == change.version);
        if let Some(recorded) = recorded.filter(|recorded| *recorded != change) {
            let text = format!(
                "{}: {} by {} was recorded, and {} by {} takes its place",
                of(),
                recorded.change.as_str(),
                recorded.task_id,
                change.change.as_str(),
                change.task_id
            );
            universe.violated("no lost change", text);
        }
        // A vendor whose pages of disks miss some cannot be seen through, nor
        // one that silently shows none; and a machine that was released since
        // it was listed has none.
        let chances = &universe.plan.chances;
        let is_misled = chances.paging > 0.0
            || chances.revoke > 0.0
            || !universe.exists(&change.scope, &change.id);
        if let Some(text) = universe.disks.contradicts(change).filter(|_| !is_misled) {
            universe.violated("no invented change", format!("{}: {text}", of()));
        }
        one_writer(process, &change.scope).await?;
    }
    Ok(())
}

/// Checks rows that are about to be written.
pub(crate) async fn rows(process: &Process, rows: &[Row]) -> Result<()> {
    let universe = &process.universe;
    for row in rows {
        let history = universe.store.history(&row.scope, &row.resource.id).await?;
        let last = history.last().map_or(0, |last| last.version);
        if row.version > last {
            let text = format!(
                "{} {}: the row of version {} is written before its change",
                row.scope, row.resource.id, row.version
            );
            universe.violated("no lost change", text);
        }
        one_writer(process, &row.scope).await?;
    }
    Ok(())
}

/// Checks a removal of rows.
pub(crate) async fn removal(process: &Process, scope: &Scope) -> Result<()> {
    one_writer(process, scope).await
}

/// Checks that nobody writes a scope whose lease another process holds.
async fn one_writer(process: &Process, scope: &Scope) -> Result<()> {
    let universe = &process.universe;
    let Some(lease) = universe.store.scope(scope).await?.lease else {
        let text = format!("{} writes {scope} without a lease", process.name);
        universe.violated("one writer a scope", text);
        return Ok(());
    };
    let holder = lease.owner.split('/').next().unwrap_or_default();
    if holder != process.name {
        let text = format!("{} writes {scope}, whose lease {holder} holds", process.name);
        universe.violated("one writer a scope", text);
    }
    Ok(())
}
