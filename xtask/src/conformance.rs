//! `cargo conformance`: everything the tests need, then the tests, then what they had to leave out.

use std::fs;
use std::path::Path;

use crate::cargo::Workspace;
use crate::sh::{self, Failure, Result};
use crate::{browser, duckdb, image, python, servers};

/// Tells the tests that they have to do without Docker.
const NO_DOCKER: &str = "CONFORMANCE_NO_DOCKER";

/// Tells the tests the file to which each one that does not run adds a line: its name and why.
/// (What a passing test prints is not shown, so it cannot tell by itself.)
const SKIPPED: &str = "CONFORMANCE_SKIPPED";

/// What to do where Docker cannot be had.
const WITHOUT_DOCKER: &str =
    "Or run `cargo conformance --no-docker`: what needs Docker is then skipped";

/// Sets up, builds, tests.
pub(crate) fn run(mut workspace: Workspace, args: &[String]) -> Result<()> {
    let (with_docker, args) = split_arguments(args);
    if !with_docker && sh::env("CI").is_some() {
        return Err(Failure::Said(
            "CI is set, and there nothing may be skipped: leave --no-docker out".to_owned(),
        ));
    }
    workspace.duckdb = duckdb::ensure(&workspace.root)?;
    python::ensure(&workspace.root)?;
    browser::ensure();
    let servers: &[_] = if with_docker { &servers::ALL } else { &[] };
    servers::ensure_while(&workspace, servers, WITHOUT_DOCKER, || workspace.build())?;
    if with_docker {
        image::from_program(&workspace, &workspace.program(image::PROGRAM))?;
    }
    test(&workspace, with_docker, &args)
}

/// Runs the tests and tells what was skipped.
fn test(workspace: &Workspace, with_docker: bool, args: &[String]) -> Result<()> {
    let skipped = workspace.scratch("conformance")?.join("skipped.txt");
    fs::write(&skipped, "").map_err(sh::file_error("write", &skipped))?;
    let mut cargo = workspace.cargo();
    cargo
        .args(["test", "--workspace"])
        .args(args)
        .env(SKIPPED, &skipped)
        .env_remove(NO_DOCKER);
    if !with_docker {
        cargo.env(NO_DOCKER, "1");
    }
    sh::say("cargo test --workspace");
    let result = sh::child(&mut cargo);
    let any = report(&skipped)?;
    result.and_then(|()| {
        if any && sh::env("CI").is_some() {
            Err(Failure::Child(1))
        } else {
            Ok(())
        }
    })
}

/// Prints what was skipped, and whether anything was.
fn report(skipped: &Path) -> Result<bool> {
    let text = fs::read_to_string(skipped).map_err(sh::file_error("read", skipped))?;
    let mut lines: Vec<&str> = text.lines().collect();
    lines.sort_unstable();
    for line in &lines {
        sh::say(&format!("SKIPPED {line}"));
    }
    match lines.len() {
        0 => {}
        count => sh::say(&format!(
            "{count} skipped; the rest of the result stands above"
        )),
    }
    Ok(!lines.is_empty())
}

/// Whether Docker is wanted, and what is for `cargo test`. After `--` everything is the tests' own.
fn split_arguments(args: &[String]) -> (bool, Vec<String>) {
    let end = args
        .iter()
        .position(|arg| arg == "--")
        .unwrap_or(args.len());
    let (ours, theirs) = args.split_at(end);
    let rest = ours
        .iter()
        .filter(|arg| *arg != "--no-docker")
        .chain(theirs)
        .cloned()
        .collect::<Vec<_>>();
    (rest.len() == args.len(), rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_argument_is_taken_out() {
        let split = |line: &str| {
            let (docker, rest) = split_arguments(
                &line
                    .split_whitespace()
                    .map(str::to_owned)
                    .collect::<Vec<_>>(),
            );
            (docker, rest.join(" "))
        };
        assert_eq!(split(""), (true, String::new()));
        assert_eq!(
            split("--no-docker wikipedia"),
            (false, "wikipedia".to_owned())
        );
        assert_eq!(
            split("wikipedia --no-docker -- --nocapture"),
            (false, "wikipedia -- --nocapture".to_owned())
        );
        assert_eq!(split("-- --no-docker"), (true, "-- --no-docker".to_owned()));
    }
}
