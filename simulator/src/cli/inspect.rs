//! `flow-sim inspect`.

use std::process::ExitCode;

use clap::Args;
use flow_sim::figures::{grouped, plural};
use flow_sim::inspect::{Inspection, Options, Source, inspect as look_into};
use flow_sim::readback::Preview;
use flow_sim::run::Location;
use flow_sim::status::Status;
use serde_json::{Map, Value, json};

use super::failure::{Failure, exit_code};
use super::run::{location, variable};
use super::{portrait, print};

/// What `--help` says besides.
pub(super) const EXAMPLES: &str = "\
Examples:
  flow-sim inspect orders.parquet
      Metadata, columns, sizes, statistics, row groups, \
     and the first rows as DuckDB sees them.

  flow-sim inspect files --rows 20
      Every .parquet \
     file below a folder, such as the one of `flow-sim run flow.yaml --output files`.

  AWS_ACCESS_KEY_ID=… \
     AWS_SECRET_ACCESS_KEY=… AWS_REGION=eu-west-1 flow-sim inspect s3://bucket/prefix/
      The .parquet \
     objects below a prefix of a bucket of AWS; a key is one object.

  AWS_ACCESS_KEY_ID=flow-sim AWS_SECRET_ACCESS_KEY=flow-sim-secret \
     \\
    flow-sim inspect s3://flow-sim/orders/ --s3 http://127.0.0.1:9000
      Another server, such as that of `flow-sim s3 --port 9000`.

  flow-sim inspect files --json --rows 0 | jq '.files[].columns[] | {name, compressedBytes}'
      For machines: everything the footers say.

Exit status:
  0    all is told
  1    the bucket cannot be read
  2    the command line is wrong, or there is no such file
  6    standard output could not be written
  8    a file is no Parquet file, or a broken one; the others are shown";

/// The arguments of `inspect`.
#[derive(Args, Debug)]
pub(super) struct InspectArguments {
    /// A file, a folder, or `s3://BUCKET/PREFIX`
    #[arg(required = true, value_name = "FILE|PREFIX")]
    sources: Vec<String>,
    /// The URL of the S3 server, with credentials from the usual AWS variables [default: AWS]
    #[arg(long, value_name = "URL")]
    s3: Option<String>,
    /// How many rows to show, of all files as one table
    #[arg(long, value_name = "N", default_value_t = 5)]
    rows: usize,
    /// The most files to look into; more are counted
    #[arg(long, value_name = "N", default_value_t = 20)]
    files: usize,
    /// Print what was found as one JSON document
    #[arg(long)]
    json: bool,
}

impl From<flow_sim::inspect::Error> for Failure {
    fn from(error: flow_sim::inspect::Error) -> Self {
        Self {
            message: error.to_string(),
            status: error.status(),
        }
    }
}

/// Looks into files and prints what is in them.
pub(super) async fn inspect(arguments: &InspectArguments) -> Result<ExitCode, Failure> {
    let sources: Vec<Source> = arguments
        .sources
        .iter()
        .map(|text| Source::parse(text))
        .collect();
    for source in &sources {
        require_bucket(source)?;
    }
    let is_remote = sources
        .iter()
        .any(|source| matches!(source, Source::Bucket { .. }));
    let options = Options {
        store: if is_remote {
            Some(server(arguments)?)
        } else {
            None
        },
        files: arguments.files.max(1),
        rows: arguments.rows,
    };
    let inspection = look_into(&sources, &options).await?;
    if arguments.json {
        print::line(&document(&inspection).to_string());
    } else {
        for line in portrait::portrait(&inspection) {
            print::line(&line);
        }
    }
    let broken = inspection.broken.len() as u64;
    if broken == 0 {
        return Ok(ExitCode::SUCCESS);
    }
    for file in &inspection.broken {
        print::error(&file.problem);
    }
    let all = inspection.looked_into();
    print::error(&format!(
        "{} of {} broken, or no Parquet file",
        grouped(broken),
        plural(all, "file")
    ));
    Ok(exit_code(Status::BrokenFile))
}

fn require_bucket(source: &Source) -> Result<(), Failure> {
    match source {
        Source::Bucket { bucket, prefix } if bucket.is_empty() => Err(Failure::usage(format!(
            "s3:///{prefix} names no bucket; write s3://BUCKET/PREFIX"
        ))),
        _ => Ok(()),
    }
}

/// The server that `--s3` names, or AWS in the region that the usual variables name.
fn server(arguments: &InspectArguments) -> Result<Location, Failure> {
    if let Some(url) = &arguments.s3 {
        return location(url);
    }
    let region = variable("AWS_REGION").or_else(|| variable("AWS_DEFAULT_REGION"));
    let region = region.unwrap_or_else(|| "us-east-1".to_owned());
    location(&format!("https://s3.{region}.amazonaws.com"))
}

fn document(inspection: &Inspection) -> Value {
    json!({
        "files": inspection.files,
        "broken": inspection.broken,
        "moreFiles": inspection.more_files,
        "moreBytes": inspection.more_bytes,
        "rows": rows(&inspection.preview),
    })
}

/// Every row as an object; cells are text, as DuckDB writes them.
fn rows(preview: &Preview) -> Vec<Map<String, Value>> {
    let row = |cells: &Vec<Option<String>>| {
        let pairs = preview.columns.iter().zip(cells);
        pairs
            .map(|(name, cell)| (name.clone(), json!(cell)))
            .collect()
    };
    preview.rows.iter().map(row).collect()
}
