//! Prints everything that an account of AWS has, one JSON object a line, for
//! `tests/peers/aws_moto.py` to compare with what it made there.
//!
//! Usage: `list_aws ENDPOINT REGION`, with the key `test` and the secret `test`.

use std::io::{self, Write};
use std::sync::Arc;

use cloud_sync_core::account::{Account, CredentialsRef, Region};
use cloud_sync_core::credentials::Credentials;
use cloud_sync_core::error::VendorError;
use cloud_sync_core::resource::Resource;
use cloud_sync_core::scope::Kind;
use cloud_sync_provider::{Registry, Settings, Vendor, Vendors};
use serde_json::{Value, json};

type AnyError = Box<dyn std::error::Error>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), AnyError> {
    let mut given = std::env::args().skip(1);
    let (Some(endpoint), Some(region)) = (given.next(), given.next()) else {
        return Err("usage: list_aws ENDPOINT REGION".into());
    };
    let reference = CredentialsRef::Env("TEST".to_owned());
    let account = Account::new("test", "aws", &region, reference);
    let account = Account { endpoint: Some(endpoint), ..account };
    let credentials = Credentials {
        access_key_id: "test".to_owned(),
        access_key_secret: "test".to_owned().into(),
        security_token: None,
    };
    let registry = Registry::with(Settings::default())?;
    let vendor = registry.open(&account, credentials, Arc::default())?;
    let mut out = io::stdout().lock();
    let regions = vendor.regions().await?;
    let identity = vendor.identity().await?.map(|identity| identity.account_number);
    writeln!(out, "{}", json!({ "regions": regions, "account": identity }))?;
    for kind in Registry::kinds_of("aws")? {
        let place = match registry.is_global(&kind) {
            true => Region::global(),
            false => Region::new(&region),
        };
        for line in list(&*vendor, &kind, &place).await? {
            writeln!(out, "{line}")?;
        }
    }
    Ok(())
}

/// Returns what there is of a kind, with what asking by id and for statuses
/// tells of the same.
async fn list(vendor: &dyn Vendor, kind: &Kind, region: &Region) -> Result<Vec<Value>, AnyError> {
    let (mut listed, mut token) = (Vec::new(), None);
    loop {
        let page = vendor.page(kind, region, token.as_deref()).await?;
        if let Some(bad) = page.undecodable.first() {
            return Err(format!("{kind}: {bad:?}").into());
        }
        listed.extend(page.resources);
        token = page.next;
        if token.is_none() {
            break;
        }
    }
    details(vendor, kind, region, &mut listed).await?;
    let mut ids: Vec<String> = listed.iter().map(|resource| resource.id.clone()).collect();
    let unknown =
        if kind.as_str() == "aws.ec2.instance" { "i-0123456789abcdef0" } else { "no-one" };
    ids.push(unknown.to_owned());
    let again = vendor.reread(kind, region, &ids).await?.resources;
    let statuses = vendor.statuses(kind, region, &ids).await?;
    let line = |resource: &Resource| {
        json!({
            "kind": kind, "resource": resource, "status_alone": statuses.get(&resource.id),
            "found_by_id": again.iter().any(|found| found.id == resource.id),
        })
    };
    Ok(listed.iter().map(line).collect())
}

async fn details(
    vendor: &dyn Vendor,
    kind: &Kind,
    region: &Region,
    listed: &mut [Resource],
) -> Result<(), VendorError> {
    let mut details = vendor.details(kind, region, listed).await?;
    for resource in listed {
        details.remove(&resource.id).unwrap_or_default().put_into(resource);
    }
    Ok(())
}
