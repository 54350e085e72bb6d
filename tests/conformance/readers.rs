//! Other readers read what DuckDB reads: PyArrow the same rows of the same columns, of every type
//! and under every compression; polars and DataFusion the same rows, in versions of last year,
//! which refuse whole files for what they do not know.

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
    bounded: Vec<String>,
    rows: Vec<Vec<Option<String>>>,
}

/// The folders in `target/` that `cargo conformance` puts Python's packages into.
const PACKAGES: [&str; 2] = ["python", "python-2025"];

/// A reader, by its name in the script.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reader {
    PyArrow,
    /// 1.42.1, which knows no order of a column but that of its type.
    Polars,
    /// 50.1, which neither does.
    DataFusion,
}

impl Reader {
    const ALL: [Self; 3] = [Self::PyArrow, Self::Polars, Self::DataFusion];

    fn name(self) -> &'static str {
        match self {
            Self::PyArrow => "pyarrow",
            Self::Polars => "polars",
            Self::DataFusion => "datafusion",
        }
    }

    /// Tells whether it shows texts of DuckDB's type `sql` as bytes: polars 1.42 does not know the
    /// logical type JSON.
    fn shows_bytes(self, sql: &str) -> bool {
        self == Self::Polars && sql == "JSON"
    }
}

/// Reads files with one of the readers.
fn read(reader: Reader, files: &[PathBuf]) -> Vec<Answer> {
    let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("target");
    let packages = PACKAGES.map(|folder| target.join(folder));
    for folder in &packages {
        assert!(
            folder.join("stamp").is_file(),
            "the readers are not in {}: run `cargo xtask setup`, or the suite by `cargo \
             conformance`",
            folder.display()
        );
    }
    let output = Command::new("python3")
        .arg(tests_folder("conformance/readers_read.py"))
        .arg(reader.name())
        .args(files)
        .env("PYTHONPATH", std::env::join_paths(packages).unwrap())
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
        Cell::Bytes(bytes) => hexadecimal(&bytes),
        Cell::Json(_) | Cell::Other(_) => panic!("no column holds {cell}"),
    })
}

fn hexadecimal(bytes: &[u8]) -> String {
    let digit = |half: u8| char::from_digit(half.into(), 16).expect("four bits are one digit");
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits.map(digit).collect()
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

/// Compares the rows of a file with DuckDB's; of PyArrow also the types, and which columns have
/// bounds.
fn compare(duck: &Duck, path: &Path, reader: Reader, answer: &Answer) {
    if reader == Reader::PyArrow {
        compare_types(duck, path, answer);
        compare_bounds(path, answer);
    }
    let described = duck.describe(path).unwrap();
    let is_bytes: Vec<bool> = described
        .iter()
        .map(|(_, sql)| reader.shows_bytes(sql))
        .collect();
    let mut rows = Vec::new();
    duck.rows(path, |cells| {
        let cells = cells.into_iter().zip(&is_bytes);
        rows.push(
            cells
                .map(|(cell, is_bytes)| {
                    let words = words(cell)?;
                    Some(if *is_bytes {
                        hexadecimal(words.as_bytes())
                    } else {
                        words
                    })
                })
                .collect::<Vec<_>>(),
        );
        ControlFlow::Continue(())
    })
    .unwrap();
    assert!(!rows.is_empty());
    assert_eq!(rows, answer.rows, "{reader:?}: {}", path.display());
}

fn compare_types(duck: &Duck, path: &Path, answer: &Answer) {
    let described = duck.describe(path).unwrap();
    let expected = described
        .iter()
        .map(|(name, sql)| (name.clone(), arrow_type(sql).to_owned()));
    assert!(
        expected.eq(answer.types.iter().cloned()),
        "{described:?} {:?}",
        answer.types
    );
}

/// Compares the columns that have bounds with those that should: which hold a value, and no NaN.
fn compare_bounds(path: &Path, answer: &Answer) {
    let columns = answer.types.iter().enumerate();
    let expected: Vec<&String> = columns
        .filter(|(index, _)| {
            let cells = || answer.rows.iter().filter_map(|row| row[*index].as_deref());
            cells().next().is_some() && cells().all(|cell| cell != "nan")
        })
        .map(|(_, (name, _))| name)
        .collect();
    assert!(
        expected.iter().copied().eq(&answer.bounded),
        "{}: {expected:?} {:?}",
        path.display(),
        answer.bounded
    );
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
    let duck = Duck::start().unwrap();
    let mut codecs = Vec::new();
    for reader in Reader::ALL {
        let answers = read(reader, &files);
        assert_eq!(answers.len(), files.len());
        for (path, answer) in files.iter().zip(&answers) {
            compare(&duck, path, reader, answer);
        }
        if reader == Reader::PyArrow {
            codecs = answers.into_iter().map(|answer| answer.codecs).collect();
        }
    }
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
