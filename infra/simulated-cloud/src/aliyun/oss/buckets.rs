//! What is asked of buckets: the list of an account's, and each one's facts.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::error::OssError;
use super::{Asked, sign};
use crate::aliyun::arguments::{spec, time};
use crate::aliyun::number;
use crate::front::listing::bent;
use crate::world::managed::Managed;
use crate::world::model::{Holding, State};
use crate::world::{Endpoints, Family, Fault};

/// How many buckets a page may hold at least and at most, and how many it
/// holds where nobody says.
const SIZES: (usize, usize, usize) = (1, 1000, 100);

/// An account's buckets by name, whatever their regions.
type Buckets<'a> = BTreeMap<&'a str, (&'a Holding, &'a Managed)>;

/// Answers `ListBuckets`. What is about pages is only said where all does not
/// fit one.
pub(super) fn list(asked: &Asked<'_>) -> Result<Value, OssError> {
    let (mut prefix, mut marker, mut size) = (String::new(), String::new(), SIZES.2);
    for (name, value) in sign::pairs(asked.request.query) {
        match name.as_str() {
            "prefix" => prefix = value,
            "marker" => marker = value,
            "max-keys" => {
                let number = value.parse().ok().filter(|n| (SIZES.0..=SIZES.1).contains(n));
                size = number.ok_or_else(|| OssError::invalid("max-keys", &value))?;
            }
            other => return Err(OssError::not_simulated(other)),
        }
    }
    if !asked.request.header("x-oss-resource-group-id").is_empty() {
        return Err(OssError::not_simulated("x-oss-resource-group-id"));
    }
    if !marker.is_empty() && asked.admitted.rejects_token() {
        return Err(OssError::invalid("marker", &marker));
    }
    let state = asked.world().state();
    let all = if asked.admitted.sees_nothing() { Buckets::new() } else { buckets(asked, &state) };
    let faults = &asked.admitted.faults;
    let fits = |name: &&str| name.starts_with(&prefix);
    let before = all.keys().rev().copied().filter(|name| fits(name) && *name <= marker.as_str());
    let (most, lost) = bent(size, faults);
    let mut after =
        all.keys().copied().filter(|name| fits(name) && *name > marker.as_str()).peekable();
    let mut names: Vec<&str> = after.by_ref().take(most + lost).collect();
    let next = after.peek().and(names.last().copied());
    names.truncate(most);
    for fault in faults {
        if let Fault::Repeat(count) = fault {
            let repeated: Vec<&str> = before.clone().take(*count).collect();
            names.splice(0..0, repeated.into_iter().rev());
        }
    }
    let items = names.iter().filter_map(|name| all.get(name));
    let items: Vec<Value> = items.map(|(holding, bucket)| view(asked, holding, bucket)).collect();
    let mut reply = json!({ "Owner": owner(asked), "Buckets": { "Bucket": items } });
    if next.is_some() || !marker.is_empty() {
        reply["Prefix"] = json!(prefix);
        reply["Marker"] = json!(marker);
        reply["MaxKeys"] = json!(size);
        reply["IsTruncated"] = json!(next.is_some());
        if let Some(next) = next {
            reply["NextMarker"] = json!(next);
        }
    }
    Ok(reply)
}

/// Answers `GetBucketTagging`. A bucket without tags has an empty set.
pub(super) fn tagging(asked: &Asked<'_>, name: &str) -> Result<Value, OssError> {
    let state = asked.world().state();
    let (_, bucket) = find(asked, &state, name)?;
    let tag = |(key, value): &(Box<str>, Box<str>)| json!({ "Key": key, "Value": value });
    let tags: Vec<Value> = bucket.tags().iter().map(tag).collect();
    Ok(json!({ "TagSet": { "Tag": tags } }))
}

/// Answers `GetBucketInfo`.
pub(super) fn info(asked: &Asked<'_>, name: &str) -> Result<Value, OssError> {
    let state = asked.world().state();
    let (holding, bucket) = find(asked, &state, name)?;
    let mut view = view(asked, holding, bucket);
    view["Owner"] = owner(asked);
    view["AccessControlList"] = json!({ "Grant": "private" });
    view["DataRedundancyType"] = json!("LRS");
    view["AccessMonitor"] = json!("Disabled");
    view["BlockPublicAccess"] = json!(true);
    view["Comment"] = json!("");
    Ok(json!({ "Bucket": view }))
}

fn buckets<'a>(asked: &Asked<'_>, state: &'a State) -> Buckets<'a> {
    let account = state.accounts.get(asked.admitted.account);
    let holdings = account.into_iter().flat_map(|account| account.holdings.values());
    let each = holdings.flat_map(|holding| {
        holding.managed(Family::Bucket).values().map(move |bucket| (holding, bucket))
    });
    each.map(|(holding, bucket)| (&*bucket.name, (holding, bucket))).collect()
}

/// Finds a bucket of the account's. A signature that is for a region is only
/// good for the buckets there.
fn find<'a>(
    asked: &Asked<'_>,
    state: &'a State,
    name: &str,
) -> Result<(&'a Holding, &'a Managed), OssError> {
    let all = if asked.admitted.sees_nothing() { Buckets::new() } else { buckets(asked, state) };
    let found = all.get(name).copied().ok_or_else(|| OssError::no_such_bucket(name))?;
    let region = asked.admitted.call.region.as_str();
    if !region.is_empty() && region != found.0.region.id {
        return Err(OssError::elsewhere(name, endpoint(asked, found.0, "")));
    }
    Ok(found)
}

fn view(asked: &Asked<'_>, holding: &Holding, bucket: &Managed) -> Value {
    json!({
        "Name": bucket.name,
        "CreationDate": time(bucket.created).replace('Z', ".000Z"),
        "Location": format!("oss-{}", holding.region.id),
        "Region": holding.region.id,
        "StorageClass": spec(holding, Family::Bucket, bucket),
        "ExtranetEndpoint": endpoint(asked, holding, ""),
        "IntranetEndpoint": endpoint(asked, holding, "-internal"),
        "ResourceGroupId": holding.resource_group_id(bucket.resource_group),
    })
}

fn endpoint(asked: &Asked<'_>, holding: &Holding, suffix: &str) -> String {
    match asked.world().endpoints() {
        Endpoints::Vendor => format!("oss-{}{suffix}.aliyuncs.com", holding.region.id),
        Endpoints::Server => asked.cloud.address.clone(),
    }
}

fn owner(asked: &Asked<'_>) -> Value {
    let number = number(asked.admitted.account).to_string();
    json!({ "ID": number, "DisplayName": number })
}
