//! Logs: structured for machines in Lambda, readable for people locally.

use std::io;

use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// The variable that says what is logged, as commonly in Rust.
const RUST_LOG: &str = "RUST_LOG";

/// The variable that Lambda's own log settings arrive in.
const LAMBDA_LEVEL: &str = "AWS_LAMBDA_LOG_LEVEL";

/// Starts structured logs on standard output: one JSON object a line, with the
/// fields of every span around it, task and scope among them.
///
/// What is shown is set by `RUST_LOG` or else `AWS_LAMBDA_LOG_LEVEL`; from
/// `info` up where neither says anything of use. A second call changes nothing.
pub fn init_lambda() {
    let filter = filter(
        std::env::var(RUST_LOG).ok().as_deref(),
        std::env::var(LAMBDA_LEVEL).ok().as_deref(),
    );
    start(lambda_subscriber(filter, io::stdout));
}

/// Starts readable logs on `writer`, coloured or not. What is shown is set by
/// `RUST_LOG` or else by `default`, in the same words: `warn,some_crate=off`.
/// A second call changes nothing.
pub fn init_local<W>(default: &str, writer: W, colours: bool)
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let given = std::env::var(RUST_LOG).ok().filter(|given| !given.is_empty());
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(LevelFilter::TRACE)
        .with_writer(writer)
        .with_ansi(colours)
        .finish()
        .with(filter(Some(given.as_deref().unwrap_or(default)), None));
    start(subscriber);
}

/// Installs a subscriber, unless one is installed already.
fn start(subscriber: impl SubscriberInitExt) {
    if subscriber.try_init().is_err() {
        tracing::debug!("logs were started before; going on with those");
    }
}

/// Reads what is to be shown: a level, or levels of crates and modules, as in
/// `warn,some_crate=debug`. What makes no sense is left out; where nothing
/// does, `level` counts. (Filters by spans and fields would need a regular
/// expression engine in every function.)
fn filter(rust_log: Option<&str>, level: Option<&str>) -> Targets {
    let level = match level {
        Some("FATAL") => LevelFilter::ERROR,
        Some(level) => level.parse().unwrap_or(LevelFilter::INFO),
        None => LevelFilter::INFO,
    };
    let parts = rust_log.unwrap_or_default().split(',').map(str::trim);
    let directives: Vec<&str> =
        parts.filter(|part| !part.is_empty() && part.parse::<Targets>().is_ok()).collect();
    match directives.join(",").parse() {
        Ok(targets) if !directives.is_empty() => targets,
        _ => Targets::new().with_default(level),
    }
}

fn lambda_subscriber<W>(filter: Targets, writer: W) -> impl SubscriberInitExt
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_current_span(false)
        .with_span_list(true)
        .with_max_level(LevelFilter::TRACE)
        .with_writer(writer)
        .finish()
        .with(filter)
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use serde_json::{Value, json};

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logged(filter: Targets, log: impl FnOnce()) -> Vec<Value> {
        let lines = Lines::default();
        let writer = lines.clone();
        let guard = lambda_subscriber(filter, move || writer.clone()).set_default();
        log();
        drop(guard);
        let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    #[test]
    fn every_line_has_the_fields_of_its_spans() {
        let lines = logged(filter(None, None), || {
            let outer = tracing::info_span!("region-sync", task_id = "t1", scope = "a/b/c");
            let _outer = outer.enter();
            let inner = tracing::info_span!("walk");
            let _inner = inner.enter();
            tracing::info!(pages = 3, "walked \"all\"\nof it");
        });
        assert_eq!(lines.len(), 1, "one line an event");
        assert_eq!(lines[0]["message"], "walked \"all\"\nof it");
        assert_eq!(lines[0]["level"], "INFO");
        assert_eq!(lines[0]["pages"], 3);
        let span = json!({"name": "region-sync", "task_id": "t1", "scope": "a/b/c"});
        assert_eq!(lines[0]["spans"][0], span);
    }

    fn shown(rust_log: Option<&str>, level: Option<&str>) -> Vec<String> {
        let lines = logged(filter(rust_log, level), || {
            tracing::error!("e");
            tracing::warn!("w");
            tracing::info!("i");
            tracing::debug!("d");
        });
        lines.iter().map(|line| line["message"].as_str().unwrap().to_owned()).collect()
    }

    #[test]
    fn the_level_comes_from_the_environment() {
        for (rust_log, level, expected) in [
            (None, None, "ewi"),
            (Some(""), None, "ewi"),
            (None, Some("DEBUG"), "ewid"),
            (None, Some("WARN"), "ew"),
            (None, Some("FATAL"), "e"),
            (None, Some("loud"), "ewi"),
            (Some("warn"), Some("DEBUG"), "ew"),
            (Some("some_crate=debug"), Some("WARN"), ""),
            (Some("some_crate=debug,error"), Some("WARN"), "e"),
            (Some("cloud_sync_runtime=debug, warn"), None, "ewid"),
            (Some("some_crate=loud"), Some("WARN"), "ew"),
            (Some("some_crate=loud,error"), None, "e"),
        ] {
            assert_eq!(shown(rust_log, level).concat(), expected, "{rust_log:?} {level:?}");
        }
    }
}
