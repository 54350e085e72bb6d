//! What becomes of the connectors when a session does not end in good order, and who is to blame.

use std::time::Duration;

use jiff::Timestamp;
use materialize_s3_parquet::protocol::materialize::{Request, request};
use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};

use super::plan::{At, End, Incident, What};
use super::session::{Playing, Shard, WAIT_BEGINS};
use super::staged::StagedEntry;
use super::story::Happening;
use crate::runtime::{Connector, Error, Signal, Tuples};

/// How old a staged upload must be for a rule of the bucket to have removed it, in hours.
const RULE_HOURS: i64 = 24;

/// How long a connector that was woken may go on.
const ZOMBIE_LIFE: Duration = Duration::from_secs(10);

impl Playing<'_> {
    /// What its sessions must complete and cannot, because neither upload nor object is there.
    pub(super) fn lost(&self) -> Vec<StagedEntry> {
        let world = &self.cast.world;
        let mut lost = self.group.staged();
        lost.retain(|entry| world.is_lost(entry));
        // Whether they are reported or passed over depends on their age, not whether they can be delivered.
        let keys = lost
            .iter()
            .filter(|entry| is_old(entry))
            .map(|entry| entry.key.clone());
        world.record().may_be_missing.extend(keys);
        lost.retain(|entry| {
            is_old(entry)
                && !self.cast.skips_missing
                && self.cast.state_keys.contains(&entry.state_key)
        });
        lost
    }

    /// A session that has come to its end must not have passed over files that are lost.
    pub(super) fn must_not_pass_over(&self, lost: &[StagedEntry]) {
        if let Some(entry) = lost.first() {
            let number = self.cast.number;
            self.cast.world.surprise(format!(
                "session {number} ended well, though {} is lost",
                entry.key
            ));
        }
    }

    /// The connector has failed. Whether it has said that files are lost.
    pub(super) fn failed(&mut self, error: &Error, lost: &[StagedEntry]) -> bool {
        let message = error.to_string();
        let place = self.place(0);
        let told = Happening::Failed(message.clone());
        self.cast.world.tell(place, told);
        let names_lost = lost.iter().any(|entry| message.contains(&entry.key));
        let has_cause = self.cast.world.has_cause_to_fail();
        if names_lost {
            self.events
                .push("failed, because files are lost".to_owned());
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

    /// The runtime has turned away, as the plan wants it.
    pub(super) async fn leave(&mut self, is_to_report: bool) {
        let mut shards: Vec<Shard> = self.shards.drain(..).collect();
        let Some(index) = shards.iter().position(|shard| shard.script.left.is_some()) else {
            // Only an incident makes the runtime turn away, and it is the shard's.
            return;
        };
        let shard = shards.remove(index);
        let Some(incident) = shard.script.left else {
            return;
        };
        match incident.what {
            What::Kill { after_milliseconds } => kill(shard, after_milliseconds).await,
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
        // The runtime drops the streams of the other shards.
        for shard in shards {
            kill(shard, 0).await;
        }
    }

    /// Stops a connector. Later it goes on, and hears what a runtime would still say that does not know of its successor.
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
        let zombie = tokio::spawn(haunt(connector, rest, woken));
        self.cast.world.record().zombies.push(zombie);
    }

    /// Has a connector end: by the end of its input, or by a signal alone.
    async fn dismiss(&mut self, shard: Shard, incident: Incident, is_to_report: bool) {
        let mut connector = shard.session.into_connector();
        connector.flush().await;
        if self.cast.session.end == End::Waiting && incident.at == At::AcknowledgeSent {
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
            (false, _) => exit.is_success || is_to_report || self.cast.world.has_cause_to_fail(),
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

fn is_old(entry: &StagedEntry) -> bool {
    now().duration_since(entry.staged_at).as_hours() >= RULE_HOURS
}

#[expect(
    clippy::disallowed_methods,
    reason = "the connector that is judged goes by the same clock"
)]
fn now() -> Timestamp {
    Timestamp::now()
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

/// What a runtime still says after a step, until it would have to commit: it is fenced off, and cannot.
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
        At::OpenSent | At::Opened | At::Committed => vec![acknowledge()],
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
