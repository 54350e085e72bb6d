//! DuckDB's shared library, which reads the Parquet files back: fetched from npm, verified, never
//! compiled.
//!
//! A directory that the user names in `DUCKDB_LIB_DIR` is used as it is. Otherwise the library
//! stands in `target/duckdb`, where `.cargo/config.toml` points the linker and the build scripts
//! point the loader.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::sh::{self, Failure, Result};

/// The variable that names the library's directory, for us, for the linker and for the build
/// scripts.
pub(crate) const LIB_DIR: &str = "DUCKDB_LIB_DIR";

/// What linker and loader look for; it is the library's own soname too.
const LIBRARY: &str = "libduckdb.so";

/// A published package that carries the library: it must be of the same DuckDB version as the crate
/// `duckdb` in Cargo.lock.
struct Package {
    /// The package and its exact version, as npm takes it.
    name: &'static str,
    /// SHA-256 of the package file, in hex.
    sha256: &'static str,
}

/// The package for a platform. Only platforms on which the checksum was read and the suite has run.
fn package(os: &str, arch: &str) -> Option<Package> {
    match (os, arch) {
        ("linux", "x86_64") => Some(Package {
            name: "@duckdb/node-bindings-linux-x64@1.5.6-r.1",
            sha256: "1b9f82478539bb9a1d1df44bd103121a12ae52142c07158dc52b97d2ec1d69ff",
        }),
        _ => None,
    }
}

/// Sees to it that the library is there. Returns the directory that children must be told, where it
/// is not our own.
pub(crate) fn ensure(root: &Path) -> Result<Option<PathBuf>> {
    let ours = root.join("target/duckdb");
    match named_by_the_user(&ours)? {
        Some(dir) if dir.join(LIBRARY).is_file() => Ok(Some(dir)),
        Some(dir) => Err(Failure::Said(format!(
            "{LIB_DIR} is set to {}, but there is no {LIBRARY} in it: put DuckDB 1.5.6's there, \
             or unset the variable to have it fetched",
            dir.display()
        ))),
        None => fetch(&ours).map(|()| None),
    }
}

/// The directory from the environment, unless it is the one that `.cargo/config.toml` sets.
fn named_by_the_user(ours: &Path) -> Result<Option<PathBuf>> {
    let Some(dir) = sh::env(LIB_DIR).map(PathBuf::from) else {
        return Ok(None);
    };
    let dir = std::path::absolute(&dir).map_err(sh::file_error("find", &dir))?;
    Ok((dir != ours).then_some(dir))
}

/// Fetches, verifies and unpacks the library, unless this very package has been unpacked before.
fn fetch(dir: &Path) -> Result<()> {
    let (os, arch) = (std::env::consts::OS, std::env::consts::ARCH);
    let package = package(os, arch).ok_or_else(|| unsupported(os, arch))?;
    if fs::read_to_string(dir.join("stamp")).is_ok_and(|stamp| stamp == package.sha256) {
        return Ok(());
    }
    sh::say(&format!(
        "fetching DuckDB's library: npm pack {} (24 MB, once)",
        package.name
    ));
    let scratch = dir.with_extension(format!("{}.part", std::process::id()));
    let unpacked = unpack(&package, &scratch).and_then(|()| replace(&scratch, dir));
    if unpacked.is_err() {
        // What is left of a failure would only be in the way; the failure itself is what counts.
        let _ = fs::remove_dir_all(&scratch);
    }
    unpacked
}

/// Fills an empty directory with the verified library and a stamp.
fn unpack(package: &Package, dir: &Path) -> Result<()> {
    fs::create_dir_all(dir).map_err(sh::file_error("create", dir))?;
    let file = sh::quiet(
        Command::new("npm")
            .args(["pack", "--silent", package.name])
            .current_dir(dir),
    )?;
    let file = file.lines().last().unwrap_or_default().to_owned();
    verify(
        &sh::quiet(Command::new("sha256sum").arg(&file).current_dir(dir))?,
        package,
    )?;
    let wanted = format!("package/{LIBRARY}");
    sh::quiet(
        Command::new("tar")
            .args(["-xzf", &file, "--strip-components=1", &wanted])
            .current_dir(dir),
    )?;
    let archive = dir.join(file);
    fs::remove_file(&archive).map_err(sh::file_error("remove", &archive))?;
    let stamp = dir.join("stamp");
    fs::write(&stamp, package.sha256).map_err(sh::file_error("write", &stamp))
}

/// Compares what `sha256sum` printed with what the package must be.
fn verify(printed: &str, package: &Package) -> Result<()> {
    let found = printed.split_whitespace().next().unwrap_or_default();
    if found == package.sha256 {
        return Ok(());
    }
    Err(Failure::Said(format!(
        "{} is not the file it should be: its SHA-256 is {found}, expected {}. Nothing was \
         installed",
        package.name, package.sha256
    )))
}

/// Puts the filled directory in its place in one step; whoever else was as quick has put the same
/// there.
fn replace(scratch: &Path, dir: &Path) -> Result<()> {
    if dir.exists() {
        fs::remove_dir_all(dir).map_err(sh::file_error("remove", dir))?;
    }
    fs::rename(scratch, dir).map_err(sh::file_error("create", dir))
}

/// What to say on a platform without a package.
fn unsupported(os: &str, arch: &str) -> Failure {
    Failure::Said(format!(
        "no verified DuckDB library is known for {os} on {arch}, only for linux on x86_64 \
         (glibc). Set {LIB_DIR} to a directory that holds DuckDB 1.5.6's {LIBRARY}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_platform_without_a_package_is_told_what_to_do() {
        assert!(package("linux", "x86_64").is_some());
        assert!(package("linux", "riscv64").is_none());
        let Failure::Said(message) = unsupported("linux", "riscv64") else {
            panic!("expected a message")
        };
        assert!(
            message.contains("linux on riscv64") && message.contains("Set DUCKDB_LIB_DIR"),
            "{message}"
        );
    }

    #[test]
    fn only_the_pinned_file_passes() {
        let package = package("linux", "x86_64").unwrap();
        assert_eq!(
            verify(&format!("{}  file.tgz", package.sha256), &package),
            Ok(())
        );
        assert!(verify("00  file.tgz", &package).is_err());
        assert!(verify("", &package).is_err());
    }

    #[test]
    fn the_package_is_of_the_version_that_the_crate_binds() {
        // The crate's version carries DuckDB's own: 1.10506.1 binds 1.5.6.
        let manifest = include_str!("../../Cargo.toml");
        assert!(manifest.contains(r#"duckdb = { version = "=1.10506.1""#));
        assert!(package("linux", "x86_64").unwrap().name.contains("@1.5.6-"));
    }
}
