//! Compares files with what they must hold: columns, types, order, and every value of every row,
//! each exactly once.

use std::fmt;
use std::ops::ControlFlow;

use super::cell::Cell;
use super::duck::Duck;
use super::error::Result;
use super::expected::Expected;
use super::fetch::{Fetched, file_name};
use crate::runtime::Row;

/// The first difference between what was sent and what was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The source of the binding.
    pub collection: String,
    /// The file's key, where there is one.
    pub file: Option<String>,
    /// The row within the file, from 0.
    pub row: Option<u64>,
    /// The column.
    pub column: Option<String>,
    /// What was sent.
    pub expected: String,
    /// What was found.
    pub found: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "`{}`", self.collection)?;
        if let Some(file) = &self.file {
            write!(formatter, ", file {file}")?;
        }
        if let Some(row) = self.row {
            write!(formatter, ", row {row}")?;
        }
        if let Some(column) = &self.column {
            write!(formatter, ", column `{column}`")?;
        }
        write!(
            formatter,
            ": expected {}, found {}",
            self.expected, self.found
        )
    }
}

/// What the comparison of a binding's files found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Compared {
    /// The keys of the files that were read to their end, with how many rows each has.
    pub file_rows: Vec<(String, u64)>,
    /// How many rows were compared and found equal.
    pub equal_rows: u64,
    /// The first difference, if there is one.
    pub difference: Option<Difference>,
}

/// Compares a binding's files, in the order of [`super::fetch()`], with what they must hold.
pub fn compare(duck: &Duck, expected: &Expected<'_>, files: &[Fetched]) -> Result<Compared> {
    let mut compared = Compared::default();
    for (begin, rows) in &expected.shards {
        let shard = format!("{begin:08x}-");
        let mut remaining = rows.as_slice();
        for file in files
            .iter()
            .filter(|file| file_name(&file.key).starts_with(&shard))
        {
            compare_file(duck, expected, file, &mut remaining, &mut compared)?;
            if compared.difference.is_some() {
                return Ok(compared);
            }
        }
        compared.difference = missing(expected, remaining);
        if compared.difference.is_some() {
            return Ok(compared);
        }
    }
    compared.difference = stranger(expected, files);
    Ok(compared)
}

fn compare_file(
    duck: &Duck,
    expected: &Expected<'_>,
    file: &Fetched,
    remaining: &mut &[&Row],
    compared: &mut Compared,
) -> Result<()> {
    let found = duck.describe(&file.path)?;
    compared.difference = columns_differ(expected, file, &found);
    if compared.difference.is_some() {
        return Ok(());
    }
    let mut row = 0;
    duck.rows(&file.path, |cells| {
        compared.difference = match remaining.split_first() {
            None => Some(difference(
                expected,
                file,
                Some(row),
                "no further row",
                &show(&cells),
            )),
            Some((sent, rest)) => {
                *remaining = rest;
                row_differs(expected, file, row, sent, &cells)
            }
        };
        if compared.difference.is_some() {
            return ControlFlow::Break(());
        }
        row += 1;
        ControlFlow::Continue(())
    })?;
    compared.equal_rows += row;
    compared.file_rows.push((file.key.clone(), row));
    Ok(())
}

fn columns_differ(
    expected: &Expected<'_>,
    file: &Fetched,
    found: &[(String, String)],
) -> Option<Difference> {
    let described = expected.described();
    let length = described.len().max(found.len());
    let index = (0..length).find(|index| described.get(*index) != found.get(*index))?;
    let show = |column: Option<&(String, String)>| {
        column.map_or_else(
            || "no further column".to_owned(),
            |(name, sql)| format!("`{name}` {sql}"),
        )
    };
    let place = format!("as column {index} {}", show(described.get(index)));
    Some(difference(
        expected,
        file,
        None,
        &place,
        &show(found.get(index)),
    ))
}

fn row_differs(
    expected: &Expected<'_>,
    file: &Fetched,
    row: u64,
    sent: &Row,
    cells: &[Cell],
) -> Option<Difference> {
    let names = expected.described();
    let wanted = expected.cells(sent);
    let index = wanted
        .iter()
        .zip(cells)
        .position(|(wanted, found)| !wanted.accepts(found))?;
    let mut difference = difference(
        expected,
        file,
        Some(row),
        &wanted[index].to_string(),
        &cells[index].to_string(),
    );
    difference.column = names.get(index).map(|(name, _)| name.clone());
    Some(difference)
}

fn missing(expected: &Expected<'_>, remaining: &[&Row]) -> Option<Difference> {
    let first = remaining.first()?;
    Some(Difference {
        collection: expected.collection.clone(),
        file: None,
        row: None,
        column: None,
        expected: format!(
            "{} more rows, the first with the key {}",
            remaining.len(),
            serde_json::Value::from(first.key.clone())
        ),
        found: format!("the end of the files below {}", expected.prefix),
    })
}

/// A file of no shard that has run.
fn stranger(expected: &Expected<'_>, files: &[Fetched]) -> Option<Difference> {
    let is_known = |file: &&Fetched| {
        expected
            .shards
            .keys()
            .any(|begin| file_name(&file.key).starts_with(&format!("{begin:08x}-")))
    };
    let file = files.iter().find(|file| !is_known(file))?;
    Some(difference(expected, file, None, "no such file", "one"))
}

fn difference(
    expected: &Expected<'_>,
    file: &Fetched,
    row: Option<u64>,
    wanted: &str,
    found: &str,
) -> Difference {
    Difference {
        collection: expected.collection.clone(),
        file: Some(file.key.clone()),
        row,
        column: None,
        expected: wanted.to_owned(),
        found: found.to_owned(),
    }
}

fn show(cells: &[Cell]) -> String {
    let cells: Vec<String> = cells.iter().map(Cell::to_string).collect();
    format!("({})", cells.join(", "))
}
