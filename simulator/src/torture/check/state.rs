//! The driver state does not grow with time.

use super::{Checker, Evidence, StateSample};

/// What a state may need however little it says, in bytes.
const BASE: usize = 100;

/// What it may need for each pair of state key and shard: both names and a counter.
const EACH: usize = 100;

/// What it may need for each shard besides its writers.
const SHARD: usize = 60;

/// What it may need for a writer.
const WRITER: usize = 11;

/// How many writers of a shard it may keep.
const MOST_WRITERS: usize = 64;

/// After an Acknowledge nothing is staged any more, and the state is small.
#[derive(Clone, Copy, Debug)]
pub struct StateBounded;

impl Checker for StateBounded {
    fn promise(&self) -> &'static str {
        "the state is bounded"
    }

    fn check(&self, evidence: &Evidence) -> Vec<String> {
        evidence.states.iter().filter_map(objection).collect()
    }
}

fn objection(sample: &StateSample) -> Option<String> {
    let StateSample {
        at,
        staged,
        bytes,
        places,
        writers,
    } = sample;
    let known: usize = writers.iter().map(|count| WRITER * count).sum();
    let most = BASE + EACH * places + SHARD * writers.len() + known;
    if *staged > 0 {
        return Some(format!(
            "{at}: {staged} files are still staged after Acknowledged"
        ));
    }
    if let Some(count) = writers.iter().find(|count| **count > MOST_WRITERS) {
        return Some(format!(
            "{at}: the state keeps {count} writers of a shard, where {MOST_WRITERS} should do"
        ));
    }
    (*bytes > most).then(|| format!("{at}: the state has {bytes} bytes, where {most} should do"))
}
