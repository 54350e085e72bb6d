//! A run: the plan's sessions, then clean ones, then the verdict.

use std::sync::Arc;

use tokio::task::JoinSet;

use super::check::{Evidence, judge};
use super::files::files;
use super::group::Group;
use super::plan::{End, Plan, Session, Transaction, What};
use super::report::{Report, report};
use super::session::{Cast, Played, Playing};
use super::task::Task;
use super::world::{BUCKET, World};
use crate::s3::{FaultPlan, ServerError};

/// How many clean sessions may be needed: a transaction may have to be done again, and files may be found lost, and then a user has the
/// task go on without them.
const CLEAN_SESSIONS: u64 = 5;

/// The upload interval, in seconds, of sessions that end while the connector waits: in haste it is longer than an answer may take.
const LONG_INTERVAL: u32 = 1_000_000;

/// The documents that come after everything.
const LAST_DOCUMENTS: u64 = 4;

/// Plays a plan with a connector, its program and arguments.
pub async fn play(plan: &Plan, connector: &[String]) -> Result<Report, ServerError> {
    let world = Arc::new(World::new(plan, connector).await?);
    let mut run = Run {
        task: Task::new(plan),
        world,
        events: Vec::new(),
        number: 0,
    };
    for session in &plan.sessions {
        run.session(session.clone()).await;
    }
    run.come_to_a_good_end().await;
    Ok(run.verdict())
}

struct Run {
    world: Arc<World>,
    task: Task,
    events: Vec<String>,
    /// How many sessions there have been.
    number: u64,
}

impl Run {
    /// Plays a session of every group, and what happens to the task before it: at the same time, unless what happens to one would happen to the others at any time.
    async fn session(&mut self, session: Session) {
        for change in &session.changes {
            let word = if self.task.change(*change, &self.world) {
                ""
            } else {
                " cannot be"
            };
            self.events.push(format!("{change:?}{word}"));
        }
        self.task.pace(match session.end {
            End::Waiting => LONG_INTERVAL,
            _ => session.upload_interval,
        });
        let session = self.hinted_again(session);
        self.world.begin_session();
        let at_once = !session
            .incidents
            .iter()
            .any(|incident| incident.what == What::RevokeAccess);
        let groups = std::mem::take(&mut self.task.groups);
        let sessions = self.sessions(&groups, &session);
        let mut played = Vec::new();
        if at_once {
            let mut running = JoinSet::new();
            for (group, (cast, first)) in groups.into_iter().zip(sessions) {
                running.spawn(play_group(cast, group, first));
            }
            played = running.join_all().await;
            played.sort_by_key(|(group, _)| group.shards[0].begin);
        } else {
            for (group, (cast, first)) in groups.into_iter().zip(sessions) {
                played.push(play_group(cast, group, first).await);
            }
        }
        self.take(played);
        self.number += 1;
    }

    /// What the new runtime plays instead of a session where a transaction was begun and not committed: exactly that one, after which
    /// it ends the session without Acknowledge.
    fn hinted_again(&mut self, session: Session) -> Session {
        let Some(hinted) = self.hinted() else {
            return session;
        };
        self.events
            .push(format!("session {}: again {hinted:?}", self.number));
        self.world.record().replays += 1;
        Session {
            transactions: vec![hinted],
            end: End::Committed,
            ..session
        }
    }

    /// The transaction that was begun and not committed. Only the new runtime notes one, and there all shards are one group.
    fn hinted(&self) -> Option<Transaction> {
        self.task.groups.iter().find_map(|group| group.hinted)
    }

