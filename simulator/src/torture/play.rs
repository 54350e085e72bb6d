//! A run: the plan's sessions, then clean ones, then the verdict.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tokio::task::JoinSet;

use super::check::{Evidence, judge};
use super::files::{files, without_repeats};
use super::group::Group;
use super::plan::{End, Incident, Plan, Session, Transaction, What};
use super::report::{Report, report};
use super::servers::BUCKETS;
use super::session::{Cast, Played, Playing};
use super::task::{SECOND_STACK, Task};
use super::world::World;
use crate::runtime::Runtime;
use crate::s3::{Effect, Operation, ServerError, Store};
use crate::staging::is_staged;

/// How many clean sessions may be needed: a transaction may have to be done again, files may be
/// found lost, and then a user has the task go on without them, and no longer; and what one leaves
/// behind the next one throws away.
const CLEAN_SESSIONS: u64 = 10;

/// The generation of the second stack's rows.
const SECOND_GENERATION: u32 = 1_000_000;

/// The upload interval, in seconds, of sessions that end while the connector waits: in haste it is
/// longer than an answer may take.
const LONG_INTERVAL: u32 = 1_000_000;

/// The documents that come after everything.
const LAST_DOCUMENTS: u64 = 4;

/// Plays a plan with a connector, its program and arguments.
pub async fn play(plan: &Plan, connector: &[String]) -> Result<Report, ServerError> {
    play_with(plan, connector, |_, _| ()).await
}

