//! How far a sync is, for those who wait: a bar on a terminal, elsewhere a
//! line a region.

use std::collections::HashSet;
use std::time::Duration;

use cloud_sync_core::message::Mode;
use cloud_sync_core::task::{Counts, RegionResult, SyncTask, TaskStatus};
use indicatif::{ProgressBar, ProgressStyle};

use crate::output::{Output, plain};
use crate::service::TaskReport;
use crate::table::{count, duration};

/// At most so many regions are named as being worked on.
const MOST_NAMED: usize = 5;

/// What there is to tell of a region.
#[derive(PartialEq, Eq, Hash)]
enum Told {
    /// This attempt did not succeed, and another follows.
    Attempt(u32),
    /// It ended.
    End,
}

/// Shows reports as they come.
pub struct Progress<'a> {
    output: &'a Output,
    bar: Option<ProgressBar>,
    /// What was told, of each region of each task.
    told: HashSet<(String, String, Told)>,
}

impl<'a> Progress<'a> {
    /// Returns a display of what `title` names.
    #[must_use]
    pub fn new(output: &'a Output, title: &str) -> Self {
        let bar = output.has_bars().then(|| {
            let bar = output.bars().add(ProgressBar::no_length());
            bar.set_style(style());
            bar.set_prefix(plain(title).into_owned());
            bar.set_message("asking for regions");
            bar.enable_steady_tick(Duration::from_millis(120));
            bar
        });
        Self { output, bar, told: HashSet::new() }
    }

    /// Shows where tasks stand.
    pub fn observe(&mut self, reports: &[TaskReport]) {
        if let Some(bar) = &self.bar {
            let regions: usize = reports.iter().map(|report| report.task.regions.len()).sum();
            let ended = reports.iter().flat_map(ended).count();
            bar.set_length(regions as u64);
            bar.set_position(ended as u64);
            bar.set_message(message(reports));
        }
        for report in reports {
            for result in &report.region_results {
                self.tell(&report.task, result);
            }
        }
    }

    fn tell(&mut self, task: &SyncTask, result: &RegionResult) {
        let (news, line) = match (result.status.is_terminal(), result.errors.last()) {
            // The bar says that.
            (true, _) if self.bar.is_some() => return,
            (true, _) => (Told::End, line(task, result)),
            (false, Some(error)) => {
                let scope = task.scope(&result.region);
                let line = format!("{scope}: trying again: {}: {}", error.code, error.error);
                (Told::Attempt(result.attempts), line)
            }
            (false, None) => return,
        };
        if self.told.insert((result.task_id.clone(), result.region.clone(), news)) {
            self.output.remark(line.replace('\n', " "));
        }
    }
}

impl Drop for Progress<'_> {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

fn style() -> ProgressStyle {
    let template = "{prefix} {bar:30} {pos}/{len} regions, {elapsed}\n  {msg}";
    // A template that is wrong would only look different.
    ProgressStyle::with_template(template)
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .progress_chars("█▓░")
}

fn ended(report: &TaskReport) -> impl Iterator<Item = &RegionResult> {
    report.region_results.iter().filter(|result| result.status.is_terminal())
}

fn message(reports: &[TaskReport]) -> String {
    let results = || reports.iter().flat_map(|report| &report.region_results);
    let sum = results().fold(Counts::default(), |sum, result| sum.plus(result.counts));
    let working: Vec<_> = results()
        .filter(|result| result.status == TaskStatus::Running)
        .map(|result| result.region.as_str())
        .collect();
    let mut text = counts(&sum);
    if !working.is_empty() {
        text.push_str("; now ");
        text.push_str(&working[..working.len().min(MOST_NAMED)].join(", "));
    }
    plain(&text).into_owned()
}

/// Returns counts in a line.
#[must_use]
pub fn counts(counts: &Counts) -> String {
    let mut text = format!(
        "{} listed: {} added, {} updated, {} deleted, {} unchanged",
        count(counts.total_count),
        count(counts.added_count),
        count(counts.updated_count),
        count(counts.deleted_count),
        count(counts.unchanged_count),
    );
    for (number, what) in [(counts.error_count, "errors"), (counts.held_count, "held")] {
        if number > 0 {
            text.push_str(&format!(", {} {what}", count(number)));
        }
    }
    text
}

fn line(task: &SyncTask, result: &RegionResult) -> String {
    let scope = task.scope(&result.region);
    let took = result.end_time.map_or(0, |end| {
        end.as_millisecond().saturating_sub(result.start_time.as_millisecond()).max(0)
    });
    let status = match result.status.as_str() {
        _ if result.skipped => "not offered",
        // Nothing was added yet.
        "success" if task.mode == Mode::Plan => "only planned",
        status => status,
    };
    let mut line = format!("{scope}: {status}: {} ({})", counts(&result.counts), duration(took));
    if let Some(error) = result.errors.last() {
        line.push_str(&format!("; {}: {}", error.code, error.error));
    }
    line
}
