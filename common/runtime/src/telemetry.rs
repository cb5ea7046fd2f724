//! Logs: structured for machines in Lambda, readable for people locally.

use std::io;

use tracing::level_filters::LevelFilter;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::util::SubscriberInitExt;

/// The variable that Lambda's own log settings arrive in.
const LAMBDA_LEVEL: &str = "AWS_LAMBDA_LOG_LEVEL";

/// Starts structured logs on standard output: one JSON object a line, with the
/// fields of every span around it, task and scope among them.
///
/// What is shown is set by `RUST_LOG` or else `AWS_LAMBDA_LOG_LEVEL`; from
/// `info` up where neither says anything of use. A second call changes nothing.
pub fn init_lambda() {
    let filter = filter(
        std::env::var(EnvFilter::DEFAULT_ENV).ok().as_deref(),
        std::env::var(LAMBDA_LEVEL).ok().as_deref(),
    );
    start(lambda_subscriber(filter, io::stdout));
}

/// Starts readable logs on `writer`, coloured or not: from `warn` up, or for a
/// verbosity of 1, 2 and more from `info`, `debug` and `trace` up. `RUST_LOG`,
/// where set, has the last word. A second call changes nothing.
pub fn init_local<W>(verbosity: u8, writer: W, colours: bool)
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let level = match verbosity {
        0 => "warn",
        1 => "info",
        2 => "debug",
        _ => "trace",
    };
    let directives = std::env::var(EnvFilter::DEFAULT_ENV).ok();
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter(directives.as_deref(), Some(level)))
        .with_writer(writer)
        .with_ansi(colours)
        .finish();
    start(subscriber);
}

/// Installs a subscriber, unless one is installed already.
fn start(subscriber: impl SubscriberInitExt) {
    if subscriber.try_init().is_err() {
        tracing::debug!("logs were started before; going on with those");
    }
}

fn filter(rust_log: Option<&str>, level: Option<&str>) -> EnvFilter {
    let level = match level {
        Some("FATAL") => LevelFilter::ERROR,
        Some(level) => level.parse().unwrap_or(LevelFilter::INFO),
        None => LevelFilter::INFO,
    };
    // An empty list of directives leaves the default one.
    let directives = rust_log.unwrap_or_default();
    EnvFilter::builder().with_default_directive(level.into()).parse_lossy(directives)
}

fn lambda_subscriber<W>(filter: EnvFilter, writer: W) -> impl SubscriberInitExt
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_current_span(false)
        .with_span_list(true)
        .with_env_filter(filter)
        .with_writer(writer)
        .finish()
}
