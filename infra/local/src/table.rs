//! Tables and small pictures for people.

use comfy_table::{
    Cell, CellAlignment, ColumnConstraint, ContentArrangement, LineStyle, Table, TableStyle,
};
use jiff::Timestamp;

use crate::output::plain;

/// The longest bar, in characters.
const LONGEST_BAR: u64 = 40;

/// No lines but those that tell header from rows, and table from text.
const STYLE: TableStyle = TableStyle::new()
    .header_separator(LineStyle::none().fill('─').junction('─'))
    .bottom_border(LineStyle::none().fill('─').junction('─'));

/// A column: its title, and whether it holds numbers.
pub type Column = (&'static str, bool);

/// Returns an empty table with these columns.
#[must_use]
pub fn table(columns: &[Column]) -> Table {
    let mut table = Table::new();
    table
        .load_style(STYLE)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_header(columns.iter().map(|(title, _)| Cell::new(title)));
    for (column, (_, is_number)) in table.column_iter_mut().zip(columns) {
        column.set_cell_alignment(if *is_number {
            CellAlignment::Right
        } else {
            CellAlignment::Left
        });
    }
    table
}

/// Returns an empty table with a column of labels, and one of values for each
/// title.
#[must_use]
pub fn titled<'a>(titles: impl Iterator<Item = &'a str>) -> Table {
    let mut table = Table::new();
    table
        .load_style(STYLE)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_header([""].into_iter().chain(titles).map(cell));
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

/// Keeps the columns at these places from being wrapped: one copies ids from
/// them.
pub fn keep_whole(table: &mut Table, places: &[usize]) {
    for place in places {
        if let Some(column) = table.column_mut(*place) {
            column.set_constraint(ColumnConstraint::ContentWidth);
        }
    }
}

/// Returns a cell with a line for each text.
#[must_use]
pub fn lines(texts: &[String]) -> Cell {
    let line = |text: &String| plain(&text.replace('\n', " ")).into_owned();
    Cell::new(texts.iter().map(line).collect::<Vec<_>>().join("\n"))
}

/// Returns a cell whose text is safe to measure and to show, on one line.
#[must_use]
pub fn cell(text: impl AsRef<str>) -> Cell {
    Cell::new(plain(&text.as_ref().replace('\n', " ")))
}

/// Returns lines `label  ████ count`, the longest bar for the largest count.
#[must_use]
pub fn bars(counts: &[(String, u64)]) -> String {
    let width = counts.iter().map(|(label, _)| label.chars().count()).max().unwrap_or(0);
    let largest = counts.iter().map(|(_, count)| *count).max().unwrap_or(0).max(1);
    let line = |(label, count): &(String, u64)| {
        let eighths = count * LONGEST_BAR * 8 / largest;
        // What is there is seen, however little it is.
        let eighths = if *count > 0 { eighths.max(1) } else { 0 };
        let whole = "█".repeat(usize::try_from(eighths / 8).unwrap_or(0));
        let part =
            ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"][usize::try_from(eighths % 8).unwrap_or(0)];
        format!("  {label:width$}  {whole}{part} {count}")
    };
    counts.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// Returns a sign for each number, the tallest for the largest; a point for
/// none.
#[must_use]
pub fn sparkline(numbers: &[u64]) -> String {
    const SIGNS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let largest = numbers.iter().copied().max().unwrap_or(0).max(1);
    let sign = |number: &u64| match *number {
        0 => '·',
        number => SIGNS[usize::try_from((number * 8).div_ceil(largest) - 1).unwrap_or(0).min(7)],
    };
    numbers.iter().map(sign).collect()
}

/// Returns a number with its thousands apart: `12,345`.
#[must_use]
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let groups = digits.as_bytes().rchunks(3).rev();
    let groups: Vec<_> = groups.map(|group| String::from_utf8_lossy(group)).collect();
    groups.join(",")
}

/// Returns a time to the second, in UTC.
#[must_use]
pub fn time(time: Timestamp) -> String {
    time.strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// Returns a number of bytes, to three digits.
#[must_use]
pub fn bytes(number: u64) -> String {
    const UNITS: [&str; 4] = ["B", "KiB", "MiB", "GiB"];
    let (mut size, mut unit) = (number as f64, 0);
    while size >= 1000.0 && unit + 1 < UNITS.len() {
        size /= 1024.0;
        unit += 1;
    }
    let digits = if unit == 0 || size >= 100.0 { 0 } else { 1 };
    format!("{size:.digits$} {}", UNITS[unit])
}

/// Returns a duration as people say it.
#[must_use]
pub fn duration(milliseconds: i64) -> String {
    match milliseconds {
        ..1_000 => format!("{milliseconds} ms"),
        1_000..60_000 => format!("{}.{} s", milliseconds / 1000, milliseconds % 1000 / 100),
        _ => format!("{} min {} s", milliseconds / 60_000, milliseconds % 60_000 / 1000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_are_in_proportion_and_never_vanish() {
        let text =
            bars(&[("a".into(), 1000), ("bb".into(), 500), ("c".into(), 1), ("d".into(), 0)]);
        let lines: Vec<_> = text.lines().collect();
        let length = |line: &str| line.matches('█').count();
        assert_eq!((length(lines[0]), length(lines[1])), (40, 20));
        assert_eq!(lines[2], "  c   ▏ 1");
        assert_eq!(lines[3], "  d    0");
    }

    #[test]
    fn a_sparkline_is_in_proportion_and_nothing_is_a_point() {
        assert_eq!(sparkline(&[0, 1, 500, 1000]), "·▁▄█");
        assert_eq!((sparkline(&[0, 0]), sparkline(&[])), ("··".to_owned(), String::new()));
        assert_eq!(sparkline(&[u64::MAX / 8]), "█");
    }

    #[test]
    fn numbers_read_well() {
        let counts: Vec<_> = [0, 999, 1000, 1_234_567].map(count).to_vec();
        assert_eq!(counts, ["0", "999", "1,000", "1,234,567"]);
        let durations: Vec<_> = [7, 1250, 61_000].map(duration).to_vec();
        assert_eq!(durations, ["7 ms", "1.2 s", "1 min 1 s"]);
        let sizes: Vec<_> = [0, 999, 1024, 300 << 10, 5_400_000_000].map(bytes).to_vec();
        assert_eq!(sizes, ["0 B", "999 B", "1.0 KiB", "300 KiB", "5.0 GiB"]);
    }
}
