//! Telling what changed in a region: as the service does, from an index of
//! fingerprints, and as one would write it first, from the whole rows.
//!
//! Both start from what a table gives (text) and from the pages of a listing,
//! and both end with the changed fields and the missing ids. Making the data
//! is not timed, and only ever one page of it exists.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use clap::Args;
use cloud_sync_core::change::{Observer, Outcome};
use cloud_sync_core::diff::diff;
use cloud_sync_core::fingerprint::{Comparison, Fingerprint};
use cloud_sync_core::ids::Ids;
use cloud_sync_core::listing::{IndexEntry, Page, Walk};
use cloud_sync_core::resource::{Disk, Resource, Row, Status};
use cloud_sync_core::scope::Scope;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::json;

use crate::usage::peak_mib;

/// As many instances as a vendor puts on a page.
const PAGE: u64 = 100;

/// What to compare.
#[derive(Clone, Copy, Debug, Args)]
pub struct Options {
    /// How many instances are stored, and listed.
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u64).range(1..=10_000_000))]
    instances: u64,
    /// One in so many has changed.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..))]
    changed_one_in: u64,
    /// How often to measure; the fastest counts.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100))]
    runs: u32,
}

impl Options {
    fn has_changed(self, number: u64) -> bool {
        number.is_multiple_of(self.changed_one_in)
    }

    fn changed(self) -> u64 {
        self.instances.div_ceil(self.changed_one_in)
    }

    /// Returns the numbers of the instances, a page at a time.
    fn pages(self) -> impl Iterator<Item = std::ops::Range<u64>> {
        let starts = (0..self.instances).step_by(usize::try_from(PAGE).unwrap_or(usize::MAX));
        starts.map(move |start| start..self.instances.min(start + PAGE))
    }
}

/// Both ways, side by side.
#[derive(Debug, Serialize)]
pub struct Report {
    benchmark: &'static str,
    instances: u64,
    changed: u64,
    /// As the service does it.
    fingerprints: Measurement,
    /// The baseline.
    whole_rows: Measurement,
    /// How many times as fast as the baseline, loading included.
    speedup: f64,
    /// How many times less is read from the table.
    read_ratio: f64,
    /// How many times less memory is used at the peak.
    memory_ratio: Option<f64>,
}

#[derive(Clone, Copy, Debug, Serialize)]
struct Measurement {
    load_seconds: f64,
    compare_seconds: f64,
    instances_per_second: f64,
    read_mib: f64,
    peak_mib: Option<f64>,
}

/// Times and sizes of one run of one way.
#[derive(Clone, Copy, Debug, Default)]
struct Run {
    load: Duration,
    compare: Duration,
    read_bytes: u64,
    changed: u64,
    missing: u64,
}

/// Measures both ways and checks that both found the same.
pub fn run(options: Options) -> anyhow::Result<Report> {
    // The frugal way goes first, since a process's peak never falls.
    let fingerprints = fastest(options, by_fingerprint)?;
    let whole_rows = fastest(options, by_whole_rows)?;
    let ratio = |baseline: f64, ours: f64| baseline / ours;
    Ok(Report {
        benchmark: "diff",
        instances: options.instances,
        changed: options.changed(),
        speedup: ratio(fingerprints.instances_per_second, whole_rows.instances_per_second),
        read_ratio: ratio(whole_rows.read_mib, fingerprints.read_mib),
        memory_ratio: whole_rows.peak_mib.zip(fingerprints.peak_mib).map(|(b, o)| ratio(b, o)),
        fingerprints,
        whole_rows,
    })
}

fn fastest(
    options: Options,
    way: fn(Options) -> anyhow::Result<Run>,
) -> anyhow::Result<Measurement> {
    let mut best: Option<Run> = None;
    for _ in 0..options.runs {
        let run = way(options)?;
        ensure!(run.changed == options.changed(), "{} changes were found", run.changed);
        ensure!(run.missing == 0, "{} instances went missing", run.missing);
        if best.is_none_or(|best| run.load + run.compare < best.load + best.compare) {
            best = Some(run);
        }
    }
    let run = best.context("nothing was measured")?;
    let (load, compare) = (run.load.as_secs_f64(), run.compare.as_secs_f64());
    Ok(Measurement {
        load_seconds: load,
        compare_seconds: compare,
        instances_per_second: as_f64(options.instances) / (load + compare),
        read_mib: as_f64(run.read_bytes) / f64::from(1 << 20),
        peak_mib: peak_mib(),
    })
}

