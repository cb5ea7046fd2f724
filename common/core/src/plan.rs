//! What a sync would do: shown instead of done.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::change::{Change, ChangeKind};
use crate::cost::{Cost, table_dollars};
use crate::diff::{Field, FieldChanges};
use crate::resource::Row;

/// At most so many changes, and so many held resources, are kept with a
/// region; all are counted.
const MOST_KEPT: usize = 500;

/// The changes kept have at most so many bytes of JSON: a stored item has
/// 400 KB.
const MOST_BYTES: usize = 200 << 10;

/// A change that a sync would record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PlannedChange {
    /// The resource.
    pub id: String,
    /// What would be recorded of it.
    pub change: ChangeKind,
    /// The fields that differ; of a new resource only its name.
    #[cfg_attr(feature = "openapi", schema(value_type = BTreeMap<Field, crate::diff::FieldChange>))]
    pub fields: FieldChanges,
}

/// What a sync of a region would do.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RegionPlan {
    /// The first of the changes, in the order they were found.
    pub changes: Vec<PlannedChange>,
    /// The first of the resources that would be held back from deletion.
    pub held: Vec<String>,
    /// How many more changes there are.
    pub more_changes: u64,
    /// How many resources would change, by field.
    pub by_field: BTreeMap<Field, u64>,
    /// The write request units that writing it all would take, about.
    pub write_units: f64,
}

impl RegionPlan {
    /// Leaves out changes that do not fit into what is `left` of a number of
    /// bytes of JSON, and takes off what the others need.
    pub fn shorten(&mut self, left: &mut usize) {
        let size = |change: &PlannedChange| serde_json::to_string(change).map_or(0, |t| t.len());
        let fits = |change: &&PlannedChange| {
            let rest = left.checked_sub(size(change));
            rest.is_some_and(|rest| {
                *left = rest;
                true
            })
        };
        let kept = self.changes.iter().take_while(fits).count();
        self.more_changes += (self.changes.len() - kept) as u64;
        self.changes.truncate(kept);
    }
}

/// What it would take to do what is planned, about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PlanTotals {
    /// Requests to the vendor.
    pub api_calls: u64,
    /// Read request units of the tables.
    pub read_units: f64,
    /// Write request units of the tables.
    pub write_units: f64,
    /// What the tables charge for those, in dollars: on demand, us-east-1.
    pub dollars: f64,
}

impl PlanTotals {
    /// Adds up the plans of a task's regions, which cost so much to make: a
    /// sync asks and reads the same, and writes what is planned besides.
    /// `None` without any.
    #[must_use]
    pub fn of<'a>(plans: impl IntoIterator<Item = &'a RegionPlan>, cost: &Cost) -> Option<Self> {
        let planned = plans.into_iter().map(|plan| plan.write_units).reduce(|sum, of| sum + of)?;
        let (read_units, write_units) = (cost.read_units, cost.write_units + planned);
        let dollars = table_dollars(read_units, write_units);
        Some(Self { api_calls: cost.api_calls, read_units, write_units, dollars })
    }
}

/// Adds up what a sync would do.
#[derive(Debug, Default)]
pub struct Planner {
    plan: RegionPlan,
    bytes: usize,
}

impl Planner {
    /// Adds a change, `units` being what writing it takes.
    pub fn change(&mut self, change: &Change, units: f64) {
        let plan = &mut self.plan;
        plan.write_units += units;
        let mut fields = change.fields.clone();
        if change.change == ChangeKind::Updated {
            for field in change.fields.keys() {
                *plan.by_field.entry(*field).or_default() += 1;
            }
        } else {
            fields.retain(|field, _| *field == Field::Name);
        }
        let planned = PlannedChange { id: change.id.clone(), change: change.change, fields };
        // What has no JSON form does not exist among changes.
        let bytes = serde_json::to_string(&planned).map_or(MOST_BYTES, |text| text.len());
        if plan.changes.len() < MOST_KEPT && self.bytes + bytes <= MOST_BYTES {
            self.bytes += bytes;
            plan.changes.push(planned);
        } else {
            plan.more_changes += 1;
        }
    }

    /// Adds a row that would be written, `units` being what that takes.
    pub fn row(&mut self, row: &Row, units: f64) {
        self.plan.write_units += units;
        if row.is_live() && row.missing.is_some() && self.plan.held.len() < MOST_KEPT {
            self.plan.held.push(row.resource.id.clone());
        }
    }

    /// Adds a row that would be removed, `units` being what that takes.
    pub const fn removal(&mut self, units: f64) {
        self.plan.write_units += units;
    }

    /// Returns what was added so far.
    #[must_use]
    pub fn plan(&self) -> RegionPlan {
        self.plan.clone()
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use serde_json::json;

    use super::*;
    use crate::diff::FieldChange;

    fn change(id: &str, kind: ChangeKind, field: Field, new: &str) -> Change {
        let value = FieldChange { old: json!(null), new: json!(new) };
        Change {
            scope: crate::scope::Scope {
                account_id: "a".into(),
                kind: "aliyun.ecs.instance".parse().unwrap(),
                region: "r".into(),
            },
            id: id.into(),
            version: 1,
            change: kind,
            fields: [(field, value)].into(),
            task_id: "t".into(),
            at: Timestamp::UNIX_EPOCH,
        }
    }

    #[test]
    fn updates_are_told_field_by_field_and_new_resources_by_name() {
        let mut planner = Planner::default();
        planner.change(&change("i-1", ChangeKind::Updated, Field::Spec, "big"), 3.0);
        planner.change(&change("i-2", ChangeKind::Added, Field::Spec, "big"), 4.0);
        planner.change(&change("i-3", ChangeKind::Added, Field::Name, "web"), 5.0);
        let plan = planner.plan();
        assert_eq!(plan.by_field, [(Field::Spec, 1)].into());
        let fields: Vec<_> = plan.changes.iter().map(|change| change.fields.len()).collect();
        assert_eq!((fields, plan.write_units), (vec![1, 0, 1], 12.0));
    }

    #[test]
    fn what_it_takes_is_the_sum_over_regions_and_what_looking_took() {
        let region = |write_units| RegionPlan { write_units, ..RegionPlan::default() };
        let cost = Cost { api_calls: 7, read_units: 2e6, write_units: 1e5, ..Cost::default() };
        let totals = PlanTotals::of(&[region(4e5), region(5e5)], &cost).unwrap();
        assert_eq!((totals.api_calls, totals.read_units, totals.write_units), (7, 2e6, 1e6));
        assert!((totals.dollars - 0.875).abs() < 1e-9);
        assert_eq!(PlanTotals::of([], &cost), None);
    }

    #[test]
    fn a_plan_fits_an_item_however_much_there_is_to_do() {
        for (count, value) in [(2000, "x".to_owned()), (40, "x".repeat(20 << 10))] {
            let mut planner = Planner::default();
            for n in 0..count {
                let id = format!("i-{n}");
                planner.change(&change(&id, ChangeKind::Updated, Field::Tags, &value), 1.0);
            }
            let plan = planner.plan();
            let kept = plan.changes.len() as u64;
            assert!(kept > 0 && kept + plan.more_changes == count);
            assert_eq!(plan.by_field[&Field::Tags], count);
            assert!(serde_json::to_string(&plan).unwrap().len() < 300 << 10);
        }
    }
}
