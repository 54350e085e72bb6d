//! `flow-sim bench`.

use std::io;
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use flow_sim::bench::{
    self, ContenderReport, Event, Must, Options, Report, Shape, ShapeReport, Variant,
};
use flow_sim::figures::{bytes, grouped, plural};
use flow_sim::run::{CONNECTOR, beside_ourselves};
use flow_sim::runtime::Runtime;
use materialize_s3_parquet::protocol::Codec;

use super::arguments::{CodecName, LevelName, RuntimeName};
use super::failure::Failure;
use super::lines;
use super::print::{self, Stream};
use super::words;

/// How many rounds there are, unless told.
const ROUNDS: u16 = 5;

/// What `--help` says besides.
pub(super) const EXAMPLES: &str = "\
Documents are made from a seed, and a session of one transaction is recorded for each way of
speaking to a connector: proto, and JSON of either runtime. Then everybody in turn is measured:

  the connector  from the first byte of the first document until Acknowledged: decoding, encoding,
                 uploading (to `flow-sim s3 --discard`, a process of its own), completing
  DuckDB         COPY (SELECT every column FROM read_json(…)) TO … (FORMAT parquet, COMPRESSION
                 snappy), with two threads, in a process of its own, into a file

Wall and CPU time are of that span alone; memory is the most that the process ever had. What is
shown is the median of each. Before the first round the connector's files are read back, and must
hold what was sent.

  wiki   300,000 nested documents of about 1.2 KB, 37 columns
  tiny   3,000,000 documents of 128 bytes, 4 columns
  big    400 documents of 1 MiB that nothing compresses, 3 columns

Examples:
  flow-sim bench
      Every shape, every codec, five rounds: some minutes, and up to 2 GiB in TMPDIR.

  flow-sim bench --docs wiki --codec proto --scale 0.1 --rounds 3
      A quick look at the main case.

  flow-sim bench --docs tiny --no-duckdb --connector ./materialize-s3-parquet-before
      Another build of the connector, alone; with the environment of this one's image.

  flow-sim bench --flat --codec proto --rounds 3
      Every shape, and ten times of it: memory must stay, time grow in proportion. Needs 12 GiB.

  flow-sim bench --flat --codec proto --docs wiki,tiny --scale 3 --rounds 3
      The same from more row groups on: the documents of `wiki` are two or three. Needs 30 GiB.

  flow-sim bench --check --json > bench.json
      For CI: exit status 1 where something is slower or larger than it may be.

Measure builds that are optimized, on a machine that does nothing else: `cargo xtask bench` builds \
                                   them first.

Exit status:
  0    measured, and with --check everything is within its limit
  1    the connector failed, or wrote something else than it was sent; with --check: something is
       over its limit
  2    the command line is wrong
  6    standard output could not be written";

/// The arguments of `bench`.
#[derive(Args, Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a switch of the command line, and any may go with any other"
)]
pub(super) struct BenchArguments {
    /// The documents [default: every shape]
    #[arg(long, value_enum, value_name = "SHAPE", value_delimiter = ',')]
    docs: Vec<ShapeName>,
    /// How many rounds to measure
    #[arg(long, value_name = "N", default_value_t = ROUNDS, value_parser = clap::value_parser!(u16).range(1..))]
    rounds: u16,
    /// The share of each shape's documents that is played; 10 is ten times as many
    #[arg(long, value_name = "FACTOR", default_value_t = 1.0, value_parser = factor)]
    scale: f64,
    /// How messages are written [default: both ways]
    #[arg(long, value_enum)]
    codec: Option<CodecName>,
    /// Whose messages [default: both runtimes'; they differ in JSON only]
    #[arg(long, value_enum)]
    runtime: Option<RuntimeName>,
    /// The connector's command [default: the one beside this program]
    #[arg(long, value_name = "COMMAND", value_parser = words::command)]
    connector: Option<String>,
    /// The least important of the connector's logs to show; `info` tells of each file what
    /// decoding, encoding and uploading took
    #[arg(long, value_enum, default_value = "warn")]
    log_level: LevelName,
    /// Leave DuckDB out
    #[arg(long)]
    no_duckdb: bool,
    /// Play each shape with ten times the documents too, in turn, and see that time grows no
    /// faster and memory not at all; without DuckDB
    #[arg(long)]
    flat: bool,
    /// Exit with status 1 where something takes more time or memory than it may
    #[arg(long)]
    check: bool,
    /// Print every sample as one JSON document, and everything else to standard error
    #[arg(long)]
    json: bool,
}

