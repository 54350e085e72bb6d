//! The driver state does not grow with time.

use super::{Checker, Evidence, StateSample};

/// What a state may need however little it says, in bytes.
const BASE: usize = 100;

/// What it may need for each pair of state key and shard: both names and a counter.
const EACH: usize = 100;

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
    } = sample;
    let most = BASE + EACH * places;
    if *staged > 0 {
        return Some(format!(
            "{at}: {staged} uploads are still staged after Acknowledged"
        ));
    }
    (*bytes > most).then(|| format!("{at}: the state has {bytes} bytes, where {most} should do"))
}
