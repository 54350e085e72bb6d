//! `flow-sim torture`.

use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use flow_sim::torture::{self, At, Failed, Options, Outcome, Plan, Report, Tally, campaign};

use super::failure::Failure;
use super::print;

/// The connector, beside this program.
const CONNECTOR: &str = "materialize-s3-parquet";

/// How many seeds there are, unless told.
const SEEDS: u64 = 100;

/// A line of progress comes after so many runs.
const EACH: u64 = 50;

/// How many findings of a run are printed.
const SHOWN: usize = 10;

/// What `--help` says besides.
pub(super) const EXAMPLES: &str = "\
A seed is a whole schedule: bindings, documents, transactions, codec, runtime, shards with their splits and merges, crashes
(kill -9 at every step of the protocol), processes that are stopped and go on after their successor has begun, revoked
credentials, faults of the S3 server, loaders that take files away, tasks deleted and made again, pauses of two days,
upload intervals, and under runtime v2 the same transaction once more after a crash.
Checkers then prove that every committed row is there exactly once and in order, that nothing else is, that no object
was overwritten, that the state stays small, that no upload is left behind, and that no session failed without a cause.

Examples:
  flow-sim torture --seeds 500 --jobs 2
      The plans of the seeds 0 to 499, two at a time.

  flow-sim torture --seeds 1000000 --minutes 60
      As many as an hour allows.

  flow-sim torture --seed 42
      One plan again, and everything that happens in it.

  flow-sim torture --plan smaller.json
      A plan from a file, such as one that a failing seed was shrunk to.

  flow-sim torture --connector ./my-connector --seeds 200 --fail-fast
      Another connector, until the first seed that fails.

Exit status:
  0    every promise was kept
  1    one was broken";

/// The arguments of `torture`.
#[derive(Args, Debug)]
pub(super) struct TortureArguments {
    /// How many seeds to play [default: 100, or 1 where --seed is given]
    #[arg(long, value_name = "N")]
    seeds: Option<u64>,
    /// The first seed
    #[arg(long, value_name = "S")]
    seed: Option<u64>,
    /// Play this plan instead
    #[arg(long, value_name = "FILE", conflicts_with_all = ["seeds", "seed"])]
    plan: Option<PathBuf>,
    /// How many plans to play at once [default: the number of cores]
    #[arg(long, value_name = "J")]
    jobs: Option<usize>,
    /// The connector's command [default: the one beside this program]
    #[arg(long, value_name = "COMMAND")]
    connector: Option<String>,
    /// Begin no further seed after so many minutes
    #[arg(long, value_name = "M")]
    minutes: Option<u64>,
    /// Stop at the first seed that fails
    #[arg(long)]
    fail_fast: bool,
}

/// Tortures a connector, and prints what came of it. Exit status 1 where a promise was broken.
pub(super) async fn torture(arguments: &TortureArguments) -> Result<ExitCode, Failure> {
    let connector = connector(arguments);
    if let Some(path) = &arguments.plan {
        return play_plan(&read_plan(path)?, &connector).await;
    }
    let first = arguments.seed.unwrap_or(0);
    let count = arguments
        .seeds
        .unwrap_or(if arguments.seed.is_some() { 1 } else { SEEDS });
    if count == 1 {
        let plan = torture::generate(first);
        print::line(&json(&plan));
        let code = play_plan(&plan, &connector).await?;
        if code == ExitCode::SUCCESS {
            return Ok(code);
        }
    }
    let options = Options {
        seeds: first..first.saturating_add(count),
        jobs: arguments.jobs.unwrap_or_else(cores),
        connector,
        stops_early: arguments.fail_fast,
        time: arguments.minutes.map(Duration::from_mins),
    };
    play_seeds(&options).await
}

async fn play_seeds(options: &Options) -> Result<ExitCode, Failure> {
    let count = options.seeds.end - options.seeds.start;
    let (mut done, mut rows) = (0, 0);
    let heard = |seed, report: &Report| {
        done += 1;
        rows += report.tally.rows;
        if !report.findings.is_empty() {
            print::line(&format!(
                "seed {seed} FAILED: {}",
                report.findings[0].evidence
            ));
        }
        if done % EACH == 0 {
            print::line(&format!("{done} of {count} seeds, {rows} rows"));
        }
    };
    let outcome = campaign(options, heard).await.map_err(|error| Failure {
        message: error.to_string(),
        exit_code: 1,
    })?;
    for failed in &outcome.failed {
        for line in failed_lines(failed) {
            print::line(&line);
        }
    }
    for line in summary(&outcome.tally) {
        print::line(&line);
    }
    Ok(verdict(&outcome))
}

