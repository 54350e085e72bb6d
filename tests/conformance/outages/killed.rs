//! The connector killed while it completes files, again and again: nobody waits for what the server
//! still does of what it was asked. Nothing is lost, nothing doubled, and no server had an outage.

use std::time::Duration;

use flow_sim::run::{Bucket, Event, Options, Progress, Report, Store, run};
use flow_sim::runtime::{Step, Verdict};
use tokio::time::sleep;

use super::victim::{Outage, Victim};
use super::{Catalog, wait_for};
use crate::docker;
use crate::servers::{Server, bucket, connector, files};

/// How long after Acknowledge was sent the connector is killed at the latest.
const LATEST: Duration = Duration::from_millis(50);

/// How many files a transaction has.
const FILES: usize = 60;

/// Kills the connector once for every transaction, after it was asked to acknowledge it.
struct Killer {
    bucket: Bucket,
    rounds: usize,
    /// How many transactions are committed.
    committed: usize,
    /// Whether the one committed last was not acknowledged yet.
    is_due: bool,
    /// How many files there were after each kill.
    after_kill: Vec<usize>,
}

impl Killer {
    async fn new(options: &Options, rounds: usize) -> Self {
        let bucket = Bucket::open(&options.store, options.bucket.as_deref(), 0);
        Self {
            bucket: bucket.await.unwrap(),
            rounds,
            committed: 0,
            is_due: false,
            after_kill: Vec::new(),
        }
    }

    /// How long the connector may still live: nothing in the first round, and longer in each.
    fn delay(&self) -> Duration {
        let (round, last) = (self.committed - 1, self.rounds - 1);
        LATEST * round as u32 / last.max(1) as u32
    }

    /// The rounds in which the connector was killed when some files were complete and others not.
    fn in_the_middle(&self) -> usize {
        let counts = self.after_kill.iter().zip(0..);
        counts
            .filter(|(count, round)| (round * FILES + 1..(round + 1) * FILES).contains(count))
            .count()
    }
}

impl Progress for Killer {
    fn event(&mut self, event: Event) {
        match event {
            Event::Committed { .. } => {
                self.committed += 1;
                self.is_due = true;
            }
            Event::Restarted { .. } => {
                let found = wait_for(files(self.bucket.client(), &self.bucket.name, ""));
                self.after_kill.push(found.len());
            }
            _ => {}
        }
    }

    fn step(&mut self, _shard: u32, step: Step) -> Verdict {
        if step != Step::AcknowledgeSent || !std::mem::take(&mut self.is_due) {
            return Verdict::Continue;
        }
        wait_for(sleep(self.delay()));
        Verdict::Kill
    }
}

/// Plays so many transactions, with a connector that is killed while it completes the files of
/// each. All files of all rounds must be there, and hold what was sent.
async fn survives(server: Server, rounds: usize) {
    let victim = Victim::start(server).await;
    let folder = tempfile::tempdir().unwrap();
    Catalog {
        bindings: FILES,
        documents: 1,
        transactions: rounds,
    }
    .write(folder.path());
    let options = Options {
        store: Store::At(victim.location(Outage::Kill)),
        bucket: Some(bucket("killed")),
        connector: Some(vec![connector().display().to_string()]),
        // Who finds that a file is lost waits for minutes before it says so.
        patience: Duration::from_mins(3),
        ..Options::new(folder.path().join("flow.yaml"))
    };
    let mut killer = Killer::new(&options, rounds).await;
    let report = run(&options, &mut killer).await;
    let so_far = killer.after_kill.len();
    let report = report.unwrap_or_else(|error| panic!("{server:?} after {so_far} kills: {error}"));
    assert_eq!(so_far, rounds);
    has_every_file_once(&report, rounds);
    let after_kills = &killer.after_kill;
    assert!(killer.in_the_middle() > 0, "{server:?}: {after_kills:?}");
}

fn has_every_file_once(report: &Report, rounds: usize) {
    let difference = report.differences().next();
    assert!(difference.is_none(), "{difference:?}");
    assert_eq!(report.bindings.len(), FILES);
    for binding in &report.bindings {
        assert_eq!(binding.files.len(), rounds, "{}", binding.prefix);
        assert_eq!(binding.equal_rows, rounds as u64, "{}", binding.prefix);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn minio() {
    if docker::wanted("outages::killed::minio") {
        survives(Server::Minio, 25).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ceph() {
    if docker::wanted("outages::killed::ceph") {
        survives(Server::Ceph, 5).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn seaweedfs() {
    if docker::wanted("outages::killed::seaweedfs") {
        survives(Server::SeaweedFs, 5).await;
    }
}
