//! What resources' statuses are at the vendor, beside what is stored.

use std::collections::BTreeMap;

use cloud_sync_core::account::Region;
use cloud_sync_core::message::MOST_IDS;
use cloud_sync_core::resource::{Status, is_resource_id};
use cloud_sync_core::scope::Scope;
use serde::Serialize;

use crate::{DispatchError, Dispatcher, InvalidRequest, Problem};

/// A status, in the common word and the vendor's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Stated {
    /// The common status.
    pub status: Status,
    /// The vendor's own word.
    pub vendor_status: String,
}

/// One resource's status, stored and at the vendor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct StatusChange {
    /// The resource's id.
    pub id: String,
    /// What is stored; `None` where no live row is.
    pub stored: Option<Stated>,
    /// What the vendor says now; `None` where it knows no such resource.
    pub vendor: Option<Stated>,
    /// Whether they differ.
    pub differs: bool,
}

impl Dispatcher {
    /// Compares the statuses of given resources of a scope, in the order in
    /// which they are given. Writes nothing.
    ///
    /// # Errors
    ///
    /// The account or kind is unknown, or there are too few or too many ids;
    /// or the tables failed. What the vendor refuses is a problem.
    pub async fn compare_statuses(
        &self,
        scope: &Scope,
        ids: &[String],
    ) -> Result<Result<Vec<StatusChange>, Problem>, DispatchError> {
        let invalid = |field, reason| Err(InvalidRequest { field, reason }.into());
        if !(1..=MOST_IDS).contains(&ids.len()) || !ids.iter().all(|id| is_resource_id(id)) {
            return invalid("ids", format!("expected 1 to {MOST_IDS} ids of resources"));
        }
        let Some(record) = self.store.account(&scope.account_id).await? else {
            return invalid("account", format!("no account '{}'", scope.account_id));
        };
        match self.vendors.kinds(&record.account) {
            Ok(kinds) if kinds.contains(&scope.kind) => {}
            Ok(_) => {
                let text = format!("account '{}' does not sync {}", scope.account_id, scope.kind);
                return invalid("kind", text);
            }
            Err(error) => return invalid("account", error.to_string()),
        }
        let vendor = match self.open(&record).await? {
            Ok((vendor, _)) => vendor,
            Err(problem) => return Ok(Err(problem)),
        };
        let mut known = record.regions.iter().flat_map(|cache| &cache.regions);
        let region = known.find(|region| region.id == scope.region).cloned();
        let region = region.unwrap_or_else(|| Region::new(&scope.region));
        let told = match vendor.statuses(&scope.kind, &region, ids).await {
            Ok(told) => told,
            Err(error) => {
                return Ok(Err(Problem {
                    account_id: scope.account_id.clone(),
                    class: error.class,
                    code: error.code,
                    message: format!("{}: {}", error.api, error.message),
                }));
            }
        };
        let rows = self.store.rows(scope, ids).await?;
        let rows = rows.into_iter().filter(|row| row.is_live()).map(|row| row.resource);
        let stored: BTreeMap<_, _> = rows
            .map(|one| (one.id, Stated { status: one.status, vendor_status: one.vendor_status }))
            .collect();
        let compared = ids.iter().map(|id| {
            let stored = stored.get(id).cloned();
            let vendor = told.get(id).cloned();
            let vendor = vendor.map(|(status, vendor_status)| Stated { status, vendor_status });
            let differs = stored != vendor;
            StatusChange { id: id.clone(), stored, vendor, differs }
        });
        Ok(Ok(compared.collect()))
    }
}
