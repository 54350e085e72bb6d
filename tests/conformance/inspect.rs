//! `flow-sim inspect` of what the connector writes: from a folder, from a bucket, for people and
//! for machines.

use std::process::{Command, Output};

use flow_sim::run::Options;
use flow_sim::runtime::Runtime;
use materialize_s3_parquet::protocol::Codec;
use serde_json::Value;

use crate::runs::{of_catalog, play};
use crate::servers::{Server, connector};

/// The widest a line for people may be.
const WIDTH: usize = 100;

fn inspect(arguments: &[&str], server: Server) -> Output {
    let location = server.location();
    Command::new(connector().with_file_name("flow-sim"))
        .arg("inspect")
        .args(arguments)
        .env("AWS_ACCESS_KEY_ID", &location.access_key_id)
        .env("AWS_SECRET_ACCESS_KEY", &location.secret_access_key)
        .env("AWS_REGION", &location.region)
        .output()
        .unwrap()
}

fn text(output: &Output) -> String {
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_connector_wrote_is_told_in_a_terminals_width() {
    for catalog in ["types", "hostile_names", "wikipedia"] {
        let folder = tempfile::tempdir().unwrap();
        let options = Options {
            output: Some(folder.path().to_owned()),
            ..of_catalog(catalog, Server::Embedded, (Runtime::V1, Codec::Proto))
        };
        let report = Box::pin(play(&options)).await;
        let path = folder.path().display().to_string();
        let told = text(&inspect(&[&path], Server::Embedded));
        for line in told.lines() {
            assert!(line.chars().count() <= WIDTH, "{catalog}: {line}");
        }
        for title in [
            "metadata",
            "columns",
            "statistics",
            "row groups",
            "as DuckDB sees them",
        ] {
            assert!(told.contains(title), "{catalog}: no {title} in\n{told}");
        }

        let document: Value =
            serde_json::from_str(&text(&inspect(&[&path, "--json"], Server::Embedded))).unwrap();
        let files = document["files"].as_array().unwrap();
        let rows: u64 = files
            .iter()
            .map(|file| file["rows"].as_u64().unwrap())
            .sum();
        let sent: u64 = report.bindings.iter().map(|binding| binding.rows).sum();
        assert_eq!(rows, sent, "{catalog}");
        for file in files {
            let group = &file["rowGroups"][0];
            assert_eq!(
                group["columns"].as_array().unwrap().len(),
                file["columns"].as_array().unwrap().len()
            );
            assert_eq!(group["columns"][0]["hasPageIndex"], true, "{catalog}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_is_told_like_a_folder() {
    for server in Server::all("inspect::a_bucket_is_told_like_a_folder") {
        let options = of_catalog("flattening", server, (Runtime::V2, Codec::Json));
        let report = Box::pin(play(&options)).await;
        let binding = &report.bindings[0];
        let url = format!("s3://{}/{}", report.bucket, binding.prefix);
        let told = text(&inspect(&[&url, "--s3", &report.endpoint], server));
        assert!(told.contains(&binding.collection), "{told}");
        let nothing = inspect(&["s3://no-such-bucket/p", "--s3", &report.endpoint], server);
        assert_eq!(nothing.status.code(), Some(1));
        assert!(String::from_utf8_lossy(&nothing.stderr).contains("NoSuchBucket"));
    }
}

#[test]
fn wrong_files_are_said_so() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("no.parquet");
    std::fs::write(&path, "no").unwrap();
    let table = [
        (path.display().to_string(), 8, "no Parquet file"),
        (
            folder.path().join("none").display().to_string(),
            2,
            "cannot read",
        ),
    ];
    for (path, code, says) in table {
        let output = inspect(&[&path], Server::Embedded);
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{stderr}");
        assert!(stderr.contains(says), "{stderr}");
    }
}