/// The service's way: index, walk, fingerprint, and rows only of what differs.
fn by_fingerprint(options: Options) -> anyhow::Result<Run> {
    let mut run = Run::default();
    let scope = scope()?;
    let observer = Observer { scope: &scope, task_id: "bench", now: Timestamp::UNIX_EPOCH };

    let mut ids = Ids::new("bench");
    for numbers in options.pages() {
        let stored: Vec<_> = numbers
            .map(|number| {
                let resource = instance(number);
                let fingerprint = Fingerprint::of(&resource).to_string();
                (resource.id, fingerprint)
            })
            .collect();
        run.read_bytes +=
            stored.iter().map(|(id, text)| (id.len() + text.len()) as u64).sum::<u64>();
        timed(&mut run.load, || {
            for (id, text) in &stored {
                ids.insert_live(id, &IndexEntry { fingerprint: text.parse()?, missing: None });
            }
            anyhow::Ok(())
        })?;
    }

    let mut walk = Walk::new();
    for numbers in options.pages() {
        let page = page(options, numbers);
        let differing = timed(&mut run.compare, || {
            let mut fresh = walk.take(page, &mut ids)?.resources;
            fresh.retain(|resource| {
                let stored = ids.stored(&resource.id);
                stored.is_none_or(|stored| stored.compare(resource) != Comparison::Same)
            });
            anyhow::Ok(fresh)
        })?;
        for resource in differing {
            let row = stored_row(&resource.id, &scope)?;
            run.read_bytes += row.len() as u64;
            let outcome = timed(&mut run.compare, || {
                let row: Row = serde_json::from_str(&row)?;
                anyhow::Ok(observer.seen(Some(&row), resource))
            })?;
            run.changed += u64::from(matches!(outcome, Outcome::Changed(..)));
        }
    }
    let missing = timed(&mut run.compare, || {
        let listing = walk.complete().ok().context("the walk has not ended")?;
        anyhow::Ok(listing.count_missing(&ids))
    })?;
    run.missing = missing;
    Ok(run)
}

/// The baseline: all rows in a map, compared field by field with what is
/// listed.
fn by_whole_rows(options: Options) -> anyhow::Result<Run> {
    let mut run = Run::default();
    let scope = scope()?;

    let mut rows: HashMap<String, Row> = HashMap::new();
    for numbers in options.pages() {
        let stored: Vec<_> =
            numbers.map(|number| stored_row(&id(number), &scope)).collect::<Result<_, _>>()?;
        run.read_bytes += stored.iter().map(|text| text.len() as u64).sum::<u64>();
        timed(&mut run.load, || {
            for text in &stored {
                let row: Row = serde_json::from_str(text)?;
                rows.insert(row.resource.id.clone(), row);
            }
            anyhow::Ok(())
        })?;
    }

    let mut seen: HashSet<String> = HashSet::new();
    for numbers in options.pages() {
        let page = page(options, numbers);
        run.changed += timed(&mut run.compare, || {
            let mut changed = 0;
            for resource in page.resources {
                let row = rows.get(&resource.id);
                let fields = row.map(|row| diff(&row.resource, &resource));
                changed += u64::from(fields.is_none_or(|fields| !fields.is_empty()));
                seen.insert(resource.id);
            }
            changed
        });
    }
    run.missing = timed(&mut run.compare, || {
        rows.keys().filter(|id| !seen.contains(id.as_str())).count() as u64
    });
    Ok(run)
}

fn timed<T>(sum: &mut Duration, work: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    let result = work();
    *sum += start.elapsed();
    result
}

fn scope() -> anyhow::Result<Scope> {
    Ok(Scope {
        account_id: "production".into(),
        kind: "aliyun.ecs.instance".parse()?,
        region: "cn-hangzhou".into(),
    })
}

fn id(number: u64) -> String {
    format!("i-bp{number:018x}")
}

/// Returns a row as a table holds it.
fn stored_row(id: &str, scope: &Scope) -> anyhow::Result<String> {
    let number = id.strip_prefix("i-bp").context("an id of this benchmark")?;
    let observer = Observer { scope, task_id: "bench", now: Timestamp::UNIX_EPOCH };
    let Outcome::Changed(_, row) = observer.seen(None, instance(u64::from_str_radix(number, 16)?))
    else {
        anyhow::bail!("an instance seen for the first time is a change");
    };
    Ok(serde_json::to_string(&row)?)
}

