//! `serve`: keep accounts in sync on schedule, until Ctrl-C.

use std::ffi::OsString;
use std::future::IntoFuture;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use api::{Access, Api};
use cloud_sync_core::account::Account;
use cloud_sync_runtime::metrics::{EventMetrics, MetricSink, RegionMetrics, TaskMetrics};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::args::ServeArgs;
use super::config::{load, with_credentials};
use super::{SUCCESS, UsageError, sync};
use crate::connect::{self, Tables};
use crate::database::Database;
use crate::output::Output;
use crate::service::{LocalService, Options, Parts};
use crate::signals::cancelled_by_ctrl_c;

/// How often what has outlived its time is removed.
const SWEEP_EVERY: Duration = Duration::from_secs(60 * 60);

/// Where the API's token is: in no argument, which other users could see.
const TOKEN: &str = "CLOUD_SYNC_API_TOKEN";

/// A shorter token could be guessed.
const SHORTEST_TOKEN: usize = 16;

/// Tells the log what became of vendors' events. What regions and tasks
/// amount to is in the tables.
struct LoggedEvents;

impl MetricSink for LoggedEvents {
    fn region(&self, _: RegionMetrics) {}

    fn task(&self, _: TaskMetrics) {}

    fn events(&self, metrics: EventMetrics) {
        let EventMetrics { provider, account_id, events, .. } = metrics;
        tracing::info!(
            provider,
            account = account_id,
            events,
            events_taken = metrics.events_taken,
            events_known = metrics.events_known,
            events_unknown = metrics.events_unknown,
            events_idle = metrics.events_idle,
            "heard of events"
        );
    }
}

/// Runs the command.
pub(super) async fn run(args: &ServeArgs, output: &Output) -> anyhow::Result<u8> {
    let access = access(args.listen, std::env::var_os(TOKEN))?;
    let vendors = Arc::new(connect::vendors(args.work.give_up_after)?);
    let accounts = load(&args.config, &vendors)?;
    let credentials = connect::credentials(&accounts).await?;
    let (_, problems) = with_credentials(accounts.clone(), credentials.as_ref()).await;
    for problem in problems {
        // Whoever serves may put them right without stopping it.
        output.problem(format!("account '{}': {}", problem.account_id, problem.message));
    }
    let listener = TcpListener::bind(args.listen).await;
    let listener = listener.with_context(|| format!("cannot listen on {}", args.listen))?;
    let tables = Tables::write(&args.storage, args.write, "cloud-sync serve").await?;
    let cancel = cancelled_by_ctrl_c()?;
    let served = async {
        let parts = connect::parts(
            &tables,
            &args.storage,
            (&args.queues, args.write),
            vendors,
            credentials,
        );
        let parts = parts.await?;
        tokio::select! {
            served = serve(args, &accounts, parts, (listener, access), &cancel, output) => served,
            never = sweep(tables.database()) => never,
        }
    }
    .await;
    tables.close().await;
    served.map(|()| SUCCESS)
}

/// Returns who may call: those who know the token, where there is one, else
/// this machine's programs. Refuses to listen where others could call without
/// one.
fn access(address: SocketAddr, token: Option<OsString>) -> Result<Access, UsageError> {
    let Some(token) = token else {
        if address.ip().is_loopback() {
            return Ok(Access::Loopback);
        }
        return Err(UsageError::new(format!(
            "--listen {address}: other machines could call it; set {TOKEN} to a secret that \
             callers have to give, or listen on 127.0.0.1"
        )));
    };
    let token = token.to_str().unwrap_or_default();
    if token.len() < SHORTEST_TOKEN || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(UsageError::new(format!(
            "{TOKEN} has to have {SHORTEST_TOKEN} visible characters or more: \
             `openssl rand -hex 32` makes good ones"
        )));
    }
    Ok(Access::Token(token.to_owned().into()))
}

async fn serve(
    args: &ServeArgs,
    accounts: &[Account],
    parts: Parts,
    (listener, access): (TcpListener, Access),
    cancel: &CancellationToken,
    output: &Output,
) -> anyhow::Result<()> {
    let store = parts.store.clone();
    let give_up_after = args.work.give_up_after;
    let options = Options { workers: args.work.workers.into(), give_up_after };
    let service = LocalService::new(parts, options);
    service.recover().await?;
    sync::put_accounts(store.as_ref(), accounts).await?;
    let api = Api { metrics: Arc::new(LoggedEvents), ..Api::new(service.dispatcher(), access) };
    let address = listener.local_addr()?;
    let every = args.every.unsigned_abs();
    output.remark(format!(
        "serving {} accounts; looking for what is due every {}; HTTP API on http://{address}; \
         Ctrl-C stops",
        accounts.len(),
        crate::table::duration(i64::try_from(every.as_millis()).unwrap_or(i64::MAX)),
    ));
    let requests = axum::serve(listener, api::router(api))
        .with_graceful_shutdown(cancel.clone().cancelled_owned());
    let requests = tokio::spawn(requests.into_future());
    let served = service.serve(every, cancel).await;
    // Requests still running would only meet closed tables.
    requests.abort();
    Ok(served?)
}

/// Removes what has outlived its time, again and again.
async fn sweep(database: Option<&Database>) -> anyhow::Result<()> {
    loop {
        tokio::time::sleep(SWEEP_EVERY).await;
        if let Some(database) = database {
            match database.sweep().await {
                Ok(removed) => tracing::info!(removed, "swept what has outlived its time"),
                Err(error) => tracing::warn!(%error, "the sweep failed; the next one tries again"),
            }
        }
    }
}
