//! A few rows as a table that fits a terminal: some of the columns, and of long values the
//! beginning.

use flow_sim::readback::Preview;

/// The widest a table may be.
const WIDTH: usize = 112;
/// The widest a column may be.
const CELL: usize = 24;
/// What stands between two columns.
const GAP: &str = "  ";

/// The lines of the table. Of its columns those are shown that fit: first the ones without nulls,
/// and among them the ones whose values differ.
pub(super) fn table(preview: &Preview) -> Vec<String> {
    let mut candidates: Vec<usize> = (0..preview.columns.len())
        .filter(|column| has_values(preview, *column))
        .collect();
    candidates.sort_by_key(|column| (has_nulls(preview, *column), is_constant(preview, *column)));
    let mut widths = Vec::new();
    let mut total = 0;
    for column in candidates {
        let width = width(preview, column);
        if total + width <= WIDTH {
            total += width + GAP.len();
            widths.push((column, width));
        }
    }
    widths.sort_unstable();
    let mut lines = vec![line(&widths, |column| preview.columns[column].clone())];
    lines.push(line(&widths, |_| "-".repeat(CELL)));
    lines.extend(
        preview
            .rows
            .iter()
            .map(|row| line(&widths, |column| row[column].clone().unwrap_or_default())),
    );
    let left_out = preview.columns.len() - widths.len();
    if left_out > 0 {
        lines.push(format!("… and {left_out} more columns"));
    }
    lines
}

fn has_nulls(preview: &Preview, column: usize) -> bool {
    preview.rows.iter().any(|row| row[column].is_none())
}

fn is_constant(preview: &Preview, column: usize) -> bool {
    preview
        .rows
        .windows(2)
        .all(|pair| pair[0][column] == pair[1][column])
}

fn has_values(preview: &Preview, column: usize) -> bool {
    preview.rows.iter().any(|row| row[column].is_some())
}

fn width(preview: &Preview, column: usize) -> usize {
    let cells = preview.rows.iter().filter_map(|row| row[column].as_deref());
    let longest = cells
        .chain([preview.columns[column].as_str()])
        .map(|text| text.chars().count())
        .max();
    longest.unwrap_or_default().min(CELL)
}

fn line(widths: &[(usize, usize)], text: impl Fn(usize) -> String) -> String {
    let cells: Vec<String> = widths
        .iter()
        .map(|(column, width)| cell(&text(*column), *width))
        .collect();
    cells.join(GAP).trim_end().to_owned()
}

/// A text at exactly `width`: filled up, or cut off with an ellipsis.
fn cell(text: &str, width: usize) -> String {
    let shown = |letter: char| if letter.is_control() { ' ' } else { letter };
    let is_rule = text.bytes().all(|byte| byte == b'-');
    if text.chars().count() <= width || is_rule {
        let short: String = text.chars().take(width).map(shown).collect();
        return format!("{short:width$}");
    }
    let beginning: String = text.chars().take(width - 1).map(shown).collect();
    format!("{beginning}…")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_fits_and_says_what_it_leaves_out() {
        let columns = ["id", "empty", "title", "a", "b", "c", "d", "e"];
        let long = "x".repeat(40);
        let row = |id: &str| {
            let rest = vec![Some(long.clone()); 5];
            [
                vec![Some(id.to_owned()), None, Some("line\nbreak".to_owned())],
                rest,
            ]
            .concat()
        };
        let preview = Preview {
            columns: columns.iter().map(|name| (*name).to_owned()).collect(),
            rows: vec![row("1"), row("20")],
        };
        let lines = table(&preview);
        assert!(
            lines.iter().all(|line| line.chars().count() <= WIDTH),
            "{lines:#?}"
        );
        assert!(lines[0].starts_with("id  title       a"), "{lines:#?}");
        assert!(
            lines[2].starts_with(&format!("1   line break  {}…", "x".repeat(23))),
            "{lines:#?}"
        );
        assert_eq!(
            lines.last().map(String::as_str),
            Some("… and 3 more columns")
        );
    }
}
