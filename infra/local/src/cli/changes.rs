//! `changes`: the history, oldest first.

use std::collections::VecDeque;

use cloud_sync_core::change::{Change, ChangeKind};
use cloud_sync_core::diff::{Field, FieldChange};
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
    let shown = show(tables.store.as_ref(), args, output).await;
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
    let mut accounts = Vec::new();
    for record in store.accounts().await? {
        if args.accounts.is_empty() || args.accounts.contains(&record.account.id) {
            accounts.push(record.account.id);
        }
    }
    let mut source = match &args.id {
        Some(id) => Merged::of_resource(store, &accounts, id, args.since).await?,
        None => Merged::of_accounts(store, accounts, args.since),
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
        let fields: Vec<_> = change
            .fields
            .iter()
            .filter(|(field, _)| is_telling(change, **field))
            .map(|(field, values)| {
                let (old, new) = shown_pair(values);
                match change.change {
                    ChangeKind::Added => format!("{}: {new}", field.as_str()),
                    _ => format!("{}: {old} → {new}", field.as_str()),
                }
            })
            .collect();
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

/// Tells whether a field says more than the kind of change does. What a new
/// resource has is in its row, and a deleted one is always terminated.
fn is_telling(change: &Change, field: Field) -> bool {
    match change.change {
        ChangeKind::Added => matches!(field, Field::Name | Field::Spec),
        ChangeKind::Deleted => false,
        // The common status follows from the vendor's word.
        ChangeKind::Updated | ChangeKind::Restored => field != Field::VendorStatus,
    }
}

/// Returns old and new value as people read them: of long sets only what one
/// has and the other has not.
fn shown_pair(values: &FieldChange) -> (String, String) {
    let (old, new) = (text_of(&values.old), text_of(&values.new));
    let is_long = old.chars().count().max(new.chars().count()) > LONGEST_VALUE;
    let (old, new) = match (&values.old, &values.new) {
        (Value::Array(olds), Value::Array(news)) if is_long => {
            let only = |ones: &[Value], others: &[Value]| {
                let rest = ones.iter().filter(|one| !others.contains(one)).map(text_of);
                ["…".to_owned()].into_iter().chain(rest).collect::<Vec<_>>().join(", ")
            };
            (only(olds, news), only(news, olds))
        }
        _ => (old, new),
    };
    (cut(&old), cut(&new))
}

/// Returns a text, cut where it is long.
fn cut(text: &str) -> String {
    text.char_indices()
        .nth(LONGEST_VALUE)
        .map_or_else(|| text.to_owned(), |(end, _)| format!("{}…", &text[..end]))
}

/// Returns a value as people read it.
fn text_of(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(text_of).collect::<Vec<_>>().join(", "),
        Value::Object(disk) if disk.contains_key("size_gib") || disk.contains_key("category") => {
            disk.get("id").map(text_of).unwrap_or_default()
        }
        Value::Object(entries) => {
            let pairs = entries.iter().map(|(key, value)| format!("{key}={}", text_of(value)));
            pairs.collect::<Vec<_>>().join(", ")
        }
        other => other.to_string(),
    }
}

/// The changes of several accounts as one sequence in order of time, read a
/// page at a time.
struct Merged<'a> {
    store: &'a dyn Store,
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
    fn of_accounts(store: &'a dyn Store, accounts: Vec<String>, since: Option<Timestamp>) -> Self {
        let source = |account_id| Source {
            account_id,
            read: VecDeque::new(),
            cursor: None,
            is_whole: false,
        };
        Self { store, since, sources: accounts.into_iter().map(source).collect() }
    }

    /// Returns the changes of the resources with an id, of which there is one
    /// but for chance.
    async fn of_resource(
        store: &'a dyn Store,
        accounts: &[String],
        id: &str,
        since: Option<Timestamp>,
    ) -> anyhow::Result<Self> {
        let mut sources = Vec::new();
        for account_id in accounts {
            for state in store.scopes(account_id).await? {
                let mut read: VecDeque<_> = store.history(&state.scope, id).await?.into();
                read.retain(|change| since.is_none_or(|since| change.at >= since));
                let account_id = account_id.clone();
                sources.push(Source { account_id, read, cursor: None, is_whole: true });
            }
        }
        Ok(Self { store, since, sources })
    }

    async fn next(&mut self) -> anyhow::Result<Option<Change>> {
        for source in &mut self.sources {
            while source.read.is_empty() && !source.is_whole {
                let (account_id, cursor) = (&source.account_id, source.cursor.as_deref());
                let slice = self.store.account_changes(account_id, self.since, cursor).await?;
                source.read = slice.items.into();
                source.is_whole = slice.cursor.is_none();
                source.cursor = slice.cursor;
            }
        }
        let waiting = self.sources.iter_mut().filter(|source| !source.read.is_empty());
        let oldest = waiting.min_by_key(|source| source.read.front().map(|change| change.at));
        Ok(oldest.and_then(|source| source.read.pop_front()))
    }
}
