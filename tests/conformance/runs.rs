//! How the suite plays a catalog: with the connector that was built for it, in a bucket of its own, and without a difference.

use std::path::{Path, PathBuf};

use flow_sim::run::{Options, Report, run};
use flow_sim::runtime::Runtime;
use materialize_s3_parquet::protocol::Codec;

use crate::servers::{Server, bucket, connector, tests_folder};

/// Every way in which the runtime and the connector may speak with one another.
pub(crate) const DIALECTS: [(Runtime, Codec); 4] = [
    (Runtime::V1, Codec::Proto),
    (Runtime::V1, Codec::Json),
    (Runtime::V2, Codec::Proto),
    (Runtime::V2, Codec::Json),
];

/// A run of the catalog `tests/catalogs/<name>/flow.yaml`.
pub(crate) fn of_catalog(
    name: &str,
    server: Server,
    (runtime, codec): (Runtime, Codec),
) -> Options {
    Options {
        store: server.store(),
        bucket: Some(bucket(name)),
        codec: Some(codec),
        runtime,
        connector: Some(vec![connector().display().to_string()]),
        ..Options::new(tests_folder(&format!("catalogs/{name}/flow.yaml")))
    }
}

/// Plays, and sees to it that what is read back is what was sent.
pub(crate) async fn play(options: &Options) -> Report {
    let report = run(options, &mut ())
        .await
        .unwrap_or_else(|error| panic!("{options:?}: {error}"));
    let difference = report.differences().next();
    assert!(difference.is_none(), "{options:?}: {difference:?}");
    report
}

/// The files of the folder that a run was told to keep them in, by name: their shard and counter come first, so that within a
/// binding they are in the order in which they were written.
pub(crate) fn kept_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                files.push(path);
            }
        }
    }
    files.sort();
    files
}
