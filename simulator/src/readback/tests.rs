//! The comparison against files that DuckDB has written: what is right passes, and each thing that
//! is wrong is found.

use std::collections::BTreeMap;
use std::path::Path;

use materialize_s3_parquet::protocol::flow::materialization_spec;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::*;
use crate::runtime::Row;

/// The columns of the right file, in SQL.
const RIGHT: &str = "SELECT id::BIGINT AS id, seen::TIMESTAMPTZ AS seen, score::DOUBLE AS score, \
                     raw::BLOB AS raw, doc::VARCHAR AS doc, flow_rescued::VARCHAR AS \
                     flow_rescued, flow_exact::VARCHAR AS flow_exact FROM rows";

/// The rows of the right file, in SQL.
const ROWS: &str = r#"(1, '2024-01-01 00:00:00.123456+00', '0.1', 'ab', '{"a":[1.0,"<"]}', NULL, NULL),
    (2, NULL, '-0.0', NULL, '"text"', '{ "seen" : "yesterday" }',
     NULL),
    (3, NULL, '9007199254740992', NULL, NULL, NULL, '{"score":9007199254740993}')"#;

fn column(name: &str, column_type: ColumnType) -> Column {
    Column {
        name: name.to_owned(),
        column_type,
    }
}

fn rows() -> Vec<Row> {
    let row = |key: i64, values: [Value; 4]| Row {
        binding: 0,
        key: vec![json!(key)],
        values: values.to_vec(),
        document: None,
        ..Row::default()
    };
    let at = "2024-01-01T01:00:00.123456789+01:00";
    vec![
        row(
            1,
            [
                json!(at),
                json!(0.1),
                json!("YWI="),
                json!({"a": [1.0, "<"]}),
            ],
        ),
        row(
            2,
            [json!("yesterday"), json!(-0.0), json!(null), json!("text")],
        ),
        row(
            3,
            [
                json!(null),
                json!(9_007_199_254_740_993_i64),
                json!(null),
                json!(null),
            ],
        ),
    ]
}

fn expected(rows: &[Row]) -> Expected<'_> {
    Expected {
        collection: "c".to_owned(),
        prefix: "p/v0000000000/".to_owned(),
        columns: vec![
            column("id", ColumnType::Integer { from_text: false }),
            column("seen", ColumnType::Timestamp),
            column("score", ColumnType::Double { from_text: false }),
            column("raw", ColumnType::Bytes),
            column("doc", ColumnType::Json),
        ],
        key_columns: 1,
        knobs: Knobs::default(),
        shards: BTreeMap::from([(0, rows.iter().collect())]),
    }
}

/// Writes one file for each pair of rows and columns, and compares them with what is expected.
fn compared(files: &[(&str, &str)]) -> Compared {
    let folder = TempDir::new().unwrap();
    let duck = Duck::start().unwrap();
    let fetched: Vec<Fetched> = files
        .iter()
        .enumerate()
        .map(|(index, (rows, columns))| {
            let key = format!("p/v0000000000/00000000-{index:012}-x.parquet");
            let path = folder.path().join(format!("{index}.parquet"));
            write(&duck, &path, rows, columns);
            Fetched {
                key,
                bytes: 0,
                path,
            }
        })
        .collect();
    compare(&duck, &expected(&rows()), &fetched).unwrap()
}

fn write(duck: &Duck, path: &Path, rows: &str, columns: &str) {
    let path = path.display();
    duck.execute(&format!(
        "COPY (WITH rows(id, seen, score, raw, doc, flow_rescued, flow_exact) AS (VALUES {rows}) \
         {columns}) TO '{path}' (FORMAT parquet)"
    ));
}

fn difference(files: &[(&str, &str)]) -> String {
    compared(files)
        .difference
        .expect("a difference")
        .to_string()
}

#[test]
fn the_right_rows_are_equal_in_one_file_or_in_two() {
    let one = compared(&[(ROWS, RIGHT)]);
    assert_eq!((one.difference, one.equal_rows), (None, 3));
    let halves: Vec<(&str, String)> = ["= 1", "> 1"]
        .map(|ids| (ROWS, format!("{RIGHT} WHERE id {ids}")))
        .into();
    let halves: Vec<(&str, &str)> = halves
        .iter()
        .map(|(rows, columns)| (*rows, columns.as_str()))
        .collect();
    let two = compared(&halves);
    assert_eq!((two.difference, two.equal_rows), (None, 3));
    assert_eq!(two.file_rows.len(), 2);
}

