//! `DescribeInstanceTypes`.

use serde_json::{Value, json};

use super::json;
use crate::aliyun::Admitted;
use crate::aliyun::error::ApiError;
use crate::world::Fault;
use crate::world::catalog::{InstanceType, TYPES};

/// The most types that may be asked for by name.
const MOST: usize = 10;

pub(super) fn describe(admitted: &Admitted<'_>, request_id: &str) -> Result<Vec<u8>, ApiError> {
    let wanted = admitted.params.numbered("InstanceTypes", MOST)?;
    let is_wanted =
        |known: &&InstanceType| wanted.is_empty() || wanted.iter().any(|name| name == known.id);
    let empty = admitted.blind || admitted.faults.contains(&Fault::Empty);
    let known: &[InstanceType] = if empty { &[] } else { &TYPES };
    let items: Vec<Value> = known.iter().filter(is_wanted).map(view).collect();
    json(&json!({
        "RequestId": request_id,
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
