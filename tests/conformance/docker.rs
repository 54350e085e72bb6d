//! Tests that need a Docker engine run by default, and fail where there is none. Only `cargo
//! conformance --no-docker` leaves them out, and then each one is reported by name.

use std::fs::OpenOptions;
use std::io::Write;

/// Whether a test that needs Docker is to run. Otherwise notes it as skipped, for the report at the
/// end of the run.
///
/// ```ignore
/// if !docker::wanted("minio::starts_and_answers") { return; }
/// ```
#[expect(
    clippy::disallowed_methods,
    reason = "how `cargo conformance` tells the tests; see xtask/src/conformance.rs"
)]
pub(crate) fn wanted(test: &str) -> bool {
    if std::env::var_os("CONFORMANCE_NO_DOCKER").is_none() {
        return true;
    }
    skipped(test, "Docker");
    false
}

/// Notes a test as skipped because the machine lacks something. Returns whether anybody reads it.
#[expect(
    clippy::disallowed_methods,
    reason = "how `cargo conformance` tells the tests; see xtask/src/conformance.rs"
)]
pub(crate) fn skipped(test: &str, needs: &str) -> bool {
    let Some(path) = std::env::var_os("CONFORMANCE_SKIPPED") else {
        return false;
    };
    let mut file = OpenOptions::new()
        .append(true)
        .open(path)
        .expect("cargo conformance has made the file");
    // One write, so that lines of tests on several threads do not mix.
    file.write_all(format!("{test}: needs {needs}\n").as_bytes())
        .expect("a line is written");
    true
}
