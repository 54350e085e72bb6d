//! The main job: the wikipedia catalog, from documents to what DuckDB reads, in every combination;
//! and what it looks like.

use std::collections::BTreeSet;

use flow_sim::run::{FileReport, Options};
use flow_sim::runtime::Runtime;
use insta::{assert_json_snapshot, assert_snapshot};
use materialize_s3_parquet::protocol::Codec;
use serde_json::json;

use crate::runs::{DIALECTS, of_catalog, play};
use crate::servers::Server;
use crate::snapshot;

#[tokio::test(flavor = "multi_thread")]
async fn what_is_read_back_is_what_was_sent_on_every_server_by_every_codec_and_runtime() {
    for server in Server::all("wikipedia::what_is_read_back_is_what_was_sent") {
        for dialect in DIALECTS {
            let report = play(&of_catalog("wikipedia", server, dialect)).await;
            // Two sessions of three transactions, one of them empty, and two bindings.
            assert_eq!(report.sessions, 2);
            for binding in &report.bindings {
                assert_eq!(binding.files.len(), 5);
                let rows = binding.rows;
                assert!(rows > 5_000 && rows < 6_000, "{rows}");
                assert_eq!(binding.equal_rows, rows);
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn any_number_of_shards_writes_the_same_rows() {
    let mut rows: Vec<Vec<u64>> = Vec::new();
    for (runtime, codec) in [(Runtime::V1, Codec::Proto), (Runtime::V2, Codec::Json)] {
        for shards in 1..=3 {
            let options = Options {
                shards,
                ..of_catalog("wikipedia", Server::Embedded, (runtime, codec))
            };
            let report = play(&options).await;
            let logs = if runtime == Runtime::V1 { shards } else { 1 };
            assert_eq!(report.recovery.len(), logs as usize);
            for binding in &report.bindings {
                // Each shard has written files of its own, and nothing but its share: else rows
                // would be read twice.
                let begins: BTreeSet<&str> = binding.files.iter().map(begin).collect();
                assert_eq!(begins.len(), shards as usize, "{begins:?}");
                assert_eq!(binding.equal_rows, binding.rows);
            }
            rows.push(report.bindings.iter().map(|binding| binding.rows).collect());
        }
    }
    assert!(rows.iter().all(|other| *other == rows[0]), "{rows:?}");
}

/// The beginning of the key range in a file's name.
fn begin(file: &FileReport) -> &str {
    let name = file.key.rsplit('/').next().unwrap();
    name.split('-').next().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_it_looks_like_is_pinned() {
    let folder = tempfile::tempdir().unwrap();
    let options = Options {
        output: Some(folder.path().to_owned()),
        ..of_catalog("wikipedia", Server::Embedded, (Runtime::V2, Codec::Proto))
    };
    let report = play(&options).await;
    snapshot::settings().bind(|| {
        assert_json_snapshot!("spec_response", json!(report.spec));
        assert_json_snapshot!("wikipedia_validated", json!(report.validated));
        let names = ["wikipedia_changes", "wikipedia_titles"];
        for (binding, name) in report.bindings.iter().zip(names) {
            let file = folder.path().join(&binding.files[0].key);
            assert_snapshot!(format!("{name}_schema"), snapshot::footer(&file));
            assert_snapshot!(format!("{name}_rows"), snapshot::rows(&binding.preview));
        }
    });
}
