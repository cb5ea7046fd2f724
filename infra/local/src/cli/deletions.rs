//! `deletions`: what is held back from deletion, and what is decided on it.

use std::collections::BTreeSet;
use std::path::Path;

use cloud_sync_core::deletion::Verdict;
use cloud_sync_core::scope::Scope;
use cloud_sync_dispatch::deletions::{DecisionError, HeldRow, HeldScope, Ruling, decide, held};
use cloud_sync_runtime::store::{Store, StoreError};
use comfy_table::Cell;
use jiff::Timestamp;
use serde::Serialize;

use super::args::{DEFAULT_DATABASE, DecideArgs, DeletionsArgs, DeletionsCommand, HeldArgs};
use super::{FAILED, PARTIAL, SUCCESS};
use crate::connect::Tables;
use crate::output::Output;
use crate::table::{cell, count, keep_whole, table, time};

/// So many unknown ids are named.
const NAMED: usize = 5;

/// A decision as `--json` prints it.
#[derive(Serialize)]
struct Line<'a> {
    #[serde(flatten)]
    scope: &'a Scope,
    verdict: Verdict,
    ids: &'a [String],
}

/// Runs the command.
pub(super) async fn run(args: &DeletionsArgs, output: &Output) -> anyhow::Result<u8> {
    match &args.command {
        None => list(&args.list, output).await,
        Some(DeletionsCommand::List(args)) => list(args, output).await,
        Some(DeletionsCommand::Approve(args)) => rule(args, Verdict::Approve, output).await,
        Some(DeletionsCommand::Reject(args)) => rule(args, Verdict::Reject, output).await,
    }
}

async fn list(args: &HeldArgs, output: &Output) -> anyhow::Result<u8> {
    let tables = Tables::read(&args.storage).await?;
    let found = held(tables.store.as_ref(), &args.scopes.filter()).await;
    tables.close().await;
    let found = found?;
    if output.is_json() {
        found.iter().try_for_each(|scope| output.json(scope))?;
    } else if found.is_empty() {
        output.remark("no deletion is held");
    } else {
        show(&found, output)?;
    }
    Ok(SUCCESS)
}

fn show(found: &[HeldScope], output: &Output) -> anyhow::Result<()> {
    let mut table = table(&[
        ("ID", false),
        ("NAME", false),
        ("STATUS", false),
        ("ACCOUNT", false),
        ("KIND", false),
        ("REGION", false),
        ("MISSING SINCE (UTC)", false),
        ("DECISION", false),
    ]);
    for held in found {
        held.rows.iter().for_each(|row| {
            table.add_row(cells(&held.scope, row));
        });
    }
    keep_whole(&mut table, &[0, 5, 6]);
    let rows: usize = found.iter().map(|held| held.rows.len()).sum();
    if rows > 0 {
        output.text(table.to_string())?;
        output.text(format!("{} held", count(rows as u64)))?;
        output.remark(
            "`cloud-sync deletions approve` says that they are gone, `reject` that they are not",
        );
    }
    for held in found.iter().filter(|held| held.count > held.rows.len() as u64) {
        output.remark(format!(
            "{}: the last sync held {}, of which {} are not proven to be gone; the next sync looks \
             again, and there is nothing to decide on them yet",
            held.scope,
            count(held.count),
            count(held.count - held.rows.len() as u64)
        ));
    }
    Ok(())
}

fn cells(scope: &Scope, row: &HeldRow) -> Vec<Cell> {
    let decision = row.decision.as_ref().map(|decided| {
        let word = match decided.verdict {
            Verdict::Approve => "approved",
            Verdict::Reject => "rejected",
        };
        decided.by.as_ref().map_or_else(|| word.to_owned(), |by| format!("{word} by {by}"))
    });
    vec![
        cell(&row.id),
        cell(&row.name),
        cell(row.status.as_str()),
        cell(&scope.account_id),
        cell(scope.kind.as_str()),
        cell(&scope.region),
        cell(time(row.missing_since)),
        cell(decision.unwrap_or_default()),
    ]
}

async fn rule(args: &DecideArgs, verdict: Verdict, output: &Output) -> anyhow::Result<u8> {
    let command = format!("cloud-sync deletions {}", verdict.as_str());
    let tables = Tables::update(&args.held.storage, args.wait, &command).await?;
    let ruled = rule_in(tables.store.as_ref(), args, verdict, output).await;
    tables.close().await;
    ruled
}

