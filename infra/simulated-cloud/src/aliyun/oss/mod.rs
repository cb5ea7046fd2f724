//! OSS: buckets, over REST and in XML.

mod buckets;
mod error;
mod sign;

use std::net::IpAddr;

use jiff::Timestamp;
use percent_encoding::percent_decode_str;
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use self::error::OssError;
use self::sign::Signed;
use super::Aliyun;
use super::sign::WINDOW;
use crate::front::spoil::Shape;
use crate::front::{Admitted, Answer, Caller, Limit, Request, xml};
use crate::world::{Call, Fault, World};

/// Where a list of buckets has what faults are about.
const LIST: Shape = Shape {
    items: &["Buckets", "Bucket"],
    id: "Name",
    // The nearest thing to a status that a bucket has.
    status: &["StorageClass"],
    tags: |item, key, value| item["Comment"] = json!(format!("{key}={value}")),
    total: &["MaxKeys"],
};

/// What a request is about: nothing, a bucket, or something in it.
#[derive(Clone, Debug)]
struct Target {
    bucket: Option<String>,
    object: String,
}

/// What is asked, by a call whose signature is good.
struct Asked<'a> {
    cloud: &'a Aliyun,
    request: &'a Request<'a>,
    admitted: Admitted,
}

impl<'a> Asked<'a> {
    fn world(&self) -> &'a World {
        &self.cloud.front.world
    }
}

impl Target {
    /// Reads it from the host, or from the path where the host has no room
    /// for a bucket: where it is the server's own address.
    fn of(request: &Request<'_>, address: &str) -> Self {
        let host = request.header("host");
        let name = host.split(':').next().unwrap_or_default();
        let path = percent_decode_str(request.path).decode_utf8_lossy();
        let path = path.trim_start_matches('/');
        let (own, outer) = (name.split_once('.'), name.ends_with(".aliyuncs.com"));
        let is_vendors = outer && name.starts_with("oss-");
        let bare =
            is_vendors || host == address || name == "localhost" || name.parse::<IpAddr>().is_ok();
        match own {
            Some((bucket, _)) if !bare => {
                Self { bucket: Some(bucket.to_owned()), object: path.to_owned() }
            }
            _ => {
                let (bucket, object) = path.split_once('/').unwrap_or((path, ""));
                let bucket = Some(bucket.to_owned()).filter(|bucket| !bucket.is_empty());
                Self { bucket, object: object.to_owned() }
            }
        }
    }

    /// Returns the path that is signed, wherever the bucket is named.
    fn resource(&self) -> String {
        match &self.bucket {
            Some(bucket) => format!("/{bucket}/{}", self.object),
            None => "/".to_owned(),
        }
    }
}

/// Tells whether a request is for the object store.
pub(super) fn is_for(request: &Request<'_>) -> bool {
    let scheme = request.header("authorization").split(' ').next().unwrap_or_default();
    let host = request.header("host");
    matches!(scheme, "OSS" | "OSS4-HMAC-SHA256")
        || (scheme.is_empty() && (host.starts_with("oss-") || host.contains(".oss-")))
        || request.headers.keys().any(|name| name.as_str().starts_with("x-oss-"))
}

/// Answers a request.
pub(super) fn answer(cloud: &Aliyun, request: &Request<'_>, now: Timestamp) -> Answer {
    let request_id = uuid::Uuid::new_v4().simple().to_string()[..24].to_uppercase();
    let mut faults = Vec::new();
    let (status, root, body) = match serve(cloud, request, now, &mut faults) {
        Ok((root, body)) => (200, root, body),
        Err(error) => (error.status, "Error", error.body(request.header("host"), &request_id)),
    };
    let body = xml::from_json(root, body.to_string().as_bytes());
    let latency = cloud.front.world.settings().latency;
    Answer::of(status, "application/xml", body, &faults, latency)
}

/// Returns the root of the answer and what is in it.
fn serve(
    cloud: &Aliyun,
    request: &Request<'_>,
    now: Timestamp,
    struck: &mut Vec<Fault>,
) -> Result<(&'static str, Value), OssError> {
    let world = &cloud.front.world;
    let target = Target::of(request, &cloud.address);
    let part = sign::pairs(request.query).map(|(name, _)| name).next().unwrap_or_default();
    let action = match (&target.bucket, part.as_str()) {
        (None, _) => "ListBuckets",
        (Some(_), "tagging") => "GetBucketTagging",
        (Some(_), "bucketInfo") => "GetBucketInfo",
        (Some(_), _) => "",
    };
    let signed = Signed::read(request);
    let caller = signed.as_ref().ok().and_then(|signed| cloud.front.caller(signed.key_id()));
    let call = Call {
        account: caller.as_ref().map(|caller| caller.id.clone()).unwrap_or_default(),
        region: signed.as_ref().map_or("", |signed| signed.region()).to_owned(),
        action: format!("oss:{action}"),
    };
    world.count(&call);
    let account = authenticate(request, &target, &signed?, caller, now)?;
    if request.method != "GET" || action.is_empty() || !target.object.is_empty() {
        return Err(OssError::not_simulated(&format!(
            "{} {}?{part}",
            request.method, request.path
        )));
    }
    let admitted =
        cloud.front.pass::<OssError>(account, call, (Limit::A_SECOND, false), now, struck)?;
    if !(world.is_open("oss", &admitted.call.region) && world.is_open("oss", "")) {
        return Err(OssError::not_open());
    }
    let asked = Asked { cloud, request, admitted };
    match (action, target.bucket.as_deref()) {
        ("GetBucketTagging", Some(name)) => Ok(("Tagging", buckets::tagging(&asked, name)?)),
        ("GetBucketInfo", Some(name)) => Ok(("BucketInfo", buckets::info(&asked, name)?)),
        _ => {
            let mut page = buckets::list(&asked)?;
            LIST.spoil(&mut page, struck, world.seed());
            Ok(("ListAllMyBucketsResult", page))
        }
    }
}

/// Checks who calls, and returns whose account it is.
fn authenticate(
    request: &Request<'_>,
    target: &Target,
    signed: &Signed<'_>,
    caller: Option<Caller>,
    now: Timestamp,
) -> Result<usize, OssError> {
    let Some(Caller { account, key, .. }) = caller else {
        return Err(OssError::no_such_key(signed.key_id()));
    };
    let sent = signed.time(request)?;
    if now.duration_since(sent).abs() > WINDOW {
        return Err(OssError::skewed(sent, now, WINDOW));
    }
    if !key.active {
        return Err(OssError::key_disabled(&key.id));
    }
    let given = ["x-oss-security-token", "security-token"].map(|name| request.header(name));
    let given = given.into_iter().find(|token| !token.is_empty()).unwrap_or_default();
    let token = key.token.as_ref().map_or("", |token| token.expose_secret());
    if given != token {
        return Err(OssError::bad_token());
    }
    if key.expires.is_some_and(|expires| expires <= now) {
        return Err(OssError::token_expired());
    }
    signed.check(request, target, &key.secret)?;
    Ok(account)
}
