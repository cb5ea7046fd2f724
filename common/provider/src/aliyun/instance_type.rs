//! What the vendor's instance types are. Source: its reference of
//! `DescribeInstanceTypes`.

use cloud_sync_core::types::TypeSpec;
use serde::Deserialize;

use super::NEXT_TOKEN;
use crate::engine::decode::{Unreadable, is_id, nullable};
use crate::engine::spec::{ByIds, Call, IdForm, TypesSpec};

/// The types of virtual machines.
pub(super) const TYPES: TypesSpec = TypesSpec {
    call: Call {
        per_second: 5,
        ..Call::new("ecs", "2014-05-26", "DescribeInstanceTypes")
            .listing(&["InstanceTypes", "InstanceType"], NEXT_TOKEN)
    },
    by_ids: ByIds::new("InstanceTypes", IdForm::Numbered, 10),
    decode: decode_type,
};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct TypeItem {
    instance_type_id: String,
    cpu_core_count: u32,
    memory_size: f64,
    #[serde(rename = "GPUAmount", default, deserialize_with = "nullable")]
    gpu_amount: u32,
    #[serde(rename = "GPUSpec", default, deserialize_with = "nullable")]
    gpu_spec: String,
}

fn decode_type(item: &str) -> Result<(String, TypeSpec), Unreadable> {
    let item: TypeItem = serde_json::from_str(item)?;
    if !is_id(&item.instance_type_id) {
        return Err(Unreadable::value("InstanceTypeId", &item.instance_type_id, "a type"));
    }
    if !item.gpu_spec.is_empty() && !is_id(&item.gpu_spec) {
        return Err(Unreadable::value("GPUSpec", &item.gpu_spec, "a model"));
    }
    let spec = TypeSpec {
        vcpus: item.cpu_core_count,
        memory_gib: item.memory_size,
        gpus: item.gpu_amount,
        gpu_model: item.gpu_spec,
    };
    Ok((item.instance_type_id, spec))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_type_has_processors_memory_and_perhaps_more() {
        let item = json!({
            "InstanceTypeId": "ecs.gn7i-c8g1.2xlarge", "CpuCoreCount": 8, "MemorySize": 30.0,
            "GPUAmount": 1, "GPUSpec": "NVIDIA A10", "InstanceTypeFamily": "ecs.gn7i",
        });
        let (name, spec) = decode_type(&item.to_string()).unwrap();
        assert_eq!(
            (name.as_str(), spec.vcpus, spec.memory_gib),
            ("ecs.gn7i-c8g1.2xlarge", 8, 30.0)
        );
        assert_eq!((spec.gpus, spec.gpu_model.as_str()), (1, "NVIDIA A10"));
        let item = json!({
            "InstanceTypeId": "ecs.t5-lc2m1.nano", "CpuCoreCount": 1, "MemorySize": 0.5,
            "GPUAmount": 0, "GPUSpec": "",
        });
        let (_, spec) = decode_type(&item.to_string()).unwrap();
        assert_eq!((spec.memory_gib, spec.gpus, spec.gpu_model.as_str()), (0.5, 0, ""));
        for bad in [json!({}), json!({ "InstanceTypeId": "", "CpuCoreCount": 1, "MemorySize": 1 })]
        {
            assert!(decode_type(&bad.to_string()).is_err(), "{bad}");
        }
    }
}
