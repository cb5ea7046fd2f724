//! Held deletions: what is held, and what an operator decides on it.
//!
//! A decision deletes nothing by itself. It is kept with the scope, and the
//! next sync that still does not find the rows does as it says, after all the
//! checks that every deletion has. So nobody but a worker under its lease ever
//! writes a row.

use cloud_sync_core::deletion::{Decision, TooManyDecisions, Verdict, decision_on, with_decision};
use cloud_sync_core::lease::ScopeState;
use cloud_sync_core::query::ScopeFilter;
use cloud_sync_core::resource::{Missing, Row, Status};
use cloud_sync_core::scope::Scope;
use cloud_sync_runtime::store::{Store, StoreError};
use jiff::Timestamp;
use serde::Serialize;
use thiserror::Error;

/// So many rows are read at a time.
const PAGE: usize = 100;

/// So often a decision is tried again that another operator's came before.
const MOST_TRIES: usize = 10;

/// So many ids are named in an error.
const MOST_NAMED: usize = 5;

/// A scope with rows that are held back from deletion.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct HeldScope {
    /// The scope.
    #[serde(flatten)]
    pub scope: Scope,
    /// Since when the first of them is missing; `None` where none is marked.
    pub since: Option<Timestamp>,
    /// How many the last complete sync held. More than `rows` where it could
    /// not prove that they are gone, which no decision replaces.
    pub count: u64,
    /// Those that can be decided on, sorted by id.
    pub rows: Vec<HeldRow>,
}

/// A row that is held back from deletion.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct HeldRow {
    /// The resource's id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its status when it was last seen.
    pub status: Status,
    /// When it was first not listed.
    pub missing_since: Timestamp,
    /// What was decided on it, if anything was.
    pub decision: Option<Decided>,
    #[serde(skip)]
    mark: Missing,
}

/// What was decided on a row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Decided {
    /// What.
    pub verdict: Verdict,
    /// When.
    pub at: Timestamp,
    /// By whom, if they said it.
    pub by: Option<String>,
}

/// What an operator decides.
#[derive(Clone, Debug)]
pub struct Ruling {
    /// What.
    pub verdict: Verdict,
    /// On which rows; `None` for all that are held.
    pub ids: Option<Vec<String>>,
    /// When.
    pub at: Timestamp,
    /// Who.
    pub by: Option<String>,
}

