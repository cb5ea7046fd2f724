//! Metrics: one structured line a region and one a task, in CloudWatch's
//! embedded metric format, which needs no call to CloudWatch.
//!
//! Dimensions are provider and kind, and status for the bare count alone: a
//! metric costs money for every combination of them. What tells one line from
//! another beyond that (account, region, task, calls by API) are properties,
//! which can be searched for and cost nothing.

mod events;

use std::io::{self, Write};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use cloud_sync_core::cost::{ApiCost, Cost, Latencies};
use cloud_sync_core::error::ErrorClass;
use cloud_sync_core::meter::Reading;
use cloud_sync_core::scope::Scope;
use cloud_sync_core::task::{Counts, RegionError, RegionResult, SyncTask, TaskStatus};
use metrique::emf::{Emf, MetricDefinition, MetricDirective};
use metrique::unit::{Byte, Count, Millisecond};
use metrique::unit_of_work::metrics;
use metrique::writer::format::Format;
use metrique::writer::{Entry, IoStreamError, Unit};
use metrique::{CloseValue, RootEntry};

pub use self::events::EventMetrics;

/// At most so many APIs are told of in one line, those with the most calls.
const MOST_APIS: usize = 8;

/// Errors by class.
#[metrics(subfield)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ErrorCounts {
    /// Of class network.
    #[metrics(unit = Count)]
    pub network: u64,
    /// Of class throttled.
    #[metrics(unit = Count)]
    pub throttled: u64,
    /// Of class auth.
    #[metrics(unit = Count)]
    pub auth: u64,
    /// Of class data.
    #[metrics(unit = Count)]
    pub data: u64,
    /// Of class not offered.
    #[metrics(unit = Count)]
    pub not_offered: u64,
    /// Of class internal.
    #[metrics(unit = Count)]
    pub internal: u64,
}

impl ErrorCounts {
    /// Counts errors.
    #[must_use]
    pub fn of(errors: &[RegionError]) -> Self {
        let count = |class: ErrorClass| errors.iter().filter(|e| e.class == class).count() as u64;
        Self {
            network: count(ErrorClass::Network),
            throttled: count(ErrorClass::Throttled),
            auth: count(ErrorClass::Auth),
            data: count(ErrorClass::Data),
            not_offered: count(ErrorClass::NotOffered),
            internal: count(ErrorClass::Internal),
        }
    }
}

/// What one attempt at a region amounted to. What it cost is told of every
/// attempt; what was found, and that there was a region, of the last one only,
/// so that sums over lines are right.
#[metrics(rename_all = "PascalCase")]
#[derive(Clone, Debug, PartialEq)]
pub struct RegionMetrics {
    /// When it ended.
    #[metrics(timestamp)]
    pub at: SystemTime,
    /// The vendor.
    pub provider: String,
    /// The kind.
    pub kind: String,
    /// How it stands.
    pub status: &'static str,
    /// The account.
    pub account_id: String,
    /// The region.
    pub region: String,
    /// The task.
    pub task_id: String,
    /// One where the region has ended, else none: the sum over lines is the
    /// number of regions.
    #[metrics(unit = Count)]
    pub regions: u64,
    /// From the region's start to its end, over all attempts.
    #[metrics(unit = Millisecond)]
    pub duration: Option<Duration>,
    /// How often a worker began it.
    #[metrics(unit = Count)]
    pub attempts: u64,
    /// Everything listed.
    #[metrics(unit = Count)]
    pub total: u64,
    /// New, or back again.
    #[metrics(unit = Count)]
    pub added: u64,
    /// Changed.
    #[metrics(unit = Count)]
    pub updated: u64,
    /// Proven to be gone.
    #[metrics(unit = Count)]
    pub deleted: u64,
    /// As it was.
    #[metrics(unit = Count)]
    pub unchanged: u64,
    /// Missing, but held back from deletion.
    #[metrics(unit = Count)]
    pub held: u64,
    /// All errors.
    #[metrics(unit = Count)]
    pub errors: u64,
    /// The errors kept with the region, by class.
    #[metrics(flatten, prefix = "errors_")]
    pub errors_by_class: ErrorCounts,
    /// Requests to the vendor in this attempt, retries included.
    #[metrics(unit = Count)]
    pub api_calls: u64,
    /// Those of them that were throttled.
    #[metrics(unit = Count)]
    pub throttles: u64,
    /// Those of them that repeated one before.
    #[metrics(unit = Count)]
    pub retries: u64,
    /// Bytes of the answers.
    #[metrics(unit = Byte)]
    pub bytes_received: u64,
    /// Within how long half of them were answered; `None` without any.
    #[metrics(unit = Millisecond)]
    pub api_latency_p50: Option<Duration>,
    /// Within how long 95 of 100 were answered; `None` without any.
    #[metrics(unit = Millisecond)]
    pub api_latency_p95: Option<Duration>,
    /// Within how long 99 of 100 were answered; `None` without any.
    #[metrics(unit = Millisecond)]
    pub api_latency_p99: Option<Duration>,
    /// How long the longest took; `None` without any.
    #[metrics(unit = Millisecond)]
    pub api_latency_max: Option<Duration>,
    /// The time requests to the tables took in this attempt, in sum.
    #[metrics(unit = Millisecond)]
    pub database_time: Duration,
    /// Read request units of this attempt.
    #[metrics(unit = Count)]
    pub read_units: f64,
    /// Write request units of this attempt.
    #[metrics(unit = Count)]
    pub write_units: f64,
    /// Rows of resources that were written or removed.
    #[metrics(unit = Count)]
    pub rows_written: u64,
    /// How long the worker spent on this attempt.
    #[metrics(unit = Millisecond)]
    pub worker_time: Duration,
    /// How many workers were busy, as far as the caller knows.
    #[metrics(unit = Count)]
    pub concurrency: Option<u64>,
    /// Calls by API, for a person.
    pub apis: Vec<String>,
}

