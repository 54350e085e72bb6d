//! The summary of a run: what was sent, what it became, where it is, and whether it is the same.

use std::collections::BTreeMap;
use std::path::Path;

use flow_sim::figures::{self, bytes, grouped, listed, plural};
use flow_sim::readback::{EXACT, RESCUED};
use flow_sim::report::Verdict;
use flow_sim::run::{BindingReport, Options, Report, without_binding};

use super::duckdb;
use super::table::table;

/// The lines of the summary; the last one is the verdict.
pub(super) fn summary(report: &Report, options: &Options, outcome: Verdict) -> Vec<String> {
    let mut lines = Vec::new();
    for binding in &report.bindings {
        lines.push(String::new());
        lines.extend(of_binding(report, binding));
    }
    lines.push(String::new());
    lines.extend(replaced(report));
    lines.extend(place(report, options.output.as_deref()));
    lines.extend(
        report
            .unsupported_requests
            .iter()
            .map(|request| format!("the S3 server does not implement: {request}")),
    );
    lines.extend(not_played(report, outcome));
    lines.push(verdict(report, options, outcome));
    lines
}

/// Which documents have become nothing, as far as the verdict does not say so.
fn not_played(report: &Report, outcome: Verdict) -> Vec<String> {
    let mut lines: Vec<String> = without_binding(&report.without_binding)
        .into_iter()
        .collect();
    if outcome != Verdict::NotAllPlayed && !report.unplayed.is_empty() {
        lines.push(format!("Not played: {}", report.unplayed));
    }
    if report.unplayed.more_may_come {
        lines.push(
            "Not played: what comes after the last session; the documents were not read to \
             their end"
                .to_owned(),
        );
    }
    lines
}

/// What is not as the catalog has it.
fn replaced(report: &Report) -> Vec<String> {
    if report.replaced.is_empty() {
        return Vec::new();
    }
    let replaced = report.replaced.iter();
    let mut lines = vec!["Not as the catalog has it:".to_owned()];
    lines.extend(replaced.map(|replaced| format!("  {replaced}")));
    lines.push(String::new());
    lines
}

fn of_binding(report: &Report, binding: &BindingReport) -> Vec<String> {
    if !binding.is_read_back {
        return unread(binding);
    }
    let (json, parquet) = (binding.json_bytes, binding.file_bytes());
    let mut lines = vec![
        binding.collection.clone(),
        format!("  where      s3://{}/{}", report.bucket, binding.prefix),
        format!("  documents  {}", grouped(binding.documents)),
        format!(
            "  rows       {} (documents of one key within a transaction are one row)",
            grouped(binding.rows)
        ),
        format!("  files      {}", grouped(binding.files.len() as u64)),
        format!("  bytes in   {} (the rows' documents as JSON)", bytes(json)),
        format!("  bytes out  {}{}", bytes(parquet), ratio(json, parquet)),
    ];
    lines.extend(outside(binding));
    if !binding.preview.rows.is_empty() {
        lines.push(format!(
            "  the first {} as DuckDB sees them:",
            plural(binding.preview.rows.len() as u64, "row")
        ));
        lines.extend(
            table(&binding.preview)
                .iter()
                .map(|line| format!("    {line}")),
        );
    }
    lines
}

/// A binding whose files were not read back.
fn unread(binding: &BindingReport) -> Vec<String> {
    let mut lines = vec![
        binding.collection.clone(),
        format!("  resource   {}", binding.prefix),
        format!("  documents  {}", grouped(binding.documents)),
        format!("  stored     {} rows", grouped(binding.rows)),
        format!(
            "  bytes in   {} (the rows' documents as JSON)",
            bytes(binding.json_bytes)
        ),
    ];
    if binding.loaded > 0 {
        let loaded = grouped(binding.loaded);
        lines.push(format!(
            "  loaded     {loaded} documents, all as they had been stored"
        ));
    }
    lines
}

