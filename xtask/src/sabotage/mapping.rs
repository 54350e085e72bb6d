//! Mappers that are broken on purpose: the tests of the mapper and the fuzz bodies over their seeds
//! must catch them. What a mapper does wrong is wrong in every session alike, so torture, which
//! asks what became of files, does not look there. Nor does it look at what a run tells of values
//! that are in no column, which is broken here too.

use std::fs;
use std::path::Path;

use crate::cargo::Workspace;
use crate::sh::{self, Failure, Result};

/// Where the patches are, below those that torture catches.
pub(super) const PATCHES: &str = "tests/sabotage/mapping";

/// How a test that failed is told.
const FAILED: &str = " ... FAILED";

/// Tests that must catch what is broken.
struct Suite {
    packages: &'static [&'static str],
    tests: &'static [&'static str],
}

/// The tests of the mapper and of what it reads, and the fuzz bodies.
const MAPPER: Suite = Suite {
    packages: &["materialize-s3-parquet", "materialize-s3-parquet-fuzz"],
    tests: &["mapping::", "protocol::json_tuple", "smoke::"],
};

/// The tests of what a run tells of values that are in no column.
const SIMULATOR: Suite = Suite {
    packages: &["flow-sim"],
    tests: &["run::coverage"],
};

impl Suite {
    /// The tests for a patch, by the sources that it breaks.
    fn of(patch: &str) -> &'static Self {
        if patch.contains("\n+++ b/simulator/") {
            &SIMULATOR
        } else {
            &MAPPER
        }
    }
}

/// Runs the tests against the sources in `tree`, which `patch` has broken, and returns the tests
/// that fail.
pub(super) fn catches(
    workspace: &Workspace,
    tree: &Path,
    target: &Path,
    patch: &Path,
) -> Result<Vec<String>> {
    let patch = fs::read_to_string(patch).map_err(sh::file_error("read", patch))?;
    let suite = Suite::of(&patch);
    let test = |last: &[&str]| {
        let mut cargo = workspace.cargo();
        let packages = suite.packages.iter().flat_map(|name| ["--package", name]);
        cargo
            .current_dir(tree)
            .args(["--config", "profile.dev.debug=false", "test", "--lib"])
            .args(packages)
            .args(["--no-fail-fast", "--target-dir"])
            .arg(target)
            .args(last);
        cargo
    };
    // What cannot be built has been caught by nobody.
    sh::loud(&mut test(&["--no-run"]))?;
    let mut tests = test(&["--"]);
    tests.args(suite.tests);
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
    fn a_patch_is_for_the_tests_of_what_it_breaks() {
        let suite = |path: &str| Suite::of(&format!("Broken.\n\n--- a/{path}\n+++ b/{path}\n"));
        assert_eq!(
            suite("simulator/src/run/coverage.rs").packages,
            ["flow-sim"]
        );
        assert_eq!(suite("connector/src/mapping/batch.rs").packages.len(), 2);
    }

    #[test]
    fn the_tests_that_failed_are_found() {
        let told = "running 3 tests\ntest smoke::rows ... ok\ntest smoke::formats ... \
                    FAILED\ntest mapping::a ... FAILED\ntest result: FAILED. 1 passed; 2 failed\n";
        assert_eq!(failed(told), ["smoke::formats", "mapping::a"]);
        assert!(failed("test smoke::rows ... ok\n").is_empty());
    }
}
