//! Crashes × S3 faults × shards: a few seeds, which must come out the same whenever they are played. CI plays many more:
//! `cargo sim torture --seeds 500`.

use flow_sim::torture::{self, Options, Outcome, campaign};

use crate::servers::connector;

/// Enough for every kind of incident, and few enough to wait for.
const SEEDS: u64 = 40;

/// The plans that are played twice.
const TWICE: u64 = 12;

async fn torture(connector: &str, seeds: std::ops::Range<u64>) -> Outcome {
    let options = Options {
        seeds,
        jobs: 2,
        connector: vec![connector.to_owned()],
        stops_early: true,
        time: None,
    };
    campaign(&options, |_, _| {}).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn no_promise_is_broken_whatever_crashes() {
    let outcome = torture(&connector().display().to_string(), 0..SEEDS).await;
    assert!(outcome.failed.is_empty(), "{:#?}", outcome.failed);
    assert_eq!(outcome.tally.runs, SEEDS);
    assert!(outcome.tally.replays > 0 && outcome.tally.waits > 0);
    let kinds: Vec<&str> = outcome
        .tally
        .incidents
        .keys()
        .map(|(kind, _)| *kind)
        .collect();
    for kind in ["killed", "frozen", "access revoked"] {
        assert!(kinds.contains(&kind), "{kind}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_plan_gives_the_same_events_files_and_verdict() {
    let program = [connector().display().to_string()];
    for seed in SEEDS..SEEDS + TWICE {
        let plan = torture::generate(seed);
        let first = torture::play(&plan, &program).await.unwrap();
        let second = torture::play(&plan, &program).await.unwrap();
        assert_eq!(first.events, second.events, "seed {seed}");
        assert_eq!(first.files, second.files, "seed {seed}");
        assert_eq!(first.findings, second.findings, "seed {seed}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_is_no_connector_fails_and_its_plan_is_shrunk() {
    let outcome = torture("false", 1..2).await;
    let (smaller, report) = outcome.failed[0].smaller.as_ref().unwrap();
    assert!(smaller.sessions.is_empty(), "{smaller:?}");
    assert!(!report.findings.is_empty());
}
