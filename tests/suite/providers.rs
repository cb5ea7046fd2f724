//! docs/PROVIDERS.md, which is made from what is declared.

use std::path::Path;

#[test]
fn the_page_of_vendors_is_what_is_declared() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/PROVIDERS.md");
    let page = std::fs::read_to_string(path).unwrap();
    let declared = cloud_sync_provider::conformance();
    let differs = page.lines().zip(declared.lines()).find(|(page, declared)| page != declared);
    assert!(
        page == declared,
        "docs/PROVIDERS.md is stale, first at {differs:?}: run \
         `cargo run -p cloud-sync-provider --example providers > docs/PROVIDERS.md`"
    );
}
