//! The commands: what they are told, what they do, how they end.

pub mod args;

mod accounts;
mod changes;
mod config;
mod deletions;
mod demo;
mod follow;
mod plan;
mod resources;
mod serve;
pub mod simulate;
mod simulated_cloud;
mod stats;
mod status;
mod statuses;
mod summary;
mod sync;
mod tasks;
mod values;
mod verify;

use std::io;
use std::process::ExitCode;

use clap::Parser;
use cloud_sync_core::account::InvalidAccount;
use cloud_sync_dispatch::DispatchError;
use cloud_sync_dispatch::deletions::DecisionError;
use cloud_sync_runtime::config::AccountsFileError;
use cloud_sync_runtime::store::StoreError;
use thiserror::Error;

use self::args::{Cli, Command, DemoArgs};
use crate::output::{Output, logs_to_terminal};
use crate::service::ServiceError;

/// Everything that was asked for was done.
pub(crate) const SUCCESS: u8 = 0;
/// Nothing of it was.
pub(crate) const FAILED: u8 = 1;
/// It was asked for wrongly.
pub(crate) const USAGE: u8 = 2;
/// Some of it was done.
pub(crate) const PARTIAL: u8 = 3;

/// Options or configuration are wrong.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct UsageError(String);

impl UsageError {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

/// Runs the command that the process was started with.
#[must_use]
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let output = Output::new(cli.global.json, cli.global.quiet);
    cloud_sync_runtime::telemetry::init_local(
        log_directives(cli.command.as_ref(), cli.global.verbose),
        output.logs(),
        logs_to_terminal(),
    );
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            output.problem(format!("error: cannot start: {error}"));
            return FAILED.into();
        }
    };
    let code = runtime.block_on(run(cli, &output)).unwrap_or_else(|error| {
        let code = exit_code(&error);
        if code != SUCCESS {
            output.problem(format!("error: {error:#}"));
        }
        if let Some(hint) = hint(&error) {
            output.problem(hint);
        }
        code
    });
    // What is still running holds nothing that must be finished.
    runtime.shutdown_background();
    code.into()
}

/// Returns what is logged. The embedded database calls every condition that
/// does not hold an error; the service counts on them.
const fn log_directives(command: Option<&Command>, verbosity: u8) -> &'static str {
    match (verbosity, command) {
        (0, Some(Command::Serve(_))) | (1, _) => "info,dynoxide=off",
        // What goes wrong in a sync is in what the command shows.
        (0, _) => {
            "warn,dynoxide=off,region_sync=off,finalizer=off,cloud_sync_dispatch=off,\
             cloud_sync_runtime::notify=off,aws_config=off"
        }
        (2, _) => "debug,dynoxide=off,hyper=info,h2=info,rustls=info,aws_smithy=info,aws_sdk=info",
        _ => "trace",
    }
}

async fn run(cli: Cli, output: &Output) -> anyhow::Result<u8> {
    match cli.command.unwrap_or_else(|| Command::Demo(DemoArgs::default())) {
        Command::Demo(args) => demo::run(&args, output).await,
        Command::Sync(args) => sync::run(&args, output).await,
        Command::Plan(args) => plan::run(&args, output).await,
        Command::Status(args) => status::run(&args, output).await,
        Command::Resources(args) => resources::run(&args, output).await,
        Command::Stats(args) => stats::run(&args, output).await,
        Command::Changes(args) => changes::run(&args, output).await,
        Command::Tasks(args) => tasks::run(&args, output).await,
        Command::Deletions(args) => deletions::run(&args, output).await,
        Command::Accounts(args) => accounts::run(&args, output).await,
        Command::Serve(args) => serve::run(&args, output).await,
        Command::SimulatedCloud(args) => simulated_cloud::run(&args, output).await,
        Command::Simulate(args) => simulate::run(&args, output),
    }
}

/// Returns what to do about an error whose text cannot know it.
fn hint(error: &anyhow::Error) -> Option<&'static str> {
    let store = error.chain().find_map(|cause| cause.downcast_ref::<StoreError>());
    let StoreError::Refused { reason, .. } = store? else {
        return None;
    };
    reason.contains("ResourceNotFoundException").then_some(
        "the tables are not there: deploy the stack first, check --table-prefix, or let \
         `cloud-sync sync --aws --create` make some to try it out",
    )
}

/// Returns the exit code that an error stands for.
fn exit_code(error: &anyhow::Error) -> u8 {
    let is_usage = error.is::<UsageError>()
        || error.is::<AccountsFileError>()
        || error.is::<InvalidAccount>()
        || matches!(
            error.downcast_ref::<DecisionError>(),
            Some(DecisionError::UnknownAccount { .. })
        )
        || matches!(
            error.downcast_ref::<ServiceError>(),
            Some(ServiceError::Dispatch(DispatchError::Invalid(_)))
        );
    let reader_left = |error: &io::Error| error.kind() == io::ErrorKind::BrokenPipe;
    if is_usage {
        USAGE
    } else if error.downcast_ref::<io::Error>().is_some_and(reader_left) {
        // `cloud-sync resources | head` has shown what was wanted.
        SUCCESS
    } else {
        FAILED
    }
}
