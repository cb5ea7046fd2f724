//! `accounts`: list them, write them from a file, or resume one.

use cloud_sync_core::account::{AccountRecord, CredentialsRef};
use cloud_sync_core::identity::ANOTHER_ACCOUNT;
use cloud_sync_core::scope::Kind;
use cloud_sync_provider::Registry;
use cloud_sync_runtime::store::Store;

use super::args::{AccountsArgs, AccountsCommand, ApplyArgs, ResumeArgs, StorageArgs};
use super::config::load;
use super::{FAILED, SUCCESS, UsageError, sync};
use crate::connect::Tables;
use crate::output::Output;
use crate::table::{cell, table, time};

/// Runs the command.
pub(super) async fn run(args: &AccountsArgs, output: &Output) -> anyhow::Result<u8> {
    match &args.command {
        None => list(&args.storage, output).await,
        Some(AccountsCommand::List(list_args)) => list(&list_args.storage, output).await,
        Some(AccountsCommand::Apply(apply_args)) => apply(apply_args, output).await,
        Some(AccountsCommand::Resume(resume_args)) => resume(resume_args, output).await,
    }
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
    // Whoever resumes it after this takes the other account for the right one.
    let identity = match &record.identity {
        Some(_) if suspension.code == ANOTHER_ACCOUNT => {
            store.forget_identity(id).await?;
            None
        }
        identity => identity.clone(),
    };
    store.resume(id).await?;
    if output.is_json() {
        output.json(&AccountRecord { suspended: None, identity, ..record.clone() })?;
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