/// Nothing was decided.
#[derive(Debug, Error)]
pub enum DecisionError {
    /// There is no such account.
    #[error("there is no account '{id}'; there are: {known}")]
    UnknownAccount {
        /// What was asked for.
        id: String,
        /// Those there are.
        known: String,
    },
    /// The scope was never synced.
    #[error("{0} is no scope that was ever synced")]
    UnknownScope(Scope),
    /// The scope holds no row that can be decided on.
    #[error("no deletion is held in {0}")]
    NothingHeld(Scope),
    /// Some of the rows are not held.
    #[error("not held in {scope}, and nothing was decided: {ids}")]
    NotHeld {
        /// The scope.
        scope: Scope,
        /// The first of them.
        ids: String,
    },
    /// More was decided than is kept.
    #[error("{scope}: {reason}")]
    TooMany {
        /// The scope.
        scope: Scope,
        /// How much is kept.
        reason: TooManyDecisions,
    },
    /// Others decide on the same scope all the time.
    #[error("others are deciding on {0} at the same time; try again")]
    Contended(Scope),
    /// The tables.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Returns the scopes that hold deletions back, and the rows.
///
/// # Errors
///
/// The filter names an unknown account, or the tables failed.
pub async fn held(
    store: &dyn Store,
    filter: &ScopeFilter,
) -> Result<Vec<HeldScope>, DecisionError> {
    let ids: Vec<_> = store.accounts().await?.into_iter().map(|record| record.account.id).collect();
    if let Some(unknown) = filter.account_ids.iter().find(|id| !ids.contains(id)) {
        let known = ids.join(", ");
        return Err(DecisionError::UnknownAccount { id: unknown.clone(), known });
    }
    let mut found = Vec::new();
    for id in ids.iter().filter(|id| filter.wants_account(id)) {
        let states = store.scopes(id).await?;
        for state in states
            .iter()
            .filter(|state| state.findings.held_count > 0 && filter.wants(&state.scope))
        {
            let rows = held_rows(store, state).await?;
            found.push(HeldScope {
                scope: state.scope.clone(),
                since: rows.iter().map(|row| row.missing_since).min(),
                count: state.findings.held_count,
                rows,
            });
        }
    }
    Ok(found)
}

/// Records a decision on held rows of a scope. Returns the ids it is about,
/// sorted.
///
/// # Errors
///
/// Some of the rows are not held; then nothing is decided. Or the tables
/// failed; then the same again is right.
pub async fn decide(
    store: &dyn Store,
    scope: &Scope,
    ruling: &Ruling,
) -> Result<Vec<String>, DecisionError> {
    for _ in 0..MOST_TRIES {
        let state = store.scope(scope).await?;
        if state == ScopeState::new(scope.clone()) {
            return Err(DecisionError::UnknownScope(scope.clone()));
        }
        let rows = held_rows(store, &state).await?;
        let ids = chosen(scope, &rows, ruling)?;
        let decision = Decision {
            verdict: ruling.verdict,
            listing: state.findings.complete_listings,
            ids: ruling.ids.is_some().then(|| ids.clone()),
            at: ruling.at,
            by: ruling.by.clone(),
        };
        let held: Vec<_> = rows.iter().map(|row| (row.id.as_str(), row.mark)).collect();
        let decisions = with_decision(state.decisions.clone(), decision, &held)
            .map_err(|reason| DecisionError::TooMany { scope: scope.clone(), reason })?;
        if store.set_decisions(scope, &state.decisions, &decisions).await? {
            tracing::info!(
                %scope,
                verdict = ruling.verdict.as_str(),
                rows = ids.len(),
                by = ruling.by,
                "decided on held deletions"
            );
            return Ok(ids);
        }
    }
    Err(DecisionError::Contended(scope.clone()))
}

/// Returns the ids that a ruling is about, sorted.
fn chosen(scope: &Scope, rows: &[HeldRow], ruling: &Ruling) -> Result<Vec<String>, DecisionError> {
    if rows.is_empty() {
        return Err(DecisionError::NothingHeld(scope.clone()));
    }
    let Some(wanted) = &ruling.ids else {
        return Ok(rows.iter().map(|row| row.id.clone()).collect());
    };
    let mut ids = wanted.clone();
    ids.sort_unstable();
    ids.dedup();
    let is_held = |id: &String| rows.binary_search_by(|row| row.id.cmp(id)).is_ok();
    let others: Vec<_> = ids.iter().filter(|id| !is_held(id)).collect();
    if others.is_empty() {
        return Ok(ids);
    }
    let mut named: Vec<_> = others.iter().take(MOST_NAMED).map(|id| id.as_str()).collect();
    if others.len() > MOST_NAMED {
        named.push("…");
    }
    Err(DecisionError::NotHeld { scope: scope.clone(), ids: named.join(", ") })
}

/// Returns the rows that can be decided on, sorted by id. Those that a sync in
/// progress has just marked can once it is done.
async fn held_rows(store: &dyn Store, state: &ScopeState) -> Result<Vec<HeldRow>, StoreError> {
    let (mut ids, mut cursor) = (Vec::new(), None);
    loop {
        let page = store.live_index(&state.scope, cursor.as_deref()).await?;
        let marked = page.items.into_iter().filter(|(_, entry)| entry.missing.is_some());
        ids.extend(marked.map(|(id, _)| id));
        cursor = page.cursor;
        if cursor.is_none() {
            break;
        }
    }
    let mut held = Vec::new();
    for ids in ids.chunks(PAGE) {
        let rows = store.rows(&state.scope, ids).await?;
        held.extend(rows.iter().filter_map(|row| held_row(row, state)));
    }
    held.sort_unstable_by(|a, b| a.id.cmp(&b.id));
    Ok(held)
}

fn held_row(row: &Row, state: &ScopeState) -> Option<HeldRow> {
    let is_settled = |mark: &Missing| mark.listing <= state.findings.complete_listings;
    let mark = row.missing.filter(|mark| row.is_live() && is_settled(mark))?;
    let resource = &row.resource;
    let decision = decision_on(&state.decisions, &resource.id, &mark);
    Some(HeldRow {
        id: resource.id.clone(),
        name: resource.name.clone(),
        status: resource.status,
        missing_since: mark.since,
        decision: decision.map(|decision| Decided {
            verdict: decision.verdict,
            at: decision.at,
            by: decision.by.clone(),
        }),
        mark,
    })
}
