//! What was heard, in order → phases, lane by lane.

use std::collections::BTreeMap;
use std::time::Duration;

use super::document::{Kill, Lane, Phase, Request, Span, Timeline, Transaction};
use super::recorder::{Heard, Recording};
use crate::run::Event;
use crate::runtime::Step;

/// How long an Acknowledge must outlast its last request before the rest of it counts as pacing.
const LEAST_PACE: u64 = 100_000;

/// What comes before the sessions, and after them.
const PREPARE: &str = "Prepare";
const READ_BACK: &str = "Read back";

/// The timeline of a recording. `requests` tell completing from pacing; `failed` marks the end of
/// the last lane.
pub(super) fn timeline(
    recording: &Recording,
    requests: &[Request],
    failure: Option<&str>,
) -> Timeline {
    let is_read_back = failure.is_none()
        || recording
            .events()
            .any(|(_, event)| matches!(event, Event::Comparing { .. }));
    let mut builders: Vec<Builder> = (0..shards(recording))
        .map(|shard| Builder::of(shard, recording, is_read_back, failure))
        .collect();
    for lane in builders.iter_mut().flat_map(|builder| &mut builder.lanes) {
        lane.spans = std::mem::take(&mut lane.spans)
            .into_iter()
            .flat_map(|span| paced(span, requests))
            .collect();
    }
    let is_alone = builders.len() == 1;
    let transactions = builders.iter().zip(1..);
    let mut transactions: Vec<Transaction> = transactions
        .flat_map(|(builder, number)| {
            let shard = (!is_alone).then_some(number);
            transactions_of(&builder.lanes, &builder.committed, shard)
        })
        .collect();
    transactions.sort_by_key(|transaction| (transaction.number, transaction.shard));
    Timeline {
        micros: micros(recording.ended),
        transactions,
        lanes: merged(builders),
    }
}

/// How many shards have taken part.
fn shards(recording: &Recording) -> u32 {
    let last = recording.heard.iter().filter_map(|(_, heard)| match heard {
        Heard::Step(shard, _) => Some(*shard),
        Heard::Event(_) => None,
    });
    last.max().unwrap_or_default() + 1
}

/// The lanes of all shards: those of a session side by side, and what comes before and after the
/// sessions only once.
fn merged(builders: Vec<Builder>) -> Vec<Lane> {
    let is_alone = builders.len() == 1;
    let mut shards: Vec<_> = builders
        .into_iter()
        .map(|builder| builder.lanes.into_iter())
        .collect();
    let mut merged = Vec::new();
    loop {
        let side_by_side: Vec<Lane> = shards.iter_mut().filter_map(Iterator::next).collect();
        let Some(first) = side_by_side.first() else {
            return merged;
        };
        let is_around = matches!(first.name.as_str(), PREPARE | READ_BACK);
        let kept = if is_around { 1 } else { side_by_side.len() };
        for (lane, number) in side_by_side.into_iter().take(kept).zip(1..) {
            let shard = (!is_alone && !is_around).then_some(number);
            merged.push(Lane { shard, ..lane });
        }
    }
}

/// A duration in whole microseconds.
pub(super) fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// Makes the lanes of one shard.
#[derive(Default)]
pub(super) struct Builder {
    shard: u32,
    lanes: Vec<Lane>,
    /// The span that goes on.
    open: Option<(u64, Phase, Option<u64>)>,
    /// When each transaction was committed, and its rows.
    committed: Vec<(u64, u64)>,
    is_recovered: bool,
    is_input_closed: bool,
    is_reading_back: bool,
}

impl Builder {
    fn of(shard: u32, recording: &Recording, is_read_back: bool, failure: Option<&str>) -> Self {
        let mut builder = Self {
            shard,
            ..Self::default()
        };
        builder.lane(PREPARE.to_owned());
        builder.begin(0, Phase::Prepare, None);
        for (at, heard) in &recording.heard {
            let at = micros(*at);
            match heard {
                Heard::Event(Event::Requests(_)) if !is_read_back => builder.end(at),
                Heard::Event(event) => builder.event(at, event),
                Heard::Step(other, step) if *other == shard => builder.step(at, *step),
                Heard::Step(..) => {}
            }
        }
        let end = micros(recording.ended);
        builder.end(end);
        if let Some(failure) = failure {
            builder.kill(end, failure.to_owned());
        }
        builder
    }

    fn is_preparing(&self) -> bool {
        self.lanes.last().is_none_or(|lane| lane.name == PREPARE)
    }

    /// Whether an event is this shard's, or everybody's.
    fn is_own(&self, shard: Option<u32>) -> bool {
        shard.is_none_or(|shard| shard == self.shard)
    }

    /// For a shard that begins when so many transactions are committed.
    pub(super) fn after(commits: usize) -> Self {
        Self {
            committed: vec![(0, 0); commits],
            ..Self::default()
        }
    }

    /// How many transactions are committed.
    pub(super) fn commits(&self) -> usize {
        self.committed.len()
    }

    /// Begins the next lane.
    pub(super) fn lane(&mut self, name: String) {
        self.lanes.push(Lane {
            name,
            ..Lane::default()
        });
    }

    fn begin(&mut self, at: u64, phase: Phase, transaction: Option<u64>) {
        self.end(at);
        self.open = Some((at, phase, transaction));
    }

    /// Ends what goes on.
    pub(super) fn end(&mut self, at: u64) {
        if let (Some((began_micros, phase, transaction)), Some(lane)) =
            (self.open.take(), self.lanes.last_mut())
        {
            lane.spans.push(Span {
                phase,
                began_micros,
                ended_micros: at,
                transaction,
            });
        }
    }

