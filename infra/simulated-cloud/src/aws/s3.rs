//! S3: buckets. It is asked by paths, and the account's buckets are listed
//! wherever it is asked.

use std::collections::BTreeMap;
use std::ops::Bound;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::{Map, Value, json};

use super::error::{ApiError, Style};
use super::{Action, Asked, Product, number, timestamp};
use crate::front::listing::bent;
use crate::front::sign::unescape;
use crate::front::spoil::Shape;
use crate::front::token::{self, Position};
use crate::front::{Limit, Request};
use crate::world::Family;
use crate::world::TruthManaged;
use crate::world::model::{Holding, State};

pub(super) static PRODUCT: Product = Product {
    service: "s3",
    version: "2006-03-01",
    namespace: "http://s3.amazonaws.com/doc/2006-03-01/",
    style: Style::Rest,
    regional: false,
    limit: Limit::BUCKET,
    actions: &[
        Action {
            name: "ListBuckets",
            params: &["max-buckets", "continuation-token", "prefix", "bucket-region", "x-id"],
            shape: Some(Shape {
                items: &["Buckets", "Bucket"],
                id: "Name",
                status: &[],
                tags: |_, _, _| {},
                total: &[],
            }),
            answer: list,
        },
        Action {
            name: "GetBucketTagging",
            params: &["tagging", "x-id"],
            shape: None,
            answer: tagging,
        },
        Action {
            name: "GetBucketLocation",
            params: &["location", "x-id"],
            shape: None,
            answer: location,
        },
    ],
};

/// Where locations are not told, since it was the only one.
const FIRST_REGION: &str = "us-east-1";

/// Returns the name of the action that a path is for; empty if there is none.
pub(super) fn action(request: &Request<'_>) -> &'static str {
    let names: Vec<&str> =
        request.query.split('&').map(|pair| pair.split('=').next().unwrap_or_default()).collect();
    match request.path {
        _ if request.method != "GET" => "",
        "/" => "ListBuckets",
        _ if names.contains(&"tagging") => "GetBucketTagging",
        _ if names.contains(&"location") => "GetBucketLocation",
        _ => "",
    }
}

/// Returns the root of an action's reply.
pub(super) fn root(action: &str) -> &str {
    match action {
        "ListBuckets" => "ListAllMyBucketsResult",
        "GetBucketTagging" => "Tagging",
        "GetBucketLocation" => "LocationConstraint",
        other => other,
    }
}

/// A bucket, with where it is.
type Bucket<'a> = (&'a Holding, TruthManaged);

/// Returns an account's buckets by name.
fn buckets<'a>(asked: &Asked<'_>, state: &'a State) -> BTreeMap<String, Bucket<'a>> {
    let account = state.accounts.get(asked.admitted.account);
    let holdings = account.into_iter().flat_map(|account| account.holdings.values());
    let each = holdings.flat_map(|holding| {
        let all = holding.managed(Family::Bucket).iter();
        all.map(move |(code, managed)| {
            (holding, TruthManaged::of(holding, Family::Bucket, *code, managed))
        })
    });
    each.map(|bucket| (bucket.1.id.clone(), bucket)).collect()
}

/// Returns the token of the page after a bucket, and reads it.
fn seal(name: &str, listing: &str, seed: u64) -> String {
    let position = Position { after: 0, listed: 0 };
    let token = token::seal(position, &format!("{listing}\n{name}"), seed);
    BASE64_URL_SAFE_NO_PAD.encode(format!("{name} {token}"))
}

fn open(text: &str, listing: &str, seed: u64) -> Option<String> {
    let plain = String::from_utf8(BASE64_URL_SAFE_NO_PAD.decode(text).ok()?).ok()?;
    let (name, token) = plain.split_once(' ')?;
    token::open(token, &format!("{listing}\n{name}"), seed).map(|_| name.to_owned())
}

