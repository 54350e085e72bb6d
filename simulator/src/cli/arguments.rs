//! The arguments, and the help that teaches them.

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use flow_sim::runtime::{Level, Runtime};
use flow_sim::s3::Manners;
use flow_sim::status::{self, Status};
use materialize_s3_parquet::protocol::Codec;

use super::bench::{BenchArguments, BenchDuckDbArguments};
use super::inspect::InspectArguments;
use super::record::RecordArguments;
use super::replay::ReplayArguments;
use super::torture::{self, TortureArguments};
use super::words;

const EXAMPLES: &str = "\
Examples:
  flow-sim run tests/catalogs/wikipedia/flow.yaml
      Play a catalog against an S3 server inside this process, read the files back, compare.

  flow-sim run flow.yaml --fixture docs.jsonl --s3 minio --sessions 3,-1
      Documents of your own, a real MinIO, and a new start after three transactions.

  flow-sim torture --seeds 500
      Crash the connector at every step, under faults of the S3 server, and prove that nothing is lost or doubled.

  flow-sim bench
      How fast the connector is, and how small in memory, against DuckDB on the same documents.

  flow-sim replay tests/sessions/*
      Send what was recorded once to the connector of now, and compare what it answers.

  flow-sim inspect files
      What is in Parquet files: schema, sizes, statistics, rows.

  flow-sim s3 --port 9000
      Serve S3 until interrupted, for a connector, DuckDB or the aws command line.";

const RUN_EXAMPLES: &str = "\
Examples:
  flow-sim run flow.yaml
      Everything by default: the connector beside this program, the embedded S3 server.

  flow-sim run flow.yaml --output files
      Keep the Parquet files in the folder `files`.

  flow-sim run flow.yaml --runtime v2 --codec json --sessions 1,1,-1
      The new runtime with JSON messages; a new start after each of the first two transactions.

  flow-sim run flow.yaml --shards 3
      Three connectors at the same time, each with a third of the keys.

  AWS_ACCESS_KEY_ID=flow-sim AWS_SECRET_ACCESS_KEY=flow-sim-secret \\
    flow-sim run flow.yaml --s3 http://127.0.0.1:9000 --bucket flow-sim --prefix run-7
      A server that is there already, such as that of `flow-sim s3 --port 9000`; the files are
      put below run-7/, where no other run's are.

  flow-sim run flow.yaml --s3 catalog --prefix try
      The catalog's own bucket, with its own credentials, below try/.

  flow-sim run flow.yaml --strict
      Fail where a value was rescued, is exact only in flow_exact, or is in no column at all, and
      where files were not read back.

  flow-sim run flow.yaml --s3 none --connector './my-connector --verbose'
      Any other connector, with the configuration that the catalog has for it. Standard bindings
      are loaded, reduced and stored; what is loaded must be what was stored.

  ./make-documents | flow-sim run flow.yaml --fixture - --max-time 10 --max-docs 100000
      Documents as they come, in transactions of at most 10 seconds and 100,000 documents.

  flow-sim run flow.yaml --explain --report run.html
      Why each field was taken or left; and a page that shows all that happened.

  flow-sim run flow.yaml --json | jq .verdict
      The same for programs. The lines of progress go to standard error.

Documents (--fixture), one JSON value per line, as in `flowctl preview`; those between two
commits are one transaction:
  [\"acmeCo/orders\", {\"id\": 1, \"amount\": 10.5}]
  [\"acmeCo/orders\", {\"id\": 2}]
  {\"commit\": true}
Each document is held against the (read) schema of its collection: types, bounds, patterns and what is required, as Flow
does. Not looked at are `format`, `contentEncoding`, `unevaluatedProperties`, `unevaluatedItems` and `$dynamicRef`.";

const S3_EXAMPLES: &str = "\
Examples:
  flow-sim s3
      On port 9000; how to use it is printed.

  flow-sim s3 --port 0 --bucket lake --json > server.json &
      On any free port; endpoint, credentials and buckets for programs.

  flow-sim s3 --manners minio
      As MinIO would answer, and lose what it loses.";

const COMPLETIONS_EXAMPLES: &str = "\
Examples:
  flow-sim completions bash > ~/.local/share/bash-completion/completions/flow-sim
  flow-sim completions zsh > ~/.zfunc/_flow-sim
  flow-sim completions fish > ~/.config/fish/completions/flow-sim.fish";

/// How a run ends.
const OF_A_RUN: [Status; 10] = [
    Status::Success,
    Status::Failed,
    Status::Usage,
    Status::UnknownCollection,
    Status::InvalidDocument,
    Status::NothingCompared,
    Status::NotWritten,
    Status::NotInColumns,
    Status::NotAllPlayed,
    Status::Interrupted,
];

fn with_statuses(examples: &str, statuses: &[Status]) -> String {
    format!("{examples}\n\n{}", status::help(statuses))
}

/// Plays the Estuary Flow runtime for a materialization connector, on one machine.
#[derive(Debug, Parser)]
#[command(name = "flow-sim", version, after_help = with_statuses(EXAMPLES, &Status::ALL), max_term_width = 120)]
pub(super) struct Arguments {
    #[command(subcommand)]
    pub(super) verb: Verb,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// Play a catalog from end to end, then read the bucket back, compare and summarise it
    #[command(after_help = with_statuses(RUN_EXAMPLES, &OF_A_RUN))]
    Run(RunArguments),
    /// Crashes × S3 faults × shards from seeds; checkers prove that nothing is lost or doubled
    #[command(after_help = torture::EXAMPLES)]
    Torture(TortureArguments),
    /// Recorded sessions through a connector as fast as it takes them, against DuckDB's COPY of the
    /// same documents
    #[command(after_help = super::bench::EXAMPLES)]
    Bench(BenchArguments),
    /// DuckDB's side of `bench`, which starts this itself
    #[command(name = flow_sim::bench::VERB, hide = true)]
    BenchDuckDb(BenchDuckDbArguments),
    /// Send a recorded session's requests to a connector, and compare what it answers
    #[command(after_help = super::replay::EXAMPLES)]
    Replay(ReplayArguments),
    /// Stand between a runtime and a connector, and record what they say
    #[command(after_help = super::record::EXAMPLES)]
    Record(RecordArguments),
    /// What is in Parquet files: schema, row groups, encodings, sizes, statistics, metadata, a few
    /// rows
    #[command(after_help = super::inspect::EXAMPLES)]
    Inspect(InspectArguments),
    /// Serve the embedded S3 server on a port until interrupted
    #[command(after_help = S3_EXAMPLES)]
    S3(S3Arguments),
    /// Print completions for a shell
    #[command(after_help = COMPLETIONS_EXAMPLES)]
    Completions(CompletionsArguments),
}

/// The arguments of `run`.
#[derive(Args, Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a flag of its own on the command line"
)]
pub(super) struct RunArguments {
    /// The catalog: a flow.yaml
    pub(super) catalog: PathBuf,
    /// The materialization to play [default: the catalog's only one]
    #[arg(long, value_name = "TASK")]
    pub(super) name: Option<String>,
    /// The documents: a file, a recipe, a FIFO, or `-` for standard input, whose documents are
    /// sent as they come [default: the catalog's fixture.jsonl or fixture.yaml]
    #[arg(long, value_name = "FILE")]
    pub(super) fixture: Option<PathBuf>,
    /// Close a transaction at so many documents, even without a commit
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(super) max_docs: Option<u64>,
    /// Close a transaction at so many bytes of documents, even without a commit
    #[arg(long, value_name = "BYTES", value_parser = clap::value_parser!(u64).range(1..))]
    pub(super) max_bytes: Option<u64>,
    /// Close a transaction so long after its first document, even without a commit; for documents
    /// that come as they are made, through standard input or a FIFO
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub(super) max_time: Option<Duration>,
    /// Where the files go: `embedded` (a server inside this process), `minio`, `ceph` or
    /// `seaweedfs` (a container), the URL of any server, with credentials from the usual AWS
    /// variables, `catalog` (the catalog's own bucket, with its own credentials), or `none`:
    /// the configuration stays as it is in the catalog, and no files are read back
    #[arg(long, value_name = "STORE", default_value = "embedded")]
    pub(super) s3: String,
    /// Whose manners the server inside this process has: what it lists, forgets, refuses and loses
    #[arg(long, value_enum, default_value = "aws")]
    pub(super) manners: MannersName,
    /// The bucket [default: flow-sim]
    #[arg(long, value_parser = words::bucket)]
    pub(super) bucket: Option<String>,
    /// Make the bucket if it is not there; one on a server of the run's own is always made
    #[arg(long)]
    pub(super) make_bucket: bool,
    /// A folder of the bucket that the files of all bindings are put below, so that runs are kept
    /// apart
    #[arg(long)]
    pub(super) prefix: Option<String>,
    /// How messages are written [default: what the catalog says]
    #[arg(long, value_enum)]
    pub(super) codec: Option<CodecName>,
    /// Which of Flow's runtimes to play
    #[arg(long, value_enum, default_value = "v1")]
    pub(super) runtime: RuntimeName,
    /// How many transactions each session has, -1 for all that are left; between sessions the
    /// connector starts anew [default: what the recipe says, or else -1]
    #[arg(
        long,
        value_delimiter = ',',
        allow_hyphen_values = true,
        value_name = "N,…"
    )]
    pub(super) sessions: Option<Vec<i64>>,
    /// How many shards the task has: each has a connector process of its own, and a part of the
    /// keys by their hash
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=256))]
    pub(super) shards: u32,
    /// Everything random derives from it; the same seed gives the same run. It is added to a
    /// recipe's own
    #[arg(long, default_value_t = 0)]
    pub(super) seed: u64,
    /// The connector's command [default: what the catalog says, looked for beside this program
    /// first]
    #[arg(long, value_name = "COMMAND", value_parser = words::command)]
    pub(super) connector: Option<String>,
    /// The upload interval in seconds [default: what the catalog says]
    #[arg(long, value_name = "SECONDS")]
    pub(super) interval: Option<u32>,
    /// Keep a copy of the files in this folder
    #[arg(long, value_name = "FOLDER")]
    pub(super) output: Option<PathBuf>,
    /// The least important of the connector's logs to show
    #[arg(long, value_enum, default_value = "warn")]
    pub(super) log_level: LevelName,
    /// Say for each field why it was taken or left
    #[arg(long)]
    pub(super) explain: bool,
    /// Write a page of the run to this file: a timeline, the files, the fields, the requests, the
    /// logs
    #[arg(long, value_name = "FILE.html")]
    pub(super) report: Option<PathBuf>,
    /// Print what came of the run as one JSON document, and everything else to standard error
    #[arg(long)]
    pub(super) json: bool,
    /// It is fine that nothing is compared, as where there are no documents
    #[arg(long)]
    pub(super) allow_empty: bool,
    /// It is fine that documents are left over after the last session
    #[arg(long)]
    pub(super) allow_unplayed: bool,
    /// Fail where a value is not in a column of its own: rescued, beside its column as exact text,
    /// or in none; and where a binding was not read back
    #[arg(long)]
    pub(super) strict: bool,
}

/// The arguments of `completions`.
#[derive(Args, Debug)]
pub(super) struct CompletionsArguments {
    /// The shell
    #[arg(value_enum)]
    pub(super) shell: Shell,
}

/// The arguments of `s3`.
#[derive(Args, Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a flag of its own on the command line"
)]
pub(super) struct S3Arguments {
    /// The port; 0 for any free one
    #[arg(long, default_value_t = 9000)]
    pub(super) port: u16,
    /// The address to listen on
    #[arg(long, default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    pub(super) host: IpAddr,
    /// The buckets that are there from the start
    #[arg(long, default_value = "flow-sim", value_parser = words::bucket)]
    pub(super) bucket: Vec<String>,
    /// Whose manners it has: what it lists, forgets, refuses and loses
    #[arg(long, value_enum, default_value = "aws")]
    pub(super) manners: MannersName,
    /// Keep the versions of all objects
    #[arg(long)]
    pub(super) versioned: bool,
    /// Print what a program needs to use it as one JSON document, on one line
    #[arg(long)]
    pub(super) json: bool,
    /// Keep of bodies only their sizes, and believe every checksum: a server that costs a
    /// benchmark little
    #[arg(long)]
    pub(super) discard: bool,
    /// End when standard input does
    #[arg(long)]
    pub(super) until_eof: bool,
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text
        .parse()
        .ok()
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    seconds
        .filter(|seconds| !seconds.is_zero())
        .ok_or_else(|| "write a number of seconds above 0, such as 0.5".to_owned())
}

/// A codec by name.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum CodecName {
    /// Protobuf
    Proto,
    /// JSON, one message per line
    Json,
}

impl From<CodecName> for Codec {
    fn from(name: CodecName) -> Self {
        match name {
            CodecName::Proto => Self::Proto,
            CodecName::Json => Self::Json,
        }
    }
}

/// The manners of an S3 server by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum MannersName {
    /// Amazon S3
    Aws,
    /// MinIO: lists uploads by exact key, and may lose a completion whose client goes away
    Minio,
    /// Ceph: takes wrong checksums, writes over what If-None-Match was to spare
    Ceph,
    /// Google Cloud Storage: refuses a POST without Content-Length
    Gcs,
}

impl From<MannersName> for Manners {
    fn from(name: MannersName) -> Self {
        match name {
            MannersName::Aws => Self::Aws,
            MannersName::Minio => Self::Minio,
            MannersName::Ceph => Self::Ceph,
            MannersName::Gcs => Self::Gcs,
        }
    }
}

/// A runtime by name.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum RuntimeName {
    /// The long-standing one
    V1,
    /// The new one
    V2,
}

impl From<RuntimeName> for Runtime {
    fn from(name: RuntimeName) -> Self {
        match name {
            RuntimeName::V1 => Self::V1,
            RuntimeName::V2 => Self::V2,
        }
    }
}

/// A level of logs by name.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum LevelName {
    /// Everything
    Trace,
    /// What helps to find a mistake
    Debug,
    /// What happens
    Info,
    /// What somebody should look at
    Warn,
    /// What went wrong
    Error,
}

impl From<LevelName> for Level {
    fn from(name: LevelName) -> Self {
        match name {
            LevelName::Trace => Self::Trace,
            LevelName::Debug => Self::Debug,
            LevelName::Info => Self::Info,
            LevelName::Warn => Self::Warn,
            LevelName::Error => Self::Error,
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_arguments_hold_together() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn sessions_may_be_negative() {
        let arguments =
            Arguments::parse_from(["flow-sim", "run", "flow.yaml", "--sessions", "3,-1"]);
        let Verb::Run(run) = arguments.verb else {
            panic!("run")
        };
        assert_eq!(run.sessions, Some(vec![3, -1]));
    }
}