    /// What each group plays, with the place of its first shard.
    fn sessions(&self, groups: &[Group], session: &Session) -> Vec<(Cast, usize)> {
        let cast = Cast {
            world: Arc::clone(&self.world),
            spec: Arc::new(self.task.specification(&self.world)),
            bound: self.task.bound.clone(),
            state_keys: self.task.active_state_keys(&self.world.plan),
            generation: self.task.generation,
            skips_missing: self.task.skips_missing,
            version: self.task.version,
            session: session.clone(),
            number: self.number,
            shards: groups.iter().map(|group| group.shards.len()).sum(),
        };
        let mut first = 0;
        let casts = groups.iter().map(|group| {
            let place = first;
            first += group.shards.len();
            (cast.clone(), place)
        });
        casts.collect()
    }

    fn take(&mut self, played: Vec<(Group, Played)>) {
        for (
            group,
            Played {
                events,
                reported_lost,
            },
        ) in played
        {
            let (session, lineage) = (self.number, group.lineage);
            self.events.extend(
                events
                    .into_iter()
                    .map(|event| format!("session {session}, log {lineage}: {event}")),
            );
            if reported_lost {
                self.task.skip_missing();
            }
            self.task.groups.push(group);
            self.world.record().sessions += 1;
        }
    }

    /// Faults are over, zombies are gone; now everything that is committed must come out.
    async fn come_to_a_good_end(&mut self) {
        self.world.server.set_faults(FaultPlan::default());
        for group in &self.task.groups {
            group.sleepers.wake_all();
        }
        let zombies = std::mem::take(&mut self.world.record().zombies);
        for zombie in zombies {
            let _ = zombie.await;
        }
        self.world.settle().await;
        self.task.pace(0);
        for _ in 0..CLEAN_SESSIONS {
            let (version, is_again) = (self.task.version, self.hinted().is_some());
            self.session(self.last_session()).await;
            if self.task.version == version && !is_again && self.is_even() {
                return;
            }
        }
        self.world
            .surprise("clean sessions do not bring the task to a good end".to_owned());
    }

    /// Reads to the end, which is the same for every group.
    fn last_session(&self) -> Session {
        let positions = self.task.groups.iter().map(|group| group.position);
        let least = positions.min().unwrap_or(0);
        let transaction = Transaction {
            documents: (self.end() - least) as u32,
            payload_bytes: 0,
        };
        Session {
            transactions: vec![transaction],
            end: End::Acknowledged,
            ..Session::default()
        }
    }

    fn end(&self) -> u64 {
        let positions = self.task.groups.iter().map(|group| group.position);
        positions.max().unwrap_or(0) + LAST_DOCUMENTS
    }

    /// Whether every group has acknowledged everything.
    fn is_even(&self) -> bool {
        self.task
            .groups
            .iter()
            .all(|group| group.staged().is_empty())
    }

    fn verdict(self) -> Report {
        self.world.look();
        let evidence = self.evidence();
        let findings = judge(&evidence);
        report(&self.world, self.events, &evidence, findings)
    }

    fn evidence(&self) -> Evidence {
        let files = files(&self.world);
        let writes = self
            .world
            .server
            .with_store(|store| store.writes(BUCKET).cloned().unwrap_or_default());
        let pending = self.world.pending().into_iter().map(|(key, _)| key);
        let hash = format!(
            "-{:08x}-",
            materialize_s3_parquet::keys::task_hash(&self.task.name)
        );
        let unsupported = self.world.server.unsupported();
        let record = self.world.record();
        let unsupported = unsupported
            .iter()
            .map(|entry| format!("the S3 server does not implement {}", entry.line));
        Evidence {
            commits: record.commits.clone(),
            files,
            writes,
            may_be_missing: record.may_be_missing.clone(),
            pending: pending.filter(|key| key.contains(&hash)).collect(),
            aborted_bystanders: self.world.aborted_bystanders(),
            states: record.states.clone(),
            surprises: record
                .surprises
                .iter()
                .cloned()
                .chain(unsupported)
                .collect(),
        }
    }
}

async fn play_group(cast: Cast, mut group: Group, first_shard: usize) -> (Group, Played) {
    let played = Playing::new(&cast, &mut group, first_shard).play().await;
    (group, played)
}