impl RegionMetrics {
    /// Returns the metrics of a region as it stands, with the cost of the
    /// attempt that `reading` was taken of.
    #[must_use]
    pub fn of(result: &RegionResult, scope: &Scope, reading: &Reading) -> Self {
        let cost = &reading.cost;
        let latency = latencies(cost);
        let asked = cost.api_calls > 0;
        let milliseconds = |count: u64| asked.then(|| Duration::from_millis(count));
        let has_ended = result.status.is_terminal();
        let counts = if has_ended { result.counts } else { Counts::default() };
        let errors = if has_ended { &result.errors[..] } else { &[] };
        Self {
            at: result.end_time.map_or_else(SystemTime::now, SystemTime::from),
            provider: scope.kind.provider().to_owned(),
            kind: scope.kind.to_string(),
            status: result.status.as_str(),
            account_id: scope.account_id.clone(),
            region: scope.region.clone(),
            task_id: result.task_id.clone(),
            regions: has_ended.into(),
            duration: result
                .end_time
                .and_then(|end| Duration::try_from(end.duration_since(result.start_time)).ok()),
            attempts: result.attempts.into(),
            total: counts.total_count,
            added: counts.added_count,
            updated: counts.updated_count,
            deleted: counts.deleted_count,
            unchanged: counts.unchanged_count,
            held: counts.held_count,
            errors: counts.error_count,
            errors_by_class: ErrorCounts::of(errors),
            api_calls: cost.api_calls,
            throttles: cost.throttled_calls,
            retries: cost.retried_calls,
            bytes_received: cost.bytes_received,
            api_latency_p50: milliseconds(latency.percentile(0.50)),
            api_latency_p95: milliseconds(latency.percentile(0.95)),
            api_latency_p99: milliseconds(latency.percentile(0.99)),
            api_latency_max: milliseconds(latency.longest_ms()),
            database_time: reading.store_time,
            read_units: cost.read_units,
            write_units: cost.write_units,
            rows_written: cost.rows_written,
            worker_time: Duration::from_millis(cost.worker_ms),
            concurrency: None,
            apis: by_api(cost),
        }
    }
}

/// Returns how long all of the requests took.
fn latencies(cost: &Cost) -> Latencies {
    let mut latency = Latencies::default();
    cost.apis.values().for_each(|api| latency.add(&api.latency));
    latency
}

