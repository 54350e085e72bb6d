//! The suite's further readers of Parquet files: fetched from PyPI by pip into `target/`, never
//! compiled.
//!
//! They are put into directories and not into virtual environments, which Debian's Python cannot
//! make without a further package.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::sh::{self, Failure, Result};

/// Packages that stand in one directory.
struct Packages {
    folder: &'static str,
    /// With their exact versions, as pip takes them; all that they need is among them.
    names: &'static [&'static str],
    /// What is fetched, in MB.
    megabytes: u32,
}

const ALL: [Packages; 2] = [
    Packages {
        folder: "python",
        names: &["pyarrow==26.0.1"],
        megabytes: 50,
    },
    // The last versions that knew only the order that a type has by itself. Both take PyArrow from
    // beside them.
    Packages {
        folder: "python-2025",
        names: &[
            "polars==1.42.1",
            "polars-runtime-32==1.42.1",
            "datafusion==50.1.0",
        ],
        megabytes: 90,
    },
];

/// Sees to it that `target/` holds all packages for the Python of this machine.
pub(crate) fn ensure(root: &Path) -> Result<()> {
    let version = sh::quiet(Command::new("python3").args(["-c", "import sys; print(sys.version)"]))
        .map_err(explain)?;
    ALL.iter()
        .try_for_each(|packages| packages.ensure(root, &version))
}

impl Packages {
    /// Fetches the packages, unless they are there. What is compiled for one version of Python is
    /// of no use to another.
    fn ensure(&self, root: &Path, python_version: &str) -> Result<()> {
        let dir = root.join("target").join(self.folder);
        let names = self.names.join(" ");
        let wanted = format!("{names} for Python {python_version}\n");
        let stamp = dir.join("stamp");
        if fs::read_to_string(&stamp).is_ok_and(|found| found == wanted) {
            return Ok(());
        }
        sh::say(&format!(
            "fetching readers: pip install {names} into target/{} ({} MB, once)",
            self.folder, self.megabytes
        ));
        if dir.exists() {
            fs::remove_dir_all(&dir).map_err(sh::file_error("remove", &dir))?;
        }
        sh::quiet(
            Command::new("python3")
                .args(["-m", "pip", "install", "--quiet"])
                .arg("--disable-pip-version-check")
                .args(["--only-binary", ":all:", "--no-deps", "--target"])
                .arg(&dir)
                .args(self.names),
        )
        .map_err(explain)?;
        fs::write(&stamp, wanted).map_err(sh::file_error("write", &stamp))
    }
}

/// Says what the user can do about a failure.
fn explain(failure: Failure) -> Failure {
    match failure {
        Failure::Said(message) => Failure::Said(format!(
            "{message}\nThe tests read the connector's files with PyArrow, polars and DataFusion \
             too: they need `python3` of a version that those are published for, with pip (on \
             Debian and Ubuntu: apt-get install python3-pip)"
        )),
        child @ Failure::Child(_) => child,
    }
}
