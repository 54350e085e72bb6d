//! An interruption (Ctrl-C) at any time: the simulator ends at once, with the status that shells
//! expect, and leaves neither a process nor half a file behind.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use tempfile::TempDir;

use crate::servers::{connector, tests_folder};

/// How long everything may take that should take no time.
const PATIENCE: Duration = Duration::from_secs(20);
const POLL: Duration = Duration::from_millis(20);

/// A simulator that runs in a folder of its own.
struct Simulator {
    folder: TempDir,
    process: Child,
}

impl Simulator {
    /// `run` of a catalog, with the connector under a name of its own.
    fn run(catalog: &str, arguments: &[&str]) -> Self {
        let catalog = tests_folder(&format!("catalogs/{catalog}/flow.yaml"));
        let catalog = catalog.to_str().unwrap().to_owned();
        let mut all = vec!["run", &catalog, "--connector", "./the-connector"];
        all.extend(["--report", "page.html"]);
        all.extend(arguments);
        Self::start(&all)
    }

    fn start(arguments: &[&str]) -> Self {
        let folder = TempDir::new().unwrap();
        fs::create_dir(folder.path().join("tmp")).unwrap();
        symlink(connector(), folder.path().join("the-connector")).unwrap();
        let process = Command::new(connector().with_file_name("flow-sim"))
            .args(arguments)
            .current_dir(folder.path())
            .env("TMPDIR", folder.path().join("tmp"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        Self { folder, process }
    }

    /// Reads what it says until it says this.
    fn until(mut self, text: &str) -> Self {
        let stdout = self.process.stdout.take().unwrap();
        let mut lines = BufReader::new(stdout).lines();
        let said = lines.any(|line| line.unwrap().contains(text));
        assert!(said, "it has not said `{text}`");
        // Nobody reads the rest, and that must not hold it up: the pipe is closed here.
        self
    }

    /// Interrupts it, and sees to it that nothing is left.
    fn interrupted(mut self, signal: &str) {
        let pid = self.process.id();
        let sent = Command::new("kill")
            .args([signal, &pid.to_string()])
            .status();
        assert!(sent.unwrap().success());
        let status = within(PATIENCE, || self.process.try_wait().unwrap());
        assert_eq!(status.code(), Some(130));
        within(PATIENCE, || {
            children(self.folder.path()).is_empty().then_some(())
        });
        assert_eq!(
            left_behind(&self.folder.path().join("tmp")),
            Vec::<PathBuf>::new()
        );
        assert!(!self.folder.path().join("page.html").exists());
        let others = left_behind(self.folder.path());
        assert!(
            others
                .iter()
                .all(|path| !path.to_string_lossy().contains(".flow-sim-")),
            "{others:?}"
        );
        for file in left_behind(&self.folder.path().join("files")) {
            let bytes = fs::read(&file).unwrap();
            assert!(
                bytes.starts_with(b"PAR1") && bytes.ends_with(b"PAR1"),
                "{}",
                file.display()
            );
        }
    }
}

fn within<T>(patience: Duration, mut look: impl FnMut() -> Option<T>) -> T {
    for _ in 0..patience.as_millis() / POLL.as_millis() {
        if let Some(found) = look() {
            return found;
        }
        sleep(POLL);
    }
    panic!("nothing has come of it within {patience:?}")
}

/// The processes that run in a folder.
fn children(folder: &Path) -> Vec<PathBuf> {
    let processes = fs::read_dir("/proc").unwrap();
    processes
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|process| fs::read_link(process.join("cwd")).is_ok_and(|cwd| cwd == folder))
        .collect()
}

/// The files in a folder, which need not be there.
fn left_behind(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    let entries = entries.map(|entry| entry.unwrap().path());
    entries
        .flat_map(|path| {
            if path.is_dir() && !path.ends_with("tmp") {
                left_behind(&path)
            } else {
                vec![path]
            }
        })
        .filter(|path| !path.ends_with("the-connector") && !path.ends_with("tmp"))
        .collect()
}

#[test]
fn while_the_connector_holds_an_acknowledgement_back() {
    for signal in ["-INT", "-TERM"] {
        let simulator = Simulator::run("wikipedia", &["--interval", "3600", "--output", "files"]);
        let simulator = simulator.until("transaction 1 committed");
        assert!(children(simulator.folder.path()).len() > 1);
        simulator.interrupted(signal);
    }
}

#[test]
fn while_it_waits_for_documents() {
    let simulator = Simulator::run("wikipedia", &["--fixture", "-"]);
    simulator.until("playing").interrupted("-INT");
}

#[test]
fn while_it_compares() {
    let simulator = Simulator::run("wikipedia", &[]);
    simulator.until("comparing").interrupted("-INT");
}

#[test]
fn while_it_fetches_into_a_folder_that_stays() {
    let simulator = Simulator::run("wikipedia", &["--output", "files"]);
    simulator
        .until("transaction 6 committed")
        .interrupted("-INT");
}

#[test]
fn while_it_serves_s3() {
    let simulator = Simulator::start(&["s3", "--port", "0"]);
    simulator.until("S3 at").interrupted("-INT");
}

#[test]
fn while_it_measures() {
    for text in ["making", "round 1, duckdb"] {
        let simulator = Simulator::start(&["bench", "--docs", "wiki", "--scale", "0.01"]);
        simulator.until(text).interrupted("-INT");
    }
}
