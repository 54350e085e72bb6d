//! Tortures that never were, told: the clock stands still unless it is moved.

use std::time::Duration;

use tokio::time::{Instant, advance};

use super::*;
use crate::runtime::Step;
use crate::torture::check::Finding;
use crate::torture::{self, Failed, Happening, Outcome, Place, Report, Tally, Told};

/// Text that wants to break out of wherever it stands.
const HOSTILE: &str = "</code></td></svg><script>alert(1)</script>";

const TITLE: Title<'_> = Title {
    command: "flow-sim torture",
    connector: &[],
    began: None,
};

/// A run of so many milliseconds.
async fn report(millis: u64) -> Report {
    let began = Instant::now();
    advance(Duration::from_millis(millis)).await;
    Report {
        tally: Tally {
            runs: 1,
            rows: 5,
            ..Tally::default()
        },
        story: torture::Story {
            began,
            ended: Instant::now(),
            ..torture::Story::default()
        },
        ..Report::default()
    }
}

fn broken(report: &Report) -> Report {
    let finding = Finding {
        promise: "every row once",
        evidence: HOSTILE.to_owned(),
    };
    Report {
        findings: vec![finding],
        events: vec![HOSTILE.to_owned()],
        ..report.clone()
    }
}

fn told(campaign: &Campaign) -> Vec<(u64, bool)> {
    let stories = campaign.stories.iter();
    stories.map(|story| (story.seed, story.is_shrunk)).collect()
}

#[tokio::test(start_paused = true)]
async fn of_a_campaign_without_failure_the_slowest_and_the_last_are_told() {
    let mut chronicle = Chronicle::new();
    for (seed, millis) in [(2, 5), (0, 9), (1, 3)] {
        chronicle.hear(seed, &report(millis).await);
    }
    let campaign = chronicle.finish(&TITLE, Some(&Outcome::default()));
    assert_eq!(campaign.verdict, Promises::Kept);
    assert_eq!(told(&campaign), [(0, false), (2, false)]);
    let runs: Vec<(u64, u64)> = campaign
        .runs
        .iter()
        .map(|run| (run.seed, run.micros))
        .collect();
    assert_eq!(runs, [(0, 9_000), (1, 3_000), (2, 5_000)]);
    assert_eq!(
        (campaign.totals.runs, campaign.totals.numbers.rows),
        (3, 15)
    );
    assert_eq!(campaign.micros, 17_000);
}

#[tokio::test(start_paused = true)]
async fn of_one_with_failures_these_are_told_and_what_they_were_shrunk_to() {
    let mut chronicle = Chronicle::new();
    let good = report(1).await;
    let bad = broken(&good);
    for (seed, report) in [(4, &good), (5, &bad), (6, &bad)] {
        chronicle.hear(seed, report);
    }
    let failed = |seed, smaller: bool| Failed {
        seed,
        report: bad.clone(),
        smaller: smaller.then(|| (torture::generate(seed), bad.clone())),
    };
    let outcome = Outcome {
        failed: vec![failed(5, true), failed(6, false)],
        ..Outcome::default()
    };
    let campaign = chronicle.finish(&TITLE, Some(&outcome));
    assert_eq!(campaign.verdict, Promises::Broken);
    assert_eq!(campaign.totals.failed, 2);
    assert_eq!(told(&campaign), [(5, true), (5, false), (6, false)]);
    let page = campaign.page();
    assert!(page.contains("2 seeds broke a promise") && page.contains("Seed 5, shrunk"));
    assert!(page.contains("&lt;script&gt;alert(1)") && !page.contains("<script"));
}

#[tokio::test(start_paused = true)]
async fn every_session_of_a_shard_has_a_lane_and_transactions_are_counted_through() {
    let mut report = report(0).await;
    let began = Instant::now();
    report.story.began = began;
    let mut tell = async |session, begin, what| {
        advance(Duration::from_millis(1)).await;
        let place = Place {
            session,
            lineage: 0,
            begin,
        };
        let at = Instant::now();
        report.story.told.push(Told { at, place, what });
    };
    let commit = [
        Happening::Step(Step::StartCommitSent),
        Happening::Committed { rows: 7 },
        Happening::Step(Step::Committed { transaction: 0 }),
    ];
    tell(0, 0, Happening::Step(Step::OpenSent)).await;
    for what in commit.clone() {
        tell(0, 0, what).await;
    }
    tell(
        0,
        0,
        Happening::Incident("killed after Committed 0".to_owned()),
    )
    .await;
    for begin in [0x8000_0000, 0] {
        for what in commit.clone() {
            tell(1, begin, what).await;
        }
    }
    report.story.ended = Instant::now();
    let mut plan = torture::generate(1);
    plan.sessions.truncate(1);
    let mut chronicle = Chronicle::new();
    chronicle.hear_plan(&plan, &report);
    let campaign = chronicle.finish(&TITLE, None);
    let timeline = &campaign.stories[0].timeline;
    let lanes: Vec<(&str, usize, usize)> = timeline
        .lanes
        .iter()
        .map(|lane| (&*lane.name, lane.commits.len(), lane.kills.len()))
        .collect();
    assert_eq!(
        lanes,
        [
            ("Session 0: log 0, 00000000", 1, 1),
            ("Session 1, clean: log 0, 00000000", 1, 0),
            ("Session 1, clean: log 0, 80000000", 1, 0),
        ]
    );
    let mut numbers: Vec<(u64, u64)> = timeline
        .transactions
        .iter()
        .map(|one| (one.number, one.rows))
        .collect();
    numbers.sort_unstable();
    // The second shard begins where its log stands.
    assert_eq!(numbers, [(1, 7), (2, 7), (2, 7)]);
    assert_eq!(timeline.micros, 11_000);
}

#[tokio::test(start_paused = true)]
async fn the_shape_of_the_json_is_pinned() {
    let mut chronicle = Chronicle::new();
    let report = broken(&report(1).await);
    let plan = torture::generate(1);
    chronicle.hear_plan(&plan, &report);
    let campaign = serde_json::to_value(chronicle.finish(&TITLE, None)).unwrap();
    let names = |value: &serde_json::Value| {
        let members = value.as_object().unwrap();
        let mut names: Vec<&str> = members.keys().map(String::as_str).collect();
        names.sort_unstable();
        names.join(" ")
    };
    // Whoever changes one of these, and not only adds to them, advances `CAMPAIGN_VERSION`.
    assert_eq!(
        names(&campaign),
        "began command connector micros runs simulator stories totals verdict version"
    );
    assert_eq!(names(&campaign["runs"][0]), "findings micros numbers seed");
    assert_eq!(
        names(&campaign["totals"]),
        "failed faultsByOperation incidentsByStep numbers runs"
    );
    assert_eq!(
        names(&campaign["stories"][0]),
        "events files findings isShrunk numbers plan requests seed timeline"
    );
    assert_eq!(
        names(&campaign["runs"][0]["numbers"]),
        "faults files incidents processes requests rows sessions transactions"
    );
    assert_eq!(campaign["verdict"], "broken");
}
