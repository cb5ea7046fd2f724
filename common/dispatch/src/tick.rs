//! On schedule: the tick starts what is due and has overdue tasks looked at.

use std::collections::{BTreeMap, HashSet};

use cloud_sync_core::account::AccountRecord;
use cloud_sync_core::lease::ScopeState;
use cloud_sync_core::message::{Mode, Trigger};
use cloud_sync_core::schedule::Past;
use cloud_sync_core::scope::{Kind, Scope};
use cloud_sync_core::task::SyncTask;
use cloud_sync_runtime::queue::messages::result_message;
use cloud_sync_runtime::store::StoreError;
use futures::stream::{self, StreamExt};
use jiff::Timestamp;

use crate::request::{account_regions, regions_of};
use crate::{Cause, Dispatch, DispatchError, Dispatcher, Plan, Problem};

/// So many accounts are looked at side by side: each takes some requests to
/// the tables, one after another.
const ACCOUNTS_AT_A_TIME: usize = 16;

/// Where tables or queues fail for so many accounts, they do for all.
const MOST_FAILURES: usize = 5;

/// Why an account could not be dispatched.
enum Trouble {
    /// Something that concerns this account alone.
    Of(Problem),
    /// Something that may pass, and may concern the others too.
    Everywhere(DispatchError),
}

/// Tells what cannot pass, such as an item that is too large or cannot be
/// read, from what may.
fn trouble(record: &AccountRecord, error: DispatchError) -> Trouble {
    use StoreError::{Corrupt, Refused};
    match error {
        DispatchError::Store(error @ (Refused { .. } | Corrupt { .. })) => {
            Trouble::Of(Problem::of_tables(record, &error))
        }
        error => Trouble::Everywhere(error),
    }
}

impl Dispatcher {
    /// Starts every scope that is due, and sends tasks past their deadline to
    /// the finalizer. `id` and `at` are the schedule event's own, so that the
    /// same event a second time starts nothing twice.
    ///
    /// One account in trouble is a [`Problem`], and the others go on.
    ///
    /// # Errors
    ///
    /// Tables or queues failed; the same event again does the rest. Every
    /// account was tried, unless that happened for many.
    pub async fn tick(&self, id: &str, at: Timestamp) -> Result<Dispatch, DispatchError> {
        let open = self.store.open_tasks().await?;
        self.send_overdue(&open).await?;
        let in_flight: HashSet<_> = open.iter().map(|task| task.task_id.as_str()).collect();
        let mut dispatch = Dispatch::default();
        let mut failures = Vec::new();
        let records = self.store.accounts().await?;
        // Collected: a stream that maps references is not known to be `Send`.
        let starts: Vec<_> =
            records.iter().map(|record| self.start_due(record, id, at, &in_flight)).collect();
        let mut started = stream::iter(starts).buffered(ACCOUNTS_AT_A_TIME);
        while let Some(started) = started.next().await {
            match started {
                Ok(tasks) => dispatch.tasks.extend(tasks),
                Err(Trouble::Of(problem)) => {
                    tracing::error!(
                        account = problem.account_id,
                        class = problem.class.as_str(),
                        code = problem.code,
                        error = problem.message,
                        "nothing could be dispatched for an account"
                    );
                    dispatch.problems.push(problem);
                }
                Err(Trouble::Everywhere(error)) => {
                    tracing::error!(%error, "an account could not be dispatched");
                    failures.push(error);
                }
            }
            if failures.len() >= MOST_FAILURES {
                break;
            }
        }
        match failures.into_iter().next() {
            Some(first) => Err(first),
            None => Ok(dispatch),
        }
    }

    /// Starts every scope of an account that is due.
    async fn start_due(
        &self,
        record: &AccountRecord,
        id: &str,
        at: Timestamp,
        in_flight: &HashSet<&str>,
    ) -> Result<Vec<SyncTask>, Trouble> {
        let mut tasks = Vec::new();
        if !record.account.enabled {
            return Ok(tasks);
        }
        let trouble = |error| trouble(record, error);
        if !self.may_run(record).await.map_err(trouble)? {
            return Ok(tasks);
        }
        let (budget, spent) = (&record.account.budget, record.spent.as_ref());
        if let Some(why) = budget.exhausted(spent, 0, self.clock.now()) {
            tracing::warn!(account = record.account.id, why, "nothing is started");
            return Ok(tasks);
        }
        let plans = self.plans(record, at, in_flight).await.map_err(trouble)?;
        for plan in plans.map_err(Trouble::Of)? {
            let cause = Cause {
                trigger: Trigger::Scheduled,
                id: format!("schedule:{id}:{}", plan.mode.as_str()),
                at,
            };
            tasks.push(self.carry_out(plan, &cause).await.map_err(trouble)?);
        }
        Ok(tasks)
    }

