//! On demand: somebody asks for syncs.

use cloud_sync_core::account::{AccountRecord, RegionCache, Suspension};
use cloud_sync_core::error::ErrorClass;
use cloud_sync_core::message::{MOST_IDS, Mode, SyncRequest, Trigger};
use cloud_sync_core::resource::is_resource_id;
use cloud_sync_core::scope::{GLOBAL_REGION, Kind};
use cloud_sync_core::task::SyncTask;
use futures::stream::{self, StreamExt, TryStreamExt};
use jiff::Timestamp;
use thiserror::Error;

use crate::{Cause, Dispatch, DispatchError, Dispatcher, Plan, Problem};

/// A request names something that does not exist.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{field}: {reason}")]
pub struct InvalidRequest {
    /// The field of the request.
    pub field: &'static str,
    /// What is wrong and what there is.
    pub reason: String,
}

fn invalid(field: &'static str, reason: String) -> DispatchError {
    InvalidRequest { field, reason }.into()
}

/// So many accounts are prepared, and so many tasks started, side by side: a
/// request has to be answered within seconds.
const AT_A_TIME: usize = 16;

/// What a request comes to, before anything of it is done.
#[derive(Default)]
pub struct Prepared {
    plans: Vec<Plan>,
    /// The accounts that are suspended, and are to be tried.
    resumes: Vec<String>,
    /// The accounts for which nothing can be dispatched.
    problems: Vec<Problem>,
}

impl Prepared {
    /// Returns the same, which resumes no account: it did when it came first.
    #[must_use]
    pub fn again(self) -> Self {
        Self { resumes: Vec::new(), ..self }
    }
}

/// Returns why nothing is started for an account that is suspended and was not
/// named.
fn suspended(account_id: &str, suspension: &Suspension) -> Problem {
    let Suspension { at, code, reason, .. } = suspension;
    Problem {
        account_id: account_id.to_owned(),
        class: ErrorClass::Auth,
        code: "AccountSuspended".to_owned(),
        message: format!(
            "suspended since {at}, {code}: {reason}; name the account for it to be tried again"
        ),
    }
}

fn cause(trigger_id: &str, at: Timestamp) -> Cause {
    Cause { trigger: Trigger::OnDemand, id: format!("on-demand:{trigger_id}"), at }
}

impl Dispatcher {
    /// Dispatches what a request asks for.
    ///
    /// `trigger_id` makes two requests one. The accounts are checked before
    /// anything is dispatched for one of them.
    ///
    /// # Errors
    ///
    /// The request names an unknown account, kind or region; or tables or
    /// queues failed.
    pub async fn request(
        &self,
        request: &SyncRequest,
        trigger_id: &str,
        at: Timestamp,
    ) -> Result<Dispatch, DispatchError> {
        let prepared = self.prepare(request).await?;
        self.start(prepared, trigger_id, at).await
    }

    /// Returns what a request comes to, and starts nothing of it yet.
    ///
    /// An account that is suspended is only tried where it is named; without
    /// its name it is a problem, unless its credentials are others by now,
    /// which resumes it as a tick does.
    ///
    /// # Errors
    ///
    /// The request names an unknown account, kind or region; or the tables
    /// failed.
    pub async fn prepare(&self, request: &SyncRequest) -> Result<Prepared, DispatchError> {
        check_ids(request)?;
        let records = self.chosen_accounts(request).await?;
        let mut prepared = Prepared::default();
        // Collected: a stream that maps references is not known to be `Send`.
        let accounts: Vec<_> =
            records.iter().map(|record| self.prepare_account(request, record)).collect();
        let mut accounts = stream::iter(accounts).buffered(AT_A_TIME);
        while let Some(of_account) = accounts.next().await {
            let Prepared { plans, resumes, problems } = of_account?;
            prepared.plans.extend(plans);
            prepared.resumes.extend(resumes);
            prepared.problems.extend(problems);
        }
        let scopes: usize = prepared.plans.iter().map(|plan| plan.regions.len()).sum();
        if request.mode.names_ids() && scopes > 1 {
            let text = format!("they are of one account, kind and region; this names {scopes}");
            return Err(invalid("ids", text));
        }
        if prepared.plans.is_empty() && prepared.problems.is_empty() {
            let text = "no account has any of these kinds in any of these regions";
            return Err(invalid("kinds", text.to_owned()));
        }
        Ok(prepared)
    }

