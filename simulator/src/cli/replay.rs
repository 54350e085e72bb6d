//! `flow-sim replay`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use flow_sim::figures::plural;
use flow_sim::replay::{Options, Outcome, Rules, replay as play};
use flow_sim::run::{CONNECTOR, Store, beside_ourselves};
use flow_sim::status::Status;
use flow_sim::transcript;
use flow_sim::{utf8, whole_file};
use serde_json::{Value, json};

use super::arguments::CodecName;
use super::failure::{Failure, exit_code};
use super::print;
use super::run::store;
use super::words;

/// What `--help` says besides.
pub(super) const EXAMPLES: &str = "\
Examples:
  flow-sim replay session.jsonl
      Send what the runtime said in the recording to the connector beside this program, with an
      S3 server inside this process, and compare the answers.

  flow-sim replay tests/sessions/*
      Several recordings. Each has a bucket and a state of its own; in a folder the files go on
      from one another, in the order of their names.

  flow-sim replay session.jsonl --connector './my-connector --verbose' --s3 none --config \
                                   secrets.json
      Another connector, with the configurations as they were recorded, but for what
      secrets.json says: a JSON merge patch such as {\"password\": \"…\"}.

  flow-sim replay session.jsonl --ignore /opened/runtimeCheckpoint --rules rules.json
      What else may differ: a place that is not compared, and rules such as
      [{\"at\": \"/*/state/updated/job\", \"is\": \"id\"}, {\"names\": \"/*/state/updated/jobs\", \
                                   \"are\": \"id\"}].
      Where an id stood then, the id must stand that took its place; kinds are token, id, text,
      count, time and any.

  flow-sim replay session.jsonl --update
      Take this run's answers over into the recording, where they differ and that is right.

What is not replayed to the letter: the place of the files and the credentials are this run's,
and so is the state, which is rebuilt from what this run's connector returned.

Exit status:
  0    every answer is as recorded
  1    an answer differs, or the connector did not start
  2    the command line or a recording is wrong
  5    the recordings have no answer to compare
  6    standard output or a recording could not be written";

impl From<flow_sim::replay::Error> for Failure {
    fn from(error: flow_sim::replay::Error) -> Self {
        Self {
            message: error.to_string(),
            status: error.status(),
        }
    }
}

/// The arguments of `replay`.
#[derive(Args, Debug)]
pub(super) struct ReplayArguments {
    /// Recordings: files, or folders of files that go on from one another
    #[arg(required = true, value_name = "SESSION")]
    sessions: Vec<PathBuf>,
    /// The connector's command [default: materialize-s3-parquet, looked for beside this program
    /// first]
    #[arg(long, value_name = "COMMAND", value_parser = words::command)]
    connector: Option<String>,
    /// How messages are written [default: as they were when recorded, or else proto]
    #[arg(long, value_enum)]
    codec: Option<CodecName>,
    /// Where the files go: `embedded` (a server inside this process), `minio`, `ceph` or
    /// `seaweedfs` (a container), the URL of any server, with credentials from the usual AWS
    /// variables, or `none`: configurations stay as they were recorded
    #[arg(long, value_name = "STORE", default_value = "embedded")]
    s3: String,
    /// The bucket
    #[arg(long, default_value = "flow-sim", value_parser = words::bucket)]
    bucket: String,
    /// Make the bucket if it is not there; one on a server of the replay's own is always made
    #[arg(long)]
    make_bucket: bool,
    /// A JSON merge patch over every endpoint configuration, such as the secrets that a recording
    /// does not hold
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// More rules for what may differ: a JSON array
    #[arg(long, value_name = "FILE")]
    rules: Option<PathBuf>,
    /// A place in the responses that is not compared: a JSON pointer, `*` for any name; may be
    /// given several times
    #[arg(long, value_name = "POINTER")]
    ignore: Vec<String>,
    /// Write this run's answers into the recordings where they differ
    #[arg(long)]
    update: bool,
    /// How long an answer may take
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    patience: u64,
    /// Everything random derives from it
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Print what came of it as one JSON document
    #[arg(long)]
    json: bool,
}

