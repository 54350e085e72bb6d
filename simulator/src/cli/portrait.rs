//! What is in Parquet files, as lines that fit a terminal.

use flow_sim::inspect::{ColumnFacts, FileFacts, Inspection, RowGroupFacts};

use super::table::table;
use flow_sim::figures::{bytes, grouped, plural};

/// The widest a line may be.
const WIDTH: usize = 100;

/// What stands between two columns.
const GAP: &str = "  ";

/// The most row groups that are listed.
const ROW_GROUPS: usize = 8;

/// Whether a column's cells are text or numbers.
#[derive(Clone, Copy)]
enum Side {
    Left,
    Right,
}

/// The lines.
pub(super) fn portrait(inspection: &Inspection) -> Vec<String> {
    let mut lines = Vec::new();
    for file in &inspection.files {
        lines.extend(of_file(file));
        lines.push(String::new());
    }
    if !inspection.broken.is_empty() {
        lines.push("broken files:".to_owned());
        for broken in &inspection.broken {
            lines.extend(folded(&broken.name));
        }
        lines.push(String::new());
    }
    if inspection.more_files > 0 {
        lines.push(format!(
            "… and {} of {}; --files N looks into more",
            plural(inspection.more_files, "more file"),
            bytes(inspection.more_bytes)
        ));
        lines.push(String::new());
    }
    if !inspection.preview.rows.is_empty() {
        let rows = plural(inspection.preview.rows.len() as u64, "row");
        lines.push(format!("the first {rows} as DuckDB sees them:"));
        lines.extend(
            table(&inspection.preview)
                .iter()
                .map(|line| format!("  {line}")),
        );
    }
    lines.iter().map(|line| cut(line, WIDTH)).collect()
}

fn of_file(file: &FileFacts) -> Vec<String> {
    let mut lines = folded(&file.name);
    let by = file.created_by.as_deref().unwrap_or("an unknown writer");
    lines.push(format!(
        "  {}, {}, {}, {}, written by {by}",
        bytes(file.bytes),
        plural(file.rows, "row"),
        plural(file.row_groups.len() as u64, "row group"),
        plural(file.columns.len() as u64, "column"),
    ));
    lines.extend(titled("metadata", metadata(file)));
    lines.extend(titled("columns", columns(file)));
    lines.extend(titled("statistics", statistics(file)));
    lines.extend(titled("row groups", row_groups(file)));
    lines
}

/// A name of any length, over as many lines as it takes.
fn folded(name: &str) -> Vec<String> {
    let letters: Vec<char> = name.chars().collect();
    letters
        .chunks(WIDTH)
        .map(|chunk| chunk.iter().collect())
        .collect()
}

fn titled(title: &str, rows: Vec<String>) -> Vec<String> {
    if rows.is_empty() {
        return Vec::new();
    }
    let rows = rows.into_iter().map(|row| format!("    {row}"));
    [String::new(), format!("  {title}")]
        .into_iter()
        .chain(rows)
        .collect()
}

fn metadata(file: &FileFacts) -> Vec<String> {
    let rows = file.metadata.iter().map(|(key, value)| {
        let value = value.as_deref().unwrap_or("null");
        let value = match key.as_str() {
            "ARROW:schema" => format!("(an Arrow schema, {})", bytes(value.len() as u64)),
            _ => value.to_owned(),
        };
        vec![key.clone(), value]
    });
    aligned(&[(Side::Left, 32), (Side::Left, 62)], None, rows.collect())
}

fn columns(file: &FileFacts) -> Vec<String> {
    let total: u64 = file
        .columns
        .iter()
        .map(|column| column.compressed_bytes)
        .sum();
    let row = |column: &ColumnFacts| {
        vec![
            column.name.clone(),
            kind(column),
            bytes(column.compressed_bytes),
            percent(column.compressed_bytes, total),
            ratio(column.uncompressed_bytes, column.compressed_bytes),
            encodings(column),
        ]
    };
    aligned(
        &[
            (Side::Left, 22),
            (Side::Left, 30),
            (Side::Right, 10),
            (Side::Right, 5),
            (Side::Right, 6),
            (Side::Left, 26),
        ],
        Some(&[
            "column",
            "type",
            "size",
            "share",
            "ratio",
            "compression, encodings",
        ]),
        file.columns.iter().map(row).collect(),
    )
}

