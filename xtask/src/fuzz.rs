//! `cargo xtask fuzz`: the fuzz bodies under libFuzzer, each for a while, as many at once as there
//! are cores.
//!
//! The build has no sanitizer. Our code is safe Rust, so that what a sanitizer finds could only lie
//! beneath us; without one the same minutes run about twice as many inputs, and the properties are
//! what we are after. New inputs are kept in `target/fuzz/<body>/corpus`, and the seeds in
//! `fuzz/corpus` stay as they are.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::thread;

use crate::cargo::Workspace;
use crate::sh::{self, Failure, Result};

/// The version of cargo-fuzz that is installed where there is none.
const CARGO_FUZZ: &str = "cargo-fuzz@0.13.1";

/// How long each body runs when nothing else is said.
const DEFAULT_SECONDS: u32 = 60;

/// The longest that one input may take, in seconds.
const TIMEOUT: &str = "-timeout=20";

/// The most memory that a body may use, in MiB.
const MEMORY: &str = "-rss_limit_mb=2048";

/// What libFuzzer says before the path of an input that breaks a property.
const REPRODUCER: &str = "Test unit written to ";

/// What libFuzzer says before the number of inputs it has run.
const INPUTS: &str = "stat::number_of_executed_units:";

/// Which bodies run, and for how long.
#[derive(Debug, PartialEq, Eq)]
struct Plan {
    seconds: u32,
    bodies: Vec<String>,
}

/// Builds the bodies and runs them; a finding is an error.
pub(crate) fn run(workspace: &Workspace, args: &[String]) -> Result<()> {
    let plan = plan(args, &all_bodies(&workspace.root)?)?;
    let host = nightly_host(workspace)?;
    let tools = ensure_tool(workspace)?;
    build(workspace, &tools)?;
    let programs = workspace.root.join("target").join(host).join("release");
    let queue = Mutex::new(plan.bodies.iter());
    let findings = Mutex::new(Vec::new());
    let workers = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                while let Some(body) = next(&queue) {
                    if let Err(failure) = fuzz(workspace, &programs, body, plan.seconds) {
                        lock(&findings).push((body, failure));
                    }
                }
            });
        }
    });
    report(&lock(&findings))
}

fn next<'a>(queue: &Mutex<impl Iterator<Item = &'a String>>) -> Option<&'a String> {
    lock(queue).next()
}

/// What a panicking thread leaves behind is still whole: a queue or a list.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// Tells what was found.
fn report(findings: &[(&String, Failure)]) -> Result<()> {
    for (body, failure) in findings {
        match failure {
            Failure::Said(message) => sh::say(&format!("{body} FAILED: {message}")),
            Failure::Child(status) => sh::say(&format!("{body} FAILED with status {status}")),
        }
    }
    match findings.len() {
        0 => Ok(()),
        count => Err(Failure::Said(format!("{count} of the fuzz bodies failed"))),
    }
}

/// The bodies there are: one for each program.
fn all_bodies(root: &Path) -> Result<Vec<String>> {
    let dir = root.join("fuzz/fuzz_targets");
    let entries = fs::read_dir(&dir).map_err(sh::file_error("read", &dir))?;
    let mut bodies: Vec<String> = entries
        .filter_map(|entry| Some(entry.ok()?.path().file_stem()?.to_str()?.to_owned()))
        .collect();
    bodies.sort_unstable();
    Ok(bodies)
}

fn plan(args: &[String], all: &[String]) -> Result<Plan> {
    let mut plan = Plan {
        seconds: DEFAULT_SECONDS,
        bodies: Vec::new(),
    };
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        if arg == "--seconds" {
            plan.seconds = seconds(args.next())?;
        } else if all.contains(arg) {
            plan.bodies.push(arg.clone());
        } else {
            let all = all.join(", ");
            return Err(Failure::Said(format!(
                "there is no fuzz body `{arg}`; there are {all}"
            )));
        }
    }
    if plan.bodies.is_empty() {
        plan.bodies = all.to_vec();
    }
    Ok(plan)
}

fn seconds(arg: Option<&String>) -> Result<u32> {
    arg.and_then(|arg| arg.parse().ok())
        .filter(|&seconds| seconds > 0)
        .ok_or_else(|| Failure::Said("`--seconds` takes a number from 1 on".to_owned()))
}

/// The platform of the nightly compiler, which alone can build for libFuzzer.
fn nightly_host(workspace: &Workspace) -> Result<String> {
    let printed = sh::quiet(
        workspace
            .command("rustup")
            .args(["run", "nightly", "rustc", "-vV"]),
    );
    let host = printed.ok().and_then(|printed| host_of(&printed));
    host.ok_or_else(|| {
        Failure::Said(
            "fuzzing needs a nightly compiler: `rustup toolchain install nightly --profile \
             minimal`"
                .to_owned(),
        )
    })
}

/// The platform in what `rustc -vV` prints.
fn host_of(printed: &str) -> Option<String> {
    let mut lines = printed.lines();
    lines.find_map(|line| line.strip_prefix("host: ").map(str::to_owned))
}

/// Sees to it that there is a cargo-fuzz of our own, and returns its directory.
fn ensure_tool(workspace: &Workspace) -> Result<PathBuf> {
    let tools = workspace.scratch("tools")?;
    let programs = tools.join("bin");
    if !programs.join("cargo-fuzz").is_file() {
        sh::say(&format!(
            "installing cargo-fuzz: cargo install {CARGO_FUZZ} (about 2 minutes, once)"
        ));
        let mut cargo = workspace.cargo();
        cargo.args(["install", "--locked", "--root"]).arg(&tools);
        sh::quiet(cargo.arg(CARGO_FUZZ))?;
    }
    Ok(programs)
}