/// The same where somebody meddles with the store after each session of the plan: a test of torture
/// itself, which must find out.
pub async fn play_with(
    plan: &Plan,
    connector: &[String],
    meddle: impl Fn(u64, &mut Store),
) -> Result<Report, ServerError> {
    let world = Arc::new(World::new(plan, connector).await?);
    let mut run = Run {
        task: Task::new(plan),
        world,
        events: Vec::new(),
        number: 0,
        is_clean: false,
    };
    for session in &plan.sessions {
        run.session(session.clone()).await;
        run.world
            .servers
            .with_store(|store| meddle(run.number - 1, store));
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
    /// Whether the clean sessions have begun.
    is_clean: bool,
}

/// What a group plays: with whom, and the place of its first shard.
type Part = (Group, Cast, usize);

impl Run {
    /// Plays a session of every group, and what happens to the task before it: at the same time,
    /// unless what happens to one would happen to the others at any time.
    async fn session(&mut self, session: Session) {
        self.world.servers.settle_copies().await;
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
        let is_refused = |incident: &Incident| incident.what == What::RevokeAccess;
        let at_once = !session.incidents.iter().any(is_refused);
        let parts = self.parts(&session);
        let mut played = Vec::new();
        if at_once {
            let mut running = JoinSet::new();
            for part in parts {
                running.spawn(play_part(part));
            }
            played = running.join_all().await;
            played.sort_by_key(|(group, _)| (group.lineage == SECOND_STACK, group.shards[0].begin));
        } else {
            for part in parts {
                played.push(Box::pin(play_part(part)).await);
            }
        }
        self.take(played);
        self.number += 1;
    }

    /// What the new runtime plays instead of a session where a transaction was begun and not
    /// committed: exactly that one, after which it ends the session without Acknowledge.
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

    /// The transaction that was begun and not committed. Only the new runtime notes one, and there
    /// all shards are one group.
    fn hinted(&self) -> Option<Transaction> {
        self.task.groups.iter().find_map(|group| group.hinted)
    }

    /// What each group plays, the second stack last.
    fn parts(&mut self, session: &Session) -> Vec<Part> {
        let groups = std::mem::take(&mut self.task.groups);
        let cast = Cast {
            world: Arc::clone(&self.world),
            spec: Arc::new(self.task.specification(&self.world)),
            bound: self.task.bound.clone(),
            state_keys: self.task.active_state_keys(&self.world.plan),
            generation: self.task.generation,
            settings: self.task.settings,
            version: self.task.version,
            session: session.clone(),
            number: self.number,
            shards: groups.iter().map(|group| group.shards.len()).sum(),
            cleans_up: self.is_clean,
        };
        let second = self.second_stack(&cast);
        let mut first = 0;
        let parts = groups.into_iter().map(|group| {
            let place = first;
            first += group.shards.len();
            (group, cast.clone(), place)
        });
        parts.chain(second).collect()
    }

    /// What the second stack plays, if it does: a session in which nothing happens to it. The new
    /// runtime has it do again what it had begun.
    fn second_stack(&mut self, cast: &Cast) -> Option<Part> {
        let transaction = cast.session.second_stack?;
        let group = self.task.second_stack.take();
        let group = group.unwrap_or_else(|| Group::new(SECOND_STACK));
        let session = Session {
            transactions: vec![group.hinted.unwrap_or(transaction)],
            upload_interval: cast.session.upload_interval,
            end: match cast.session.end {
                End::Waiting => End::Committed,
                end => end,
            },
            ..Session::default()
        };
        let cast = Cast {
            generation: SECOND_GENERATION,
            session,
            ..cast.clone()
        };
        Some((group, cast, 0))
    }

    fn take(&mut self, played: Vec<(Group, Played)>) {
        let skips = self.task.settings.skips_missing;
        let all_ended = played.iter().all(|(_, played)| played.ended);
        let reports_lost = played.iter().any(|(_, played)| played.reports_lost);
        for (group, Played { events, .. }) in played {
            let (session, lineage) = (self.number, group.lineage);
            self.events.extend(
                events
                    .into_iter()
                    .map(|event| format!("session {session}, log {lineage}: {event}")),
            );
            if lineage == SECOND_STACK {
                self.task.second_stack = Some(group);
            } else {
                self.task.groups.push(group);
            }
            self.world.record().sessions += 1;
        }
        self.task
            .skip_missing(reports_lost || (skips && !all_ended));
    }

    /// Faults are over, zombies are gone; now everything that is committed must come out.
    async fn come_to_a_good_end(&mut self) {
        self.world.servers.end_faults();
        for group in self.groups() {
            group.sleepers.wake_all();
        }
        let zombies = std::mem::take(&mut self.world.record().zombies);
        for zombie in zombies {
            let _ = zombie.await;
        }
        self.world.settle().await;
        self.task.pace(0);
        self.is_clean = true;
        let mut is_clean = false;
        for _ in 0..CLEAN_SESSIONS {
            let version = self.task.version;
            let was_even = is_clean && self.is_even();
            self.session(self.last_session()).await;
            is_clean = self.task.version == version;
            if is_clean && was_even && self.is_even() {
                return;
            }
        }
        self.world
            .surprise("clean sessions do not bring the task to a good end".to_owned());
    }

    /// Every group, the second stack's included.
    fn groups(&self) -> impl Iterator<Item = &Group> {
        self.task.groups.iter().chain(&self.task.second_stack)
    }

    /// Reads to the end, which is the same for every group.
    fn last_session(&self) -> Session {
        let positions = self.task.groups.iter().map(|group| group.position);
        let least = positions.min().unwrap_or(0);
        let transaction = Transaction {
            documents: (self.end() - least) as u32,
            payload_bytes: 0,
        };
        let second = self.task.second_stack.as_ref();
        Session {
            transactions: vec![transaction],
            second_stack: second.map(|_| Transaction {
                documents: LAST_DOCUMENTS as u32,
                payload_bytes: 0,
            }),
            end: End::Acknowledged,
            ..Session::default()
        }
    }

    fn end(&self) -> u64 {
        let positions = self.task.groups.iter().map(|group| group.position);
        positions.max().unwrap_or(0) + LAST_DOCUMENTS
    }

    /// Whether every group has committed and acknowledged everything, but for files of inactive
    /// bindings of which nobody can tell: those are told of for days.
    fn is_even(&self) -> bool {
        let active = self.task.active_state_keys(&self.world.plan);
        self.groups().all(|group| {
            let mut waiting = group.staged().into_iter();
            let is_settled = waiting
                .all(|entry| !active.contains(&entry.state_key) && self.world.is_unknown(&entry));
            is_settled && group.hinted.is_none()
        })
    }

    fn verdict(self) -> Report {
        self.world.look();
        let evidence = self.evidence();
        let findings = judge(&evidence);
        report(&self.world, self.events, &evidence, findings)
    }

    fn evidence(&self) -> Evidence {
        let servers = &self.world.servers;
        let bucket = BUCKETS[usize::from(self.task.settings.is_second_bucket)];
        let left = self.groups();
        let left = left.flat_map(|group| self.world.leftovers(group, bucket));
        let left_behind: Vec<String> = left.collect();
        let unsupported = servers.unsupported();
        let unsupported = unsupported
            .iter()
            .map(|entry| format!("the S3 server does not implement {}", entry.line));
        let gone = self.world.bystanders();
        let gone = servers.with_store(|store| gone.gone(store));
        let may_be_missing = self.world.may_be_missing();
        let late_copies = self.late_copies();
        let files = without_repeats(files(&self.world), &late_copies);
        let may_be_repeated = self.may_be_repeated(late_copies);
        let record = self.world.record();
        Evidence {
            commits: record.commits.clone(),
            files,
            shards_share_a_log: self.world.plan.runtime == Runtime::V2,
            writes: servers.with_store(writes),
            may_be_repeated,
            may_be_missing,
            left_behind,
            bystanders_gone: gone,
            states: record.states.clone(),
            surprises: record
                .surprises
                .iter()
                .cloned()
                .chain(unsupported)
                .collect(),
        }
    }

    /// The files that may have been copied twice, with the same bytes: because a process that
    /// nobody waited for copied them as well, or because the server did it later than it could
    /// be seen.
    fn may_be_repeated(&self, late_copies: BTreeSet<String>) -> BTreeSet<String> {
        if self.world.record().is_haunted {
            let writes = self.world.servers.with_store(writes);
            return writes.into_keys().collect();
        }
        late_copies
    }

    /// The files that the server copied later than its client could see.
    fn late_copies(&self) -> BTreeSet<String> {
        let late = self.world.servers.journal().into_iter().filter(|entry| {
            entry.target.operation == Operation::CopyObject
                && matches!(
                    entry.fault,
                    Some(Effect::ResetThenDone { .. } | Effect::ResetThenVisible { .. })
                )
        });
        late.filter_map(|entry| entry.target.key).collect()
    }
}

/// How often each file of the table was written.
fn writes(store: &mut Store) -> BTreeMap<String, u64> {
    let mut all = BTreeMap::new();
    for bucket in BUCKETS {
        let writes = store.writes(bucket).expect("the bucket was made");
        let writes = writes.iter().filter(|(key, _)| !is_staged(key));
        all.extend(writes.map(|(key, times)| (key.clone(), *times)));
    }
    all
}

async fn play_part((mut group, cast, first_shard): Part) -> (Group, Played) {
    let played = Playing::new(&cast, &mut group, first_shard).play().await;
    (group, played)
}