fn list(asked: &Asked<'_>) -> Result<Value, ApiError> {
    let params = asked.params;
    let most = params.number("max-buckets", (1, 10_000))?;
    let (prefix, region) = (params.get("prefix"), params.get("bucket-region"));
    let seed = asked.world.seed();
    let listing = format!("{}\n{prefix}\n{region}", asked.admitted.call.account);
    let read = |text: &str| {
        let name = open(text, &listing, seed).filter(|_| !asked.admitted.rejects_token());
        let message = "The continuation token provided is incorrect";
        name.ok_or_else(|| ApiError::new(400, "InvalidArgument", message))
    };
    let after = params.given("continuation-token").map(read).transpose()?;
    let state = asked.world.state();
    let mut all = buckets(asked, &state);
    all.retain(|name, (holding, _)| {
        !asked.admitted.sees_nothing()
            && name.starts_with(prefix)
            && (region.is_empty() || region == holding.region.id)
    });
    let from = after.as_ref().map_or(Bound::Unbounded, Bound::Excluded);
    let mut rest: Vec<(&String, &Bucket<'_>)> =
        all.range::<String, _>((from, Bound::Unbounded)).collect();
    let (size, lost) = bent(most.unwrap_or(usize::MAX), &asked.admitted.faults);
    let last = size.saturating_add(lost);
    // An empty page gets on from where it began.
    let next = (rest.len() > last).then(|| match last.checked_sub(1) {
        Some(place) => rest[place].0.clone(),
        None => after.clone().unwrap_or_default(),
    });
    rest.truncate(size);
    // The region is told only to who asks for something.
    let asks = most.is_some() || after.is_some() || !prefix.is_empty() || !region.is_empty();
    let items = rest.iter().map(|(name, (holding, truth))| {
        let mut item = json!({ "Name": name, "CreationDate": timestamp(truth.created) });
        if asks {
            item["BucketRegion"] = json!(holding.region.id);
        }
        item
    });
    let owner = json!({ "ID": number(asked.admitted.account).repeat(5), "DisplayName": "kim" });
    let mut reply = Map::new();
    reply.insert("Owner".to_owned(), owner);
    reply.insert("Buckets".to_owned(), json!({ "Bucket": items.collect::<Vec<_>>() }));
    if let Some(name) = next {
        reply.insert("ContinuationToken".to_owned(), json!(seal(&name, &listing, seed)));
    }
    if !prefix.is_empty() {
        reply.insert("Prefix".to_owned(), json!(prefix));
    }
    Ok(Value::Object(reply))
}

/// Returns the bucket that a path names.
fn named<'a>(asked: &Asked<'_>, state: &'a State) -> Result<Bucket<'a>, ApiError> {
    let path = asked.path.trim_start_matches('/');
    let name = unescape(path.split('/').next().unwrap_or_default());
    let found = buckets(asked, state).remove(&name).filter(|_| !asked.admitted.sees_nothing());
    let message = "The specified bucket does not exist";
    found.ok_or_else(|| ApiError::new(404, "NoSuchBucket", message))
}

fn tagging(asked: &Asked<'_>) -> Result<Value, ApiError> {
    let state = asked.world.state();
    let (holding, truth) = named(asked, &state)?;
    if holding.region.id != asked.admitted.call.region {
        return Err(ApiError::Elsewhere(holding.region.id));
    }
    if truth.tags.is_empty() {
        let message = "The TagSet does not exist";
        return Err(ApiError::new(404, "NoSuchTagSet", message));
    }
    let tags = truth.tags.iter().map(|(key, value)| json!({ "Key": key, "Value": value }));
    Ok(json!({ "TagSet": { "Tag": tags.collect::<Vec<_>>() } }))
}

fn location(asked: &Asked<'_>) -> Result<Value, ApiError> {
    let state = asked.world.state();
    let (holding, _) = named(asked, &state)?;
    Ok(match holding.region.id {
        FIRST_REGION => Value::Null,
        other => json!(other),
    })
}
