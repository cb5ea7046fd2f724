//! A year of changes, seen through the schedule: what looking costs, and how
//! long changes stay unseen, against one interval for all scopes.
//!
//! The changes are drawn by a seed and do not depend on when somebody looks.
//! How many pages a scope has is drawn apart from how often it changes: large
//! fleets that nobody touches are as common as small ones that never rest.

use std::fmt;

use anyhow::ensure;
use clap::Args;
use cloud_sync_core::message::Mode;
use cloud_sync_core::schedule::{Past, SchedulePolicy};
use jiff::{SignedDuration, Timestamp};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::Serialize;

const HOURS: f64 = 365.0 * 24.0;

/// The dispatcher's tick, in minutes.
const TICK: i64 = 5;

/// What is drawn and how.
#[derive(Clone, Copy, Debug, Args)]
pub struct Options {
    /// What the changes are drawn from
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many accounts; each has 25 regions, of which 3 are used
    #[arg(long, default_value_t = 40, value_parser = clap::value_parser!(u32).range(2..=10_000))]
    accounts: u32,
    /// The longest interval of scopes with resources, in minutes
    #[arg(long, default_value_t = SchedulePolicy::default().max_interval_minutes)]
    longest: u32,
    /// How many pages of 100 a scope in use has at most
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pages: u32,
    /// Fail where one interval for all takes less than so many times the calls
    #[arg(long, default_value_t = 3.0)]
    least_times: f64,
}

/// How a scope changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Habit {
    /// Never.
    Empty,
    /// Once in three days.
    Quiet,
    /// Twice a week for some hours, 30 times an hour.
    Bursty,
    /// Four times an hour by day, every other hour by night.
    Busy,
}

const HABITS: [Habit; 4] = [Habit::Empty, Habit::Quiet, Habit::Bursty, Habit::Busy];

struct Scope {
    habit: Habit,
    pages: u64,
    /// The hours at which it changes, in order.
    changes: Vec<f64>,
}

/// What a schedule came to.
#[derive(Clone, Copy, Debug, Default, Serialize)]
struct Sum {
    syncs: u64,
    api_calls: u64,
    changes: u64,
    /// The hours that changes stayed unseen, in sum.
    unseen_hours: f64,
}

impl Sum {
    fn staleness(&self) -> f64 {
        self.unseen_hours / self.changes.max(1) as f64
    }

    fn add(&mut self, other: &Self) {
        self.syncs += other.syncs;
        self.api_calls += other.api_calls;
        self.changes += other.changes;
        self.unseen_hours += other.unseen_hours;
    }
}

/// What one schedule came to over all scopes.
#[derive(Debug, Serialize)]
struct Year {
    schedule: String,
    api_calls: u64,
    mean_staleness_hours: f64,
    by_habit: Vec<(Habit, Sum)>,
}

/// What was measured.
#[derive(Debug, Serialize)]
pub struct Report {
    scopes: usize,
    changes: u64,
    adaptive: Year,
    fixed: Vec<Year>,
    /// One interval for all, at which changes stay unseen just longer.
    equal: Year,
    /// How many times the calls of the adaptive schedule that takes.
    times_cheaper: f64,
    #[serde(skip)]
    least_times: f64,
}

impl Report {
    /// Fails where the adaptive schedule is not as much cheaper as it should be.
    pub fn check(&self) -> anyhow::Result<()> {
        let (times, least) = (self.times_cheaper, self.least_times);
        ensure!(times >= least, "it is {times:.2} times cheaper, less than {least} times");
        Ok(())
    }
}

/// Runs the year.
pub fn run(options: Options) -> anyhow::Result<Report> {
    let scopes = scopes(options);
    let adaptive = {
        let policy =
            SchedulePolicy { max_interval_minutes: options.longest, ..SchedulePolicy::default() };
        year("adaptive".to_owned(), &scopes, &policy)
    };
    let every = |minutes: u32| {
        year(format!("every {minutes} min"), &scopes, &SchedulePolicy::every(minutes))
    };
    // The shortest interval, in ticks, at which changes stay unseen for longer:
    // what there is of doubt is to the good of one interval for all.
    let tick = u32::try_from(TICK)?;
    let (mut least, mut most) = (1, 24 * 60 / tick);
    while least + 1 < most {
        let middle = least.midpoint(most);
        if every(middle * tick).mean_staleness_hours <= adaptive.mean_staleness_hours {
            least = middle;
        } else {
            most = middle;
        }
    }
    let equal = every(most * tick);
    let changes = adaptive.by_habit.iter().map(|(_, sum)| sum.changes).sum();
    ensure!(changes > 0, "nothing changed");
    Ok(Report {
        scopes: scopes.len(),
        changes,
        times_cheaper: equal.api_calls as f64 / adaptive.api_calls as f64,
        least_times: options.least_times,
        fixed: [15, 60, 240].map(every).into(),
        equal,
        adaptive,
    })
}