    /// Returns what a request comes to for one of its accounts.
    async fn prepare_account(
        &self,
        request: &SyncRequest,
        record: &AccountRecord,
    ) -> Result<Prepared, DispatchError> {
        let account_id = &record.account.id;
        let mut prepared = Prepared::default();
        let kinds = self.chosen_kinds(request, record)?;
        if kinds.is_empty() {
            return Ok(prepared);
        }
        if let Some(suspension) = &record.suspended {
            if !request.account_ids.contains(account_id) {
                if !self.may_run(record).await? {
                    prepared.problems.push(suspended(account_id, suspension));
                    return Ok(prepared);
                }
            } else if request.mode != Mode::Plan {
                prepared.resumes.push(account_id.clone());
            }
        }
        let offered = match self.offered_regions(record).await? {
            Ok(offered) => offered,
            Err(problem) => {
                prepared.problems.push(problem);
                return Ok(prepared);
            }
        };
        let regions = chosen_regions(request, record, &offered)?;
        let wants_global = request.regions.is_empty() || regions.iter().any(is_global);
        let with_regions = kinds.into_iter().filter_map(|kind| {
            let regions = regions_of(self.vendors.is_global(&kind), &regions, wants_global);
            (!regions.is_empty()).then_some((kind, regions))
        });
        prepared.plans.extend(with_regions.map(|(kind, regions)| Plan {
            account_id: account_id.clone(),
            kind,
            regions,
            mode: request.mode,
            since: request.since,
            ids: request.ids.clone(),
        }));
        Ok(prepared)
    }

    /// Returns the open tasks that do already, in one of its regions at least,
    /// what is prepared: sync the scope, or plan to. Not those that this very
    /// trigger started. What names resources is never in the way: it waits
    /// its turn.
    ///
    /// Two requests at the same moment may both find none. Then both are
    /// dispatched, and the second does again what the first did.
    ///
    /// # Errors
    ///
    /// The tables failed.
    pub async fn in_the_way(
        &self,
        prepared: &Prepared,
        trigger_id: &str,
        at: Timestamp,
    ) -> Result<Vec<String>, DispatchError> {
        let cause = cause(trigger_id, at);
        let walks = prepared.plans.iter().filter(|plan| !plan.mode.names_ids());
        let walks: Vec<_> = walks.map(|plan| (plan, plan.task_id(&cause))).collect();
        let open = if walks.is_empty() { Vec::new() } else { self.store.open_tasks().await? };
        let wanted = |task: &SyncTask| -> Vec<&String> {
            let is_same = |plan: &Plan, own: &String| {
                plan.account_id == task.account_id
                    && plan.kind == task.resource_type
                    && plan.mode.is_sync() == task.mode.is_sync()
                    && !task.mode.names_ids()
                    && *own != task.task_id
            };
            let same = walks.iter().filter(|(plan, own)| is_same(plan, own));
            let regions = same.flat_map(|(plan, _)| &plan.regions);
            regions.filter(|region| task.regions.contains(region)).collect()
        };
        let near: Vec<_> = open.iter().filter(|task| !wanted(task).is_empty()).collect();
        let results: Vec<_> =
            near.iter().map(|task| self.store.region_results(&task.task_id)).collect();
        let results: Vec<_> = stream::iter(results).buffered(AT_A_TIME).try_collect().await?;
        let found = near.iter().zip(&results).filter(|(task, results)| {
            let wanted = wanted(task);
            task.open_regions(results).iter().any(|region| wanted.contains(&region))
        });
        Ok(found.map(|(task, _)| task.task_id.clone()).collect())
    }

    /// Tells whether a trigger has started every task that is prepared.
    ///
    /// # Errors
    ///
    /// The tables failed.
    pub async fn has_started(
        &self,
        prepared: &Prepared,
        trigger_id: &str,
        at: Timestamp,
    ) -> Result<bool, DispatchError> {
        let cause = cause(trigger_id, at);
        let ids: Vec<_> = prepared.plans.iter().map(|plan| plan.task_id(&cause)).collect();
        let tasks: Vec<_> = ids.iter().map(|id| self.store.task(id)).collect();
        let mut tasks = stream::iter(tasks).buffered(AT_A_TIME);
        while let Some(task) = tasks.next().await {
            if task?.is_none() {
                return Ok(false);
            }
        }
        Ok(!prepared.plans.is_empty())
    }

    /// Dispatches what was prepared. An account that is suspended and was named
    /// is resumed, unless only a plan is wanted: somebody who asks for it by
    /// name wants it tried.
    ///
    /// # Errors
    ///
    /// Tables or queues failed; the same again does the rest.
    pub async fn start(
        &self,
        prepared: Prepared,
        trigger_id: &str,
        at: Timestamp,
    ) -> Result<Dispatch, DispatchError> {
        let cause = cause(trigger_id, at);
        for id in &prepared.resumes {
            self.store.resume(id).await?;
        }
        let plans: Vec<_> =
            prepared.plans.into_iter().map(|plan| self.carry_out(plan, &cause)).collect();
        let tasks = stream::iter(plans).buffered(AT_A_TIME).try_collect().await?;
        Ok(Dispatch { tasks, problems: prepared.problems })
    }