/// Which values are not in a column of their own.
fn outside(binding: &BindingReport) -> Vec<String> {
    let values = |counts: &BTreeMap<String, u64>, column: &str| {
        let found = plural(counts.values().sum(), "value");
        with_names(format!("{found} in `{column}`"), counts)
    };
    let missing = &binding.missing;
    let locations = plural(missing.len() as u64, "location");
    vec![
        format!("  rescued    {}", values(&binding.rescued, RESCUED)),
        format!("  exact      {}", values(&binding.exact, EXACT)),
        format!("  no column  {}", with_names(locations, missing)),
    ]
}

fn with_names(found: String, counts: &BTreeMap<String, u64>) -> String {
    if counts.is_empty() {
        return found;
    }
    format!("{found}: {}", listed(counts))
}

fn ratio(json: u64, parquet: u64) -> String {
    figures::ratio(json, parquet)
        .map(|ratio| format!(" (Parquet; compression ratio {ratio})"))
        .unwrap_or_default()
}

fn place(report: &Report, output: Option<&Path>) -> Vec<String> {
    let mut lines = Vec::new();
    if report.bucket.is_empty() {
        return lines;
    }
    if let Some(folder) = output {
        lines.push(format!(
            "The files are in {}. With DuckDB:",
            folder.display()
        ));
        let read = report.bindings.iter().filter(|one| !one.files.is_empty());
        lines.extend(read.map(|binding| format!("  {}", duckdb::command(folder, &binding.prefix))));
    }
    if !report.is_ephemeral {
        lines.push(format!(
            "The bucket `{}` at {} stays as it is.",
            report.bucket, report.endpoint
        ));
    } else if output.is_none() {
        lines.push(
            "The S3 server has ended with this run, and the files with it; --output FOLDER keeps \
             them."
                .to_owned(),
        );
    }
    lines
}

fn verdict(report: &Report, options: &Options, outcome: Verdict) -> String {
    match outcome {
        Verdict::Different => {
            let differences = report.differences();
            let lines = differences.map(|difference| format!("DIFFERENT: {difference}"));
            lines.collect::<Vec<_>>().join("\n")
        }
        Verdict::NotAllPlayed => format!(
            "NOT ALL PLAYED: {}; -1 at the end of --sessions plays all that are left, and \
             --allow-unplayed says that this is fine",
            report.unplayed
        ),
        Verdict::NothingCompared => nothing_compared(report, options.allow_empty),
        Verdict::NotAllReadBack => format!(
            "NOT ALL READ BACK: {}, but --strict wants every row compared",
            stored(report)
        ),
        Verdict::NotInColumns => format!(
            "NOT ALL IN COLUMNS: {}, but --strict wants every value in a column of its own",
            compared(report)
        ),
        Verdict::Equal | Verdict::NotReadBack | Verdict::Failed => compared(report),
    }
}

fn nothing_compared(report: &Report, is_fine: bool) -> String {
    let why = match report.unread_rows() {
        None | Some(0) => "no document became a row".to_owned(),
        Some(_) => stored(report),
    };
    if is_fine {
        format!("nothing compared: {why}, which --allow-empty says is fine")
    } else {
        format!("NOTHING COMPARED: {why}; --allow-empty says that this is fine")
    }
}

/// What was sent and not read back.
fn stored(report: &Report) -> String {
    let rows = plural(report.unread_rows().unwrap_or_default(), "row");
    format!("{rows} stored and not read back")
}

/// What was compared, beside what was not.
fn compared(report: &Report) -> String {
    let equal = || {
        let rows = plural(report.equal_rows(), "row");
        format!("{rows} compared, all equal")
    };
    if report.unread_rows().is_none() {
        return equal();
    }
    let loaded = plural(report.loaded(), "document");
    let told = format!(
        "{}, {loaded} loaded as they had been stored",
        stored(report)
    );
    if report.equal_rows() == 0 {
        return told;
    }
    format!("{told}, {}", equal())
}
