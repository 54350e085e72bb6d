//! Sets a fresh machine up and runs the project's commands, so that `cargo sim` and `cargo
//! conformance` need nothing but Rust, npm, Python with pip, and Go or an image registry. Without
//! dependencies, so that it is there in a second.
//!
//! `.cargo/config.toml` has the aliases that lead here.

mod browser;
mod cargo;
mod ceph;
mod conformance;
mod debian;
mod docker;
mod duckdb;
mod fuzz;
mod golang;
mod image;
mod minio;
mod python;
mod sabotage;
mod seaweedfs;
mod servers;
mod sh;
mod tidy;

use std::os::unix::process::CommandExt;
use std::process::ExitCode;

use crate::cargo::Workspace;
use crate::sh::{Failure, Result};

/// The answer to `--help`, and the end of the answer to something unknown.
const USAGE: &str = "the commands:
  cargo sim [ARGS…]                           build all and run `flow-sim ARGS…` (without ARGS: \
                     the wikipedia catalog)
  cargo conformance [--no-docker] [ARGS…]     set up what the tests need, then `cargo test \
                     --workspace ARGS…`
  cargo xtask bench [ARGS…]                   build all with optimization and run `flow-sim bench \
                     ARGS…`
  cargo xtask setup [--no-docker]             only set up: DuckDB's library, Python's readers, a \
                     Docker engine, the S3 servers' images
  cargo xtask image [--host] [--binary FILE]  build the image materialize-s3-parquet:local
                                              --host: do not compile inside; --binary: of this \
                     program
  cargo xtask fuzz [--seconds N] [BODY…]      run the fuzz bodies, each for N seconds (60); needs \
                     a nightly compiler
  cargo xtask sabotage [NAME…]                connectors that are broken on purpose: `flow-sim \
                     torture`, or a test, must catch each
  cargo xtask tidy                            the rules of CONTRIBUTING and the map of \
                     ARCHITECTURE that no compiler holds";

/// The catalog that `cargo sim` plays when it is not told what to do.
const DEFAULT_CATALOG: &str = "tests/catalogs/wikipedia/flow.yaml";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match run(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Said(message)) => {
            sh::say(&format!("error: {message}"));
            ExitCode::FAILURE
        }
        Err(Failure::Child(status)) => ExitCode::from(status),
    }
}

/// Does what the first argument names.
fn run(args: &[String]) -> Result<()> {
    if asks_for_help(args) {
        sh::say(USAGE);
        return Ok(());
    }
    let (command, args) = args
        .split_first()
        .ok_or_else(|| format!("no command; {USAGE}"))?;
    let workspace = cargo::workspace()?;
    match command.as_str() {
        "sim" => sim(workspace, args),
        "bench" => bench(workspace, args),
        "conformance" => conformance::run(workspace, args),
        "setup" => setup(workspace, args),
        "fuzz" => fuzz::run(&workspace, args),
        "image" => image::run(&workspace, args),
        "sabotage" => sabotage::run(workspace, args),
        "tidy" => tidy::run(&workspace.root),
        other => Err(Failure::Said(format!("there is no `{other}`; {USAGE}"))),
    }
}

/// Whether the question is what we can do. The simulator has help of its own.
fn asks_for_help(args: &[String]) -> bool {
    let ours = args
        .iter()
        .take_while(|arg| !["sim", "bench", "--"].contains(&arg.as_str()));
    ours.into_iter()
        .any(|arg| ["help", "--help", "-h"].contains(&arg.as_str()))
}

/// Runs the simulator in our place.
fn sim(mut workspace: Workspace, args: &[String]) -> Result<()> {
    workspace.duckdb = duckdb::ensure(&workspace.root)?;
    servers::ensure_while(
        &workspace,
        &servers::wanted(args),
        "Or leave `--s3` out: the embedded server needs no Docker",
        || workspace.build(),
    )?;
    let mut simulator = workspace.command(workspace.program("flow-sim"));
    if args.is_empty() {
        sh::say(&format!("flow-sim run {DEFAULT_CATALOG}"));
        simulator
            .args(["run", DEFAULT_CATALOG])
            .current_dir(&workspace.root);
    }
    let error = simulator.args(args).exec();
    Err(sh::not_started(&simulator, &error))
}

/// Runs the benchmark of the optimized programs in our place.
fn bench(mut workspace: Workspace, args: &[String]) -> Result<()> {
    workspace.duckdb = duckdb::ensure(&workspace.root)?;
    workspace.build_release()?;
    let mut simulator = workspace.command(workspace.release_program("flow-sim"));
    let error = simulator.arg("bench").args(args).exec();
    Err(sh::not_started(&simulator, &error))
}

/// Sets up what the tests need.
fn setup(mut workspace: Workspace, args: &[String]) -> Result<()> {
    workspace.duckdb = duckdb::ensure(&workspace.root)?;
    python::ensure(&workspace.root)?;
    match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["--no-docker"] => Ok(()),
        [] => servers::ensure_while(
            &workspace,
            &servers::ALL,
            "Or run `cargo xtask setup --no-docker`",
            || Ok(()),
        ),
        _ => Err(Failure::Said(
            "`cargo xtask setup` takes no argument but --no-docker".to_owned(),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<String> {
        line.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn help_is_ours_but_for_the_simulator_and_the_tests() {
        for line in ["help", "--help", "conformance -h", "image --help"] {
            assert!(asks_for_help(&words(line)), "{line}");
        }
        for line in [
            "",
            "sim --help",
            "sim run --help",
            "bench --help",
            "conformance -- --help",
        ] {
            assert!(!asks_for_help(&words(line)), "{line}");
        }
    }

    #[test]
    fn what_is_unknown_is_answered_with_the_usage() {
        for line in ["", "simulate"] {
            let Err(Failure::Said(message)) = run(&words(line)) else {
                panic!("expected a message")
            };
            assert!(
                message.contains("cargo conformance [--no-docker]")
                    || message.contains("started by cargo"),
                "{message}"
            );
        }
    }
}