/// The arguments of DuckDB's side.
#[derive(Args, Debug)]
pub(super) struct BenchDuckDbArguments {
    /// The statement to run
    statement: String,
}

/// A shape by name.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum ShapeName {
    /// Changes of wikis
    Wiki,
    /// Many small ones
    Tiny,
    /// A few large ones
    Big,
}

impl From<ShapeName> for Shape {
    fn from(name: ShapeName) -> Self {
        match name {
            ShapeName::Wiki => Self::Wiki,
            ShapeName::Tiny => Self::Tiny,
            ShapeName::Big => Self::Big,
        }
    }
}

fn factor(text: &str) -> Result<f64, String> {
    let factor = text.parse().ok();
    factor
        .filter(|factor: &f64| factor.is_finite() && *factor > 0.0)
        .ok_or_else(|| "write a number above 0, such as 0.1".to_owned())
}

/// Measures, and prints what came of it.
pub(super) async fn bench(arguments: &BenchArguments) -> Result<ExitCode, Failure> {
    let options = options(arguments)?;
    let stream = if arguments.json {
        Stream::Error
    } else {
        Stream::Output
    };
    if cfg!(debug_assertions) {
        stream.line("this build is not optimized: the numbers say nothing (cargo xtask bench)");
    }
    let mut hear = |event: Event| stream.line(&line(&event));
    let report = Box::pin(bench::bench(&options, &mut hear)).await?;
    for line in report.shapes.iter().flat_map(table) {
        stream.line(&line);
    }
    for line in growth(&report) {
        stream.line(&line);
    }
    for line in verdict(&report) {
        stream.line(&line);
    }
    if arguments.json {
        print::line(
            &serde_json::to_string_pretty(&report).expect("a report has no keys but strings"),
        );
    }
    Ok(if arguments.check && !report.is_met() {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

/// Runs a statement when told to.
pub(super) fn duckdb(arguments: &BenchDuckDbArguments) -> Result<ExitCode, Failure> {
    bench::copy(&arguments.statement, io::stdin().lock(), io::stdout())?;
    Ok(ExitCode::SUCCESS)
}

fn options(arguments: &BenchArguments) -> Result<Options, Failure> {
    let shapes: Vec<Shape> = arguments.docs.iter().copied().map(Into::into).collect();
    let connector = arguments.connector.as_deref().map_or_else(
        || beside_ourselves(vec![CONNECTOR.to_owned()]),
        words::words,
    );
    let codec = arguments.codec.map(Codec::from);
    let runtime = arguments.runtime.map(Runtime::from);
    let wanted = |variant: &Variant| {
        codec.is_none_or(|codec| codec == variant.codec())
            && runtime.is_none_or(|runtime| variant.is_of(runtime))
    };
    Ok(Options {
        shapes: if shapes.is_empty() {
            Shape::ALL.to_vec()
        } else {
            shapes
        },
        rounds: arguments.rounds.into(),
        scale: arguments.scale,
        variants: Variant::ALL.into_iter().filter(wanted).collect(),
        connector,
        program: std::env::current_exe()?,
        duckdb: !arguments.no_duckdb && !arguments.flat,
        growth: arguments.flat,
        log_level: arguments.log_level.into(),
    })
}

fn line(event: &Event) -> String {
    match event {
        Event::Recording { shape, documents } => {
            format!(
                "{}: making {}",
                shape.name(),
                plural(*documents, "document")
            )
        }
        Event::Log { contender, log } => format!("  {contender}: {}", lines::log(log).trim()),
        Event::Checked { contender } => format!("  {contender}: the files hold what was sent"),
        Event::Measured {
            round,
            contender,
            documents,
            sample,
        } => format!(
            "  round {round}, {contender}, {}: {:.2} s, CPU {:.2} s, {}",
            plural(*documents, "document"),
            sample.wall.as_secs_f64(),
            sample.cpu.as_secs_f64(),
            bytes(sample.peak_bytes)
        ),
        other => format!("  {other:?}"),
    }
}

/// The lines of a shape's table.
fn table(report: &ShapeReport) -> Vec<String> {
    let mut lines = vec![
        String::new(),
        format!(
            "{}: {}, {} as JSON, {} columns; medians of {}",
            report.docs.name(),
            plural(report.documents, "document"),
            bytes(report.document_bytes),
            report.columns,
            plural(report.rounds as u64, "round")
        ),
        format!(
            "  {:<8}  {:>8}  {:>8}  {:>10}  {:>10}  {:>7}  {:>10}  {:>13}",
            "", "wall", "CPU", "memory", "files", "MB/s", "rows/s", "of DuckDB's"
        ),
    ];
    lines.extend(report.contenders.iter().map(row));
    let ours = report
        .contenders
        .iter()
        .find(|one| one.ratio.is_some() && one.name != "duckdb");
    if let Some(ours) = ours.or(report.contenders.last()) {
        lines.push(format!(
            "  beside it, on the same cores, for {}: the S3 server {:.2} s of CPU, whoever feeds \
             it {:.2} s; its start took {:.3} s",
            ours.name,
            ours.median.server_cpu.as_secs_f64(),
            ours.median.feeder_cpu.as_secs_f64(),
            ours.median.start.as_secs_f64()
        ));
    }
    lines
}

fn row(contender: &ContenderReport) -> String {
    let median = &contender.median;
    let ratio = contender
        .ratio
        .map(|ratio| format!("{ratio:.2}"))
        .unwrap_or_default();
    let must = contender.musts.iter().find(|must| must.of == "ratio");
    let must = must
        .map(|must| format!(" (≤ {})", must.at_most))
        .unwrap_or_default();
    format!(
        "  {:<8}  {:>6.2} s  {:>6.2} s  {:>10}  {:>10}  {:>7.0}  {:>10}  {:>13}",
        contender.name,
        median.wall.as_secs_f64(),
        median.cpu.as_secs_f64(),
        bytes(median.peak_bytes),
        bytes(median.file_bytes),
        contender.megabytes_per_second,
        grouped(contender.rows_per_second as u64),
        format!("{ratio}{must}")
    )
}

/// What ten times the documents cost.
fn growth(report: &Report) -> Vec<String> {
    if report.growth.is_empty() {
        return Vec::new();
    }
    let head = format!("  {:<16}  {:>9}  {:>11}", "", "wall", "memory");
    let rows = report.growth.iter().map(|growth| {
        format!(
            "  {:<16}  {:>7.2} ×  {:>9.2} ×",
            format!("{} {}", growth.docs.name(), growth.contender),
            growth.wall_ratio,
            growth.peak_ratio
        )
    });
    let title = "ten times the documents cost".to_owned();
    [String::new(), title, head]
        .into_iter()
        .chain(rows)
        .collect()
}

/// What is over its limit.
fn verdict(report: &Report) -> Vec<String> {
    let missed: Vec<String> = report
        .musts()
        .filter(|(_, _, must)| !must.is_met)
        .map(|(shape, contender, must)| {
            format!(
                "OVER ITS LIMIT: {} {contender}, {}",
                shape.name(),
                over(must)
            )
        })
        .collect();
    let all_is_well = missed.is_empty();
    let all_is_well =
        all_is_well.then(|| "everything that was measured is within its limit".to_owned());
    [String::new()]
        .into_iter()
        .chain(missed)
        .chain(all_is_well)
        .collect()
}

fn over(must: &Must) -> String {
    let (found, at_most) = (must.found, must.at_most);
    match must.of {
        "peakBytes" => format!(
            "peak memory: {}, at most {}",
            bytes(found as u64),
            bytes(at_most as u64)
        ),
        "ratio" => format!("wall time as a share of DuckDB's: {found:.2}, at most {at_most}"),
        "wallRatio" => {
            format!("wall time of ten times the documents: {found:.2} times, at most {at_most}")
        }
        _ => format!("peak memory of ten times the documents: {found:.2} times, at most {at_most}"),
    }
}
