//! What happened when in a torture's run → lanes: one for each session of each shard.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use tokio::time::Instant;

use super::super::document::{Lane, Timeline, Transaction};
use super::super::timeline::{Builder, micros};
use crate::runtime::Step;
use crate::torture::{Happening, Place, Told};

/// The lanes of one shard of one recovery log.
#[derive(Default)]
struct Shard {
    builder: Builder,
    /// The session of each of its lanes.
    sessions: Vec<u64>,
    /// When something happened last.
    last: u64,
}

/// The timeline of a run that began at `began`. Sessions from `clean` on are those without faults.
pub(super) fn timeline(began: Instant, ended: Instant, told: &[Told], clean: u64) -> Timeline {
    let since = |at: Instant| micros(at.saturating_duration_since(began));
    let mut shards: BTreeMap<(u32, u32), Shard> = BTreeMap::new();
    for Told { at, place, what } in told {
        let commits = commits(&shards, place.lineage);
        let shard = match shards.entry((place.lineage, place.begin)) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => new.insert(Shard {
                builder: Builder::after(commits),
                ..Shard::default()
            }),
        };
        shard.hear(since(*at), *place, what, clean);
    }
    let shards = shards.into_iter().zip(1..);
    let mut lanes: Vec<(u64, u32, Lane)> = Vec::new();
    let mut transactions: Vec<Transaction> = Vec::new();
    for (((_, begin), mut shard), number) in shards {
        shard.builder.end(shard.last);
        let (own, committed) = shard.builder.finish(Some(number));
        transactions.extend(committed);
        let sessions = shard.sessions.into_iter();
        lanes.extend(
            sessions
                .zip(own)
                .map(|(session, lane)| (session, begin, lane)),
        );
    }
    lanes.sort_by_key(|(session, begin, _)| (*session, *begin));
    Timeline {
        micros: since(ended),
        lanes: lanes.into_iter().map(|(.., lane)| lane).collect(),
        transactions,
    }
}

/// How many transactions a recovery log has committed, so far as it is known.
fn commits(shards: &BTreeMap<(u32, u32), Shard>, lineage: u32) -> usize {
    let own = shards.range((lineage, 0)..=(lineage, u32::MAX));
    own.map(|(_, shard)| shard.builder.commits())
        .max()
        .unwrap_or_default()
}

impl Shard {
    fn hear(&mut self, at: u64, place: Place, what: &Happening, clean: u64) {
        if self.sessions.last() != Some(&place.session) {
            self.builder.end(self.last);
            self.builder.lane(name(place, clean));
            self.sessions.push(place.session);
        }
        self.last = at;
        match what {
            Happening::Step(step) => {
                self.builder.step(at, *step);
                if *step == Step::Ended {
                    self.builder.end(at);
                }
            }
            Happening::Committed { rows } => self.builder.committed(at, *rows),
            Happening::Incident(text) | Happening::Failed(text) => {
                self.builder.end(at);
                self.builder.kill(at, text.clone());
            }
        }
    }
}

fn name(place: Place, clean: u64) -> String {
    let Place {
        session,
        lineage,
        begin,
    } = place;
    let clean = if session >= clean { ", clean" } else { "" };
    format!("Session {session}{clean}: log {lineage}, {begin:08x}")
}
