//! PyArrow, the suite's second reader of Parquet files: fetched from PyPI by pip into `target/python`, never compiled.
//!
//! It is put into a directory and not into a virtual environment, which Debian's Python cannot make without a further package.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::sh::{self, Failure, Result};

/// The package and its exact version, as pip takes it.
const PACKAGE: &str = "pyarrow==26.0.1";

/// Sees to it that `target/python` holds the package for the Python of this machine.
pub(crate) fn ensure(root: &Path) -> Result<()> {
    let dir = root.join("target/python");
    let version = sh::quiet(Command::new("python3").args(["-c", "import sys; print(sys.version)"]))
        .map_err(explain)?;
    // What is compiled for one version of Python is of no use to another.
    let wanted = format!("{PACKAGE} for Python {version}\n");
    let stamp = dir.join("stamp");
    if fs::read_to_string(&stamp).is_ok_and(|found| found == wanted) {
        return Ok(());
    }
    sh::say(&format!(
        "fetching PyArrow: pip install {PACKAGE} into target/python (50 MB, once)"
    ));
    if dir.exists() {
        fs::remove_dir_all(&dir).map_err(sh::file_error("remove", &dir))?;
    }
    sh::quiet(
        Command::new("python3")
            .args([
                "-m",
                "pip",
                "install",
                "--quiet",
                "--disable-pip-version-check",
            ])
            .args(["--only-binary", ":all:", "--no-deps", "--target"])
            .arg(&dir)
            .arg(PACKAGE),
    )
    .map_err(explain)?;
    fs::write(&stamp, wanted).map_err(sh::file_error("write", &stamp))
}

/// What the user can do about a failure.
fn explain(failure: Failure) -> Failure {
    match failure {
        Failure::Said(message) => Failure::Said(format!(
            "{message}\nThe tests read the connector's files with PyArrow too: they need `python3` of a version that {PACKAGE} is \
             published for, with pip (on Debian and Ubuntu: apt-get install python3-pip)"
        )),
        child @ Failure::Child(_) => child,
    }
}
