//! `accounts`: list them, write them from a file, find those of organisations,
//! or resume one.

use std::sync::Arc;

use cloud_sync_core::account::{AccountRecord, CredentialsRef};
use cloud_sync_core::scope::Kind;
use cloud_sync_dispatch::Discovery;
use cloud_sync_provider::Registry;
use cloud_sync_runtime::store::Store;

use super::args::{
    AccountsArgs, AccountsCommand, ApplyArgs, DiscoverArgs, ResumeArgs, StorageArgs,
};
use super::config::load;
use super::{FAILED, PARTIAL, SUCCESS, UsageError, sync, verify};
use crate::connect::{self, Tables};
use crate::output::Output;
use crate::table::{cell, table, time};

/// Runs the command.
pub(super) async fn run(args: &AccountsArgs, output: &Output) -> anyhow::Result<u8> {
    match &args.command {
        None => list(&args.storage, output).await,
        Some(AccountsCommand::List(list_args)) => list(&list_args.storage, output).await,
        Some(AccountsCommand::Apply(apply_args)) => apply(apply_args, output).await,
        Some(AccountsCommand::Verify(verify_args)) => verify::run(verify_args, output).await,
        Some(AccountsCommand::Resume(resume_args)) => resume(resume_args, output).await,
        Some(AccountsCommand::Discover(discover_args)) => discover(discover_args, output).await,
    }
}

async fn discover(args: &DiscoverArgs, output: &Output) -> anyhow::Result<u8> {
    let tables = Tables::update(&args.storage, args.wait, "cloud-sync accounts discover").await?;
    let discovered = discover_in(&tables.store, args.id.as_deref(), output).await;
    tables.close().await;
    discovered
}

async fn discover_in(
    store: &Arc<dyn Store>,
    id: Option<&str>,
    output: &Output,
) -> anyhow::Result<u8> {
    let mut heads = store.accounts().await?;
    heads.retain(|head| match id {
        Some(id) => head.account.id == id,
        None => head.account.organization.is_some(),
    });
    if heads.is_empty() {
        let text = id.map_or_else(
            || "no account heads an organisation; give one organization = { role = \"…\" }".into(),
            |id| format!("there is no account '{id}'; `cloud-sync accounts` lists them"),
        );
        return Err(UsageError::new(text).into());
    }
    let mut failed = 0;
    for head in &heads {
        let account = &head.account;
        let dispatcher = connect::dispatcher(store, std::slice::from_ref(account)).await?;
        let discovery = match dispatcher.discover(head).await? {
            Ok(discovery) => discovery,
            Err(problem) => {
                failed += 1;
                output.problem(format!("error: account '{}': {}", account.id, problem.message));
                continue;
            }
        };
        let Discovery { added, enabled, disabled, unchanged } = &discovery;
        output.remark(format!(
            "account '{}': {} members added, {} back, {} left, {unchanged} as they were",
            account.id,
            added.len(),
            enabled.len(),
            disabled.len()
        ));
    }
    show(store.as_ref(), output).await?;
    Ok(match failed {
        0 => SUCCESS,
        failed if failed == heads.len() => FAILED,
        _ => PARTIAL,
    })
}

async fn resume(args: &ResumeArgs, output: &Output) -> anyhow::Result<u8> {
    let tables = Tables::update(&args.storage, args.wait, "cloud-sync accounts resume").await?;
    let resumed = resume_in(tables.store.as_ref(), &args.id, output).await;
    tables.close().await;
    resumed
}

async fn resume_in(store: &dyn Store, id: &str, output: &Output) -> anyhow::Result<u8> {
    let Some(record) = store.account(id).await? else {
        let known = store.accounts().await?;
        let known: Vec<_> = known.iter().map(|record| record.account.id.as_str()).collect();
        let text = format!("there is no account '{id}'; there are: {}", known.join(", "));
        return Err(UsageError::new(text).into());
    };
    let Some(suspension) = &record.suspended else {
        output.problem(format!("error: account '{id}' is not suspended"));
        return Ok(FAILED);
    };
    cloud_sync_dispatch::verify::resume(store, &record).await?;
    if output.is_json()
        && let Some(resumed) = store.account(id).await?
    {
        output.json(&resumed)?;
    }
    output.remark(format!(
        "account '{id}' is resumed; it was suspended on {} UTC after {}: {}. If the vendor refuses \
         its credentials again, it is suspended again",
        time(suspension.at),
        suspension.code,
        suspension.reason
    ));
    Ok(SUCCESS)
}

async fn apply(args: &ApplyArgs, output: &Output) -> anyhow::Result<u8> {
    let accounts = load(&args.config, &Registry::new()?)?;
    let tables = Tables::write(&args.storage, args.write, "cloud-sync accounts apply").await?;
    let written = sync::put_accounts(tables.store.as_ref(), &accounts).await;
    let shown = match written {
        Ok(()) => show(tables.store.as_ref(), output).await,
        Err(error) => Err(error.into()),
    };
    tables.close().await;
    shown?;
    output.remark(format!("{} accounts written", accounts.len()));
    Ok(SUCCESS)
}

async fn list(storage: &StorageArgs, output: &Output) -> anyhow::Result<u8> {
    let tables = Tables::read(storage).await?;
    let shown = show(tables.store.as_ref(), output).await;
    tables.close().await;
    shown.map(|()| SUCCESS)
}

async fn show(store: &dyn Store, output: &Output) -> anyhow::Result<()> {
    let records = store.accounts().await?;
    if output.is_json() {
        return records.iter().try_for_each(|record| Ok(output.json(record)?));
    }
    if records.is_empty() {
        output.remark("there is no account; `cloud-sync accounts apply` writes those of a file");
        return Ok(());
    }
    let mut table = table(&[
        ("ACCOUNT", false),
        ("NAME", false),
        ("PROVIDER", false),
        ("STATE", false),
        ("DEFAULT REGION", false),
        ("REGIONS", false),
        ("KINDS", false),
        ("CREDENTIALS", false),
    ]);
    records.iter().for_each(|record| {
        table.add_row(cells(record));
    });
    output.text(table.to_string())?;
    Ok(())
}

fn cells(record: &AccountRecord) -> Vec<comfy_table::Cell> {
    let account = &record.account;
    let state = match record {
        AccountRecord { suspended: Some(_), .. } => "suspended",
        _ if !account.enabled => "disabled",
        _ => "enabled",
    };
    let all_or = |names: Vec<&str>| match names.as_slice() {
        [] => "all".to_owned(),
        names => names.join(", "),
    };
    let credentials = match &account.credentials {
        CredentialsRef::Env(prefix) => format!("environment: {prefix}_…"),
        CredentialsRef::SecretArn(arn) => format!("secret: {arn}"),
        CredentialsRef::Own => "this process's own".to_owned(),
    };
    let credentials = match account.roles.last() {
        Some(role) => format!("{credentials}, as {}", role.arn),
        None => credentials,
    };
    vec![
        cell(&account.id),
        cell(&account.name),
        cell(&account.provider),
        cell(state),
        cell(&account.default_region),
        cell(all_or(account.regions.iter().map(String::as_str).collect())),
        cell(all_or(account.kinds.iter().map(Kind::as_str).collect())),
        cell(credentials),
    ]
}