    async fn send_overdue(&self, open: &[SyncTask]) -> Result<(), DispatchError> {
        let now = self.clock.now();
        let messages: Vec<_> = open
            .iter()
            .filter(|task| task.deadline < now)
            .map(|task| result_message(&task.task_id))
            .collect();
        if !messages.is_empty() {
            tracing::warn!(tasks = messages.len(), "tasks are past their deadline");
            self.results.send(&messages).await?;
        }
        Ok(())
    }

    /// Tells whether an account is not suspended, resuming it where its
    /// credentials are others than those that were refused.
    pub(crate) async fn may_run(&self, record: &AccountRecord) -> Result<bool, DispatchError> {
        let Some(suspension) = &record.suspended else {
            return Ok(true);
        };
        match self.credentials.credentials(&record.account.credentials).await {
            Ok(now) if record.account.digest(&now) != suspension.credentials_digest => {
                tracing::info!(account = record.account.id, "credentials changed; resuming");
                self.store.resume(&record.account.id).await?;
                Ok(true)
            }
            Ok(_) => Ok(false),
            Err(error) => {
                let account = &record.account.id;
                tracing::warn!(account, %error, "credentials cannot be read; still suspended");
                Ok(false)
            }
        }
    }

    /// Returns one plan a kind and mode, over the regions that are due.
    async fn plans(
        &self,
        record: &AccountRecord,
        at: Timestamp,
        in_flight: &HashSet<&str>,
    ) -> Result<Result<Vec<Plan>, Problem>, DispatchError> {
        let account = &record.account;
        let kinds = match self.vendors.kinds(account) {
            Ok(kinds) => kinds,
            Err(error) => {
                return Ok(Err(Problem {
                    account_id: account.id.clone(),
                    class: cloud_sync_core::error::ErrorClass::Internal,
                    code: "InvalidAccount".to_owned(),
                    message: error.to_string(),
                }));
            }
        };
        let offered = match self.offered_regions(record).await? {
            Ok(offered) => offered,
            Err(problem) => return Ok(Err(problem)),
        };
        let regions = match account_regions(&account.regions, record, &offered) {
            Ok(regions) => regions,
            Err(problem) => return Ok(Err(problem)),
        };
        let states: BTreeMap<Scope, ScopeState> = self
            .store
            .scopes(&account.id)
            .await?
            .into_iter()
            .map(|state| (state.scope.clone(), state))
            .collect();
        let stretch = account.budget.stretch(record.spent.as_ref(), self.clock.now());
        let mut due: BTreeMap<(Kind, Mode), Vec<String>> = BTreeMap::new();
        for kind in kinds {
            for region in regions_of(self.vendors.is_global(&kind), &regions, true) {
                let scope = Scope {
                    account_id: account.id.clone(),
                    kind: kind.clone(),
                    region: region.clone(),
                };
                let past = states.get(&scope).map_or_else(Past::default, |s| past(s, in_flight));
                if let Some(mode) = account.schedule.due(&past, stretch, at) {
                    due.entry((kind.clone(), mode)).or_default().push(region);
                }
            }
        }
        Ok(Ok(due
            .into_iter()
            .map(|((kind, mode), regions)| Plan {
                account_id: account.id.clone(),
                kind,
                regions,
                mode,
                since: None,
                ids: Vec::new(),
            })
            .collect()))
    }
}

/// Returns what the schedule has to know of a scope.
fn past(state: &ScopeState, in_flight: &HashSet<&str>) -> Past {
    let dispatched = state.dispatched.as_ref();
    Past {
        dispatched_at: dispatched.map(|dispatched| dispatched.at),
        in_flight: dispatched.is_some_and(|dispatched| {
            in_flight.contains(dispatched.task_id.as_str())
                && state.ended_task.as_ref() != Some(&dispatched.task_id)
        }),
        last_full_at: state.findings.last_full_at,
        live_count: state.findings.live_count,
        rhythm: state.findings.rhythm,
        lacks: state.findings.lacked_at.is_some(),
    }
}
