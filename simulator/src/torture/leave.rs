//! What becomes of the connectors when a session does not end in good order, and who is to blame.

use std::time::Duration;

use materialize_s3_parquet::protocol::materialize::{Request, request};
use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};

use super::plan::{At, End, Incident, What};
use super::session::{Playing, Shard, WAIT_BEGINS};
use super::staged::StagedEntry;
use super::story::Happening;
use crate::runtime::{Connector, Error, Signal, Tuples};

/// How long a connector that was woken may go on.
pub(super) const ZOMBIE_LIFE: Duration = Duration::from_secs(10);

/// How long to wait for receipts that tell of everything. Where something keeps them from being
/// written, the session goes on.
const RECEIPTS: Duration = Duration::from_secs(2);

impl Playing<'_> {
    /// What its sessions must complain of: nobody can tell what has become of it.
    pub(super) fn unknown(&self) -> Vec<StagedEntry> {
        let world = &self.cast.world;
        let mut unknown = self.group.staged();
        unknown.retain(|entry| {
            !self.cast.settings.skips_missing
                && self.cast.state_keys.contains(&entry.state_key)
                && world.is_unknown(entry)
        });
        unknown
    }

    /// A session that has come to its end must not have passed over files of which nobody can tell.
    pub(super) fn must_not_pass_over(&self, unknown: &[StagedEntry]) {
        // A zombie may have told of them meanwhile.
        let mut passed = unknown.iter();
        if let Some(entry) = passed.find(|entry| !self.cast.world.is_told(entry)) {
            let number = self.cast.number;
            self.cast.world.surprise(format!(
                "session {number} ended well, though nobody can tell what has become of {}",
                entry.key
            ));
        }
    }

    /// Whether a message complains of a file that it may complain of: one of `unknown`, or one that
    /// has become so since. A loader may have taken it before the answer to a completion came,
    /// or after a zombie made it visible.
    fn complains(&self, message: &str, unknown: &[StagedEntry]) -> bool {
        let world = &self.cast.world;
        let is_haunted = world.record().is_haunted;
        let waiting = self.group.staged();
        let taken = waiting
            .iter()
            .filter(|entry| world.is_unknown(entry) || (is_haunted && world.is_loaded(entry)));
        let mut named = unknown.iter().chain(taken);
        named.any(|entry| message.contains(&entry.key))
    }

    /// The connector has failed. Whether it has said that nobody can tell what has become of files.
    pub(super) fn failed(&mut self, error: &Error, unknown: &[StagedEntry]) -> bool {
        let message = error.to_string();
        let place = self.place(0);
        let told = Happening::Failed(message.clone());
        self.cast.world.tell(place, told);
        let names_lost = self.complains(&message, unknown);
        let has_cause = self.cast.world.has_cause_to_fail();
        if names_lost {
            self.events
                .push("failed, because files are lost".to_owned());
            self.must_have_tried_all();
        } else if has_cause && matches!(error, Error::Failed { .. }) {
            self.events.push("failed for a cause".to_owned());
        } else {
            self.events.push("failed".to_owned());
            self.cast
                .world
                .surprise(format!("session {}: {message}", self.cast.number));
        }
        names_lost
    }

    /// Once a connector has acknowledged, its receipts must tell of what it has made visible. A
    /// zombie may have overwritten them, and what is skipped is not told of. Nor is a file of a
    /// binding that is no longer active, if it was taken and its receipt lost: it goes on waiting.
    pub(super) fn must_have_told(&self) {
        let world = &self.cast.world;
        let skips = self.cast.settings.skips_missing;
        if skips || world.record().is_haunted || world.has_cause_to_fail() {
            return;
        }
        let mut waiting = self.group.staged().into_iter();
        let is_untold = |entry: &StagedEntry| {
            let is_active = self.cast.state_keys.contains(&entry.state_key);
            is_active && world.was_visible(entry) && !world.is_told(entry)
        };
        if let Some(entry) = waiting.find(is_untold) {
            world.surprise(format!(
                "session {}: {} is acknowledged, and no receipt tells of it",
                self.cast.number, entry.key
            ));
        }
    }

    /// A session that fails for some files must have made the others visible, unless a fault kept
    /// it from that.
    fn must_have_tried_all(&self) {
        let world = &self.cast.world;
        if self.group.shards.len() > 1 || world.has_cause_to_fail() {
            // The runtime drops the streams of the other shards when one fails.
            return;
        }
        let mut waiting = self.group.staged().into_iter();
        if let Some(entry) = waiting.find(|entry| world.is_staged(entry)) {
            world.surprise(format!(
                "session {} failed for other files, and did not make {} visible",
                self.cast.number, entry.key
            ));
        }
    }

    /// The runtime has turned away, as the plan wants it.
    pub(super) async fn leave(&mut self, is_to_report: bool) {
        let mut shards: Vec<Shard> = self.shards.drain(..).collect();
        let left = shards.iter().position(|shard| shard.script.left.is_some());
        if let Some(shard) = left.map(|index| shards.remove(index))
            && let Some(incident) = shard.script.left
        {
            self.happens(shard, incident, is_to_report).await;
        }
        // The runtime drops the streams of the other shards.
        for shard in shards {
            kill(shard, 0).await;
        }
    }

    /// What the plan wants to happen to a connector.
    async fn happens(&mut self, shard: Shard, incident: Incident, is_to_report: bool) {
        match incident.what {
            What::Kill { after_milliseconds } => {
                if self.waits(incident) {
                    self.receipts().await;
                }
                kill(shard, after_milliseconds).await;
            }
            What::Freeze {
                after_milliseconds,
                until,
            } => {
                let pause = Duration::from_millis(after_milliseconds);
                self.freeze(shard, incident.at, pause, until).await;
            }
            What::CloseInput | What::Terminate => self.dismiss(shard, incident, is_to_report).await,
            What::RevokeAccess => {}
        }
    }

    /// Whether an incident happens to a connector that waits for the end of its upload interval.
    fn waits(&self, incident: Incident) -> bool {
        self.cast.session.end == End::Waiting && incident.at == At::AcknowledgeSent
    }

    /// Waits until receipts tell of everything that was to be made visible, so that a connector is
    /// at rest.
    async fn receipts(&self) {
        let waiting = self.group.staged();
        let is_told = async {
            while !waiting.iter().all(|entry| self.cast.world.is_told(entry)) {
                sleep(Duration::from_millis(2)).await;
            }
        };
        let _ = timeout(RECEIPTS, is_told).await;
    }

    /// Stops a connector. Later it goes on, and hears what a runtime would still say that does not
    /// know of its successor.
    async fn freeze(&mut self, shard: Shard, at: At, pause: Duration, until: At) {
        let tuples = self
            .cast
            .world
            .plan
            .runtime
            .tuples(self.cast.world.plan.codec.into());
        let rest = rest(&shard, at, tuples);
        let mut connector = shard.session.into_connector();
        connector.flush().await;
        sleep(pause).await;
        connector.signal(Signal::SIGSTOP);
        let woken = self.group.sleepers.add(until);
        self.cast.world.haunt(haunt(connector, rest, woken));
    }

    /// Has a connector end: by the end of its input, or by a signal alone.
    async fn dismiss(&mut self, shard: Shard, incident: Incident, is_to_report: bool) {
        let mut connector = shard.session.into_connector();
        connector.flush().await;
        if self.waits(incident) {
            self.receipts().await;
            sleep(WAIT_BEGINS).await;
        }
        if incident.what == What::Terminate {
            connector.signal(Signal::SIGTERM);
        } else {
            connector.close_input().await;
        }
        let exit = match connector.drain().await {
            Ok(exit) => exit,
            Err(error) => return self.cast.world.surprise(format!("{incident:?}: {error}")),
        };
        let is_terminated = incident.what == What::Terminate;
        let within = incident.at.is_within_transaction()
            || (is_terminated && incident.at == At::StartCommitSent);
        let is_right = match (within, incident.what) {
            (false, _) => {
                let has_cause = is_to_report || self.cast.world.has_cause_to_fail();
                exit.is_success || has_cause || self.complains(&connector.last_message(), &[])
            }
            // A signal may come before what was sent before it.
            (true, What::Terminate) => true,
            (true, _) => !exit.is_success,
        };
        if !is_right {
            let (number, message) = (self.cast.number, connector.last_message());
            self.cast.world.surprise(format!(
                "session {number}: {} after {incident:?}: {message}",
                exit.status
            ));
        }
    }
}