async fn rule_in(
    store: &dyn Store,
    args: &DecideArgs,
    verdict: Verdict,
    output: &Output,
) -> anyhow::Result<u8> {
    let found = held(store, &args.held.scopes.filter()).await?;
    let chosen = chosen(&found, args);
    if let Some(problem) = problem(&chosen, args) {
        output.problem(format!("error: {problem}; `cloud-sync deletions` lists what is held"));
        return Ok(FAILED);
    }
    let (mut decided, mut failed) = (0, 0);
    for (scope, ids) in chosen {
        let by = args.by.clone().filter(|by| !by.is_empty());
        let ruling = Ruling { verdict, ids, at: Timestamp::now(), by };
        match decide(store, scope, &ruling).await {
            Ok(ids) => {
                decided += ids.len() as u64;
                say(scope, verdict, &ids, output)?;
            }
            // The tables will not answer for the next scope either.
            Err(DecisionError::Store(error @ StoreError::Refused { .. })) => {
                return Err(error.into());
            }
            Err(error) => {
                failed += 1;
                output.problem(format!("error: {error}"));
            }
        }
    }
    if decided > 0 {
        output.remark(next(args, verdict));
    }
    Ok(match (decided, failed) {
        (_, 0) => SUCCESS,
        (0, _) => FAILED,
        _ => PARTIAL,
    })
}

/// Returns what to decide on: of each scope all, or the ids that it holds.
fn chosen<'a>(found: &'a [HeldScope], args: &DecideArgs) -> Vec<(&'a Scope, Option<Vec<String>>)> {
    let of_scope = |held: &'a HeldScope| {
        if held.rows.is_empty() {
            return None;
        }
        if args.all {
            return Some((&held.scope, None));
        }
        let is_wanted = |id: &&String| args.ids.contains(id);
        let ids: Vec<_> = held.rows.iter().map(|row| &row.id).filter(is_wanted).cloned().collect();
        (!ids.is_empty()).then_some((&held.scope, Some(ids)))
    };
    found.iter().filter_map(of_scope).collect()
}

/// Returns why nothing can be decided, if so.
fn problem(chosen: &[(&Scope, Option<Vec<String>>)], args: &DecideArgs) -> Option<String> {
    if args.all {
        return chosen.is_empty().then(|| "no deletion is held that was meant".to_owned());
    }
    let held: BTreeSet<_> = chosen.iter().filter_map(|(_, ids)| ids.as_ref()).flatten().collect();
    let unknown: Vec<_> = args.ids.iter().filter(|id| !held.contains(id)).collect();
    if unknown.is_empty() {
        return None;
    }
    let named: Vec<_> = unknown.iter().take(NAMED).map(|id| id.as_str()).collect();
    let more = if unknown.len() > NAMED { ", …" } else { "" };
    Some(format!("not held, and nothing was decided: {}{more}", named.join(", ")))
}

fn say(scope: &Scope, verdict: Verdict, ids: &[String], output: &Output) -> anyhow::Result<()> {
    if output.is_json() {
        return Ok(output.json(&Line { scope, verdict, ids })?);
    }
    let (number, what) = (
        count(ids.len() as u64),
        match verdict {
            Verdict::Approve => "approved",
            Verdict::Reject => "rejected",
        },
    );
    Ok(output.text(format!("{scope}: {number} deletions {what}"))?)
}

/// Says what comes of a decision.
fn next(args: &DecideArgs, verdict: Verdict) -> String {
    let storage = &args.held.storage;
    let how = if storage.aws {
        "the next scheduled one, or `POST /syncs`".to_owned()
    } else if storage.db == Path::new(DEFAULT_DATABASE) {
        "`cloud-sync sync`".to_owned()
    } else {
        format!("`cloud-sync sync --db {}`", storage.db.display())
    };
    match verdict {
        Verdict::Approve => {
            format!("deleted by the next sync that still does not find them: {how}")
        }
        Verdict::Reject => {
            "kept until a sync sees them again, or `cloud-sync deletions approve`".to_owned()
        }
    }
}
