//! `cargo xtask sabotage`: connectors that are broken on purpose, each by a small patch, and
//! `flow-sim torture`, which must catch every one of them. A torture that finds nothing has to be
//! tortured itself. Those whose mapping of values is broken are for tests and fuzz bodies to catch
//! (`mapping.rs`).
//!
//! The patches are in `tests/sabotage`. They are applied to a copy of the sources, which has a
//! build directory of its own, so that no broken connector ever stands where the right one does.

mod mapping;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use crate::cargo::Workspace;
use crate::duckdb;
use crate::sh::{self, Failure, Result};

/// Within so many seeds each must be caught.
const SEEDS: &str = "200";

/// The product.
const PROGRAM: &str = "materialize-s3-parquet";

/// Where the patches are.
const PATCHES: &str = "tests/sabotage";

/// Where the copy of the sources is.
const TREE: &str = "target/sabotage/tree";

/// How a seed that failed, and the promise that it broke, are told by `flow-sim torture`.
const FAILED: &str = " FAILED; again: ";
const BROKEN: &str = "  BROKEN: ";

/// How a broken connector was caught.
#[derive(Debug, PartialEq, Eq)]
enum Caught {
    /// By torture: the promise that it has broken, and at which seed.
    Torture { seed: String, promise: String },
    /// By tests: the first that failed, and how many others.
    Tests { first: String, others: usize },
}

/// Builds every broken connector, or those that are named, and has each caught.
pub(crate) fn run(mut workspace: Workspace, args: &[String]) -> Result<()> {
    let patches = patches(&workspace.root, args)?;
    workspace.duckdb = duckdb::ensure(&workspace.root)?;
    workspace.build()?;
    let mut results = Vec::new();
    for patch in &patches {
        let target = break_sources(&workspace, patch)?;
        let caught = if is_of_mapping(patch) {
            let tree = workspace.root.join(TREE);
            by_tests(mapping::catches(&workspace, &tree, &target, patch)?)
        } else {
            let program = broken(&workspace, patch, &target)?;
            catches(&workspace, &program)?
        };
        sh::say(&row(&name(patch), caught.as_ref()));
        results.push((name(patch), caught));
    }
    for (name, caught) in &results {
        sh::say(&row(name, caught.as_ref()));
    }
    let missed = results.iter().filter(|(_, caught)| caught.is_none());
    let missed: Vec<&str> = missed.map(|(name, _)| &**name).collect();
    if missed.is_empty() {
        sh::say(&format!("{} broken connectors, all caught", patches.len()));
        return Ok(());
    }
    Err(Failure::Said(format!(
        "nothing was found wrong with: {}",
        missed.join(", ")
    )))
}

/// A line of the table.
fn row(name: &str, caught: Option<&Caught>) -> String {
    match caught {
        Some(Caught::Torture { seed, promise }) => {
            format!("{name:52} seed {seed:>4}: {promise}")
        }
        Some(Caught::Tests { first, others: 0 }) => format!("{name:52} test {first}"),
        Some(Caught::Tests { first, others }) => {
            format!("{name:52} test {first} and {others} more")
        }
        None => format!("{name:52} NOT CAUGHT"),
    }
}

/// The patches to apply: all of them where none is named.
fn patches(root: &Path, names: &[String]) -> Result<Vec<PathBuf>> {
    let mut patches = patches_in(&root.join(PATCHES))?;
    patches.extend(patches_in(&root.join(mapping::PATCHES))?);
    let known: Vec<String> = patches.iter().map(|patch| name(patch)).collect();
    if let Some(unknown) = names.iter().find(|name| !known.contains(name)) {
        let known = known.join(", ");
        return Err(Failure::Said(format!(
            "there is no sabotage `{unknown}`, but: {known}"
        )));
    }
    patches.retain(|patch| names.is_empty() || names.contains(&name(patch)));
    Ok(patches)
}

fn patches_in(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).map_err(sh::file_error("read", folder))?;
    let mut patches: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "patch")
        })
        .collect();
    patches.sort();
    Ok(patches)
}

fn is_of_mapping(patch: &Path) -> bool {
    patch
        .parent()
        .is_some_and(|folder| folder.ends_with(mapping::PATCHES))
}

fn by_tests(failed: Vec<String>) -> Option<Caught> {
    let others = failed.len().saturating_sub(1);
    let first = failed.into_iter().next()?;
    Some(Caught::Tests { first, others })
}

