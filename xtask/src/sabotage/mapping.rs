//! Mappers that are broken on purpose: the tests of the mapper and the fuzz bodies over their seeds
//! must catch them. What a mapper does wrong is wrong in every session alike, so torture, which
//! asks what became of files, does not look there.

use std::path::Path;

use crate::cargo::Workspace;
use crate::sh::{self, Failure, Result};

/// Where the patches are, below those that torture catches.
pub(super) const PATCHES: &str = "tests/sabotage/mapping";

/// How a test that failed is told.
const FAILED: &str = " ... FAILED";

/// The tests that must catch them: those of the mapper and of what it reads, and the fuzz bodies.
const TESTS: [&str; 3] = ["mapping::", "protocol::json_tuple", "smoke::"];

/// Runs the tests against the broken sources in `tree`, and returns the tests that fail.
pub(super) fn catches(workspace: &Workspace, tree: &Path, target: &Path) -> Result<Vec<String>> {
    let test = |last: &[&str]| {
        let mut cargo = workspace.cargo();
        cargo
            .current_dir(tree)
            .args(["--config", "profile.dev.debug=false", "test", "--lib"])
            .args(["--package", "materialize-s3-parquet"])
            .args(["--package", "materialize-s3-parquet-fuzz"])
            .args(["--no-fail-fast", "--target-dir"])
            .arg(target)
            .args(last);
        cargo
    };
    // What cannot be built has been caught by nobody.
    sh::loud(&mut test(&["--no-run"]))?;
    let mut tests = test(&["--"]);
    tests.args(TESTS);
    let output = tests
        .output()
        .map_err(|error| sh::not_started(&tests, &error))?;
    let told = String::from_utf8_lossy(&output.stdout);
    let failed = failed(&told);
    if output.status.success() == failed.is_empty() {
        return Ok(failed);
    }
    Err(Failure::Said(format!(
        "the tests themselves failed ({}):\n{}",
        output.status,
        sh::tail(&told)
    )))
}

/// The tests that failed, from what `cargo test` has told.
fn failed(told: &str) -> Vec<String> {
    let lines = told.lines().filter_map(|line| line.strip_suffix(FAILED));
    lines
        .filter_map(|line| Some(line.strip_prefix("test ")?.to_owned()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tests_that_failed_are_found() {
        let told = "running 3 tests\ntest smoke::rows ... ok\ntest smoke::formats ... \
                    FAILED\ntest mapping::a ... FAILED\ntest result: FAILED. 1 passed; 2 failed\n";
        assert_eq!(failed(told), ["smoke::formats", "mapping::a"]);
        assert!(failed("test smoke::rows ... ok\n").is_empty());
    }
}
