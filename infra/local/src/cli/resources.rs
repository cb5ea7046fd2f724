//! `resources`: what is stored, by filter.

use std::collections::{BTreeMap, BTreeSet};

use cloud_sync_core::query::ResourceView;
use cloud_sync_core::resource::{Row, Status};
use cloud_sync_core::types::TypeSpec;
use cloud_sync_runtime::query::resources::{Types, scopes, step};
use cloud_sync_runtime::store::Store;

use super::SUCCESS;
use super::args::ResourcesArgs;
use crate::connect::Tables;
use crate::output::Output;
use crate::table::{bars, cell, count, keep_whole, table};

/// So many are shown to people who do not say how many they want.
const SHOWN: usize = 50;

/// So many are read between two looks at how many are still wanted.
const STEP: usize = 1000;

/// Runs the command.
pub(super) async fn run(args: &ResourcesArgs, output: &Output) -> anyhow::Result<u8> {
    let tables = Tables::read(&args.storage).await?;
    let shown = show(tables.store.as_ref(), args, output).await;
    tables.close().await;
    shown.map(|()| SUCCESS)
}

async fn show(store: &dyn Store, args: &ResourcesArgs, output: &Output) -> anyhow::Result<()> {
    let limit = match args.limit {
        Some(0) => usize::MAX,
        Some(limit) => limit,
        None if output.is_json() => usize::MAX,
        None => SHOWN,
    };
    let mut listing = Listing::new(args, limit, output);
    let (scopes_wanted, wanted) = (args.scopes.filter(), args.filter());
    let scopes = scopes(store, &scopes_wanted).await?;
    let (mut types, mut next) = (Types::default(), None);
    loop {
        let found = step(store, &scopes, &wanted, next.as_ref(), STEP).await?;
        for row in found.rows {
            let spec = types.of(store, &row).await?;
            listing.add(row, spec)?;
        }
        next = found.next;
        if next.is_none() || (output.is_json() && listing.count >= limit) {
            return listing.finish();
        }
    }
}

/// What was found so far: printed at once as JSON, gathered for people.
struct Listing<'a> {
    output: &'a Output,
    limit: usize,
    deleted: bool,
    count: usize,
    table: comfy_table::Table,
    by_region: BTreeMap<String, u64>,
    by_status: BTreeMap<Status, u64>,
}

impl<'a> Listing<'a> {
    fn new(args: &ResourcesArgs, limit: usize, output: &'a Output) -> Self {
        let mut columns = vec![
            ("ID", false),
            ("NAME", false),
            ("STATUS", false),
            ("TYPE", false),
            ("ACCOUNT", false),
            ("REGION", false),
            ("PUBLIC IPS", false),
            ("PRIVATE IPS", false),
        ];
        if args.deleted {
            columns.push(("DELETED (UTC)", false));
        }
        Self {
            output,
            limit,
            deleted: args.deleted,
            count: 0,
            table: table(&columns),
            by_region: BTreeMap::new(),
            by_status: BTreeMap::new(),
        }
    }

    fn add(&mut self, row: Row, spec: Option<&TypeSpec>) -> anyhow::Result<()> {
        self.count += 1;
        if self.output.is_json() {
            if self.count <= self.limit {
                self.output.json(&ResourceView::of(row, spec))?;
            }
            return Ok(());
        }
        *self.by_region.entry(row.scope.region.clone()).or_default() += 1;
        *self.by_status.entry(row.resource.status).or_default() += 1;
        if self.count <= self.limit {
            self.table.add_row(cells(&row, spec, self.deleted));
        }
        Ok(())
    }

    fn finish(self) -> anyhow::Result<()> {
        if self.output.is_json() {
            return Ok(());
        }
        if self.count == 0 {
            self.output.remark("nothing found");
            return Ok(());
        }
        let mut table = self.table;
        keep_whole(&mut table, &[0, 2, 5]);
        self.output.text(table.to_string())?;
        let all = count(self.count as u64);
        if self.count > self.limit {
            let text = format!("{} of {all} shown; --limit 0 shows all", self.limit);
            self.output.text(text)?;
        } else {
            self.output.text(format!("{all} found"))?;
        }
        let statuses: Vec<_> =
            self.by_status.iter().map(|(status, n)| (status.as_str().to_owned(), *n)).collect();
        self.output.text(format!("\nBy status\n{}", bars(&statuses)))?;
        let regions: Vec<_> = self.by_region.into_iter().collect();
        self.output.text(format!("\nBy region\n{}", bars(&regions)))?;
        Ok(())
    }
}

/// Returns an instance type and what a machine of it has.
fn type_cell(name: &str, spec: Option<&TypeSpec>) -> comfy_table::Cell {
    let Some(spec) = spec else { return cell(name) };
    let gpus = match (spec.gpus, spec.gpu_model.as_str()) {
        (0, _) => String::new(),
        (count, "") => format!(", {count} GPU"),
        (count, model) => format!(", {count} × {model}"),
    };
    cell(format!("{name} ({} vCPU, {} GiB{gpus})", spec.vcpus, spec.memory_gib))
}

fn cells(row: &Row, spec: Option<&TypeSpec>, deleted: bool) -> Vec<comfy_table::Cell> {
    let resource = &row.resource;
    let set = |set: &BTreeSet<String>| cell(set.iter().cloned().collect::<Vec<_>>().join(", "));
    let status = match (resource.status.as_str(), row.missing) {
        (status, Some(_)) => format!("{status} (missing)"),
        (status, None) => status.to_owned(),
    };
    let mut cells = vec![
        cell(&resource.id),
        cell(&resource.name),
        cell(status),
        type_cell(&resource.spec, spec),
        cell(&row.scope.account_id),
        cell(&row.scope.region),
        set(&resource.public_ips),
        set(&resource.private_ips),
    ];
    if deleted {
        cells.push(cell(row.deleted_at.map(crate::table::time).unwrap_or_default()));
    }
    cells
}