/// Returns a page of the listing, some of whose instances have changed.
fn page(options: Options, numbers: std::ops::Range<u64>) -> Page {
    let next = (numbers.end < options.instances).then(|| numbers.end.to_string());
    let listed = numbers.map(|number| {
        let instance = instance(number);
        if options.has_changed(number) { changed(number, instance) } else { instance }
    });
    Page { resources: listed.collect(), next, ..Page::default() }
}

fn changed(number: u64, mut instance: Resource) -> Resource {
    match number % 3 {
        0 => instance.status = Status::Stopped,
        1 => instance.name.push_str("-renamed"),
        _ => instance.security_groups = [format!("sg-bp-other-{number}")].into(),
    }
    instance
}

/// Returns an instance with about as much to it as a real one.
fn instance(number: u64) -> Resource {
    let address =
        |net: u8| format!("{net}.{}.{}.{}", number >> 16 & 255, number >> 8 & 255, number & 255);
    let disk = |part: u8| Disk {
        id: format!("d-bp{number:016x}{part:02x}"),
        category: "cloud_essd".into(),
        size_gib: Some(40 * u64::from(part)),
    };
    let tag = |key: &str, value: String| (key.to_owned(), value);
    let attributes = json!({
        "Cpu": 4, "Memory": 16384, "OSName": "Ubuntu 24.04 64-bit", "ImageId": "ubuntu_24_04_x64",
        "InternetChargeType": "PayByTraffic", "InternetMaxBandwidthOut": 100,
        "InstanceChargeType": "PostPaid", "VpcId": format!("vpc-bp{:014x}", number % 50),
        "VSwitchId": format!("vsw-bp{:014x}", number % 400), "HostName": format!("host-{number}"),
        "KeyPairName": "operations", "IoOptimized": true, "CreditSpecification": "",
        "DeploymentSetId": "", "Description": "Serves the web shop's catalogue.",
    });
    Resource {
        id: id(number),
        name: format!("web-{number:06}"),
        status: Status::Running,
        vendor_status: "Running".into(),
        spec: "ecs.g8i.xlarge".into(),
        zone: format!("cn-hangzhou-{}", ['h', 'i', 'j', 'k'][(number % 4) as usize]),
        public_ips: [address(47)].into(),
        private_ips: [address(10), address(172)].into(),
        security_groups: [format!("sg-bp{:014x}", number % 40), "sg-bp-common".into()].into(),
        data_disks: Some([disk(1), disk(2)].into()),
        is_deferred: false,
        system_disk: String::new(),
        tags: [
            tag("env", "production".into()),
            tag("team", format!("team-{}", number % 30)),
            tag("cost-center", format!("cc-{}", number % 90)),
            tag("acs:autoscaling:scalingGroupId", format!("asg-bp{:014x}", number % 200)),
        ]
        .into(),
        created_at: Timestamp::from_second(1_700_000_000 + (number % 1_000_000) as i64).ok(),
        expires_at: None,
        attributes: attributes.as_object().cloned().unwrap_or_default().into(),
    }
}

const fn as_f64(number: u64) -> f64 {
    number as f64
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} instances against {0} stored, {} changed\n", self.instances, self.changed)?;
        writeln!(
            f,
            "{:<14}{:>10}{:>12}{:>15}{:>12}{:>13}",
            "", "load", "compare", "instances/s", "read", "peak memory"
        )?;
        for (name, way) in [("fingerprints", &self.fingerprints), ("whole rows", &self.whole_rows)]
        {
            let peak = way.peak_mib.map_or_else(|| "unknown".into(), |mib| format!("{mib:.0} MiB"));
            writeln!(
                f,
                "{name:<14}{:>8.0}ms{:>10.0}ms{:>15.0}{:>8.1} MiB{peak:>13}",
                1000.0 * way.load_seconds,
                1000.0 * way.compare_seconds,
                way.instances_per_second,
                way.read_mib,
            )?;
        }
        write!(f, "\n{:.1} × the speed, 1/{:.1} of the reading", self.speedup, self.read_ratio)?;
        self.memory_ratio.map_or(Ok(()), |ratio| write!(f, ", 1/{ratio:.1} of the memory"))
    }
}
