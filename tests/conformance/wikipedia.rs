//! The main job: the wikipedia catalog, from documents to what DuckDB reads, in every combination; and what it looks like.

use std::fmt::Write as _;
use std::fs::File;
use std::path::Path;

use flow_sim::readback::Preview;
use flow_sim::run::{Options, Report, run};
use flow_sim::runtime::Runtime;
use insta::{assert_json_snapshot, assert_snapshot};
use materialize_s3_parquet::protocol::Codec;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::schema::printer::print_schema;
use serde_json::{Value, json};

use crate::servers::{Server, bucket, connector, tests_folder};

fn options(server: Server, codec: Codec, runtime: Runtime) -> Options {
    Options {
        store: server.store(),
        bucket: Some(bucket("wikipedia")),
        codec: Some(codec),
        runtime,
        connector: Some(vec![connector().display().to_string()]),
        ..Options::new(tests_folder("catalogs/wikipedia/flow.yaml"))
    }
}

async fn play(options: &Options) -> Report {
    let report = run(options, &mut ())
        .await
        .unwrap_or_else(|error| panic!("{options:?}: {error}"));
    let difference = report.differences().next();
    assert!(difference.is_none(), "{options:?}: {difference:?}");
    report
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_read_back_is_what_was_sent_on_every_server_by_every_codec_and_runtime() {
    for server in Server::all("wikipedia::what_is_read_back_is_what_was_sent") {
        for codec in [Codec::Proto, Codec::Json] {
            for runtime in [Runtime::V1, Runtime::V2] {
                let report = play(&options(server, codec, runtime)).await;
                // Two sessions of three transactions, one of them empty, and two bindings.
                assert_eq!(report.sessions, 2);
                for binding in &report.bindings {
                    assert_eq!(binding.files.len(), 5);
                    assert!(
                        binding.rows > 5_000 && binding.rows < 6_000,
                        "{}",
                        binding.rows
                    );
                    assert_eq!(binding.equal_rows, binding.rows);
                }
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_it_looks_like_is_pinned() {
    let folder = tempfile::tempdir().unwrap();
    let options = Options {
        output: Some(folder.path().to_owned()),
        ..options(Server::Embedded, Codec::Proto, Runtime::V2)
    };
    let report = play(&options).await;
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("../../snapshots");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| {
        assert_json_snapshot!("spec_response", json(&report.spec));
        assert_json_snapshot!("wikipedia_validated", json(&report.validated));
        let names = ["wikipedia_changes", "wikipedia_titles"];
        for (binding, name) in report.bindings.iter().zip(names) {
            let file = folder.path().join(&binding.files[0].key);
            assert_snapshot!(format!("{name}_schema"), schema(&file));
            assert_snapshot!(format!("{name}_rows"), rows(&binding.preview));
        }
    });
}

fn json(message: &impl serde::Serialize) -> Value {
    json!(message)
}

/// The schema of a file as Parquet writes it, then how its columns are stored.
fn schema(path: &Path) -> String {
    let reader = SerializedFileReader::new(File::open(path).unwrap()).unwrap();
    let metadata = reader.metadata();
    let mut text = Vec::new();
    print_schema(&mut text, metadata.file_metadata().schema());
    let mut text = String::from_utf8(text).unwrap();
    for pair in metadata.file_metadata().key_value_metadata().unwrap() {
        writeln!(
            text,
            "{} = {}",
            pair.key,
            pair.value.as_deref().unwrap_or("null")
        )
        .unwrap();
    }
    let compression = metadata.row_group(0).column(0).compression();
    writeln!(
        text,
        "created by {:?}, {compression}",
        metadata.file_metadata().created_by()
    )
    .unwrap();
    text
}

/// The first rows, a field a line: a table of forty columns is for no one to read.
fn rows(preview: &Preview) -> String {
    let mut text = String::new();
    for (index, row) in preview.rows.iter().enumerate() {
        writeln!(text, "row {index}").unwrap();
        for (column, cell) in preview.columns.iter().zip(row) {
            writeln!(text, "  {column}: {}", cell.as_deref().unwrap_or("null")).unwrap();
        }
    }
    text
}
