//! A recording and what came of the run → the document.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use materialize_s3_parquet::protocol::flow::materialization_spec;
use tokio::time::Instant;

use super::document::{Binding, Document, File, LogLine, Preview, Request, Run, VERSION, Verdict};
use super::fields::fields;
use super::recorder::Recording;
use super::timeline::{micros, timeline};
use crate::catalog::BindingSelection;
use crate::readback::prefix;
use crate::run::{BindingReport, Error, Event, Options, Published, Report, Store};
use crate::s3;

/// What a run knows of itself, besides what it says.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// How it was played.
    pub options: &'a Options,
    /// The command that repeats it.
    pub command: &'a str,
    /// When it began; none where the document must be the same every time.
    pub began: Option<Timestamp>,
}

impl Document {
    /// The document of a run that has ended, well or not.
    pub fn of(
        context: &Context<'_>,
        recording: &Recording,
        outcome: Result<&Report, &Error>,
    ) -> Self {
        let requests = requests(recording);
        let failure = outcome.err().map(Error::to_string);
        let report = outcome.ok();
        let differences: Vec<String> = report
            .into_iter()
            .flat_map(Report::differences)
            .map(ToString::to_string)
            .collect();
        Self {
            version: VERSION,
            verdict: report.map_or(Verdict::Failed, |report| verdict(context.options, report)),
            run: Run {
                unplayed: report.map(|report| report.unplayed).unwrap_or_default(),
                without_binding: counts(report.map(|report| &report.without_binding)),
                ..run(context, recording)
            },
            bindings: published(recording)
                .map(|published| bindings(published, report))
                .unwrap_or_default(),
            timeline: timeline(recording, &requests, failure.as_deref()),
            unsupported_requests: report
                .map(|report| report.unsupported_requests.clone())
                .unwrap_or_default(),
            problems: failure.into_iter().chain(differences).collect(),
            requests,
            logs: logs(recording),
        }
    }
}

fn verdict(options: &Options, report: &Report) -> Verdict {
    let is_whole = report.bindings.iter().all(BindingReport::is_all_in_columns);
    if report.differences().next().is_some() {
        Verdict::Different
    } else if !report.unplayed.is_empty() && !options.allow_unplayed {
        Verdict::NotAllPlayed
    } else if options.strict && report.unread_rows().is_some() {
        Verdict::NotAllReadBack
    } else if !report.has_compared() {
        Verdict::NothingCompared
    } else if options.strict && !is_whole {
        Verdict::NotInColumns
    } else if is_unread(report) {
        Verdict::NotReadBack
    } else {
        Verdict::Equal
    }
}

/// Whether nothing was read back, and there was something to read.
fn is_unread(report: &Report) -> bool {
    let mut bindings = report.bindings.iter();
    !report.bindings.is_empty() && bindings.all(|binding| !binding.is_read_back)
}

fn run(context: &Context<'_>, recording: &Recording) -> Run {
    let Context {
        options,
        command,
        began,
    } = *context;
    let mut run = Run {
        catalog: options.catalog.display().to_string(),
        runtime: options.runtime.name().to_owned(),
        seed: options.seed,
        sessions: options.sessions.clone(),
        shards: options.shards,
        interval: options.interval,
        store: store(&options.store).to_owned(),
        command: command.to_owned(),
        began: began.map(|began| began.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()),
        simulator: env!("CARGO_PKG_VERSION").to_owned(),
        ..Run::default()
    };
    for (_, event) in recording.events() {
        match event {
            Event::Loaded { task, .. } => run.task.clone_from(task),
            Event::Documents {
                documents, source, ..
            } => {
                run.documents = *documents;
                run.fixture.clone_from(source);
            }
            Event::Bucket { name, endpoint } => {
                run.bucket.clone_from(name);
                run.endpoint.clone_from(endpoint);
            }
            Event::Replaced(replaced) => run.replaced.clone_from(replaced),
            Event::Built(published) => {
                run.connector.clone_from(&published.command);
                published.codec.clone_into(&mut run.codec);
            }
            _ => {}
        }
    }
    run
}

fn store(store: &Store) -> &'static str {
    match store {
        Store::Embedded => "embedded",
        Store::Minio => "minio",
        Store::Ceph => "ceph",
        Store::SeaweedFs => "seaweedfs",
        Store::At(_) => "url",
        Store::Catalog => "catalog",
        Store::None => "none",
    }
}

fn published(recording: &Recording) -> Option<&Published> {
    recording.events().find_map(|(_, event)| match event {
        Event::Built(published) => Some(&**published),
        _ => None,
    })
}

fn bindings(published: &Published, report: Option<&Report>) -> Vec<Binding> {
    let built = published.built.bindings.iter().zip(&published.selections);
    let made = |(index, (binding, selection))| {
        let report = report.and_then(|report| report.bindings.get(index));
        of_binding(published, binding, selection, report)
    };
    built.enumerate().map(made).collect()
}

