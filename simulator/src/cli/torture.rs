//! `flow-sim torture`.

use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use flow_sim::figures::plural;
use flow_sim::report::campaign::{Chronicle, Promises, Title};
use flow_sim::torture::{self, At, Failed, Options, Outcome, Plan, Report, Tally, campaign};
use flow_sim::utf8;

use super::failure::Failure;
use super::print::{self, Stream};
use super::{command, page, words};

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
A seed is a whole schedule: bindings, documents, transactions, codec, runtime, shards with their \
                                   splits and merges, crashes
(kill -9 at every step of the protocol, and while files are made visible), processes that are \
                                   stopped or start late and
go on after their successor has begun, a second stack of the same name, revoked credentials, the \
                                   manners and the faults
of S3 servers, both ways to commit, other buckets, addresses and keys, loaders that take files \
                                   away, rules that remove
what is staged, receipts that are lost, tasks deleted and made again, upload intervals, hundreds \
                                   of bindings, and under
runtime v2 the same transaction once more after a crash.
Checkers then prove that every committed row is there exactly once and in order, or that something \
                                   else was seen to take
it; that nothing else is there, that no file was overwritten, that the state stays small, that \
                                   nothing is left behind and
nobody else's touched, and that no session failed without a cause.

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

  flow-sim torture --seed 42 --report seed.html
      A page that shows it: sessions and transactions in their time, crashes, faults, the plan.

  flow-sim torture --seeds 500 --json | jq '.runs[] | select(.findings != [])'
      For programs: the numbers of every seed, and what is wrong with those that failed.

Exit status:
  0    every promise was kept
  1    one was broken
  2    the command line or the plan is wrong
  6    standard output or the page could not be written";

/// The arguments of `torture`.
#[derive(Args, Debug)]
pub(super) struct TortureArguments {
    /// How many seeds to play [default: 100, or 1 where --seed is given]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    seeds: Option<u64>,
    /// The first seed
    #[arg(long, value_name = "S")]
    seed: Option<u64>,
    /// Play this plan instead
    #[arg(long, value_name = "FILE", conflicts_with_all = ["seeds", "seed"])]
    plan: Option<PathBuf>,
    /// How many plans to play at once [default: the number of cores]
    #[arg(long, value_name = "J", value_parser = clap::value_parser!(u16).range(1..))]
    jobs: Option<u16>,
    /// The connector's command [default: the one beside this program]
    #[arg(long, value_name = "COMMAND", value_parser = words::command)]
    connector: Option<String>,
    /// Begin no further seed after so many minutes
    #[arg(long, value_name = "M", value_parser = clap::value_parser!(u64).range(1..))]
    minutes: Option<u64>,
    /// Write a page to this file: the timeline of the seeds that failed, or else of the slowest
    /// and the last, and a table of all
    #[arg(long, value_name = "FILE.html")]
    report: Option<PathBuf>,
    /// Print what came of it as one JSON document, and everything else to standard error
    #[arg(long)]
    json: bool,
    /// Stop at the first seed that fails
    #[arg(long)]
    fail_fast: bool,
    /// Do not look for smaller plans that fail as well
    #[arg(long)]
    no_shrink: bool,
}