fn by_api(cost: &Cost) -> Vec<String> {
    let mut apis: Vec<_> = cost.apis.iter().collect();
    apis.sort_by_key(|(_, api)| std::cmp::Reverse(api.calls));
    let text = |(name, api): (&String, &ApiCost)| {
        let ApiCost { calls, throttled, retried, latency, .. } = api;
        let [p50, p95] = [0.50, 0.95].map(|share| latency.percentile(share));
        let max = latency.longest_ms();
        format!(
            "{name} calls={calls} throttled={throttled} retried={retried} p50_ms={p50} \
             p95_ms={p95} max_ms={max}"
        )
    };
    apis.into_iter().take(MOST_APIS).map(text).collect()
}

/// What one task amounted to.
#[metrics(rename_all = "PascalCase")]
#[derive(Clone, Debug, PartialEq)]
pub struct TaskMetrics {
    /// When it ended.
    #[metrics(timestamp)]
    pub at: SystemTime,
    /// The vendor.
    pub provider: String,
    /// The kind.
    pub kind: String,
    /// How it ended.
    pub status: &'static str,
    /// The account.
    pub account_id: String,
    /// The task.
    pub task_id: String,
    /// How much the vendor was asked.
    pub mode: &'static str,
    /// What started it.
    pub trigger: &'static str,
    /// One: the sum over lines is the number of tasks.
    #[metrics(unit = Count)]
    pub tasks: u64,
    /// Whether it ended in success. The average over lines is the success
    /// rate.
    pub success: bool,
    /// From start to end.
    #[metrics(unit = Millisecond)]
    pub task_duration: Option<Duration>,
    /// How many regions it had.
    #[metrics(unit = Count)]
    pub task_regions: u64,
    /// How many resources were listed.
    #[metrics(unit = Count)]
    pub task_total: u64,
    /// How many resources were added, updated or deleted.
    #[metrics(unit = Count)]
    pub task_changed: u64,
    /// All errors.
    #[metrics(unit = Count)]
    pub task_errors: u64,
    /// Requests to the vendor, retries included.
    #[metrics(unit = Count)]
    pub task_api_calls: u64,
    /// Those of them that were throttled.
    #[metrics(unit = Count)]
    pub task_throttles: u64,
    /// Within how long 99 of 100 were answered; `None` without any.
    #[metrics(unit = Millisecond)]
    pub task_api_latency_p99: Option<Duration>,
    /// Read request units of the tables.
    #[metrics(unit = Count)]
    pub task_read_units: f64,
    /// Write request units of the tables.
    #[metrics(unit = Count)]
    pub task_write_units: f64,
    /// How long workers spent on it.
    #[metrics(unit = Millisecond)]
    pub task_worker_time: Duration,
}

impl TaskMetrics {
    /// Returns the metrics of a task that has ended.
    #[must_use]
    pub fn of(task: &SyncTask) -> Self {
        let (counts, cost) = (&task.counts, &task.cost);
        let p99 = Duration::from_millis(latencies(cost).percentile(0.99));
        Self {
            at: task.end_time.map_or_else(SystemTime::now, SystemTime::from),
            provider: task.provider.clone(),
            kind: task.resource_type.to_string(),
            status: task.status.as_str(),
            account_id: task.account_id.clone(),
            task_id: task.task_id.clone(),
            mode: task.mode.as_str(),
            trigger: task.trigger.as_str(),
            tasks: 1,
            success: task.status == TaskStatus::Success,
            task_duration: task
                .duration_ms
                .and_then(|milliseconds| u64::try_from(milliseconds).ok())
                .map(Duration::from_millis),
            task_regions: task.regions.len() as u64,
            task_total: counts.total_count,
            task_changed: counts.added_count + counts.updated_count + counts.deleted_count,
            task_errors: counts.error_count,
            task_api_calls: cost.api_calls,
            task_throttles: cost.throttled_calls,
            task_api_latency_p99: (cost.api_calls > 0).then_some(p99),
            task_read_units: cost.read_units,
            task_write_units: cost.write_units,
            task_worker_time: Duration::from_millis(cost.worker_ms),
        }
    }
}

/// Where metrics go. Never fails the work that it measures.
pub trait MetricSink: Send + Sync {
    /// Takes what an attempt at a region amounted to.
    fn region(&self, metrics: RegionMetrics);
    /// Takes what a task amounted to.
    fn task(&self, metrics: TaskMetrics);
    /// Takes what a body of events amounted to.
    fn events(&self, _metrics: EventMetrics) {}
}