fn of_binding(
    published: &Published,
    binding: &materialization_spec::Binding,
    selection: &BindingSelection,
    report: Option<&BindingReport>,
) -> Binding {
    let answer = published
        .validated
        .bindings
        .iter()
        .find(|answer| answer.resource_path == selection.resource_path);
    let columns = report.map(|report| &report.columns[..]).unwrap_or_default();
    let fields = fields(binding, answer, &selection.selection, columns);
    let other_columns = columns
        .iter()
        .filter(|(name, _)| !fields.iter().any(|field| field.field == *name))
        .cloned()
        .collect();
    Binding {
        collection: binding.collection.clone().unwrap_or_default().name,
        prefix: report.map_or_else(|| prefix(binding), |report| report.prefix.clone()),
        is_delta: binding.delta_updates,
        is_read_back: report.is_some_and(|report| report.is_read_back),
        loaded: report.map(|report| report.loaded).unwrap_or_default(),
        documents: report.map(|report| report.documents).unwrap_or_default(),
        rows: report.map(|report| report.rows).unwrap_or_default(),
        json_bytes: report.map(|report| report.json_bytes).unwrap_or_default(),
        file_bytes: report.map(BindingReport::file_bytes).unwrap_or_default(),
        equal_rows: report.map(|report| report.equal_rows).unwrap_or_default(),
        difference: report
            .and_then(|report| report.difference.as_ref())
            .map(ToString::to_string),
        rescued: counts(report.map(|report| &report.rescued)),
        exact: counts(report.map(|report| &report.exact)),
        missing: counts(report.map(|report| &report.missing)),
        files: report.map(files).unwrap_or_default(),
        fields,
        other_columns,
        preview: report.map(preview).unwrap_or_default(),
    }
}

fn counts(found: Option<&BTreeMap<String, u64>>) -> BTreeMap<String, u64> {
    found.cloned().unwrap_or_default()
}

fn files(report: &BindingReport) -> Vec<File> {
    let file = |file: &crate::run::FileReport| File {
        key: file.key.clone(),
        bytes: file.bytes,
        rows: file.rows,
        json_bytes: file.json_bytes,
    };
    report.files.iter().map(file).collect()
}

fn preview(report: &BindingReport) -> Preview {
    Preview {
        columns: report.preview.columns.clone(),
        rows: report.preview.rows.clone(),
    }
}

/// What the connector asked of the server. What the run itself asks to prepare the bucket comes
/// while no connector runs: before the first one, and between the build and the first session.
fn requests(recording: &Recording) -> Vec<Request> {
    let at = |event: fn(&Event) -> bool| {
        let found = recording.events().find(|(_, told)| event(told));
        found.map(|(at, _)| recording.origin + at)
    };
    let built = at(|event| matches!(event, Event::Built(_)));
    let session = at(|event| matches!(event, Event::Session { .. }));
    let started = recording
        .first_start()
        .map(|start| recording.origin + start);
    let is_own = |timing: &s3::Timing| {
        let is_before = |limit: Option<Instant>| limit.is_none_or(|limit| timing.began < limit);
        is_before(started) || (!is_before(built) && is_before(session))
    };
    let all = recording.events().find_map(|(_, event)| match event {
        Event::Requests(requests) => Some(requests),
        _ => None,
    });
    all.into_iter()
        .flatten()
        .filter(|(_, timing)| !is_own(timing))
        .map(|(entry, timing)| request(recording.origin, entry, *timing))
        .collect()
}

/// A request as it is told; `origin` is when the run began.
pub(super) fn request(origin: Instant, entry: &s3::Entry, timing: s3::Timing) -> Request {
    let since = |at: Instant| micros(at.saturating_duration_since(origin));
    let (status, code) = match &entry.outcome {
        s3::Outcome::Answered { status, code } => (Some(*status), code.clone()),
        s3::Outcome::Open | s3::Outcome::Reset | s3::Outcome::Lost => (None, None),
    };
    Request {
        number: entry.number,
        operation: entry.target.operation.to_string(),
        key: entry.target.key.clone(),
        upload_id: entry.target.upload_id.clone(),
        part: entry.target.part,
        attempt: entry.attempt,
        bytes: entry.bytes,
        status,
        code,
        fault: entry.fault.clone(),
        began_micros: since(timing.began),
        ended_micros: timing.ended.map(since),
    }
}

fn logs(recording: &Recording) -> Vec<LogLine> {
    let line = |(at, event): (Duration, &Event)| match event {
        Event::Log(log) => Some(LogLine {
            at_micros: micros(at),
            level: log.level.name(),
            message: log.message.clone(),
            fields: log.fields.clone(),
        }),
        _ => None,
    };
    recording.events().filter_map(line).collect()
}
