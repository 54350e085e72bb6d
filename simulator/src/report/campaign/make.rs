//! Runs as they end, and what came of all → the document.

use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use super::super::make::request;
use super::super::timeline::micros;
use super::document::{
    CAMPAIGN_VERSION, Campaign, FaultCount, IncidentCount, Numbers, Promises, Run, Story, Totals,
};
use super::timeline::timeline;
use crate::torture::{self, Outcome, Plan, Report, Tally};

/// How many runs that failed are told in all detail.
const MOST_FAILED: usize = 5;

/// What a torture knows of itself.
#[derive(Clone, Copy, Debug)]
pub struct Title<'a> {
    /// The command that repeats it.
    pub command: &'a str,
    /// The connector's program and its arguments.
    pub connector: &'a [String],
    /// When it began; none where the document must be the same every time.
    pub began: Option<Timestamp>,
}

/// Hears of each run as it ends, and keeps what may have to be told in all detail.
#[derive(Debug)]
pub struct Chronicle {
    began: Instant,
    tally: Tally,
    runs: Vec<Run>,
    slowest: Option<(u64, Report)>,
    last: Option<(u64, Report)>,
    stories: Vec<Story>,
}

impl Default for Chronicle {
    fn default() -> Self {
        Self::new()
    }
}

impl Chronicle {
    /// Begins now, by tokio's clock.
    pub fn new() -> Self {
        Self {
            began: Instant::now(),
            tally: Tally::default(),
            runs: Vec::new(),
            slowest: None,
            last: None,
            stories: Vec::new(),
        }
    }

    /// The run of a seed is over.
    pub fn hear(&mut self, seed: u64, report: &Report) {
        self.count(seed, report);
        let is_slower = |(_, slowest): &(u64, Report)| took(report) > took(slowest);
        if self.slowest.as_ref().is_none_or(is_slower) {
            self.slowest = Some((seed, report.clone()));
        }
        if self.last.as_ref().is_none_or(|(last, _)| seed > *last) {
            self.last = Some((seed, report.clone()));
        }
    }

    /// A plan of its own was played.
    pub fn hear_plan(&mut self, plan: &Plan, report: &Report) {
        self.count(plan.seed, report);
        self.stories.push(story(plan.clone(), false, report));
    }

    fn count(&mut self, seed: u64, report: &Report) {
        self.tally.add(&report.tally);
        self.runs.push(Run {
            seed,
            micros: micros(took(report)),
            numbers: numbers(&report.tally),
            findings: report.findings.clone(),
        });
    }

    /// All runs are over; `outcome` is that of a campaign.
    pub fn finish(mut self, title: &Title<'_>, outcome: Option<&Outcome>) -> Campaign {
        let took = micros(self.began.elapsed());
        self.runs.sort_by_key(|run| run.seed);
        let mut stories = std::mem::take(&mut self.stories);
        stories.extend(self.told(outcome));
        let failed = self.runs.iter().filter(|run| !run.findings.is_empty());
        let failed = failed.count() as u64;
        Campaign {
            version: CAMPAIGN_VERSION,
            verdict: match failed {
                0 => Promises::Kept,
                _ => Promises::Broken,
            },
            command: title.command.to_owned(),
            connector: title.connector.to_vec(),
            began: title
                .began
                .map(|began| began.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()),
            simulator: env!("CARGO_PKG_VERSION").to_owned(),
            micros: took,
            totals: totals(&self.tally, failed),
            runs: self.runs,
            stories,
        }
    }

    /// What of a campaign is told in all detail.
    fn told(&mut self, outcome: Option<&Outcome>) -> Vec<Story> {
        let failed = outcome.map(|outcome| &outcome.failed[..]);
        let failed = failed.unwrap_or_default();
        if failed.is_empty() {
            let mut kept: Vec<_> = self.slowest.take().into_iter().collect();
            let last = self.last.take();
            kept.extend(last.filter(|(seed, _)| kept.iter().all(|(other, _)| other != seed)));
            let kept = kept.into_iter();
            return kept
                .map(|(seed, report)| story(torture::generate(seed), false, &report))
                .collect();
        }
        let mut stories = Vec::new();
        for failed in failed.iter().take(MOST_FAILED) {
            if let Some((plan, report)) = &failed.smaller {
                stories.push(story(plan.clone(), true, report));
            }
            stories.push(story(torture::generate(failed.seed), false, &failed.report));
        }
        stories
    }
}

fn took(report: &Report) -> Duration {
    let story = &report.story;
    story.ended.saturating_duration_since(story.began)
}

fn story(plan: Plan, is_shrunk: bool, report: &Report) -> Story {
    let told = &report.story;
    let clean = plan.sessions.len() as u64;
    let requests = told.requests.iter();
    Story {
        seed: plan.seed,
        is_shrunk,
        plan,
        findings: report.findings.clone(),
        events: report.events.clone(),
        files: report.files.clone(),
        numbers: numbers(&report.tally),
        timeline: timeline(told.began, told.ended, &told.told, clean),
        requests: requests
            .map(|(entry, timing)| request(told.began, entry, *timing))
            .collect(),
    }
}

fn numbers(tally: &Tally) -> Numbers {
    Numbers {
        sessions: tally.sessions,
        processes: tally.processes,
        transactions: tally.transactions,
        rows: tally.rows,
        files: tally.files,
        requests: tally.requests,
        incidents: tally.incidents.values().sum(),
        faults: tally.faults.values().sum(),
    }
}

fn totals(tally: &Tally, failed: u64) -> Totals {
    let incidents = tally.incidents.iter();
    let faults = tally.faults.iter();
    Totals {
        runs: tally.runs,
        failed,
        numbers: numbers(tally),
        incidents_by_step: incidents
            .map(|((kind, after), count)| IncidentCount {
                kind,
                after: *after,
                count: *count,
            })
            .collect(),
        faults_by_operation: faults
            .map(|((effect, operation), count)| FaultCount {
                effect: effect.clone(),
                operation: operation.clone(),
                count: *count,
            })
            .collect(),
    }
}