    async fn chosen_accounts(
        &self,
        request: &SyncRequest,
    ) -> Result<Vec<AccountRecord>, DispatchError> {
        let all = self.store.accounts().await?;
        let known = |id: &String| all.iter().any(|record| record.account.id == *id);
        if let Some(unknown) = request.account_ids.iter().find(|id| !known(id)) {
            let ids: Vec<_> =
                all.iter().map(|record| record.account.id.as_str()).take(20).collect();
            return Err(invalid(
                "account_ids",
                format!("no account '{unknown}'; there are: {}", ids.join(", ")),
            ));
        }
        let chosen: Vec<_> = all
            .into_iter()
            .filter(|record| match request.account_ids.as_slice() {
                [] => record.account.enabled,
                ids => ids.contains(&record.account.id),
            })
            .collect();
        if chosen.is_empty() {
            return Err(invalid("account_ids", "there is no enabled account".to_owned()));
        }
        Ok(chosen)
    }

    /// Returns those of the account's kinds that the request wants.
    fn chosen_kinds(
        &self,
        request: &SyncRequest,
        record: &AccountRecord,
    ) -> Result<Vec<Kind>, DispatchError> {
        let account = &record.account;
        let configured =
            self.vendors.kinds(account).map_err(|error| invalid("kinds", error.to_string()))?;
        let of_vendor = request.kinds.iter().filter(|kind| kind.provider() == account.provider);
        if let Some(unknown) = of_vendor.clone().find(|kind| !configured.contains(kind)) {
            let names: Vec<_> = configured.iter().map(Kind::as_str).collect();
            return Err(invalid(
                "kinds",
                format!(
                    "account '{}' does not sync {unknown}, only {}",
                    account.id,
                    names.join(", ")
                ),
            ));
        }
        Ok(if request.kinds.is_empty() { configured } else { of_vendor.cloned().collect() })
    }
}

/// Checks that ids are given where the mode wants some, and only there.
fn check_ids(request: &SyncRequest) -> Result<(), DispatchError> {
    let (mode, count) = (request.mode.as_str(), request.ids.len());
    if !request.mode.names_ids() && count > 0 {
        let text = format!("mode {mode} syncs whole regions; ids go with targeted and status");
        return Err(invalid("ids", text));
    }
    if request.mode.names_ids() && !(1..=MOST_IDS).contains(&count) {
        let text = format!("mode {mode} takes 1 to {MOST_IDS} ids, not {count}");
        return Err(invalid("ids", text));
    }
    match request.ids.iter().find(|id| !is_resource_id(id)) {
        Some(id) => {
            let id: String = id.chars().take(80).collect();
            Err(invalid("ids", format!("'{id}' is not a resource's id")))
        }
        None => Ok(()),
    }
}

/// Returns the regions to sync: asked for, or configured, or all offered.
fn chosen_regions(
    request: &SyncRequest,
    record: &AccountRecord,
    offered: &RegionCache,
) -> Result<Vec<String>, DispatchError> {
    let wanted =
        if request.regions.is_empty() { &record.account.regions } else { &request.regions };
    account_regions(wanted, record, offered).map_err(|problem| invalid("regions", problem.message))
}

#[allow(clippy::ptr_arg, reason = "a predicate over names")]
pub(crate) fn is_global(region: &String) -> bool {
    region == GLOBAL_REGION
}

/// Returns those of an account's regions that a kind has scopes in. A kind
/// that is listed for all regions at once has one, if that is wanted.
pub(crate) fn regions_of(
    is_of_account: bool,
    regions: &[String],
    wants_global: bool,
) -> Vec<String> {
    match (is_of_account, wants_global) {
        (true, true) => vec![GLOBAL_REGION.to_owned()],
        (true, false) => Vec::new(),
        (false, _) => regions.iter().filter(|region| !is_global(region)).cloned().collect(),
    }
}

/// Returns `wanted`, or all offered regions where nothing is wanted.
///
/// # Errors
///
/// The vendor does not offer one of them, or offers none at all.
pub(crate) fn account_regions(
    wanted: &[String],
    record: &AccountRecord,
    offered: &RegionCache,
) -> Result<Vec<String>, Problem> {
    let problem = |message: String| Problem {
        account_id: record.account.id.clone(),
        class: ErrorClass::NotOffered,
        code: "UnknownRegion".to_owned(),
        message,
    };
    let names: Vec<_> = offered.regions.iter().map(|region| region.id.as_str()).collect();
    if names.is_empty() {
        return Err(problem(format!(
            "the vendor offers account '{}' no region at all",
            record.account.id
        )));
    }
    let known = |name: &String| name == GLOBAL_REGION || names.contains(&name.as_str());
    match wanted.iter().find(|name| !known(name)) {
        Some(unknown) => Err(problem(format!(
            "the vendor offers account '{}' no region '{unknown}'; it offers: {}",
            record.account.id,
            names.join(", ")
        ))),
        None if wanted.is_empty() => Ok(names.into_iter().map(str::to_owned).collect()),
        None => Ok(wanted.to_vec()),
    }
}