    fn commit(&mut self, at: u64) {
        if let Some(lane) = self.lanes.last_mut() {
            lane.commits.push(at);
        }
    }

    /// Marks where the connector was killed, or failed.
    pub(super) fn kill(&mut self, at_micros: u64, step: String) {
        if let Some(lane) = self.lanes.last_mut() {
            lane.kills.push(Kill { at_micros, step });
        }
    }

    /// The transaction that goes on is committed; [`Step::Committed`] follows.
    pub(super) fn committed(&mut self, at: u64, rows: u64) {
        self.committed.push((at, rows));
    }

    /// The lanes and the transactions. `shard` names them.
    pub(super) fn finish(self, shard: Option<u32>) -> (Vec<Lane>, Vec<Transaction>) {
        let transactions = transactions_of(&self.lanes, &self.committed, shard);
        (self.lanes, transactions)
    }

    fn event(&mut self, at: u64, event: &Event) {
        match event {
            Event::Session { number, .. } => {
                self.end(at);
                self.lane(format!("Session {number}"));
            }
            Event::Completing => {
                self.end(at);
                self.lane("Last acknowledge".to_owned());
            }
            Event::Restarted { shard, step } if self.is_own(*shard) => {
                self.end(at);
                self.kill(at, describe(*step));
            }
            Event::Committed { shard, rows, .. } if self.is_own(*shard) => {
                self.committed(at, *rows as u64);
            }
            Event::Comparing { .. } | Event::Requests(_) if !self.is_reading_back => {
                self.end(at);
                self.is_reading_back = true;
                self.lane(READ_BACK.to_owned());
                self.begin(at, Phase::ReadBack, None);
            }
            _ => {}
        }
    }

    /// Takes a step in.
    pub(super) fn step(&mut self, at: u64, step: Step) {
        // Spec and Validate have processes of their own, before the first session.
        if self.is_preparing() {
            return;
        }
        let committed = self.committed.len() as u64;
        let next = committed + 1;
        match step {
            Step::Started { .. } => {
                self.is_recovered = false;
                self.is_input_closed = false;
                if !matches!(self.open, Some((_, Phase::Open, _))) {
                    self.begin(at, Phase::Open, None);
                }
            }
            Step::AcknowledgeSent if self.is_recovered => {
                self.begin(at, Phase::Complete, (committed > 0).then_some(committed));
            }
            Step::AcknowledgeSent => {
                self.is_recovered = true;
                self.begin(at, Phase::Recover, None);
            }
            Step::Acknowledged if self.is_input_closed => self.begin(at, Phase::Stop, None),
            Step::FlushSent => self.begin(at, Phase::Flush, Some(next)),
            Step::Flushed => self.begin(at, Phase::Store, Some(next)),
            Step::StartCommitSent => self.begin(at, Phase::Stage, Some(next)),
            Step::InputClosed => {
                self.is_input_closed = true;
                let is_acknowledging =
                    matches!(self.open, Some((_, Phase::Complete | Phase::Recover, _)));
                if !is_acknowledging {
                    self.begin(at, Phase::Stop, None);
                }
            }
            Step::Committed { .. } => {
                if let Some((committed, _)) = self.committed.last_mut() {
                    *committed = at;
                    self.commit(at);
                }
                self.end(at);
            }
            Step::Acknowledged | Step::Ended => self.end(at),
            _ => {}
        }
    }
}

/// A step in words.
fn describe(step: Step) -> String {
    match step {
        Step::StoreSent { count } => format!("killed after row {count} was sent"),
        Step::Committed { transaction } => {
            format!("killed after transaction {} was committed", transaction + 1)
        }
        Step::Started { .. } => "killed after the process was started".to_owned(),
        other => format!("killed after {other:?}"),
    }
}

/// An Acknowledge in two: until its last request was answered, and what came after, if that is
/// long.
fn paced(span: Span, requests: &[Request]) -> Vec<Span> {
    if span.phase != Phase::Complete || requests.is_empty() {
        return vec![span];
    }
    let own = requests
        .iter()
        .filter(|request| request.began_micros >= span.began_micros)
        .filter_map(|request| request.ended_micros)
        .filter(|ended| *ended <= span.ended_micros);
    let turn = own.max().unwrap_or(span.began_micros);
    if span.ended_micros - turn < LEAST_PACE {
        return vec![span];
    }
    let complete = Span {
        ended_micros: turn,
        ..span
    };
    let pace = Span {
        phase: Phase::Pace,
        began_micros: turn,
        ..span
    };
    vec![complete, pace]
}

fn transactions_of(
    lanes: &[Lane],
    committed: &[(u64, u64)],
    shard: Option<u32>,
) -> Vec<Transaction> {
    let mut transactions: BTreeMap<u64, Transaction> = BTreeMap::new();
    for lane in lanes {
        for span in &lane.spans {
            let Some(number) = span.transaction else {
                continue;
            };
            let outcome = committed.get(number as usize - 1);
            let entry = transactions.entry(number).or_insert_with(|| Transaction {
                number,
                shard,
                lane: lane.name.clone(),
                attempts: 0,
                rows: outcome.map(|(_, rows)| *rows).unwrap_or_default(),
                committed_micros: outcome.map(|(at, _)| *at),
                phases: BTreeMap::new(),
            });
            if span.phase == Phase::Flush {
                entry.attempts += 1;
                entry.lane.clone_from(&lane.name);
            }
            *entry.phases.entry(span.phase).or_default() += span.micros();
        }
    }
    transactions.into_values().collect()
}
