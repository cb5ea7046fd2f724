//! `serve`: keep accounts in sync on schedule, until Ctrl-C.

use std::future::IntoFuture;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use api::{Access, Api};
use cloud_sync_core::account::Account;
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

/// Runs the command.
pub(super) async fn run(args: &ServeArgs, output: &Output) -> anyhow::Result<u8> {
    check_listen(args.listen)?;
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
            served = serve(args, &accounts, parts, listener, &cancel, output) => served,
            never = sweep(tables.database()) => never,
        }
    }
    .await;
    tables.close().await;
    served.map(|()| SUCCESS)
}

/// Refuses to listen where other machines could call: the API does not ask
/// who they are.
fn check_listen(address: SocketAddr) -> Result<(), UsageError> {
    if address.ip().is_loopback() {
        return Ok(());
    }
    Err(UsageError::new(format!(
        "--listen {address}: other machines could call it, and the API does not ask who calls; \
         listen on 127.0.0.1 and let a proxy that asks stand in front"
    )))
}

async fn serve(
    args: &ServeArgs,
    accounts: &[Account],
    parts: Parts,
    listener: TcpListener,
    cancel: &CancellationToken,
    output: &Output,
) -> anyhow::Result<()> {
    let store = parts.store.clone();
    let give_up_after = args.work.give_up_after;
    let options = Options { workers: args.work.workers.into(), give_up_after };
    let service = LocalService::new(parts, options);
    service.recover().await?;
    sync::put_accounts(store.as_ref(), accounts).await?;
    let api = Api::new(service.dispatcher(), Access::Loopback);
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