fn name(patch: &Path) -> String {
    patch
        .file_stem()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

/// Makes the copy of the sources, applies a patch to it, and returns its build directory.
fn break_sources(workspace: &Workspace, patch: &Path) -> Result<PathBuf> {
    copy_sources(workspace)?;
    let target = workspace.scratch("sabotage/target")?;
    copy_libraries(workspace, &target)?;
    let mut apply = workspace.command("git");
    apply
        .current_dir(&workspace.root)
        .args(["apply", "--directory", TREE])
        .arg(patch);
    sh::quiet(&mut apply)?;
    sh::say(&format!("building the connector with {}", name(patch)));
    Ok(target)
}

/// Builds the connector of the broken sources, and returns its program.
fn broken(workspace: &Workspace, patch: &Path, target: &Path) -> Result<PathBuf> {
    let mut cargo = workspace.cargo();
    cargo
        .current_dir(workspace.root.join(TREE))
        // The whole workspace's features, so that the libraries are the ones that were built
        // before.
        .args(["--config", "profile.dev.debug=false"])
        .args(["build", "--workspace", "--bin", PROGRAM, "--target-dir"])
        .arg(target);
    sh::loud(&mut cargo)?;
    let program = workspace.scratch("sabotage")?.join(name(patch));
    let built = target.join("debug").join(PROGRAM);
    fs::copy(&built, &program).map_err(sh::file_error("copy", &built))?;
    Ok(program)
}

/// Begins the copy's build directory with what has been built of the sources themselves: the
/// libraries are the same.
fn copy_libraries(workspace: &Workspace, target: &Path) -> Result<()> {
    let (built, copied) = (workspace.root.join("target/debug"), target.join("debug"));
    if copied.exists() || !built.exists() {
        return Ok(());
    }
    fs::create_dir_all(&copied).map_err(sh::file_error("create", &copied))?;
    let mut copy = workspace.command("cp");
    // With their times, by which cargo goes.
    copy.arg("--archive");
    copy.args(["deps", "build", ".fingerprint"].map(|part| built.join(part)));
    sh::quiet(copy.arg(&copied)).map(drop)
}

/// Makes the copy what the sources are now. Files that have not changed stay, so that they are not
/// built again.
fn copy_sources(workspace: &Workspace) -> Result<()> {
    let mut list = workspace.command("git");
    list.current_dir(&workspace.root).args([
        "ls-files",
        "--cached",
        "--others",
        "--exclude-standard",
    ]);
    let tree = workspace.root.join(TREE);
    for file in sh::quiet(&mut list)?.lines() {
        let (from, to) = (workspace.root.join(file), tree.join(file));
        // What git lists may have been deleted since.
        if !from.is_file() {
            continue;
        }
        let content = fs::read(&from).map_err(sh::file_error("read", &from))?;
        if fs::read(&to).is_ok_and(|old| old == content) {
            continue;
        }
        let folder = to.parent().unwrap_or(&tree);
        fs::create_dir_all(folder).map_err(sh::file_error("create", folder))?;
        fs::write(&to, content).map_err(sh::file_error("write", &to))?;
    }
    Ok(())
}

/// What torture finds wrong with a connector first; none where it finds nothing.
fn catches(workspace: &Workspace, program: &Path) -> Result<Option<Caught>> {
    let mut torture = workspace.command(workspace.program("flow-sim"));
    torture
        .args(["torture", "--seeds", SEEDS, "--fail-fast", "--no-shrink"])
        .arg("--connector")
        .arg(program);
    let output = torture
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| sh::not_started(&torture, &error))?;
    let told = String::from_utf8_lossy(&output.stdout);
    match (output.status.code(), first_broken(&told)) {
        (Some(0), _) => Ok(None),
        (Some(1), Some(caught)) => Ok(Some(caught)),
        _ => Err(Failure::Said(format!(
            "torture itself failed ({}):\n{told}",
            output.status
        ))),
    }
}

/// The first seed that failed and the first promise that it broke, from what torture has told.
fn first_broken(told: &str) -> Option<Caught> {
    let mut lines = told.lines();
    let seed = lines.find_map(|line| line.split_once(FAILED))?.0;
    let promise = lines.find_map(|line| line.strip_prefix(BROKEN))?;
    let promise = promise
        .split_once(": ")
        .map_or(promise, |(promise, _)| promise);
    Some(Caught::Torture {
        seed: seed.strip_prefix("seed ").unwrap_or(seed).to_owned(),
        promise: promise.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn root() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
    }

    #[test]
    fn every_patch_still_applies() {
        for patch in patches(&root(), &[]).unwrap() {
            let mut apply = std::process::Command::new("git");
            apply
                .current_dir(root())
                .args(["apply", "--check"])
                .arg(&patch);
            assert_eq!(sh::quiet(&mut apply).err(), None, "{}", patch.display());
        }
    }

    #[test]
    fn what_torture_tells_becomes_a_line_of_the_table() {
        let told = "50 of 200 seeds, 9 rows\n\nseed 7 FAILED; again: flow-sim torture --seed 7\n  \
                    BROKEN: rows keep their order: row 1 in x comes after a later one\n  BROKEN: \
                    other: more\n";
        let caught = first_broken(told);
        assert_eq!(
            caught,
            Some(Caught::Torture {
                seed: "7".to_owned(),
                promise: "rows keep their order".to_owned()
            })
        );
        assert!(row("x", caught.as_ref()).ends_with("seed    7: rows keep their order"));
        assert!(row("x", None).ends_with("NOT CAUGHT"));
        let failed = ["smoke::rows", "smoke::formats"].map(str::to_owned);
        let caught = by_tests(failed.to_vec());
        assert!(row("x", caught.as_ref()).ends_with("test smoke::rows and 1 more"));
        assert_eq!(by_tests(Vec::new()), None);
        assert_eq!(first_broken("every promise was kept"), None);
    }

    #[test]
    fn a_sabotage_that_is_unknown_is_answered_with_those_that_are_not() {
        let Err(Failure::Said(message)) = patches(&root(), &["x".to_owned()]) else {
            panic!("expected a message")
        };
        for known in ["receipt-not-read", "exact-value-dropped"] {
            assert!(message.contains(known), "{message}");
        }
    }
}