#[test]
fn what_is_wrong_is_named_with_file_row_and_column() {
    let table = [
        (
            ROWS.replace("'0.1'", "'0.10000000000000002'"),
            RIGHT.to_owned(),
            "row 0, column `score`: expected 0.1, found 0.10000000000000002",
        ),
        (
            ROWS.replace("-0.0", "0.0"),
            RIGHT.to_owned(),
            "row 1, column `score`: expected -0.0, found 0.0",
        ),
        (
            ROWS.replace("123456+", "123457+"),
            RIGHT.to_owned(),
            "column `seen`: expected 2024-01-01T00:00:00.123456Z, found \
             2024-01-01T00:00:00.123457Z",
        ),
        (
            ROWS.replace("[1.0,", "[1,"),
            RIGHT.to_owned(),
            "column `doc`: expected \"{\\\"a\\\":[1.0",
        ),
        (
            ROWS.replace("yesterday", "today"),
            RIGHT.to_owned(),
            "column `flow_rescued`: expected {\"seen\":\"yesterday\"}",
        ),
        (
            ROWS.to_owned(),
            RIGHT.replace("id::BIGINT", "id::INTEGER"),
            "expected as column 0 `id` BIGINT, found `id` INTEGER",
        ),
        (
            ROWS.to_owned(),
            RIGHT.replace("AS score", "AS points"),
            "expected as column 2 `score` DOUBLE, found `points` DOUBLE",
        ),
        (
            ROWS.to_owned(),
            RIGHT.replace(", flow_exact::VARCHAR AS flow_exact", ""),
            "expected as column 6 `flow_exact` VARCHAR, found no further column",
        ),
        (
            ROWS.replace(r#"'{"score":9007199254740993}'"#, "NULL"),
            RIGHT.to_owned(),
            "column `flow_exact`: expected {\"score\":9007199254740993}, found null",
        ),
        (
            ROWS.replace("740993}'", "740992}'"),
            RIGHT.to_owned(),
            "column `flow_exact`: expected {\"score\":9007199254740993}",
        ),
        (
            ROWS.to_owned(),
            format!("{RIGHT} ORDER BY id DESC"),
            "row 0, column `id`: expected 1, found 3",
        ),
        (
            ROWS.to_owned(),
            format!("{RIGHT} WHERE id = 1"),
            "expected 2 more rows, the first with the key [2]",
        ),
    ];
    for (rows, columns, expected) in table {
        let difference = difference(&[(&rows, &columns)]);
        assert!(difference.contains(expected), "{difference}");
    }
}

#[test]
fn a_row_that_comes_twice_is_found() {
    let difference = difference(&[(ROWS, RIGHT), (ROWS, RIGHT)]);
    assert!(
        difference.contains("000000000001-x.parquet, row 0: expected no further row"),
        "{difference}"
    );
}

#[test]
fn a_file_of_another_shard_is_found() {
    let duck = Duck::start().unwrap();
    let stranger = Fetched {
        key: "p/v0000000000/80000000-x.parquet".to_owned(),
        bytes: 0,
        path: "nowhere".into(),
    };
    let compared = compare(&duck, &expected(&[]), &[stranger]).unwrap();
    let difference = compared.difference.expect("a difference").to_string();
    assert!(difference.contains("expected no such file"), "{difference}");
}

#[test]
fn a_preview_is_text_and_knows_no_partitions() {
    let folder = TempDir::new().unwrap();
    let duck = Duck::start().unwrap();
    let path = folder.path().join("score=9/x.parquet");
    std::fs::create_dir(folder.path().join("score=9")).unwrap();
    write(&duck, &path, ROWS, RIGHT);
    let preview = duck.preview(&[path], 1).unwrap();
    assert_eq!(preview.columns[..2], ["id", "seen"]);
    assert_eq!(preview.rows.len(), 1);
    assert_eq!(
        preview.rows[0][1].as_deref(),
        Some("2024-01-01 00:00:00.123456+00")
    );
    assert_eq!(preview.rows[0][2].as_deref(), Some("0.1"));
    assert_eq!(preview.rows[0][5], None);
}

#[test]
fn folders_with_date_patterns_stand_below_the_version() {
    let below = |path: &str| {
        prefix(&materialization_spec::Binding {
            resource_path: vec![path.to_owned()],
            backfill: 3,
            ..materialization_spec::Binding::default()
        })
    };
    for (path, expected) in [
        ("a/b", "a/b/v0000000003/"),
        ("a/year=%Y/b/%m", "a/v0000000003/year=%Y/b/%m/"),
        ("%Y/a", "v0000000003/%Y/a/"),
        ("a/100%%/b", "a/100%%/b/v0000000003/"),
    ] {
        assert_eq!(below(path), expected);
    }
}
