//! The files of a run, read back with the parquet crate: quicker than a database, and the rows are
//! known.

use std::collections::BTreeSet;

use bytes::Bytes;
use parquet::errors::{ParquetError, Result};
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::{Field, Row as ParquetRow};

use super::check::{File, Row, RowId};
use super::commit::digest;
use super::servers::BUCKETS;
use super::spec::KEY;
use super::world::World;
use crate::s3::{Object, Store};

/// Every file that is visible, or was until a loader took it.
pub(super) fn files(world: &World) -> Vec<File> {
    let contents = world.servers.with_store(|store| {
        let contents = of_table(store).into_iter();
        let contents = contents.map(|(key, object)| (key, object.payload.to_bytes()));
        contents.collect::<Vec<_>>()
    });
    let record = world.record();
    let file = |(key, bytes): (String, Bytes)| File {
        rows: rows(bytes).map_err(|error| error.to_string()),
        seen_at: record.seen.get(&key).copied().unwrap_or(u64::MAX),
        key,
    };
    contents.into_iter().map(file).collect()
}

/// Every file of the table that is visible, or was until a loader took it.
pub(super) fn of_table(store: &Store) -> Vec<(String, Object)> {
    let mut all = Vec::new();
    for bucket in BUCKETS {
        let objects = store.table_objects(bucket).expect("the bucket was made");
        all.extend(objects.map(|(key, object)| (key.to_owned(), object.clone())));
        let loaded = store.loaded(bucket).expect("the bucket was made");
        all.extend(
            loaded
                .iter()
                .map(|(key, object)| (key.clone(), object.clone())),
        );
    }
    all
}

fn rows(bytes: Bytes) -> Result<Vec<Row>> {
    let reader = SerializedFileReader::new(bytes)?;
    reader
        .get_row_iter(None)?
        .map(|row| row_of(&row?))
        .collect()
}

fn row_of(row: &ParquetRow) -> Result<Row> {
    let field = |name: &str| {
        row.get_column_iter()
            .find(|(column, _)| *column == name)
            .map(|(_, field)| field)
    };
    let number = |name: &str| match field(name) {
        Some(Field::Long(number)) => Ok(*number as u64),
        other => Err(ParquetError::General(format!("`{name}` is {other:?}"))),
    };
    let text = |name: &str| match field(name) {
        Some(Field::Str(text)) => Some(text.as_str()),
        _ => None,
    };
    Ok(Row {
        id: RowId {
            generation: number("generation")? as u32,
            number: number("row")?,
        },
        key: number(KEY)? as u32,
        digest: digest(text("payload").unwrap_or_default(), text("flow_document")),
    })
}

/// Leaves out what came again after a loader had taken it, under its own key and as it was, because
/// the server copied it later than it said: no look at the final key can tell that beforehand.
pub(super) fn without_repeats(files: Vec<File>, late_copies: &BTreeSet<String>) -> Vec<File> {
    let mut kept: Vec<File> = Vec::new();
    for file in files {
        let is_same = |other: &File| other.key == file.key && other.rows == file.rows;
        if !(late_copies.contains(&file.key) && kept.iter().any(is_same)) {
            kept.push(file);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_copied_late_and_is_the_same_may_come_again() {
        let file = |key: &str, error: &str| File {
            key: key.to_owned(),
            rows: Err(error.to_owned()),
            seen_at: 1,
        };
        let late = BTreeSet::from(["late".to_owned()]);
        let kept = |again: File| {
            let files = vec![file("late", "rows"), file("other", "rows"), again];
            without_repeats(files, &late).len()
        };
        assert_eq!(kept(file("late", "rows")), 2);
        assert_eq!(kept(file("late", "other rows")), 3);
        assert_eq!(kept(file("other", "rows")), 3);
    }
}
