//! `changes --follow`: what happens, as it happens.

use std::sync::Arc;
use std::time::Duration;

use cloud_sync_core::document::{Detail, Document};
use cloud_sync_core::query::ScopeFilter;
use cloud_sync_runtime::store::{Store, StoreError};
use jiff::Timestamp;

use super::args::ChangesArgs;
use super::changes::what_changed;
use crate::follow::Follower;
use crate::output::Output;
use crate::signals::cancelled_by_ctrl_c;
use crate::table::{duration, time};

/// How often the tables are asked.
const EVERY: Duration = Duration::from_secs(1);

/// Shows what happens until Ctrl-C. Tables that are out of reach are asked
/// again; nothing that happens meanwhile is left out.
pub(super) async fn follow(
    store: Arc<dyn Store>,
    args: &ChangesArgs,
    output: &Output,
) -> anyhow::Result<()> {
    let cancel = cancelled_by_ctrl_c()?;
    let since = args.since.unwrap_or_else(Timestamp::now);
    let mut follower = Follower::new(store, args.scopes.accounts.clone(), since);
    output.remark(format!("following what happens since {} UTC; Ctrl-C stops", time(since)));
    let scopes = args.scopes.filter();
    let is_wanted = |document: &&Document| is_wanted(document, &scopes, args.id.as_deref());
    let mut is_out_of_reach = false;
    loop {
        let polled = tokio::select! {
            polled = follower.poll(Timestamp::now()) => polled,
            () = cancel.cancelled() => return Ok(()),
        };
        match polled {
            Ok(news) => {
                is_out_of_reach = false;
                for document in news.iter().filter(is_wanted) {
                    show(document, output)?;
                }
            }
            Err(error @ StoreError::Unavailable { .. }) => {
                if !is_out_of_reach {
                    output.problem(format!("{error}; asking again until it answers"));
                }
                is_out_of_reach = true;
            }
            Err(error) => return Err(error.into()),
        }
        tokio::select! {
            () = tokio::time::sleep(EVERY) => {}
            () = cancel.cancelled() => return Ok(()),
        }
    }
}

/// Tells whether a document of a followed account is of the resource, kinds and
/// regions that are meant. A task is of several regions, and a suspended account
/// concerns everything.
fn is_wanted(document: &Document, scopes: &ScopeFilter, id: Option<&str>) -> bool {
    match &document.detail {
        Detail::Resource(detail) => {
            id.is_none_or(|id| id == detail.resource_id)
                && scopes.wants_kind(&detail.kind)
                && scopes.wants_region(&detail.region)
        }
        Detail::Task(detail) => {
            let is_in_region = detail.regions.iter().any(|region| scopes.wants_region(region));
            id.is_none() && scopes.wants_kind(&detail.kind) && is_in_region
        }
        Detail::Account(_) => id.is_none(),
    }
}

fn show(document: &Document, output: &Output) -> anyhow::Result<()> {
    if output.is_json() {
        return Ok(output.json(document)?);
    }
    let what = match &document.detail {
        Detail::Resource(detail) => {
            let fields = what_changed(detail.change, &detail.fields).join("; ");
            let place = format!("{} {} {}", detail.kind, detail.region, detail.resource_id);
            let what = format!("{} {place}  {fields}", detail.change.as_str());
            what.trim_end().to_owned()
        }
        Detail::Task(detail) => format!(
            "task {} of {}: {}, {} listed, {} added, {} updated, {} deleted, {}",
            detail.task_id,
            detail.kind,
            detail.status.as_str(),
            detail.counts.total_count,
            detail.counts.added_count,
            detail.counts.updated_count,
            detail.counts.deleted_count,
            duration(detail.duration_ms),
        ),
        Detail::Account(detail) => format!("suspended: {}: {}", detail.code, detail.reason),
    };
    let line = format!("{}  {}  {what}", time(document.time), document.head().account_id);
    // One piece of news, one line.
    Ok(output.text(line.replace('\n', " "))?)
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use cloud_sync_core::change::Change;
    use cloud_sync_core::task::{SyncTask, TaskStatus};
    use serde_json::json;

    use super::super::args::{Cli, Command};
    use super::*;

    #[test]
    fn only_what_was_asked_for_is_shown() {
        let change: Change = serde_json::from_value(json!({
            "account_id": "a", "kind": "aliyun.ecs.instance", "region": "r", "id": "i-1",
            "version": 1, "change": "added", "fields": {}, "task_id": "t",
            "at": "2026-11-23T10:15:00Z",
        }))
        .unwrap();
        let (kind, regions) = (change.scope.kind.clone(), vec!["r".to_owned(), "s".to_owned()]);
        let task = SyncTask::new("t".to_owned(), "a", kind, regions, change.at);
        let end_time = Some(change.at);
        let task = SyncTask { status: TaskStatus::Success, end_time, ..task };
        let news = [Document::of_change(&change), Document::of_task(&task).unwrap()];
        let wanted = |options: &[&str]| {
            let words = ["cloud-sync", "changes", "--follow"].iter().chain(options);
            let Some(Command::Changes(args)) = Cli::parse_from(words).command else {
                panic!("another command");
            };
            let scopes = args.scopes.filter();
            [0, 1].map(|n| is_wanted(&news[n], &scopes, args.id.as_deref()))
        };
        assert_eq!(wanted(&[]), [true, true]);
        assert_eq!(wanted(&["--kind", "aliyun.ecs.instance"]), [true, true]);
        assert_eq!(wanted(&["--kind", "aliyun.rds.instance"]), [false, false]);
        let two = ["--kind", "aliyun.rds.instance", "--kind", "aliyun.ecs.instance"];
        assert_eq!(wanted(&two), [true, true]);
        assert_eq!(wanted(&["--region", "r"]), [true, true]);
        assert_eq!(wanted(&["--region", "s"]), [false, true]);
        assert_eq!(wanted(&["--region", "t"]), [false, false]);
        assert_eq!(wanted(&["--id", "i-1"]), [true, false]);
        assert_eq!(wanted(&["--id", "i-1", "--kind", "aliyun.rds.instance"]), [false, false]);
        assert_eq!(wanted(&["--id", "i-2"]), [false, false]);
    }
}
