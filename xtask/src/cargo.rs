//! Calling cargo again, with the environment that the user's own `cargo test` would have.
//!
//! `cargo run`, which started us, has put variables of the package `xtask` into the environment.
//! Crates with build scripts look at some of them, and would be built anew at every switch between
//! `cargo sim` and plain `cargo test`.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::duckdb;
use crate::sh::{self, Result};

/// Where things are: given by the `cargo run` that started xtask.
pub(crate) struct Workspace {
    /// The checkout's top directory.
    pub(crate) root: PathBuf,
    /// Where `cargo build` puts programs (`target/debug`, or below the user's own target
    /// directory).
    pub(crate) programs: PathBuf,
    /// A DuckDB directory that is not our own `target/duckdb`, to be handed on.
    pub(crate) duckdb: Option<PathBuf>,
}

impl Workspace {
    /// A program, with the user's own environment instead of the one that `cargo run` made of it.
    pub(crate) fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        for (name, _) in std::env::vars_os() {
            if is_from_cargo_run(&name.to_string_lossy()) {
                command.env_remove(&name);
            }
        }
        if let Some(dir) = &self.duckdb {
            command.env(duckdb::LIB_DIR, dir);
        }
        command
    }

    /// Cargo itself, in the workspace's top directory.
    pub(crate) fn cargo(&self) -> Command {
        let mut command = self.command(sh::env("CARGO").unwrap_or_else(|| "cargo".into()));
        command.current_dir(&self.root);
        command
    }

    /// Builds every program. The whole workspace is the one scope that all our commands use: any
    /// other would choose other features for the shared dependencies, and the heavy ones would
    /// be built twice.
    pub(crate) fn build(&self) -> Result<()> {
        sh::say(
            "building the connector and the simulator: cargo build --workspace --bins (minutes \
             the first time)",
        );
        sh::loud(self.cargo().args(["build", "--workspace", "--bins"]))
    }

    /// The path of one of the programs that [`Workspace::build`] makes.
    pub(crate) fn program(&self, name: &str) -> PathBuf {
        self.programs.join(name)
    }

    /// The same with optimization.
    pub(crate) fn build_release(&self) -> Result<()> {
        sh::say(
            "building with optimization: cargo build --release --workspace --bins (many minutes \
             the first time)",
        );
        let build = ["build", "--release", "--workspace", "--bins"];
        sh::loud(self.cargo().args(build))
    }

    /// The path of one of the programs that [`Workspace::build_release`] makes.
    pub(crate) fn release_program(&self, name: &str) -> PathBuf {
        self.programs.with_file_name("release").join(name)
    }

    /// A directory below `target` for what xtask keeps, made if need be.
    pub(crate) fn scratch(&self, name: &str) -> Result<PathBuf> {
        let dir = self.root.join("target").join(name);
        std::fs::create_dir_all(&dir).map_err(sh::file_error("create", &dir))?;
        Ok(dir)
    }
}

/// Whether `cargo run` sets this variable for the program it starts.
fn is_from_cargo_run(name: &str) -> bool {
    ["CARGO_MANIFEST_", "CARGO_PKG_"]
        .iter()
        .any(|prefix| name.starts_with(prefix))
        || [
            "CARGO_BIN_NAME",
            "CARGO_CRATE_NAME",
            "CARGO_PRIMARY_PACKAGE",
            "LD_LIBRARY_PATH",
            "OUT_DIR",
        ]
        .contains(&name)
        || name == duckdb::LIB_DIR
}

/// Finds the workspace from what `cargo run` tells, and fails where something else started us.
pub(crate) fn workspace() -> Result<Workspace> {
    let missing = || {
        "xtask is started by cargo: use `cargo sim`, `cargo conformance` or `cargo xtask`"
            .to_owned()
    };
    let manifest = sh::env("CARGO_MANIFEST_DIR").ok_or_else(missing)?;
    let root = Path::new(&manifest)
        .parent()
        .ok_or_else(missing)?
        .to_owned();
    let exe = std::env::current_exe()
        .map_err(|error| format!("cannot find xtask's own path: {error}"))?;
    let programs = exe.parent().ok_or_else(missing)?.to_owned();
    let duckdb = None;
    Ok(Workspace {
        root,
        programs,
        duckdb,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_cargo_run_sets_is_taken_out() {
        for name in [
            "CARGO_MANIFEST_DIR",
            "CARGO_MANIFEST_PATH",
            "CARGO_PKG_VERSION",
            "LD_LIBRARY_PATH",
            "DUCKDB_LIB_DIR",
        ] {
            assert!(is_from_cargo_run(name), "{name}");
        }
        for name in [
            "CARGO_HOME",
            "CARGO_TARGET_DIR",
            "CARGO_TERM_COLOR",
            "RUSTFLAGS",
            "RUSTUP_TOOLCHAIN",
            "PATH",
        ] {
            assert!(!is_from_cargo_run(name), "{name}");
        }
    }
}