/// Replays recordings and prints what differs. Exit status 1 where something does.
pub(super) async fn replay(arguments: &ReplayArguments) -> Result<ExitCode, Failure> {
    let options = options(arguments)?;
    let mut outcomes = Vec::with_capacity(arguments.sessions.len());
    for session in &arguments.sessions {
        let outcome = play(session, &options).await?;
        if !arguments.json {
            print_outcome(session, &outcome);
        }
        if arguments.update {
            update(&outcome)?;
        }
        outcomes.push((session, outcome));
    }
    let differences: usize = outcomes
        .iter()
        .map(|(_, outcome)| outcome.differences.len())
        .sum();
    if arguments.json {
        print::line(&document(&outcomes).to_string());
    } else {
        let answers = outcomes.iter().map(|(_, outcome)| outcome.answers).sum();
        print::line(&verdict(answers, differences as u64, arguments.update));
    }
    let answers: u64 = outcomes.iter().map(|(_, outcome)| outcome.answers).sum();
    Ok(exit_code(if answers == 0 {
        Status::NothingCompared
    } else if differences == 0 || arguments.update {
        Status::Success
    } else {
        Status::Failed
    }))
}

fn options(arguments: &ReplayArguments) -> Result<Options, Failure> {
    let connector = match &arguments.connector {
        Some(command) => words::words(command),
        None => beside_ourselves(vec![CONNECTOR.to_owned()]),
    };
    Ok(Options {
        codec: arguments.codec.map(Into::into),
        store: optional_store(&arguments.s3)?,
        bucket: Some(arguments.bucket.clone()),
        make_bucket: arguments.make_bucket,
        config: match &arguments.config {
            Some(path) => config(path)?,
            None => Value::Null,
        },
        rules: rules(arguments)?,
        seed: arguments.seed,
        patience: Duration::from_secs(arguments.patience),
        ..Options::new(connector)
    })
}

fn optional_store(name: &str) -> Result<Option<Store>, Failure> {
    match name {
        "none" => Ok(None),
        "catalog" => Err(Failure::usage(
            "--s3 catalog is for `run`: a recording has no catalog, and none of its secrets",
        )),
        name => store(name).map(Some),
    }
}

fn config(path: &Path) -> Result<Value, Failure> {
    let wrong = |what: String| {
        Failure::usage(format!(
            "--config {} {what}; write a JSON merge patch such as {{\"password\": \"…\"}}",
            path.display()
        ))
    };
    let value: Value = serde_json::from_str(&read(path)?)
        .map_err(|error| wrong(format!("is not JSON: {error}")))?;
    if value.is_object() {
        return Ok(value);
    }
    Err(wrong("is no JSON object".to_owned()))
}

fn rules(arguments: &ReplayArguments) -> Result<Rules, Failure> {
    let mut rules = Rules::default();
    if let Some(path) = &arguments.rules {
        rules.add(&read(path)?)?;
    }
    for pointer in &arguments.ignore {
        rules.ignore(pointer)?;
    }
    Ok(rules)
}

fn read(path: &Path) -> Result<String, Failure> {
    utf8::read(path).map_err(|error| Failure::usage(format!("{}: {error}", path.display())))
}

fn print_outcome(session: &Path, outcome: &Outcome) {
    for difference in &outcome.differences {
        print::line(&format!("{difference}\n"));
    }
    let verdict = match outcome.differences.len() as u64 {
        0 => "as recorded".to_owned(),
        count => plural(count, "difference"),
    };
    print::line(&format!(
        "{}: {}, {}, {}: {verdict}",
        session.display(),
        plural(outcome.connectors, "connector"),
        plural(outcome.requests, "request"),
        plural(outcome.answers, "answer"),
    ));
}

/// Writes the recordings that are not as this run has answered.
fn update(outcome: &Outcome) -> Result<(), Failure> {
    if outcome.differences.is_empty() {
        return Ok(());
    }
    for (path, transcripts) in &outcome.updated {
        let text = transcript::write(transcripts).map_err(|error| {
            Failure::usage(format!("{} cannot be updated: {error}", path.display()))
        })?;
        whole_file::write(path, text.as_bytes())
            .map_err(|error| Failure::not_written(path.display(), &error))?;
        print::error(&format!("{} is updated", path.display()));
    }
    Ok(())
}

fn document(outcomes: &[(&PathBuf, Outcome)]) -> Value {
    let sessions: Vec<Value> = outcomes
        .iter()
        .map(|(session, outcome)| {
            let mut document = json!(outcome);
            document["session"] = json!(session.display().to_string());
            document
        })
        .collect();
    json!({ "sessions": sessions })
}

fn verdict(answers: u64, differences: u64, is_updated: bool) -> String {
    let is_empty = answers == 0;
    let answers = plural(answers, "answer");
    match differences {
        0 if is_empty => {
            "NOTHING COMPARED: the recordings have no answer of a connector".to_owned()
        }
        0 => format!("{answers} compared, all as recorded"),
        count if is_updated => {
            format!("{answers} compared; the recordings now have the {count} that differed")
        }
        count => format!(
            "DIFFERENT: {} among {answers}; if that is right, --update takes them over into the \
             recordings",
            plural(count, "difference")
        ),
    }
}