/// Builds all bodies. Without optimisation at link time, which takes minutes and finds nothing.
fn build(workspace: &Workspace, tools: &Path) -> Result<()> {
    sh::say("building the fuzz bodies: cargo +nightly fuzz build (minutes the first time)");
    let path = sh::env("PATH").unwrap_or_default();
    let path = std::env::join_paths(
        [tools.to_owned()]
            .into_iter()
            .chain(std::env::split_paths(&path)),
    )
    .map_err(|error| format!("cannot add {} to the search path: {error}", tools.display()))?;
    let mut cargo = workspace.command("cargo");
    cargo
        .current_dir(&workspace.root)
        .args(["fuzz", "build", "--sanitizer", "none", "--target-dir"])
        .arg(workspace.root.join("target"))
        .env("PATH", path)
        .env("RUSTUP_TOOLCHAIN", "nightly")
        .env("CARGO_PROFILE_RELEASE_LTO", "off")
        // That of the toolchain which runs us.
        .env_remove("CARGO");
    sh::loud(&mut cargo)
}

/// Runs one body from its seeds on; what it says goes into a file beside what it finds.
fn fuzz(workspace: &Workspace, programs: &Path, body: &str, seconds: u32) -> Result<()> {
    let scratch = workspace.scratch(&format!("fuzz/{body}"))?;
    let corpus = workspace.scratch(&format!("fuzz/{body}/corpus"))?;
    let log = scratch.join("log.txt");
    let output = File::create(&log).map_err(sh::file_error("write", &log))?;
    sh::say(&format!("fuzzing {body} for {seconds} s"));
    let program = programs.join(body);
    let mut command = Command::new(&program);
    command
        .args([TIMEOUT, MEMORY, "-print_final_stats=1"])
        .arg(format!("-max_total_time={seconds}"))
        .arg(format!("-artifact_prefix={}/", scratch.display()))
        .arg(corpus)
        .arg(workspace.root.join("fuzz/corpus").join(body))
        // The end of what the body says should be the reason, not the way there.
        .env("RUST_BACKTRACE", "0")
        .stderr(output);
    let outcome = sh::child(command.stdout(std::process::Stdio::null()));
    let said = fs::read(&log).map_err(sh::file_error("read", &log))?;
    let said = String::from_utf8_lossy(&said);
    match outcome {
        Ok(()) => {
            let inputs = after(&said, INPUTS).unwrap_or("?");
            sh::say(&format!("fuzzed {body}: {inputs} inputs, nothing found"));
            Ok(())
        }
        Err(_) => Err(Failure::Said(finding(&program, &log, &said))),
    }
}

/// What to say of a finding: the end of what the body said, the input, and how to run it again.
fn finding(program: &Path, log: &Path, said: &str) -> String {
    let tail = sh::tail(said);
    let log = log.display();
    match after(said, REPRODUCER) {
        None => format!("it ended without an input to blame ({log}):\n{tail}"),
        Some(input) => format!(
            "{tail}\nthe whole story: {log}\nthe input: {input}\nagain: {} {input}",
            program.display()
        ),
    }
}

/// The rest of the line after a marker.
fn after<'a>(said: &'a str, marker: &str) -> Option<&'a str> {
    let (_, rest) = said.split_once(marker)?;
    rest.lines().next().map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<String> {
        line.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn all_bodies_run_for_a_minute_unless_something_else_is_said() {
        let all = words("rows schema state");
        let planned = |line: &str| plan(&words(line), &all).unwrap();
        let expected = |seconds, bodies| Plan {
            seconds,
            bodies: words(bodies),
        };
        assert_eq!(planned(""), expected(60, "rows schema state"));
        assert_eq!(planned("--seconds 5 rows"), expected(5, "rows"));
        assert_eq!(planned("state --seconds 7 rows"), expected(7, "state rows"));
    }

    #[test]
    fn what_cannot_be_run_is_refused_by_name() {
        let all = words("rows schema");
        for (line, says) in [
            ("row", "no fuzz body `row`; there are rows, schema"),
            ("--seconds", "`--seconds` takes"),
            ("--seconds 0", "`--seconds` takes"),
            ("--seconds x", "`--seconds` takes"),
        ] {
            let Err(Failure::Said(message)) = plan(&words(line), &all) else {
                panic!("{line} is refused");
            };
            assert!(message.contains(says), "{line}: {message}");
        }
    }

    #[test]
    fn the_bodies_are_the_programs_in_the_checkout() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let all = all_bodies(root).unwrap();
        assert!(all.contains(&"rows".to_owned()), "{all:?}");
        assert!(all.is_sorted());
    }

    #[test]
    fn the_platform_is_read_from_what_the_compiler_says() {
        let printed = "rustc 1.97.0-nightly\nhost: x86_64-unknown-linux-gnu\nrelease: 1.97.0\n";
        assert_eq!(host_of(printed).unwrap(), "x86_64-unknown-linux-gnu");
        assert_eq!(host_of("error"), None);
    }

    #[test]
    fn a_finding_names_the_input_and_how_to_run_it_again() {
        let said = "panicked\nartifact_prefix='x/'; Test unit written to x/crash-1\nBase64: AA==\n";
        let message = finding(Path::new("rows"), Path::new("log.txt"), said);
        assert!(message.contains("the input: x/crash-1\n"), "{message}");
        assert!(message.ends_with("again: rows x/crash-1"), "{message}");
        let message = finding(Path::new("rows"), Path::new("log.txt"), "killed");
        assert!(message.contains("without an input"), "{message}");
    }
}