fn verdict(outcome: &Outcome) -> ExitCode {
    if outcome.failed.is_empty() {
        print::line("every promise was kept");
        return ExitCode::SUCCESS;
    }
    print::line(&format!("{} seeds FAILED", outcome.failed.len()));
    ExitCode::FAILURE
}

/// Plays one plan, and tells everything.
async fn play_plan(plan: &Plan, connector: &[String]) -> Result<ExitCode, Failure> {
    let report = torture::play(plan, connector).await?;
    for line in report
        .events
        .iter()
        .chain(&findings(&report))
        .chain(&summary(&report.tally))
    {
        print::line(line);
    }
    if report.findings.is_empty() {
        print::line("every promise was kept");
        return Ok(ExitCode::SUCCESS);
    }
    Ok(ExitCode::FAILURE)
}

fn read_plan(path: &Path) -> Result<Plan, Failure> {
    let named = |error: &dyn std::fmt::Display| {
        Failure::usage(format!("the plan {}: {error}", path.display()))
    };
    let text = std::fs::read_to_string(path).map_err(|error| named(&error))?;
    serde_json::from_str(&text).map_err(|error| named(&error))
}

fn connector(arguments: &TortureArguments) -> Vec<String> {
    if let Some(command) = &arguments.connector {
        return command.split_whitespace().map(str::to_owned).collect();
    }
    let beside = std::env::current_exe()
        .ok()
        .map(|program| program.with_file_name(CONNECTOR));
    let found = beside.filter(|program| program.is_file());
    vec![found.map_or_else(
        || CONNECTOR.to_owned(),
        |program| program.display().to_string(),
    )]
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, NonZero::get)
}

fn json(plan: &Plan) -> String {
    serde_json::to_string_pretty(plan).unwrap_or_default()
}

fn findings(report: &Report) -> Vec<String> {
    let shown = report.findings.iter().take(SHOWN);
    let mut lines: Vec<String> = shown
        .map(|finding| format!("  BROKEN: {}: {}", finding.promise, finding.evidence))
        .collect();
    if report.findings.len() > SHOWN {
        lines.push(format!(
            "  and {} findings more",
            report.findings.len() - SHOWN
        ));
    }
    lines
}

fn failed_lines(failed: &Failed) -> Vec<String> {
    let mut lines = vec![
        String::new(),
        format!(
            "seed {} FAILED; again: flow-sim torture --seed {}",
            failed.seed, failed.seed
        ),
    ];
    lines.extend(findings(&failed.report));
    if let Some((plan, report)) = &failed.smaller {
        lines.push("shrunk to this plan (flow-sim torture --plan FILE):".to_owned());
        lines.push(json(plan));
        lines.push("in which this happens:".to_owned());
        lines.extend(report.events.iter().map(|event| format!("  {event}")));
        lines.extend(findings(report));
    }
    lines
}

/// The numbers of a campaign.
fn summary(tally: &Tally) -> Vec<String> {
    let mut lines = vec![
        String::new(),
        format!(
            "{} runs: {} sessions, {} processes, {} transactions, {} rows, {} files, {} requests",
            tally.runs,
            tally.sessions,
            tally.processes,
            tally.transactions,
            tally.rows,
            tally.files,
            tally.requests
        ),
        format!(
            "{} transactions done again after a crash, {} sessions ended while the connector waited for its upload interval",
            tally.replays, tally.waits
        ),
        "incidents by step:".to_owned(),
    ];
    for at in At::ALL {
        let kinds = tally.incidents.iter().filter(|((_, step), _)| *step == at);
        let counts: Vec<String> = kinds
            .map(|((kind, _), count)| format!("{kind} {count}"))
            .collect();
        lines.push(format!("  {:22} {}", format!("{at:?}"), counts.join(", ")));
    }
    lines.push("faults of the S3 server that struck:".to_owned());
    let mut effects: Vec<&str> = tally
        .faults
        .keys()
        .map(|(effect, _)| effect.as_str())
        .collect();
    effects.dedup();
    for effect in effects {
        let operations = tally
            .faults
            .iter()
            .filter(|((other, _), _)| other == effect);
        let counts: Vec<String> = operations
            .map(|((_, operation), count)| format!("{operation} {count}"))
            .collect();
        lines.push(format!("  {effect:22} {}", counts.join(", ")));
    }
    lines
}
