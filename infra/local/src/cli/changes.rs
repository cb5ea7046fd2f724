//! `changes`: the history, oldest first.

use std::collections::{BTreeSet, VecDeque};

use cloud_sync_core::change::{Change, ChangeKind};
use cloud_sync_core::diff::{Field, FieldChange, FieldChanges};
use cloud_sync_core::query::ScopeFilter;
use cloud_sync_runtime::query::accounts;
use cloud_sync_runtime::store::Store;
use comfy_table::Table;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

use super::SUCCESS;
use super::args::ChangesArgs;
use crate::connect::Tables;
use crate::output::Output;
use crate::table::{cell, count, keep_whole, lines, table, time};

/// So many are shown to people who do not say how many they want.
const SHOWN: usize = 50;

/// A value longer than this is cut in a table.
const LONGEST_VALUE: usize = 60;

/// A change as `--json` prints it.
#[derive(Serialize)]
struct Line<'a> {
    provider: &'a str,
    #[serde(flatten)]
    change: &'a Change,
}

/// Runs the command.
pub(super) async fn run(args: &ChangesArgs, output: &Output) -> anyhow::Result<u8> {
    let tables = Tables::read(&args.storage).await?;
    let shown = if args.follow {
        super::follow::follow(tables.store.clone(), args, output).await
    } else {
        show(tables.store.as_ref(), args, output).await
    };
    tables.close().await;
    shown.map(|()| SUCCESS)
}

async fn show(store: &dyn Store, args: &ChangesArgs, output: &Output) -> anyhow::Result<()> {
    let limit = match args.limit {
        Some(0) => usize::MAX,
        Some(limit) => limit,
        None if output.is_json() => usize::MAX,
        None => SHOWN,
    };
    let wanted = args.scopes.filter();
    let accounts = accounts(store, &wanted).await?;
    let mut source = match &args.id {
        Some(id) => Merged::of_resource(store, &accounts, id, wanted, args.since).await?,
        None => Merged::of_accounts(store, accounts, wanted, args.since),
    };
    let (mut last, mut all) = (VecDeque::new(), 0);
    while let Some(change) = source.next().await? {
        all += 1;
        if output.is_json() && limit == usize::MAX {
            print(&change, output)?;
            continue;
        }
        last.push_back(change);
        if last.len() > limit {
            last.pop_front();
        }
    }
    if output.is_json() {
        return last.iter().try_for_each(|change| print(change, output));
    }
    if all == 0 {
        output.remark("nothing changed");
        return Ok(());
    }
    output.text(change_table(&last).to_string())?;
    if all > last.len() as u64 {
        let (shown, all) = (last.len(), count(all));
        output.text(format!("the last {shown} of {all}; --limit 0 shows all"))?;
    }
    Ok(())
}

fn print(change: &Change, output: &Output) -> anyhow::Result<()> {
    Ok(output.json(&Line { provider: change.scope.kind.provider(), change })?)
}

/// Returns a table of changes, with a line for each field.
pub(super) fn change_table<'a>(changes: impl IntoIterator<Item = &'a Change>) -> Table {
    let mut table = table(&[
        ("TIME (UTC)", false),
        ("CHANGE", false),
        ("REGION", false),
        ("ID", false),
        ("WHAT", false),
    ]);
    for change in changes {
        let fields = what_changed(change.change, &change.fields);
        table.add_row([
            cell(time(change.at)),
            cell(change.change.as_str()),
            cell(&change.scope.region),
            cell(&change.id),
            lines(&fields),
        ]);
    }
    keep_whole(&mut table, &[1, 2, 3]);
    table
}

/// Returns what changed, a line for each field that tells something.
pub(super) fn what_changed(kind: ChangeKind, fields: &FieldChanges) -> Vec<String> {
    fields
        .iter()
        .filter(|(field, _)| is_telling(kind, **field))
        .map(|(field, values)| match kind {
            ChangeKind::Added => format!("{}: {}", field.as_str(), cut(&text_of(&values.new))),
            _ => format!("{}: {}", field.as_str(), shown(values)),
        })
        .collect()
}

/// Tells whether a field says more than the kind of change does. What a new
/// resource has is in its row, and a deleted one is always terminated.
fn is_telling(kind: ChangeKind, field: Field) -> bool {
    match kind {
        ChangeKind::Added => matches!(field, Field::Name | Field::Spec),
        ChangeKind::Deleted => false,
        // The common status follows from the vendor's word.
        ChangeKind::Updated | ChangeKind::Restored => field != Field::VendorStatus,
    }
}

/// Returns what became of a field, as people read it: of long sets only what
/// went and what came.
fn shown(values: &FieldChange) -> String {
    let (old, new) = (text_of(&values.old), text_of(&values.new));
    let is_long = old.chars().count() + new.chars().count() > LONGEST_VALUE;
    let (olds, news) = (parts_of(&values.old), parts_of(&values.new));
    if !is_long || olds.len() + news.len() < 3 {
        return format!("{} → {}", cut(&old), cut(&new));
    }
    let went = olds.iter().filter(|part| !news.contains(part)).map(|part| format!("-{part}"));
    let came = news.iter().filter(|part| !olds.contains(part)).map(|part| format!("+{part}"));
    went.chain(came).map(|part| cut(&part)).collect::<Vec<_>>().join(", ")
}

