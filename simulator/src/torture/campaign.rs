//! Many plans, several at a time.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::{JoinError, JoinSet};
use tokio::time::Instant;

use super::generate;
use super::plan::Plan;
use super::play::play;
use super::report::{Report, Tally};
use super::shrink::shrink;
use crate::s3::ServerError;

/// How many plans are shrunk; the others fail for the same reason more often than not.
const SHRUNK: usize = 3;

/// How many tries shrinking a plan may take.
const TRIES: usize = 80;

/// What a campaign consists of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// The seeds of its plans.
    pub seeds: Range<u64>,
    /// How many are played at once.
    pub jobs: usize,
    /// The connector's program and arguments.
    pub connector: Vec<String>,
    /// Whether to stop at the first plan that fails.
    pub stops_early: bool,
    /// Whether the first plans that fail are shrunk.
    pub shrinks: bool,
    /// Begin no further plan after so long.
    pub time: Option<Duration>,
}

/// A plan that has failed.
#[derive(Clone, Debug)]
pub struct Failed {
    /// Its seed.
    pub seed: u64,
    /// What it came to.
    pub report: Report,
    /// A smaller plan that fails as well, and what that came to; only for the first few.
    pub smaller: Option<(Plan, Report)>,
}

/// What a campaign came to.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// The numbers of all runs.
    pub tally: Tally,
    /// The plans that have failed, by seed.
    pub failed: Vec<Failed>,
}

/// Why a campaign could not be carried out.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// An S3 server could not be started.
    #[error(transparent)]
    Server(#[from] ServerError),
    /// The simulator itself is broken.
    #[error("a run of seed {seed} broke off: {source}; please report this")]
    BrokeOff {
        /// The seed.
        seed: u64,
        /// How.
        source: JoinError,
    },
}

/// Plays the plans of all seeds. `heard` hears of each run once it is over.
pub async fn campaign(
    options: &Options,
    mut heard: impl FnMut(u64, &Report),
) -> Result<Outcome, Error> {
    let connector: Arc<[String]> = options.connector.clone().into();
    let began = Instant::now();
    let mut outcome = Outcome::default();
    let mut seeds = options.seeds.clone();
    let mut running = JoinSet::new();
    loop {
        while running.len() < options.jobs.max(1)
            && !is_over(options, &outcome, began)
            && let Some(seed) = seeds.next()
        {
            let connector = Arc::clone(&connector);
            running.spawn(async move { (seed, play_apart(generate(seed), connector).await) });
        }
        let Some(joined) = running.join_next().await else {
            break;
        };
        let (seed, report) = joined.map_err(|source| Error::BrokeOff {
            seed: options.seeds.start,
            source,
        })?;
        let report = report?;
        heard(seed, &report);
        outcome.tally.add(&report.tally);
        if !report.findings.is_empty() {
            outcome.failed.push(Failed {
                seed,
                report,
                smaller: None,
            });
        }
    }
    outcome.failed.sort_by_key(|failed| failed.seed);
    let shrunk = if options.shrinks { SHRUNK } else { 0 };
    for failed in outcome.failed.iter_mut().take(shrunk) {
        failed.smaller = Some(smaller(failed.seed, &failed.report, &connector).await?);
    }
    Ok(outcome)
}

/// Whether no further plan is to be played.
fn is_over(options: &Options, outcome: &Outcome, began: Instant) -> bool {
    let is_late = options.time.is_some_and(|time| began.elapsed() >= time);
    is_late || (options.stops_early && !outcome.failed.is_empty())
}

/// Plays a plan as a task of its own, so that several can use several cores.
async fn play_apart(plan: Plan, connector: Arc<[String]>) -> Result<Report, Error> {
    let seed = plan.seed;
    let played = tokio::spawn(async move { play(&plan, &connector).await }).await;
    Ok(played.map_err(|source| Error::BrokeOff { seed, source })??)
}

/// A smaller plan that breaks one of the same promises, and what it came to.
async fn smaller(
    seed: u64,
    report: &Report,
    connector: &Arc<[String]>,
) -> Result<(Plan, Report), Error> {
    let promises: Vec<&str> = report
        .findings
        .iter()
        .map(|finding| finding.promise)
        .collect();
    let promises = &promises;
    let fails = |plan: Plan| async move {
        let report = play_apart(plan, Arc::clone(connector)).await;
        report.is_ok_and(|report| {
            report
                .findings
                .iter()
                .any(|finding| promises.contains(&finding.promise))
        })
    };
    let plan = shrink(generate(seed), TRIES, fails).await;
    let report = play_apart(plan.clone(), Arc::clone(connector)).await?;
    Ok((plan, report))
}
