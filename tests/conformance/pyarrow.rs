//! PyArrow reads what DuckDB reads: the same rows of the same columns, of every type and under every compression.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::Command;

use flow_sim::readback::{Cell, Duck};
use flow_sim::run::Options;
use flow_sim::runtime::Runtime;
use materialize_s3_parquet::protocol::Codec;
use serde::Deserialize;
use tempfile::TempDir;

use crate::runs::{kept_files, of_catalog, play};
use crate::servers::{Server, tests_folder};

/// What the script says of one file.
#[derive(Deserialize)]
struct Answer {
    types: Vec<(String, String)>,
    codecs: Vec<String>,
    rows: Vec<Vec<Option<String>>>,
}

/// Reads files with PyArrow, which `cargo conformance` has put into `target/python`.
fn read(files: &[PathBuf]) -> Vec<Answer> {
    let packages = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/python");
    assert!(
        packages.join("stamp").is_file(),
        "PyArrow is not in {}: run `cargo xtask setup`, or the suite by `cargo conformance`",
        packages.display()
    );
    let output = Command::new("python3")
        .arg(tests_folder("conformance/pyarrow_read.py"))
        .args(files)
        .env("PYTHONPATH", packages)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    let answers = output.stdout.split(|byte| *byte == b'\n');
    answers
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_slice(line).unwrap())
        .collect()
}

/// A cell in the script's words.
fn words(cell: Cell) -> Option<String> {
    Some(match cell {
        Cell::Null => return None,
        Cell::Boolean(boolean) => boolean.to_string(),
        Cell::Integer(integer) | Cell::Timestamp(integer) => integer.to_string(),
        Cell::Date(days) => days.to_string(),
        Cell::Double(double) if double.is_nan() => "nan".to_owned(),
        Cell::Double(double) => format!("{:016x}", double.to_bits()),
        Cell::Text(text) => text,
        Cell::Bytes(bytes) => bytes.iter().flat_map(|byte| hexadecimal(*byte)).collect(),
        Cell::Json(_) | Cell::Other(_) => panic!("no column holds {cell}"),
    })
}

fn hexadecimal(byte: u8) -> [char; 2] {
    [byte >> 4, byte & 15].map(|digit| {
        char::from_digit(digit.into(), 16).expect("four bits are one hexadecimal digit")
    })
}

/// PyArrow's name for a type of DuckDB's.
fn arrow_type(sql: &str) -> &str {
    match sql {
        "BOOLEAN" => "bool",
        "BIGINT" => "int64",
        "DOUBLE" => "double",
        "VARCHAR" => "string",
        "JSON" => "extension<arrow.json>",
        "BLOB" => "binary",
        "DATE" => "date32[day]",
        "TIMESTAMP WITH TIME ZONE" => "timestamp[us, tz=UTC]",
        other => panic!("no column is {other}"),
    }
}

fn compare(duck: &Duck, path: &Path, answer: &Answer) {
    let described = duck.describe(path).unwrap();
    let expected = described
        .iter()
        .map(|(name, sql)| (name.clone(), arrow_type(sql).to_owned()));
    assert!(
        expected.eq(answer.types.iter().cloned()),
        "{described:?} {:?}",
        answer.types
    );
    let mut rows = Vec::new();
    duck.rows(path, |cells| {
        rows.push(cells.into_iter().map(words).collect::<Vec<_>>());
        ControlFlow::Continue(())
    })
    .unwrap();
    assert!(!rows.is_empty());
    assert_eq!(rows, answer.rows, "{}", path.display());
}

/// Plays a task, compares all its files, and returns the codecs that each is compressed with.
async fn compared(idea: &str, task: &str) -> Vec<(PathBuf, Vec<String>)> {
    let folder = TempDir::new().unwrap();
    let dialect = (Runtime::V2, Codec::Proto);
    play(&Options {
        task: Some(task.to_owned()),
        output: Some(folder.path().to_owned()),
        ..of_catalog(idea, Server::Embedded, dialect)
    })
    .await;
    let files = kept_files(folder.path());
    let answers = read(&files);
    assert_eq!(answers.len(), files.len());
    let duck = Duck::start().unwrap();
    for (path, answer) in files.iter().zip(&answers) {
        compare(&duck, path, answer);
    }
    let codecs = answers.into_iter().map(|answer| answer.codecs);
    files.into_iter().zip(codecs).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_compression() {
    let files = compared("compression", "acmeCo/lake").await;
    for (folder, codec) in [
        ("none", "UNCOMPRESSED"),
        ("snappy", "SNAPPY"),
        ("default", "SNAPPY"),
        ("gzip", "GZIP"),
        ("lz4", "LZ4"),
        ("zstd", "ZSTD"),
    ] {
        let folder = Path::new("compression").join(folder).join("v0000000000");
        let of_folder = files.iter().filter(|(path, _)| {
            let parent = path.parent().expect("a file is in a folder");
            parent.ends_with(&folder)
        });
        let codecs: Vec<&Vec<String>> = of_folder.map(|(_, codecs)| codecs).collect();
        assert_eq!(codecs, [&[codec], &[codec]], "{}", folder.display());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_type() {
    compared("types", "acmeCo/lake").await;
    compared("json_strings", "acmeCo/logical").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_name() {
    compared("hostile_names", "acmeCo/the 'lake' = %C3%A9 😀").await;
}