/// Writes each as one line of the embedded metric format.
pub struct EmfSink<W> {
    inner: Mutex<Inner<W>>,
}

struct Inner<W> {
    regions: Emf,
    tasks: Emf,
    events: Emf,
    writer: W,
}

impl EmfSink<io::Stdout> {
    /// Returns a sink to standard output, from where Lambda's log stream takes
    /// the lines to CloudWatch.
    #[must_use]
    pub fn stdout(namespace: &str) -> Self {
        Self::new(namespace, io::stdout())
    }
}

impl<W: Write + Send> EmfSink<W> {
    /// Returns a sink to a writer.
    #[must_use]
    pub fn new(namespace: &str, writer: W) -> Self {
        let inner = Inner {
            regions: format(namespace, "Regions"),
            tasks: format(namespace, "Tasks"),
            events: Emf::builder(namespace.to_owned(), vec![vec!["Provider".to_owned()]]).build(),
            writer,
        };
        Self { inner: Mutex::new(inner) }
    }

    fn write(&self, entry: &impl Entry, choose: impl FnOnce(&mut Inner<W>) -> &mut Emf) {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let mut line = Vec::new();
        let written = choose(&mut inner).format(entry, &mut line).and_then(|()| {
            // In one piece, so that no log line falls into it.
            inner.writer.write_all(&line).map_err(IoStreamError::Io)?;
            inner.writer.flush().map_err(IoStreamError::Io)
        });
        if let Err(error) = written {
            tracing::error!(%error, "metrics were not written");
        }
    }
}

impl<W: Write + Send> MetricSink for EmfSink<W> {
    fn region(&self, metrics: RegionMetrics) {
        self.write(&RootEntry::new(metrics.close()), |inner| &mut inner.regions);
    }

    fn task(&self, metrics: TaskMetrics) {
        self.write(&RootEntry::new(metrics.close()), |inner| &mut inner.tasks);
    }

    fn events(&self, metrics: EventMetrics) {
        self.write(&RootEntry::new(metrics.close()), |inner| &mut inner.events);
    }
}

/// Returns a format with the dimensions provider and kind, and status too for
/// the metric `counted`.
fn format(namespace: &str, counted: &str) -> Emf {
    let dimensions = vec![vec!["Provider".to_owned(), "Kind".to_owned()]];
    Emf::builder(namespace.to_owned(), dimensions)
        .directive(MetricDirective {
            dimensions: vec![vec!["Provider", "Kind", "Status"]],
            metrics: vec![MetricDefinition {
                name: counted,
                unit: Unit::Count,
                storage_resolution: None,
            }],
            namespace,
        })
        .build()
}

/// Keeps metrics, for tests and for one machine.
#[derive(Debug, Default)]
pub struct MemoryMetrics {
    regions: Mutex<Vec<RegionMetrics>>,
    tasks: Mutex<Vec<TaskMetrics>>,
    events: Mutex<Vec<EventMetrics>>,
}

impl MemoryMetrics {
    /// Returns the metrics of regions so far, oldest first.
    #[must_use]
    pub fn regions(&self) -> Vec<RegionMetrics> {
        self.regions.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Returns the metrics of events so far, oldest first.
    #[must_use]
    pub fn events(&self) -> Vec<EventMetrics> {
        self.events.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Returns the metrics of tasks so far, oldest first.
    #[must_use]
    pub fn tasks(&self) -> Vec<TaskMetrics> {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl MetricSink for MemoryMetrics {
    fn region(&self, metrics: RegionMetrics) {
        self.regions.lock().unwrap_or_else(PoisonError::into_inner).push(metrics);
    }

    fn task(&self, metrics: TaskMetrics) {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner).push(metrics);
    }

    fn events(&self, metrics: EventMetrics) {
        self.events.lock().unwrap_or_else(PoisonError::into_inner).push(metrics);
    }
}

/// Drops metrics.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoMetrics;

impl MetricSink for NoMetrics {
    fn region(&self, _: RegionMetrics) {}

    fn task(&self, _: TaskMetrics) {}
}

#[cfg(test)]
mod tests;