fn scopes(options: Options) -> Vec<Scope> {
    let mut random = ChaCha8Rng::seed_from_u64(options.seed);
    let used = options.accounts * 3;
    let mut scopes = Vec::new();
    for n in 0..options.accounts * 25 {
        // Of those in use half are quiet, a quarter bursty, a quarter busy.
        let habit = match n % 4 {
            _ if n >= used => Habit::Empty,
            0 | 1 => Habit::Quiet,
            2 => Habit::Bursty,
            _ => Habit::Busy,
        };
        let pages = f64::from(options.pages).powf(random.random::<f64>()).round() as u64;
        let pages = if habit == Habit::Empty { 1 } else { pages };
        scopes.push(Scope { habit, pages, changes: changes(habit, &mut random) });
    }
    scopes
}

fn changes(habit: Habit, random: &mut ChaCha8Rng) -> Vec<f64> {
    let mut changes = Vec::new();
    match habit {
        Habit::Empty => {}
        Habit::Quiet => draw(random, 1.0 / 72.0, 0.0..HOURS, &mut changes),
        Habit::Bursty => {
            draw(random, 0.01, 0.0..HOURS, &mut changes);
            let mut begin = 0.0;
            while begin < HOURS {
                begin += wait(random, 2.0 / 168.0);
                let end = begin + random.random_range(0.5..4.0);
                draw(random, 30.0, begin..end, &mut changes);
            }
        }
        Habit::Busy => {
            for day in 0..365 {
                let morning = f64::from(day) * 24.0 + 8.0;
                draw(random, 4.0, morning..morning + 12.0, &mut changes);
                draw(random, 0.5, morning + 12.0..morning + 24.0, &mut changes);
            }
        }
    }
    changes.retain(|hour| *hour < HOURS);
    changes.sort_by(f64::total_cmp);
    changes
}

/// Returns how long it is to the next of what happens so often an hour.
fn wait(random: &mut ChaCha8Rng, an_hour: f64) -> f64 {
    -(1.0 - random.random::<f64>()).ln() / an_hour
}

fn draw(random: &mut ChaCha8Rng, an_hour: f64, when: std::ops::Range<f64>, into: &mut Vec<f64>) {
    let mut at = when.start + wait(random, an_hour);
    while at < when.end {
        into.push(at);
        at += wait(random, an_hour);
    }
}

fn year(schedule: String, scopes: &[Scope], policy: &SchedulePolicy) -> Year {
    let mut by_habit: Vec<_> = HABITS.iter().map(|habit| (*habit, Sum::default())).collect();
    let mut all = Sum::default();
    for scope in scopes {
        let sum = follow(scope, policy);
        all.add(&sum);
        by_habit.iter_mut().filter(|(habit, _)| *habit == scope.habit).for_each(|(_, of)| {
            of.add(&sum);
        });
    }
    Year { schedule, api_calls: all.api_calls, mean_staleness_hours: all.staleness(), by_habit }
}

/// Follows a scope through the year, tick by tick.
fn follow(scope: &Scope, policy: &SchedulePolicy) -> Sum {
    let (mut past, mut sum, mut seen) = (Past::default(), Sum::default(), 0);
    past.live_count = if scope.habit == Habit::Empty { 0 } else { scope.pages * 100 };
    let mut minute = 0;
    while (minute as f64) < HOURS * 60.0 {
        let now = Timestamp::UNIX_EPOCH + SignedDuration::from_mins(minute);
        minute += TICK;
        if let Some(mode) = policy.due(&past, 1.0, now) {
            let found = sync(scope, (minute - TICK) as f64 / 60.0, &mut seen, &mut sum);
            // A page of disks has five times as many.
            let disks = if mode == Mode::Full { scope.pages.div_ceil(5) } else { 0 };
            sum.syncs += 1;
            sum.api_calls += scope.pages + disks;
            past.rhythm = past.rhythm.after(now, found, scope.pages);
            past.dispatched_at = Some(now);
            past.last_full_at = if mode == Mode::Full { Some(now) } else { past.last_full_at };
            // The ticks at which it cannot be due are not worth asking.
            let interval = policy.interval(&past.rhythm, past.live_count, 1.0).as_mins();
            minute += ((interval / TICK - 1) * TICK).max(0);
        }
    }
    sum
}

/// Sees every change up to an hour, and returns how many there were.
fn sync(scope: &Scope, hour: f64, seen: &mut usize, sum: &mut Sum) -> u64 {
    let new = scope.changes[*seen..].iter().take_while(|at| **at <= hour);
    let mut found = 0;
    for at in new {
        sum.unseen_hours += hour - at;
        found += 1;
    }
    *seen += found;
    sum.changes += found as u64;
    found as u64
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "a year, {} scopes, {} changes", self.scopes, self.changes)?;
        writeln!(
            f,
            "\n{:<16}{:>12}{:>16}   calls (and hours unseen) by habit",
            "schedule", "API calls", "mean unseen h"
        )?;
        for year in self.fixed.iter().chain([&self.equal, &self.adaptive]) {
            write!(
                f,
                "{:<16}{:>12}{:>16.2}  ",
                year.schedule, year.api_calls, year.mean_staleness_hours
            )?;
            for (habit, sum) in &year.by_habit {
                let name = format!("{habit:?}").to_lowercase();
                write!(f, " {name} {} ({:.2})", sum.api_calls, sum.staleness())?;
            }
            writeln!(f)?;
        }
        write!(
            f,
            "\nthe adaptive schedule takes {:.1} times fewer calls than {}, and shows changes sooner",
            self.times_cheaper, self.equal.schedule
        )
    }
}
