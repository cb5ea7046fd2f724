//! What the tests of kinds share.

use cloud_sync_core::diff::Field;
use cloud_sync_core::resource::Resource;

/// Returns the fields that are filled in a resource.
pub(crate) fn told(resource: &Resource) -> Vec<Field> {
    let [full, empty] =
        [resource, &Resource::default()].map(|resource| serde_json::to_value(resource).unwrap());
    // Disks that are known to be none are not told by the vendor.
    let is_told = |name: &str| {
        full[name] != empty[name] && full[name].as_array().is_none_or(|items| !items.is_empty())
    };
    Field::ALL.into_iter().filter(|field| is_told(field.as_str())).collect()
}