fn kind(column: &ColumnFacts) -> String {
    let marker = match column.repetition.as_str() {
        "OPTIONAL" => "",
        "REPEATED" => " repeated",
        _ => " required",
    };
    format!("{}{marker}", column.kind)
}

/// Codecs and encodings by the short names that people use.
fn encodings(column: &ColumnFacts) -> String {
    let short = |name: &String| {
        name.replace("RLE_DICTIONARY", "DICT")
            .replace("PLAIN_DICTIONARY", "DICT")
            .replace("DELTA_BINARY_PACKED", "DELTA")
            .replace("DELTA_LENGTH_BYTE_ARRAY", "DELTA_LENGTH")
            .replace("BYTE_STREAM_SPLIT", "SPLIT")
    };
    let mut names: Vec<String> = column
        .compression
        .iter()
        .chain(&column.encodings)
        .map(short)
        .collect();
    names.dedup();
    names.join(" ")
}

fn statistics(file: &FileFacts) -> Vec<String> {
    let none = || "–".to_owned();
    let row = |column: &ColumnFacts| {
        vec![
            column.name.clone(),
            column.nulls.map_or_else(none, grouped),
            column.min.clone().unwrap_or_else(none),
            column.max.clone().unwrap_or_else(none),
        ]
    };
    aligned(
        &[
            (Side::Left, 22),
            (Side::Right, 11),
            (Side::Left, 29),
            (Side::Left, 29),
        ],
        Some(&["column", "nulls", "min", "max"]),
        file.columns.iter().map(row).collect(),
    )
}

fn row_groups(file: &FileFacts) -> Vec<String> {
    let row = |(number, group): (usize, &RowGroupFacts)| {
        vec![
            number.to_string(),
            grouped(group.rows),
            bytes(group.compressed_bytes),
            bytes(group.uncompressed_bytes),
            ratio(group.uncompressed_bytes, group.compressed_bytes),
        ]
    };
    let mut lines = aligned(
        &[
            (Side::Right, 6),
            (Side::Right, 14),
            (Side::Right, 12),
            (Side::Right, 14),
            (Side::Right, 6),
        ],
        Some(&["", "rows", "size", "uncompressed", "ratio"]),
        file.row_groups
            .iter()
            .enumerate()
            .take(ROW_GROUPS)
            .map(row)
            .collect(),
    );
    if file.row_groups.len() > ROW_GROUPS {
        let more = (file.row_groups.len() - ROW_GROUPS) as u64;
        lines.push(format!("… and {} more; --json has them all", grouped(more)));
    }
    lines
}

/// Rows below a heading, each column as wide as it must be and at most as wide as it may. None
/// where there are no rows.
fn aligned(
    columns: &[(Side, usize)],
    heading: Option<&[&str]>,
    rows: Vec<Vec<String>>,
) -> Vec<String> {
    if rows.is_empty() {
        return Vec::new();
    }
    let heading = heading.map(|names| names.iter().map(|name| (*name).to_owned()).collect());
    let rows: Vec<Vec<String>> = heading.into_iter().chain(rows).collect();
    let widths: Vec<usize> = columns
        .iter()
        .enumerate()
        .map(|(index, (_, most))| {
            let longest = rows.iter().map(|row| row[index].chars().count()).max();
            longest.unwrap_or_default().min(*most)
        })
        .collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(columns).zip(&widths);
        let cells: Vec<String> = cells
            .map(|((text, (side, _)), width)| {
                let text = cut(text, *width);
                match side {
                    Side::Left => format!("{text:<width$}"),
                    Side::Right => format!("{text:>width$}"),
                }
            })
            .collect();
        cells.join(GAP).trim_end().to_owned()
    };
    rows.iter().map(line).collect()
}

