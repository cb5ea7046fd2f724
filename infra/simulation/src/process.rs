//! Processes: each has a clock of its own, and may die, panic or stand still
//! at any of its requests.

use std::future::poll_fn;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::Poll;
use std::time::Duration;

use cloud_sync_runtime::clock::Clock;
use futures::FutureExt;
use jiff::{SignedDuration, Timestamp};

use crate::universe::Universe;

/// No process makes more requests than this before its misfortune strikes.
const MOST_STEPS: u64 = 150;

/// The longest that a process stands still.
const MOST_FREEZE: Duration = Duration::from_secs(2 * 60 * 60);

/// A misfortune that awaits a process.
#[derive(Clone, Copy, Debug)]
enum Fate {
    None,
    /// It dies.
    Crash,
    /// Its code panics.
    Panic,
    /// It stands still for so long.
    Freeze(Duration),
}

/// What a request does, as far as misfortune goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// It reads, or asks the vendor.
    Read,
    /// It writes. A process that stands still between having looked at its
    /// clock and a write cannot be told from a slow write, and those end in
    /// time: `docs/SEMANTICS.md` has the assumption.
    Write,
}

/// A process of the service: one invocation of a function.
pub(crate) struct Process {
    pub universe: Arc<Universe>,
    /// The lease's owner begins with it.
    pub name: String,
    skew: SignedDuration,
    fate: Fate,
    fate_at: u64,
    steps: AtomicU64,
    dead: AtomicBool,
}

impl Drop for Process {
    fn drop(&mut self) {
        self.universe.end_process();
    }
}

impl Clock for Process {
    fn now(&self) -> Timestamp {
        self.universe.now() + self.skew
    }
}

impl Process {
    /// Starts a process. What will happen to it is drawn here.
    pub(crate) fn start(universe: &Arc<Universe>, function: &str) -> Arc<Self> {
        let number = universe.begin_process();
        let dice = &universe.dice;
        let fate = if universe.strikes(|chances| chances.crash) {
            Fate::Crash
        } else if universe.strikes(|chances| chances.panic) {
            Fate::Panic
        } else if universe.strikes(|chances| chances.freeze) {
            Fate::Freeze(dice.time(MOST_FREEZE))
        } else {
            Fate::None
        };
        let fate_at = dice.magnitude(MOST_STEPS);
        let range = universe.plan.skew;
        let skew = if universe.is_unrest() && !range.is_zero() {
            let skew = SignedDuration::try_from(dice.time(range * 2)).unwrap_or_default();
            skew - SignedDuration::try_from(range).unwrap_or_default()
        } else {
            SignedDuration::ZERO
        };
        Arc::new(Self {
            universe: universe.clone(),
            name: format!("{function}-{number}"),
            skew,
            fate,
            fate_at,
            steps: AtomicU64::default(),
            dead: AtomicBool::default(),
        })
    }

    /// Tells whether nobody stops the process at its deadline.
    pub(crate) const fn is_zombie(&self) -> bool {
        matches!(self.fate, Fate::Freeze(_))
    }

    /// Notes something for a reader of the trace.
    pub(crate) fn note(&self, what: impl FnOnce() -> String) {
        self.universe.note(&self.name, what);
    }

    /// Tells whether the process dies at its next step: a batch under way is
    /// written in part then.
    pub(crate) fn dies_next(&self) -> bool {
        let next = self.steps.load(Ordering::Relaxed) + 1;
        matches!(self.fate, Fate::Crash) && next == self.fate_at && self.universe.is_unrest()
    }

    /// Stands before and after every request of a process.
    pub(crate) async fn step(&self, step: Step, what: &str) {
        let number = self.steps.fetch_add(1, Ordering::Relaxed) + 1;
        if number == self.fate_at && self.universe.is_unrest() {
            match self.fate {
                Fate::None => {}
                Fate::Crash => {
                    self.universe.count("processes that died");
                    self.note(|| format!("dies at {what}"));
                    self.dead.store(true, Ordering::Relaxed);
                    std::future::pending::<()>().await;
                }
                Fate::Panic => {
                    self.universe.count("processes that panicked");
                    self.note(|| format!("panics at {what}"));
                    // Without the hook that prints it: it is no news.
                    std::panic::resume_unwind(Box::new(format!("simulated at {what}")));
                }
                Fate::Freeze(time) if step == Step::Read => {
                    self.universe.count("processes that stood still");
                    self.note(|| format!("stands still for {} s at {what}", time.as_secs()));
                    tokio::time::sleep(time).await;
                }
                Fate::Freeze(_) => {}
            }
        }
        let dice = &self.universe.dice;
        if dice.happens(0.25) {
            tokio::time::sleep(dice.time(Duration::from_millis(40))).await;
        }
    }

    /// Runs a process to its end. `None` where it died, panicked, or was
    /// stopped after `time`.
    pub(crate) async fn run<T>(
        self: &Arc<Self>,
        time: Duration,
        work: impl Future<Output = T>,
    ) -> Option<T> {
        let mut work = pin!(AssertUnwindSafe(work).catch_unwind());
        let living = poll_fn(|context| match work.as_mut().poll(context) {
            Poll::Ready(ended) => Poll::Ready(ended.ok()),
            Poll::Pending if self.dead.load(Ordering::Relaxed) => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        });
        if self.is_zombie() {
            return living.await;
        }
        let ended = tokio::time::timeout(time, living).await;
        ended.unwrap_or_else(|_| {
            self.universe.count("processes stopped at their deadline");
            self.note(|| "is stopped at its deadline".to_owned());
            None
        })
    }
}
