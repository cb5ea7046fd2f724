//! Alibaba Cloud's requests, in each of its signatures.

use std::io::{self, Write};

use cloud_sync_core::credentials::Credentials;
use cloud_sync_provider::aliyun::acs3::{self, Acs3Request};
use cloud_sync_provider::aliyun::oss_sign::{self, OssRequest};
use cloud_sync_provider::aliyun::sign;
use serde_json::{Value, json};

use crate::{AWKWARD, Pairs, TOKENS, at, owned, secret};

/// What the object store is asked: the bucket, if one, and the parameters.
const OF_STORE: &[(Option<&str>, Pairs)] = &[
    (None, &[]),
    (None, &[("max-keys", "1000")]),
    (None, &[("marker", "my-bucket-09"), ("max-keys", "1000"), ("prefix", "my-")]),
    (None, &[("prefix", "生产 ~*+/=&'()")]),
    (Some("example-bucket"), &[("tagging", "")]),
    (Some("example-bucket"), &[("acl", ""), ("Upper", "1"), ("lower_", ""), ("lower-", "a b")]),
];

/// Prints requests of every signature, with a token and without.
pub(crate) fn print(out: &mut dyn Write) -> io::Result<()> {
    requests().into_iter().try_for_each(|request| writeln!(out, "{request}"))
}

fn requests() -> Vec<Value> {
    let mut all = Vec::new();
    for token in TOKENS {
        let numbered = || (0..).zip(AWKWARD);
        // The vendor's newer code does not encode names, of which none has to.
        let is_plain = |pairs: &Pairs| {
            let mut bytes = pairs.iter().flat_map(|(name, _)| name.bytes());
            bytes.all(|byte| byte.is_ascii_alphanumeric() || b"._".contains(&byte))
        };
        for method in ["GET", "POST"] {
            all.extend(numbered().map(|(n, extra)| rpc_v1(token, method, n, extra)));
            let plain = numbered().filter(|(_, extra)| is_plain(extra));
            all.extend(plain.map(|(n, extra)| acs3(token, method, n, extra)));
        }
        for region in ["cn-hangzhou", "ap-southeast-1"] {
            let numbered = (0..).zip(OF_STORE);
            all.extend(
                numbered.map(|(n, (bucket, params))| oss(token, region, n, *bucket, params)),
            );
        }
    }
    all
}

fn credentials(token: Option<&str>, n: i64) -> Credentials {
    Credentials {
        access_key_id: "STS.LTAI-example".to_owned(),
        access_key_secret: secret(n).to_owned().into(),
        security_token: token.map(|token| token.to_owned().into()),
    }
}

fn rpc_v1(token: Option<&str>, method: &str, n: i64, extra: Pairs) -> Value {
    let mut params = owned(&[("Action", "DescribeInstances"), ("Version", "2014-05-26")]);
    params.extend(owned(extra));
    let nonce = format!("nonce-{method}-{n}");
    let params = sign::signed(&credentials(token, n), method, params, &nonce, at(n));
    json!({ "signature": "rpc-v1", "method": method, "params": params, "secret": secret(n) })
}

fn acs3(token: Option<&str>, method: &str, n: i64, extra: Pairs) -> Value {
    let mut params = owned(&[("RegionId", "cn-hangzhou")]);
    params.extend(owned(extra));
    let host = ["ecs.cn-hangzhou.aliyuncs.com", "127.0.0.1:8080"][usize::from(n % 3 == 1)];
    let request = Acs3Request {
        method,
        host,
        action: "DescribeInstances",
        version: "2014-05-26",
        params: &params,
    };
    let headers =
        acs3::signed(&credentials(token, n), request, &format!("nonce-{method}-{n}"), at(n));
    json!({
        "signature": "acs3", "method": method, "params": params, "headers": headers,
        "secret": secret(n),
    })
}

fn oss(token: Option<&str>, region: &str, n: i64, bucket: Option<&str>, pairs: Pairs) -> Value {
    let params = owned(pairs);
    let path = bucket.map_or("/".to_owned(), |bucket| format!("/{bucket}/"));
    let request = OssRequest { method: "GET", region, path: &path, params: &params };
    let headers = oss_sign::signed(&credentials(token, n), request, at(n));
    json!({
        "signature": "oss4", "method": "GET", "region": region, "bucket": bucket,
        "params": params, "headers": headers, "secret": secret(n), "token": token,
    })
}
