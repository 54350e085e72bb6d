//! The image as Flow would run it: labels, user, and the main job against MinIO over the engine's
//! network.

use std::process::Command;

use flow_sim::run::{Options, Store, run};
use materialize_s3_parquet::protocol::Codec;
use serde_json::Value;

use crate::docker;
use crate::servers::{bucket, minio_from_containers, tests_folder};

/// Built by `cargo conformance` out of the connector that the suite tests.
pub(crate) const IMAGE: &str = "materialize-s3-parquet:local";

fn inspect(format: &str) -> String {
    let arguments = ["image", "inspect", "--format", format, IMAGE];
    let output = Command::new("docker").args(arguments).output().unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

#[test]
fn the_image_says_what_it_is_and_runs_as_nobody_special() {
    if !docker::wanted("image::the_image_says_what_it_is_and_runs_as_nobody_special") {
        return;
    }
    let labels: Value = serde_json::from_str(&inspect("{{json .Config.Labels}}")).unwrap();
    assert_eq!(labels["FLOW_RUNTIME_PROTOCOL"], "materialize");
    assert_eq!(labels["FLOW_RUNTIME_CODEC"], "proto");
    for label in ["title", "description", "licenses", "version"] {
        let label = format!("org.opencontainers.image.{label}");
        assert!(
            labels[&label].as_str().is_some_and(|text| !text.is_empty()),
            "{label}"
        );
    }
    assert_eq!(
        inspect("{{json .Config.Entrypoint}}"),
        r#"["/connector/materialize-s3-parquet"]"#
    );
    let user = inspect("{{.Config.User}}");
    assert!(!["", "0", "root", "0:0"].contains(&&*user), "{user}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_image_does_the_main_job() {
    if !docker::wanted("image::the_image_does_the_main_job") {
        return;
    }
    let environment = ["FLOW_RUNTIME_CODEC", "LOG_LEVEL", "FLOW_SIM_SEED"];
    let passed = environment.iter().flat_map(|name| ["--env", name]);
    let docker = ["docker", "run", "--rm", "--interactive"]
        .into_iter()
        .chain(passed)
        .chain([IMAGE]);
    let options = Options {
        store: Store::At(minio_from_containers()),
        bucket: Some(bucket("image")),
        make_bucket: true,
        codec: Some(Codec::Proto),
        connector: Some(docker.map(str::to_owned).collect()),
        ..Options::new(tests_folder("catalogs/wikipedia/flow.yaml"))
    };
    let report = run(&options, &mut ()).await.unwrap();
    let difference = report.differences().next();
    assert!(difference.is_none(), "{difference:?}");
    assert!(report.equal_rows() > 10_000);
}