/// Tortures a connector, and prints what came of it. Exit status 1 where a promise was broken.
pub(super) async fn torture(arguments: &TortureArguments) -> Result<ExitCode, Failure> {
    if let Some(path) = &arguments.report {
        page::require_folder(path)?;
    }
    let mut teller = Teller {
        stream: if arguments.json {
            Stream::Error
        } else {
            Stream::Output
        },
        chronicle: Chronicle::new(),
        connector: connector(arguments),
        began: now(),
    };
    let outcome = teller.play(arguments).await?;
    let kept = teller.finish(arguments, outcome.as_ref())?;
    Ok(if kept {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Tells of runs as they end, and of all of them in the end.
struct Teller {
    /// Where lines go.
    stream: Stream,
    chronicle: Chronicle,
    connector: Vec<String>,
    began: jiff::Timestamp,
}

impl Teller {
    /// Plays what the arguments say. Returns what came of a campaign; none where it was one plan.
    async fn play(&mut self, arguments: &TortureArguments) -> Result<Option<Outcome>, Failure> {
        if let Some(path) = &arguments.plan {
            let plan = read_plan(path)?;
            let report = self.play_plan(&plan).await?;
            self.chronicle.hear_plan(&plan, &report);
            return Ok(None);
        }
        let first = arguments.seed.unwrap_or(0);
        let count = arguments
            .seeds
            .unwrap_or(if arguments.seed.is_some() { 1 } else { SEEDS });
        if count == 1 {
            let plan = torture::generate(first);
            self.stream.line(&json(&plan));
            let report = self.play_plan(&plan).await?;
            if report.findings.is_empty() {
                self.chronicle.hear_plan(&plan, &report);
                return Ok(None);
            }
        }
        let options = Options {
            seeds: first..first.saturating_add(count),
            jobs: arguments.jobs.map_or_else(cores, usize::from),
            connector: self.connector.clone(),
            stops_early: arguments.fail_fast,
            shrinks: !arguments.no_shrink,
            time: arguments.minutes.map(Duration::from_mins),
        };
        self.play_seeds(&options).await.map(Some)
    }

    async fn play_seeds(&mut self, options: &Options) -> Result<Outcome, Failure> {
        let count = options.seeds.end - options.seeds.start;
        let (mut done, mut rows) = (0, 0);
        let heard = |seed, report: &Report| {
            done += 1;
            rows += report.tally.rows;
            self.chronicle.hear(seed, report);
            if let Some(finding) = report.findings.first() {
                let line = format!("seed {seed} FAILED: {}", finding.evidence);
                self.stream.line(&line);
            }
            if done % EACH == 0 {
                let line = format!("{done} of {count} seeds, {rows} rows");
                self.stream.line(&line);
            }
        };
        let outcome = campaign(options, heard)
            .await
            .map_err(|error| Failure::failed(error.to_string()))?;
        let failed = outcome.failed.iter().flat_map(failed_lines);
        for line in failed.chain(summary(&outcome.tally)) {
            self.stream.line(&line);
        }
        Ok(outcome)
    }

    /// Plays one plan, and tells everything.
    async fn play_plan(&self, plan: &Plan) -> Result<Report, Failure> {
        let report = torture::play(plan, &self.connector).await?;
        let lines = report.events.iter();
        for line in lines
            .chain(&findings(&report))
            .chain(&summary(&report.tally))
        {
            self.stream.line(line);
        }
        Ok(report)
    }

    /// Writes the page and the JSON. Whether every promise was kept.
    fn finish(
        self,
        arguments: &TortureArguments,
        outcome: Option<&Outcome>,
    ) -> Result<bool, Failure> {
        let title = Title {
            command: &command::line(),
            connector: &self.connector,
            began: Some(self.began),
        };
        let campaign = self.chronicle.finish(&title, outcome);
        if let Some(path) = &arguments.report {
            page::write(path, &campaign.page())?;
            self.stream.line(&format!("the page is {}", path.display()));
        }
        if arguments.json {
            print::line(
                &serde_json::to_string_pretty(&campaign)
                    .expect("a document has no keys but strings"),
            );
        }
        self.stream.line(&match campaign.totals.failed {
            0 => "every promise was kept".to_owned(),
            failed => format!("{} FAILED", plural(failed, "seed")),
        });
        Ok(campaign.verdict == Promises::Kept)
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the one time of day in a report: when the torture began"
)]
fn now() -> jiff::Timestamp {
    jiff::Timestamp::now()
}

fn read_plan(path: &Path) -> Result<Plan, Failure> {
    let named = |error: &dyn std::fmt::Display| {
        Failure::usage(format!(
            "the plan {}: {error}; a plan is what `flow-sim torture --seed 42` prints first",
            path.display()
        ))
    };
    let text = utf8::read(path).map_err(|error| named(&error))?;
    serde_json::from_str(&text).map_err(|error| named(&error))
}

fn connector(arguments: &TortureArguments) -> Vec<String> {
    if let Some(command) = &arguments.connector {
        return words::words(command);
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
            "{} transactions done again after a crash, {} sessions ended while the connector \
             waited for its upload interval, {} completions lost by the server because their \
             client went away",
            tally.replays, tally.waits, tally.lost
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