async fn kill(shard: Shard, after_milliseconds: u64) {
    let mut connector = shard.session.into_connector();
    connector.flush().await;
    sleep(Duration::from_millis(after_milliseconds)).await;
    // One that does not die is found by what it does.
    let _ = connector.kill().await;
}

/// Goes on once woken, as the runtime of old would have it; and ends.
async fn haunt(mut connector: Connector, rest: Vec<Request>, woken: oneshot::Receiver<()>) {
    let _ = woken.await;
    connector.signal(Signal::SIGCONT);
    for request in &rest {
        if connector.feed(request).await.is_err() {
            break;
        }
    }
    connector.close_input().await;
    let _ = timeout(ZOMBIE_LIFE, connector.drain()).await;
    let _ = connector.kill().await;
}

/// What a runtime still says after a step, until it would have to commit: it is fenced off, and
/// cannot.
fn rest(shard: &Shard, at: At, tuples: Tuples) -> Vec<Request> {
    let flush = || Request {
        flush: Some(request::Flush::default()),
        ..Request::default()
    };
    let acknowledge = || Request {
        acknowledge: Some(request::Acknowledge::default()),
        ..Request::default()
    };
    let start_commit = || Request {
        start_commit: Some(request::StartCommit::default()),
        ..Request::default()
    };
    match at {
        At::StateRead | At::OpenSent | At::Opened | At::Committed => vec![acknowledge()],
        At::Acknowledged | At::AcknowledgedPersisted => vec![flush(), start_commit()],
        At::FlushSent | At::Flushed | At::FlushedPersisted => {
            let rows = shard.rows.iter().map(|row| row.request(tuples));
            rows.chain([start_commit()]).collect()
        }
        At::StoreSent => {
            let rows = shard
                .rows
                .iter()
                .skip(shard.script.sent)
                .map(|row| row.request(tuples));
            rows.chain([start_commit()]).collect()
        }
        At::AcknowledgeSent | At::StartCommitSent | At::StartedCommit => Vec::new(),
    }
}
