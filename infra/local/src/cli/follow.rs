//! `changes --follow`: what happens, as it happens.

use std::sync::Arc;
use std::time::Duration;

use cloud_sync_core::document::{Detail, Document};
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
    let mut follower = Follower::new(store, args.accounts.clone(), since);
    output.remark(format!("following what happens since {} UTC; Ctrl-C stops", time(since)));
    let mut is_out_of_reach = false;
    loop {
        let polled = tokio::select! {
            polled = follower.poll(Timestamp::now()) => polled,
            () = cancel.cancelled() => return Ok(()),
        };
        match polled {
            Ok(news) => {
                is_out_of_reach = false;
                for document in news.iter().filter(|document| is_wanted(document, args)) {
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

/// Tells whether a document is of the resource that was asked for, if one was.
fn is_wanted(document: &Document, args: &ChangesArgs) -> bool {
    match (&args.id, &document.detail) {
        (None, _) => true,
        (Some(id), Detail::Resource(detail)) => detail.resource_id == *id,
        (Some(_), _) => false,
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
