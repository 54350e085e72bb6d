//! Files that DuckDB wrote, looked into.

use std::path::Path;

use super::*;
use crate::readback::Duck;
use crate::run::{Bucket, Store};
use crate::status::Status;

fn write(path: &Path, query: &str, options: &str) {
    let statement = format!(
        "COPY ({query}) TO '{}' (FORMAT parquet{options})",
        path.display()
    );
    Duck::start().unwrap().execute(&statement);
}

const ROWS: &str = "SELECT i::BIGINT AS id, CASE WHEN i % 2 = 0 THEN 'even ' || i END AS word, \
                    TIMESTAMPTZ '2026-01-01 00:00:00+00' + INTERVAL (i) SECOND AS at, DATE \
                    '2026-01-01' + i::INTEGER AS day, (i * 1.5)::DOUBLE AS half FROM range(0, \
                    5000) t(i)";

fn options(files: usize, rows: usize) -> Options {
    Options {
        store: None,
        files,
        rows,
    }
}

#[tokio::test]
async fn a_file_is_described_from_its_schema_to_its_rows() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.parquet");
    write(
        &path,
        ROWS,
        ", COMPRESSION zstd, ROW_GROUP_SIZE 2048, KV_METADATA {kind: 'test'}",
    );
    let found = inspect(&[Source::Local(path.clone())], &options(10, 3))
        .await
        .unwrap();
    let file = &found.files[0];
    assert_eq!(
        (file.rows, file.bytes),
        (5000, std::fs::metadata(&path).unwrap().len())
    );
    assert_eq!(file.metadata["kind"].as_deref(), Some("test"));
    assert!(file.created_by.as_deref().unwrap().contains("DuckDB"));
    assert_eq!(file.row_groups.len(), 3);
    assert_eq!(
        file.row_groups.iter().map(|group| group.rows).sum::<u64>(),
        5000
    );
    let columns: Vec<(&str, &str)> = file
        .columns
        .iter()
        .map(|column| (column.name.as_str(), column.kind.as_str()))
        .collect();
    assert_eq!(columns[1], ("word", "BYTE_ARRAY (UTF8)"));
    assert_eq!(columns[2], ("at", "INT64 (TIMESTAMP(MICROS,true))"));
    let [id, word, at, day, half] = &file.columns[..] else {
        panic!("{columns:?}")
    };
    assert_eq!(
        (id.min.as_deref(), id.max.as_deref(), id.nulls),
        (Some("0"), Some("4999"), Some(0))
    );
    assert_eq!(
        (word.min.as_deref(), word.max.as_deref(), word.nulls),
        (Some("even 0"), Some("even 998"), Some(2500))
    );
    assert_eq!(at.max.as_deref(), Some("2026-01-01T01:23:19Z"));
    assert_eq!(day.min.as_deref(), Some("2026-01-01"));
    assert_eq!(half.max.as_deref(), Some("7498.5"));
    assert_eq!(id.compression, ["ZSTD"]);
    assert!(!word.encodings.is_empty() && word.compressed_bytes > 0);
    assert_eq!(found.preview.rows.len(), 3);
    assert_eq!(found.preview.rows[1][0].as_deref(), Some("1"));
}

#[tokio::test]
async fn a_folder_is_all_its_files_and_more_than_wanted_are_counted() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("deeper")).unwrap();
    for name in ["b.parquet", "deeper/c.parquet", "a.parquet"] {
        write(&folder.path().join(name), "SELECT 1 AS one", "");
    }
    std::fs::write(folder.path().join("notes.txt"), "no").unwrap();
    std::fs::create_dir(folder.path().join("_staged")).unwrap();
    std::fs::write(folder.path().join("_staged/d.parquet"), "no").unwrap();
    let found = inspect(&[Source::Local(folder.path().to_owned())], &options(2, 0))
        .await
        .unwrap();
    assert!(
        found.files[0].name.ends_with("a.parquet") && found.files[1].name.ends_with("b.parquet")
    );
    assert_eq!(found.more_files, 1);
    assert!(found.more_bytes > 0);
    assert!(found.preview.rows.is_empty());
}

#[tokio::test]
async fn a_bucket_is_looked_into_by_key_and_by_prefix() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.parquet");
    write(&path, "SELECT 1 AS one", "");
    let bucket = Bucket::open(&Store::Embedded, Some("lake"), 0)
        .await
        .unwrap();
    for key in [
        "p/v0/x.parquet",
        "p/v0/y.parquet",
        "p/_staged/s.parquet",
        "p/notes",
        "q/z.parquet",
    ] {
        let body = std::fs::read(&path).unwrap();
        bucket
            .client()
            .put_object()
            .bucket("lake")
            .key(key)
            .body(body.into())
            .send()
            .await
            .unwrap();
    }
    let options = Options {
        store: Some(bucket.location.clone()),
        files: 10,
        rows: 5,
    };
    for (source, count) in [
        ("s3://lake/p/", 2),
        ("s3://lake/p/v0/y.parquet", 1),
        ("s3://lake/p/notes", 1),
        ("s3://lake/p/_staged/s.parquet", 1),
        ("s3://lake", 3),
    ] {
        let found = inspect(&[Source::parse(source)], &options).await.unwrap();
        assert_eq!(
            (found.files.len(), found.preview.rows.len()),
            (count, count),
            "{source}"
        );
        assert!(
            found.files[0].name.starts_with("s3://lake/"),
            "{}",
            found.files[0].name
        );
    }
    let error = inspect(&[Source::parse("s3://lake/none")], &options)
        .await
        .unwrap_err();
    assert_eq!(error.status(), Status::Usage);
    let error = inspect(&[Source::parse("s3://nowhere/p")], &options)
        .await
        .unwrap_err();
    assert!(error.to_string().contains("NoSuchBucket"), "{error}");
    bucket.close().await.unwrap();
}

#[tokio::test]
async fn a_broken_file_is_listed_and_hides_no_other() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["a.parquet", "c.parquet", "d.parquet"] {
        write(&folder.path().join(name), ROWS, "");
    }
    std::fs::write(folder.path().join("b.parquet"), "not parquet at all").unwrap();
    // The footer of this one is whole, and its pages are not.
    let pages = folder.path().join("a.parquet");
    let mut bytes = std::fs::read(&pages).unwrap();
    bytes[4..2000].fill(0xFF);
    std::fs::write(&pages, bytes).unwrap();

    let source = Source::Local(folder.path().to_owned());
    let found = inspect(&[source], &options(10, 3)).await.unwrap();
    let names = |names: Vec<&str>| -> Vec<String> {
        let name = |name: &str| name.rsplit('/').next().unwrap_or_default().to_owned();
        names.into_iter().map(name).collect()
    };
    let readable = found.files.iter().map(|file| file.name.as_str()).collect();
    assert_eq!(names(readable), ["a.parquet", "c.parquet", "d.parquet"]);
    let broken = found.broken.iter().map(|file| file.name.as_str()).collect();
    assert_eq!(names(broken), ["b.parquet", "a.parquet"]);
    assert_eq!(found.looked_into(), 4);
    let problem = &found.broken[0].problem;
    assert!(
        problem.contains("b.parquet is no Parquet file"),
        "{problem}"
    );
    assert_eq!(found.preview.rows.len(), 3);
}

#[tokio::test]
async fn what_is_not_there_is_said_so() {
    let folder = tempfile::tempdir().unwrap();
    let error = inspect(&[Source::Local(folder.path().join("none"))], &options(1, 1))
        .await
        .unwrap_err();
    assert!(error.to_string().starts_with("cannot read "), "{error}");
    assert_eq!(error.status(), Status::Usage);
}
