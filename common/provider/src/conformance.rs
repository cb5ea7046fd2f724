//! What is known of each vendor and kind, as a page for people.

use std::fmt::Write;

use cloud_sync_core::diff::Field;

use crate::engine::spec::{ByIds, Call, Format, KindSpec, LimitScope, Paging, VendorSpec};
use crate::registry::VENDORS;

/// Returns the page, in Markdown, from what is declared.
#[must_use]
pub fn conformance() -> String {
    let mut page = HEAD.to_owned();
    for vendor in VENDORS {
        write_vendor(&mut page, vendor);
        vendor.kinds.iter().for_each(|kind| write_kind(&mut page, kind));
    }
    page
}

const HEAD: &str = "\
# Vendors and kinds

Made from the declarations in `common/provider` by `cargo run -p cloud-sync-provider --example providers > docs/PROVIDERS.md`; never edited by hand, and a test fails when it is stale.

*Requests a second* are what this service allows itself for an account, region and API: half of what the vendor documents, where it does, and less where `rates` or throttling says so. *Asked by id* is how a missing resource is looked for before it is believed gone. A *probe* asks the vendor whether the account may see what it does not see; without one, more deletions than are plausible are held all the same. Where the statuses come from another call, that is a second opinion on what is gone.
";

fn write_vendor(page: &mut String, vendor: &VendorSpec) {
    let named = |call: Option<&Call>| call.map_or("no", |call| call.action);
    let rows = [
        ("regions", vendor.regions.call.action),
        ("who is calling", named(vendor.identity.as_ref().map(|spec| &spec.call))),
        ("roles taken on", named(vendor.assume.as_ref().map(|spec| &spec.call))),
        ("members of organisations", named(vendor.members.as_ref().map(|spec| &spec.call))),
    ];
    line(page, &format!("\n## {}\n", vendor.name));
    line(page, "| account-wide | call |\n| --- | --- |");
    rows.iter().for_each(|(what, call)| line(page, &format!("| {what} | {call} |")));
    if !vendor.signatures.is_empty() {
        line(page, &format!("| signatures to choose | {} |", vendor.signatures.join(", ")));
    }
}

fn write_kind(page: &mut String, kind: &KindSpec) {
    line(page, &format!("\n### {}\n", kind.name));
    line(page, "| | |\n| --- | --- |");
    let mut row = |what: &str, text: String| line(page, &format!("| {what} | {text} |"));
    row("scope", if kind.is_global { "one an account, `global`" } else { "a region" }.to_owned());
    row("list", described(&kind.list, None));
    row("asked by id", asked(&kind.list, &kind.by_ids));
    for secondary in kind.secondary {
        let how = if secondary.lists_region { "a region's at once" } else { "by id" };
        let call = described(&secondary.call, Some(&secondary.by_ids));
        row("secondary call", format!("{call}, {how}"));
    }
    let statuses = kind.statuses.as_ref();
    row(
        "statuses",
        statuses.map_or_else(
            || "the list".to_owned(),
            |spec| {
                let call = described(&spec.call, Some(&spec.by_ids));
                format!("{call}, {} at once", spec.by_ids.most)
            },
        ),
    );
    row("tracked", fields(&kind.told()));
    let probe = kind.probe.as_ref();
    row(
        "probe",
        probe.map_or_else(|| "no".to_owned(), |probe| format!("yes: `{}`", probe.granted)),
    );
    let feed = kind.feed.as_ref();
    row("change feed", feed.map_or_else(|| "no".to_owned(), |feed| described(&feed.call, None)));
    let types = kind.types.as_ref();
    let types = types.map(|types| described(&types.call, Some(&types.by_ids)));
    row("types", types.unwrap_or_else(|| "no".to_owned()));
}

/// Returns what a call is, which is asked for given ids or for everything.
fn described(call: &Call, by_ids: Option<&ByIds>) -> String {
    let version = if call.version.is_empty() { "" } else { " " };
    let format = if call.format == Format::Xml { ", XML" } else { "" };
    let limit = if call.limit == LimitScope::Account { ", all regions together" } else { "" };
    format!(
        "`{}` ({}{version}{}{format}), {}, {} a second{limit}",
        call.action,
        call.product,
        call.version,
        paging(call, by_ids),
        call.per_second
    )
}

fn paging(call: &Call, by_ids: Option<&ByIds>) -> String {
    let by = match &call.paging {
        None => return "one page".to_owned(),
        Some(Paging::Token { .. }) => "token",
        Some(Paging::Pages { .. }) => "number",
        Some(Paging::Offset { .. }) => "offset",
    };
    let most = PAGE_SIZES.iter().find_map(|name| parameter(call, name));
    match (most, by_ids) {
        (Some(most), _) => format!("pages of {most} by {by}"),
        // Then it is asked for so many that a page holds them.
        (None, Some(by_ids)) => format!("pages of the {} asked about by {by}", by_ids.most),
        (None, None) => format!("pages by {by}"),
    }
}

/// What vendors call the parameter that says how long a page is.
const PAGE_SIZES: [&str; 7] =
    ["MaxResults", "PageSize", "MaxRecords", "max-keys", "max-buckets", "limit", "Limit"];

fn parameter(call: &Call, wanted: &str) -> Option<&'static str> {
    call.params.iter().find(|(name, _)| *name == wanted).map(|(_, value)| *value)
}

fn asked(list: &Call, by_ids: &ByIds) -> String {
    let call = by_ids.call.as_ref().unwrap_or(list);
    format!("`{}` by `{}`, {} at once", call.action, by_ids.param, by_ids.most)
}

fn fields(fields: &[Field]) -> String {
    fields.iter().map(|field| field.as_str()).collect::<Vec<_>>().join(", ")
}

fn line(page: &mut String, text: &str) {
    // Writing to a text cannot fail.
    _ = writeln!(page, "{text}");
}

#[cfg(test)]
mod tests {
    use cloud_sync_core::pace::FASTEST;

    use super::*;

    #[test]
    fn every_kind_is_told_with_what_is_tracked_of_it() {
        let page = conformance();
        for kind in VENDORS.iter().flat_map(|vendor| vendor.kinds) {
            assert!(page.contains(&format!("### {}\n", kind.name)), "{}", kind.name);
            assert!(!kind.told().is_empty(), "{} tracks nothing", kind.name);
        }
    }

    #[test]
    fn no_call_is_declared_faster_than_lessons_last() {
        let page = conformance();
        let rates = page.split(" a second").filter_map(|before| before.rsplit(' ').next());
        let rates: Vec<u32> = rates.filter_map(|rate| rate.parse().ok()).collect();
        assert!(rates.len() > 20 && rates.iter().all(|rate| *rate <= FASTEST), "{rates:?}");
    }

    #[test]
    fn every_list_says_how_long_its_pages_are() {
        let page = conformance();
        let silent: Vec<_> = page.lines().filter(|line| line.contains(", pages by ")).collect();
        assert!(silent.is_empty(), "declare a parameter of {PAGE_SIZES:?}: {silent:#?}");
    }
}