/// A text of at most `width` letters; what was longer ends with an ellipsis. Control characters
/// become spaces.
fn cut(text: &str, width: usize) -> String {
    let shown = |letter: char| if letter.is_control() { ' ' } else { letter };
    if text.chars().count() <= width {
        return text.chars().map(shown).collect();
    }
    let beginning: String = text
        .chars()
        .take(width.saturating_sub(1))
        .map(shown)
        .collect();
    format!("{beginning}…")
}

fn percent(part: u64, whole: u64) -> String {
    if whole == 0 {
        return String::new();
    }
    format!("{:.0} %", part as f64 * 100.0 / whole as f64)
}

fn ratio(before: u64, after: u64) -> String {
    if after == 0 {
        return String::new();
    }
    format!("{:.1}", before as f64 / after as f64)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use flow_sim::inspect::BrokenFile;
    use flow_sim::readback::Preview;

    use super::*;

    fn column(name: &str, kind: &str) -> ColumnFacts {
        ColumnFacts {
            name: name.to_owned(),
            kind: kind.to_owned(),
            repetition: "OPTIONAL".to_owned(),
            compression: vec!["SNAPPY".to_owned()],
            encodings: vec!["PLAIN".to_owned(), "RLE_DICTIONARY".to_owned()],
            compressed_bytes: 750,
            uncompressed_bytes: 1500,
            nulls: Some(3),
            min: Some("a".repeat(200)),
            max: None,
        }
    }

    fn inspection() -> Inspection {
        let group = RowGroupFacts {
            rows: 1_000_000,
            compressed_bytes: 1 << 20,
            uncompressed_bytes: 3 << 20,
            columns: Vec::new(),
        };
        let file = FileFacts {
            name: format!("s3://bucket/{}.parquet", "x".repeat(150)),
            bytes: 2048,
            rows: 10_000_000,
            format_version: 1,
            created_by: Some("someone".to_owned()),
            metadata: BTreeMap::from([
                ("ARROW:schema".to_owned(), Some("A".repeat(2048))),
                (
                    "collection".to_owned(),
                    Some("acmeCo/orders\nnew line".to_owned()),
                ),
            ]),
            columns: vec![
                column("id", "INT64"),
                column(&"long".repeat(30), "INT64 (TIMESTAMP(MICROS,true))"),
            ],
            row_groups: vec![group; 10],
        };
        Inspection {
            files: vec![file],
            broken: vec![BrokenFile {
                name: format!("{}\n.parquet", "folder/".repeat(20)),
                problem: "…".to_owned(),
            }],
            more_files: 2,
            more_bytes: 4096,
            preview: Preview {
                columns: vec!["id".to_owned()],
                rows: vec![vec![Some("1".to_owned())]],
            },
        }
    }

    #[test]
    fn every_line_fits_a_terminal() {
        for line in portrait(&inspection()) {
            assert!(line.chars().count() <= WIDTH, "{line}");
            assert!(!line.contains(char::is_control), "{line:?}");
        }
    }

    #[test]
    fn everything_is_there() {
        let text = portrait(&inspection()).join("\n");
        for part in [
            "2.0 KiB, 10,000,000 rows, 10 row groups, 2 columns, written by someone",
            "ARROW:schema  (an Arrow schema, 2.0 KiB)",
            "collection    acmeCo/orders new line",
            "SNAPPY PLAIN DICT",
            "50 %",
            "… and 2 more; --json has them all",
            "… and 2 more files of 4.0 KiB; --files N looks into more",
            "the first 1 row as DuckDB sees them:",
        ] {
            assert!(text.contains(part), "`{part}` is not in:\n{text}");
        }
    }
}
