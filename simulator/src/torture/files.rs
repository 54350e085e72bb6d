//! The files of a run, read back with the parquet crate: quicker than a database, and the rows are known.

use bytes::Bytes;
use parquet::errors::{ParquetError, Result};
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::{Field, Row as ParquetRow};

use super::check::{File, Row, RowId};
use super::commit::digest;
use super::spec::KEY;
use super::world::{BUCKET, World};

/// Every file that is visible, or was until a loader took it.
pub(super) fn files(world: &World) -> Vec<File> {
    let contents: Vec<(String, Bytes)> = world.server.with_store(|store| {
        let objects = store.objects(BUCKET).expect("the bucket was made");
        let loaded = store.loaded(BUCKET).expect("the bucket was made");
        let loaded = loaded.iter().map(|(key, object)| (key.as_str(), object));
        let all = objects.chain(loaded);
        all.map(|(key, object)| (key.to_owned(), object.payload.to_bytes()))
            .collect()
    });
    let record = world.record();
    let file = |(key, bytes): (String, Bytes)| File {
        rows: rows(bytes).map_err(|error| error.to_string()),
        seen_at: record.seen.get(&key).copied().unwrap_or(u64::MAX),
        key,
    };
    contents.into_iter().map(file).collect()
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
