//! Word that something ended, for those who watch.

use std::io;
use std::time::Duration;

use cloud_sync_runtime::metrics::{MetricSink, RegionMetrics, TaskMetrics};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// Takes a metric as the word that a region or a task has ended. The numbers
/// themselves are in the tables, which the watcher reads.
#[derive(Debug, Default)]
pub struct WakeUp(Notify);

impl WakeUp {
    /// Gives the word.
    pub fn wake(&self) {
        self.0.notify_one();
    }

    /// Waits for the next word, at most so long.
    pub async fn wait(&self, longest: Duration) {
        // No word in time is as good as one.
        tokio::time::timeout(longest, self.0.notified()).await.ok();
    }
}

impl MetricSink for WakeUp {
    fn region(&self, _: RegionMetrics) {
        self.wake();
    }

    fn task(&self, _: TaskMetrics) {
        self.wake();
    }
}

/// The exit code of a run that was interrupted.
pub const INTERRUPTED: u8 = 130;

/// Returns a token that is cancelled by the first Ctrl-C (or SIGTERM). The
/// second ends the process at once.
///
/// # Errors
///
/// The system does not let signals be waited for.
pub fn cancelled_by_ctrl_c() -> io::Result<CancellationToken> {
    let token = CancellationToken::new();
    let (mut interrupts, cancel) = (Interrupts::new()?, token.clone());
    tokio::spawn(async move {
        interrupts.next().await;
        cancel.cancel();
        interrupts.next().await;
        std::process::exit(INTERRUPTED.into());
    });
    Ok(token)
}

#[cfg(unix)]
struct Interrupts {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Interrupts {
    fn new() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

#[cfg(windows)]
struct Interrupts(tokio::signal::windows::CtrlC);

#[cfg(windows)]
impl Interrupts {
    fn new() -> io::Result<Self> {
        tokio::signal::windows::ctrl_c().map(Self)
    }

    async fn next(&mut self) {
        self.0.recv().await;
    }
}