/// Returns a text, cut where it is long.
fn cut(text: &str) -> String {
    text.char_indices()
        .nth(LONGEST_VALUE)
        .map_or_else(|| text.to_owned(), |(end, _)| format!("{}…", &text[..end]))
}

/// Returns a value as people read it.
fn text_of(value: &Value) -> String {
    match parts_of(value).as_slice() {
        [] => "-".to_owned(),
        parts => parts.join(", "),
    }
}

/// Returns the parts of a value, one where it is no set, none where it is
/// empty. A disk is called by its id.
fn parts_of(value: &Value) -> Vec<String> {
    match value {
        Value::Null => Vec::new(),
        Value::String(text) => vec![text.clone()],
        Value::Array(items) => {
            items.iter().map(|item| item.get("id").map_or_else(|| text_of(item), text_of)).collect()
        }
        Value::Object(entries) => {
            entries.iter().map(|(key, value)| format!("{key}={}", text_of(value))).collect()
        }
        other => vec![other.to_string()],
    }
}

/// The changes of several accounts as one sequence in order of time, read a
/// page at a time.
struct Merged<'a> {
    store: &'a dyn Store,
    wanted: ScopeFilter,
    since: Option<Timestamp>,
    sources: Vec<Source>,
}

/// The changes of one account, of which some were read.
struct Source {
    account_id: String,
    read: VecDeque<Change>,
    cursor: Option<String>,
    is_whole: bool,
}

impl<'a> Merged<'a> {
    fn of_accounts(
        store: &'a dyn Store,
        accounts: BTreeSet<String>,
        wanted: ScopeFilter,
        since: Option<Timestamp>,
    ) -> Self {
        let source = |account_id| Source {
            account_id,
            read: VecDeque::new(),
            cursor: None,
            is_whole: false,
        };
        Self { store, wanted, since, sources: accounts.into_iter().map(source).collect() }
    }

    /// Returns the changes of the resources with an id, of which there is one
    /// but for chance.
    async fn of_resource(
        store: &'a dyn Store,
        accounts: &BTreeSet<String>,
        id: &str,
        wanted: ScopeFilter,
        since: Option<Timestamp>,
    ) -> anyhow::Result<Self> {
        let mut sources = Vec::new();
        for account_id in accounts {
            let mut scopes = store.scopes(account_id).await?;
            scopes.retain(|state| wanted.wants(&state.scope));
            for state in scopes {
                let mut read: VecDeque<_> = store.history(&state.scope, id).await?.into();
                read.retain(|change| since.is_none_or(|since| change.at >= since));
                let account_id = account_id.clone();
                sources.push(Source { account_id, read, cursor: None, is_whole: true });
            }
        }
        Ok(Self { store, wanted, since, sources })
    }

    async fn next(&mut self) -> anyhow::Result<Option<Change>> {
        for source in &mut self.sources {
            while source.read.is_empty() && !source.is_whole {
                let (account_id, cursor) = (&source.account_id, source.cursor.as_deref());
                let slice = self.store.account_changes(account_id, self.since, cursor).await?;
                let of_scopes = |change: &Change| self.wanted.wants(&change.scope);
                source.read = slice.items.into_iter().filter(of_scopes).collect();
                source.is_whole = slice.cursor.is_none();
                source.cursor = slice.cursor;
            }
        }
        let waiting = self.sources.iter_mut().filter(|source| !source.read.is_empty());
        let oldest = waiting.min_by_key(|source| source.read.front().map(|change| change.at));
        Ok(oldest.and_then(|source| source.read.pop_front()))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn change(old: Value, new: Value) -> String {
        shown(&FieldChange { old, new })
    }

    #[test]
    fn short_values_are_shown_whole_and_of_long_sets_the_difference() {
        assert_eq!(change(json!("running"), json!("stopped")), "running → stopped");
        assert_eq!(change(json!(["8.128.0.205"]), Value::Null), "8.128.0.205 → -");
        let disk = |id: &str| json!({ "id": id, "category": "cloud_essd", "size_gib": 40 });
        assert_eq!(change(json!([disk("d-1")]), json!([])), "d-1 → -");
        assert_eq!(change(json!([]), json!([disk("d-1")])), "- → d-1");
        let id = |n: u32| format!("sg-uf6acfm2kddl9irwqs{n:02}");
        let [one, two, three] = [1, 2, 3].map(id);
        let swapped = change(json!([one, two]), json!([one, three]));
        assert_eq!(swapped, format!("-{two}, +{three}"));
        let tags = |more: &str| json!({ "env": "a".repeat(50), "team": more });
        assert_eq!(change(tags("x"), tags("y")), "-team=x, +team=y");
        let long = change(json!("x".repeat(500)), json!("y"));
        assert_eq!(long, format!("{}… → y", "x".repeat(LONGEST_VALUE)));
    }
}
