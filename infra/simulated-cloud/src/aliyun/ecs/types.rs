//! `DescribeInstanceTypes`.

use serde_json::{Value, json};

use super::json;
use crate::aliyun::error::ApiError;
use crate::aliyun::rpc::Asked;
use crate::world::catalog::{InstanceType, TYPES};

/// The most types that may be asked for by name.
const MOST: usize = 10;

pub(super) fn describe(asked: &Asked<'_>) -> Result<Vec<u8>, ApiError> {
    let wanted = asked.params.numbered("InstanceTypes", MOST)?;
    let is_wanted =
        |known: &&InstanceType| wanted.is_empty() || wanted.iter().any(|name| name == known.id);
    let empty = asked.sees_nothing();
    let known: &[InstanceType] = if empty { &[] } else { &TYPES };
    let items: Vec<Value> = known.iter().filter(is_wanted).map(view).collect();
    json(&json!({
        "RequestId": asked.request_id,
        "NextToken": "",
        "InstanceTypes": { "InstanceType": items },
    }))
}

fn view(known: &InstanceType) -> Value {
    json!({
        "InstanceTypeId": known.id,
        "InstanceTypeFamily": known.family,
        "CpuCoreCount": known.cpu,
        "MemorySize": f64::from(known.memory_mib) / 1024.0,
        "GPUAmount": known.gpus,
        "GPUSpec": known.gpu,
        "LocalStorageAmount": known.local.0,
        "LocalStorageCapacity": known.local.1,
    })
}
