//! `DescribeInstanceTypes`.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::Page;
use crate::aws::error::ApiError;
use crate::aws::{Asked, Provider};
use crate::front::listing::Source;
use crate::world::catalog::{Catalog, InstanceType};

/// The sizes that a page may have.
const SIZES: (usize, usize) = (5, 100);
/// The most types that may be asked for by name.
const MOST: usize = 100;

pub(super) fn describe(asked: &Asked<'_>) -> Result<Value, ApiError> {
    let names = asked.params.list("InstanceType");
    if names.len() > MOST {
        return Err(ApiError::invalid("InstanceType", "more than 100"));
    }
    let page = Page::read(asked, SIZES, ("InstanceType", &names))?;
    let all: BTreeMap<u64, &InstanceType> = (0..).zip(Catalog::of(Provider::Aws).types).collect();
    let codes = names.iter().map(|name| {
        let found = all.iter().find(|(_, known)| known.id == name).map(|(code, _)| *code);
        found.ok_or_else(|| {
            let message = format!("The following supplied instance types do not exist: [{name}]");
            ApiError::new(400, "InvalidInstanceType", message)
        })
    });
    let only = (!names.is_empty()).then(|| codes.collect::<Result<_, _>>()).transpose()?;
    let source = Source {
        all: &all,
        only: asked.admitted.visible(only),
        filtered: false,
        most: usize::MAX,
        matches: |_, _: &&InstanceType| true,
    };
    let found = source.after(page.position, page.size, &asked.admitted.faults);
    let items: Vec<Value> = found.items.iter().map(|(_, known)| view(known)).collect();
    let mut reply = json!({ "instanceTypeSet": { "item": items } });
    if let Some(token) = page.token(found.next) {
        reply["nextToken"] = json!(token);
    }
    Ok(reply)
}

fn view(known: &InstanceType) -> Value {
    let arm = known.family.ends_with('g');
    let architecture = if arm { "arm64" } else { "x86_64" };
    let mut item = json!({
        "instanceType": known.id,
        "currentGeneration": true,
        "bareMetal": false,
        "hypervisor": "nitro",
        "processorInfo": { "supportedArchitectures": { "item": [architecture] } },
        "vCpuInfo": { "defaultVCpus": known.cpu },
        "memoryInfo": { "sizeInMiB": known.memory_mib },
        "instanceStorageSupported": known.local.0 > 0,
    });
    if known.gpus > 0 {
        let (maker, name) = known.gpu.split_once(' ').unwrap_or(("", known.gpu));
        let gpu = json!({ "name": name, "manufacturer": maker, "count": known.gpus });
        item["gpuInfo"] = json!({ "gpus": { "item": [gpu] } });
    }
    item
}
