//! `resources`: what is stored, by filter.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use cloud_sync_core::resource::{Disk, Row, Status};
use cloud_sync_core::scope::{Kind, Scope};
use cloud_sync_core::types::{KnownTypes, TypeSpec};
use cloud_sync_runtime::store::Store;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value};

use super::SUCCESS;
use super::args::ResourcesArgs;
use crate::connect::Tables;
use crate::output::Output;
use crate::table::{bars, cell, count, keep_whole, table, time};

/// So many are shown to people who do not say how many they want.
const SHOWN: usize = 50;

/// A resource as `--json` prints it.
#[derive(Serialize)]
struct Line<'a> {
    account_id: &'a str,
    provider: &'a str,
    kind: &'a Kind,
    region: &'a str,
    id: &'a str,
    name: &'a str,
    status: Status,
    vendor_status: &'a str,
    spec: &'a str,
    vcpus: Option<u32>,
    memory_gib: Option<f64>,
    gpus: Option<u32>,
    gpu_model: Option<&'a str>,
    zone: &'a str,
    public_ips: &'a BTreeSet<String>,
    private_ips: &'a BTreeSet<String>,
    security_groups: &'a BTreeSet<String>,
    data_disks: &'a Option<BTreeSet<Disk>>,
    tags: &'a BTreeMap<String, String>,
    created_at: Option<Timestamp>,
    expires_at: Option<Timestamp>,
    first_seen_at: Timestamp,
    changed_at: Timestamp,
    deleted_at: Option<Timestamp>,
    missing_since: Option<Timestamp>,
    version: u64,
    task_id: &'a str,
    attributes: &'a Map<String, Value>,
}

impl<'a> Line<'a> {
    /// Returns a row with what is known of its instance type.
    fn of(row: &'a Row, spec: Option<&'a TypeSpec>) -> Self {
        let (scope, resource) = (&row.scope, &row.resource);
        Self {
            account_id: &scope.account_id,
            provider: scope.kind.provider(),
            kind: &scope.kind,
            region: &scope.region,
            id: &resource.id,
            name: &resource.name,
            status: resource.status,
            vendor_status: &resource.vendor_status,
            spec: &resource.spec,
            vcpus: spec.map(|spec| spec.vcpus),
            memory_gib: spec.map(|spec| spec.memory_gib),
            gpus: spec.map(|spec| spec.gpus),
            gpu_model: spec.map(|spec| spec.gpu_model.as_str()).filter(|model| !model.is_empty()),
            zone: &resource.zone,
            public_ips: &resource.public_ips,
            private_ips: &resource.private_ips,
            security_groups: &resource.security_groups,
            data_disks: &resource.data_disks,
            tags: &resource.tags,
            created_at: resource.created_at,
            expires_at: resource.expires_at,
            first_seen_at: row.first_seen_at,
            changed_at: row.changed_at,
            deleted_at: row.deleted_at,
            missing_since: row.missing.map(|missing| missing.since),
            version: row.version,
            task_id: &row.task_id,
            attributes: &resource.attributes,
        }
    }
}

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
    let mut types = Types::default();
    for scope in scopes(store, args).await? {
        let known = types.of(store, &scope).await?;
        let mut cursor = None;
        loop {
            let slice = store.scope_rows(&scope, args.deleted, cursor.as_deref()).await?;
            for row in slice.items.iter().filter(|row| is_wanted(row, args)) {
                listing.add(row, known.get(&row.resource.spec).map(|known| &known.spec))?;
            }
            cursor = slice.cursor;
            if cursor.is_none() || (output.is_json() && listing.count >= limit) {
                break;
            }
        }
    }
    listing.finish()
}

/// What is known of instance types, read once for each account and kind.
#[derive(Default)]
struct Types(BTreeMap<(String, Kind), KnownTypes>);

impl Types {
    async fn of(&mut self, store: &dyn Store, scope: &Scope) -> anyhow::Result<&KnownTypes> {
        let key = (scope.account_id.clone(), scope.kind.clone());
        Ok(match self.0.entry(key) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => {
                new.insert(store.known_types(&scope.account_id, &scope.kind).await?)
            }
        })
    }
}

/// Returns the scopes that may hold what is wanted.
pub(super) async fn scopes(store: &dyn Store, args: &ResourcesArgs) -> anyhow::Result<Vec<Scope>> {
    let wants = |wanted: &[String], name: &String| wanted.is_empty() || wanted.contains(name);
    let mut scopes = Vec::new();
    for record in store.accounts().await? {
        if wants(&args.accounts, &record.account.id) {
            let states = store.scopes(&record.account.id).await?;
            scopes.extend(states.into_iter().map(|state| state.scope));
        }
    }
    scopes.retain(|scope| {
        wants(&args.regions, &scope.region)
            && (args.kinds.is_empty() || args.kinds.contains(&scope.kind))
    });
    Ok(scopes)
}

fn is_wanted(row: &Row, args: &ResourcesArgs) -> bool {
    let resource = &row.resource;
    let has_tag = |(key, value): &(String, Option<String>)| {
        let tag = resource.tags.get(key);
        tag.is_some_and(|tag| value.as_ref().is_none_or(|value| tag == value))
    };
    let has_ip =
        |ip: &String| resource.public_ips.contains(ip) || resource.private_ips.contains(ip);
    (args.ids.is_empty() || args.ids.contains(&resource.id))
        && (args.statuses.is_empty() || args.statuses.contains(&resource.status))
        && args.tags.iter().all(has_tag)
        && args.name.as_ref().is_none_or(|prefix| resource.name.starts_with(prefix))
        && args.ip.as_ref().is_none_or(has_ip)
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

    fn add(&mut self, row: &Row, spec: Option<&TypeSpec>) -> anyhow::Result<()> {
        self.count += 1;
        if self.output.is_json() {
            if self.count <= self.limit {
                self.output.json(&Line::of(row, spec))?;
            }
            return Ok(());
        }
        *self.by_region.entry(row.scope.region.clone()).or_default() += 1;
        *self.by_status.entry(row.resource.status).or_default() += 1;
        if self.count <= self.limit {
            self.table.add_row(cells(row, spec, self.deleted));
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
        cells.push(cell(row.deleted_at.map(time).unwrap_or_default()));
    }
    cells
}
