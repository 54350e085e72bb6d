//! The files of a round: how large they are, and in the first round what they hold.

use std::path::{Path, PathBuf};

use duckdb::Connection;

use super::column;
use super::error::{Error, Result};
use super::shape::Shape;
use super::task::Built;
use crate::figures::{bytes, plural};
use crate::readback::{fetch, prefix};
use crate::refusal::explain;
use crate::staging::is_staged;

/// How many files there are, and how large they are together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sizes {
    pub(super) files: u64,
    pub(super) bytes: u64,
}

/// Takes the files of a round away, and says how large those of the table were.
pub(super) async fn take(built: &Built) -> Result<Sizes> {
    let mut sizes = Sizes::default();
    let prefix = built.spec.bindings.first().map(prefix).unwrap_or_default();
    let (client, bucket) = (built.bucket.client(), built.bucket.name.as_str());
    loop {
        let listed = client.list_objects_v2().bucket(bucket).prefix(&prefix);
        let listed = listed.send().await;
        let listed = listed.map_err(|error| refused("list", &prefix, explain(&error)))?;
        if listed.contents().is_empty() {
            return Ok(sizes);
        }
        for object in listed.contents() {
            let key = object.key().unwrap_or_default();
            if !is_staged(key) {
                sizes.files += 1;
                sizes.bytes += object.size().unwrap_or_default().unsigned_abs();
            }
            let deleted = client.delete_object().bucket(bucket).key(key).send().await;
            deleted.map_err(|error| refused("delete", key, explain(&error)))?;
        }
    }
}

/// Errors where discarded files cannot be what those were that were read back: as many, and to a
/// hundredth as large.
pub(super) fn require_alike(kept: Sizes, discarded: Sizes, contender: &str) -> Result<()> {
    let is_alike =
        kept.files == discarded.files && kept.bytes.abs_diff(discarded.bytes) <= kept.bytes / 100;
    if is_alike {
        return Ok(());
    }
    Err(Error::Different {
        contender: contender.to_owned(),
        difference: format!(
            "{} of {} where the first round had {} of {}",
            plural(discarded.files, "file"),
            bytes(discarded.bytes),
            plural(kept.files, "file"),
            bytes(kept.bytes)
        ),
    })
}

fn refused(operation: &'static str, name: &str, message: String) -> Error {
    Error::ReadBack(crate::readback::Error::Store {
        operation,
        name: name.to_owned(),
        message,
    })
}

/// Reads the files of a round back with DuckDB, and errors where they hold something else than the
/// documents.
pub(super) async fn check(
    folder: &Path,
    shape: Shape,
    documents: &Path,
    built: &Built,
    contender: &str,
) -> Result<()> {
    let prefix = built.spec.bindings.first().map(prefix).unwrap_or_default();
    let copies = folder.join("read-back");
    let (client, bucket) = (built.bucket.client(), built.bucket.name.as_str());
    let files = fetch(client, bucket, &prefix, &copies).await?;
    let paths: Vec<PathBuf> = files.into_iter().map(|file| file.path).collect();
    let written = digest(shape, &parquet(&paths))?;
    let sent = digest(
        shape,
        &format!("({})", column::query(shape.columns(), documents)),
    )?;
    std::fs::remove_dir_all(&copies).map_err(Error::file(&copies))?;
    match difference(shape, &sent, &written) {
        None => Ok(()),
        Some(difference) => Err(Error::Different {
            contender: contender.to_owned(),
            difference,
        }),
    }
}

/// Parquet files as one table.
pub(super) fn parquet(paths: &[PathBuf]) -> String {
    let files: Vec<String> = paths
        .iter()
        .map(|path| column::text(&path.display().to_string()))
        .collect();
    format!(
        "read_parquet([{}], hive_partitioning = false)",
        files.join(", ")
    )
}

/// What a table holds, whatever the order of its rows: the number of rows, and of each column the
/// number of values and the sum of their hashes.
pub(super) fn digest(shape: Shape, table: &str) -> Result<Vec<(u64, String)>> {
    let columns = shape.columns().iter().map(|column| {
        let name = column::name(column.field);
        format!("count({name}), sum(hash({name}))::VARCHAR")
    });
    let columns: Vec<String> = columns.collect();
    let query = format!("SELECT count(*), '', {} FROM {table}", columns.join(", "));
    let connection = Connection::open_in_memory()?;
    let width = shape.columns().len() + 1;
    let digest = connection.query_row(&query, [], |row| {
        (0..width)
            .map(|index| Ok((row.get(2 * index)?, row.get(2 * index + 1)?)))
            .collect()
    })?;
    Ok(digest)
}

/// The first difference between two digests.
fn difference(shape: Shape, sent: &[(u64, String)], written: &[(u64, String)]) -> Option<String> {
    let names = std::iter::once("rows").chain(shape.columns().iter().map(|column| column.field));
    let pairs = sent.iter().zip(written);
    names.zip(pairs).find_map(|(name, (sent, written))| {
        if sent == written {
            return None;
        }
        Some(match name {
            "rows" => format!("{} rows instead of {}", written.0, sent.0),
            _ if sent.0 != written.0 => {
                format!("`{name}` has {} values instead of {}", written.0, sent.0)
            }
            _ => format!("`{name}` has other values"),
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a file of these documents holds.
    fn digest_of(folder: &Path, documents: &[serde_json::Value]) -> Vec<(u64, String)> {
        let path = folder.join("documents.jsonl");
        let lines: Vec<String> = documents.iter().map(|one| format!("{one}\n")).collect();
        std::fs::write(&path, lines.concat()).unwrap();
        let query = column::query(Shape::Wiki.columns(), &path);
        digest(Shape::Wiki, &format!("({query})")).unwrap()
    }

    #[test]
    fn other_files_than_those_that_were_read_back_are_found() {
        let sizes = |files, bytes| Sizes { files, bytes };
        assert!(require_alike(sizes(1, 1000), sizes(1, 1010), "proto").is_ok());
        for other in [sizes(1, 989), sizes(2, 1000), sizes(0, 0)] {
            assert!(require_alike(sizes(1, 1000), other, "proto").is_err());
        }
    }

    #[test]
    fn a_row_that_is_missing_or_another_is_found_in_any_order() {
        let folder = tempfile::tempdir().unwrap();
        let mut documents: Vec<_> = Shape::Wiki.documents().take(50).collect();
        let sent = digest_of(folder.path(), &documents);
        let found = |documents: &[serde_json::Value]| {
            difference(Shape::Wiki, &sent, &digest_of(folder.path(), documents))
        };
        documents.reverse();
        assert_eq!(found(&documents), None);
        let changed = |pointer: &str, value: serde_json::Value| {
            let mut documents = documents.clone();
            *documents[7].pointer_mut(pointer).unwrap() = value;
            found(&documents)
        };
        assert_eq!(
            changed("/meta/dt", "2024-11-23T02:00:00Z".into()).as_deref(),
            Some("`meta/dt` has other values")
        );
        assert_eq!(
            changed("/title", serde_json::Value::Null).as_deref(),
            Some("`title` has 49 values instead of 50")
        );
        documents.pop();
        assert_eq!(found(&documents).as_deref(), Some("49 rows instead of 50"));
    }
}
