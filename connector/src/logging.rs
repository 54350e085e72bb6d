//! Logs: one JSON object per line on stderr, in the shape that Flow reads.
//!
//! `{"ts": RFC 3339, "level": "info", "message": "…", "fields": {…}}`; the fields of an event stand
//! beside those of the spans around it. Flow shows the user the message of a failed task's last
//! line, so the last thing a failing run does is [`log_error`].

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Write as _};
use std::panic;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};
use tracing_subscriber::registry::{LookupSpan, Registry, Scope, SpanRef};

use crate::error::{Error, ErrorKind};

/// The target of our own events; they begin with the crate's name.
const OUR_TARGET: &str = env!("CARGO_CRATE_NAME");

/// Writes all logs to stderr from now on, panics included. `level` is the environment's
/// `LOG_LEVEL`: error, warn, info (the default), debug or trace. Call it once, first thing in
/// `main`.
pub fn init(level: Option<&str>) {
    let known = level.map_or(Some(LevelFilter::INFO), parse_level);
    let lines = JsonLines {
        clock: wall_clock,
        sink: write_to_stderr,
    };
    let subscriber =
        Registry::default().with(lines.with_filter(targets(known.unwrap_or(LevelFilter::INFO))));
    // Only a second call can fail, and then the first one's subscriber goes on.
    if tracing::subscriber::set_global_default(subscriber).is_ok() {
        panic::set_hook(Box::new(|panic| log_error(&panicked(panic))));
    }
    if known.is_none() {
        tracing::warn!(
            level,
            "LOG_LEVEL is none of error, warn, info, debug, trace: logging at info"
        );
    }
}

/// Logs an error with its whole story. At the end of a failing run this is the last line, and what
/// the user sees.
pub fn log_error(error: &Error) {
    tracing::error!(kind = error.kind().as_str(), "{error}");
}

fn panicked(panic: &panic::PanicHookInfo<'_>) -> Error {
    let message = panic.payload_as_str().unwrap_or("no message");
    let place = panic
        .location()
        .map_or_else(String::new, |location| format!(" at {location}"));
    Error::new(
        ErrorKind::Internal,
        format!("the connector panicked{place}: {message}. This is a bug: please report it"),
    )
}

/// A level by its name in any case; nothing at all is the default.
fn parse_level(name: &str) -> Option<LevelFilter> {
    match name.to_ascii_lowercase().as_str() {
        "error" => Some(LevelFilter::ERROR),
        "warn" | "warning" => Some(LevelFilter::WARN),
        "" | "info" => Some(LevelFilter::INFO),
        "debug" => Some(LevelFilter::DEBUG),
        "trace" => Some(LevelFilter::TRACE),
        _ => None,
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "people read the time of a log line; nothing is computed from it"
)]
fn wall_clock() -> Timestamp {
    Timestamp::now()
}

/// Our own events at `level`, those of the libraries beneath only from warnings on, unless
/// everything is wanted.
fn targets(level: LevelFilter) -> Targets {
    let theirs = if level == LevelFilter::TRACE {
        level
    } else {
        level.min(LevelFilter::WARN)
    };
    Targets::new()
        .with_default(theirs)
        .with_target(OUR_TARGET, level)
}

/// A line that cannot be written is lost: there is no place left to say so.
fn write_to_stderr(line: &str) {
    let _ = io::stderr().lock().write_all(line.as_bytes());
}

/// Writes each event as one line of JSON. Its clock and where the lines go are given, so that tests
/// can look.
struct JsonLines<C, S> {
    clock: C,
    sink: S,
}

/// The order of the properties is for people.
#[derive(Serialize)]
struct Line {
    ts: String,
    level: &'static str,
    message: String,
    fields: BTreeMap<&'static str, Value>,
}

impl<R, C, S> Layer<R> for JsonLines<C, S>
where
    R: Subscriber + for<'a> LookupSpan<'a>,
    C: Fn() -> Timestamp + 'static,
    S: Fn(&str) + 'static,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, R>) {
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        if let Some(span) = context.span(id) {
            span.extensions_mut().insert(fields);
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, R>) {
        if let Some(span) = context.span(id)
            && let Some(fields) = span.extensions_mut().get_mut::<Fields>()
        {
            values.record(fields);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, R>) {
        let mut fields = Fields::default();
        for span in context
            .event_scope(event)
            .into_iter()
            .flat_map(Scope::from_root)
        {
            fields.extend_from(&span);
        }
        event.record(&mut fields);
        let metadata = event.metadata();
        if !metadata.target().starts_with(OUR_TARGET) {
            fields.0.insert("target", metadata.target().into());
        }
        (self.sink)(&fields.into_line((self.clock)(), *metadata.level()));
    }
}

/// The fields of a span or an event by name; a later one of the same name wins.
#[derive(Default)]
struct Fields(BTreeMap<&'static str, Value>);

impl Fields {
    fn extend_from<'a, R: LookupSpan<'a>>(&mut self, span: &SpanRef<'a, R>) {
        if let Some(Fields(theirs)) = span.extensions().get::<Fields>() {
            self.0
                .extend(theirs.iter().map(|(name, value)| (*name, value.clone())));
        }
    }

    fn into_line(self, at: Timestamp, level: Level) -> String {
        let Fields(mut fields) = self;
        let message = match fields.remove("message") {
            Some(Value::String(message)) => message,
            other => other.unwrap_or_default().to_string(),
        };
        let line = Line {
            ts: format!("{at:.6}"),
            level: level_name(level),
            message,
            fields,
        };
        serde_json::to_string(&line).expect("strings and JSON values can be written as JSON") + "\n"
    }
}

fn level_name(level: Level) -> &'static str {
    match level {
        Level::ERROR => "error",
        Level::WARN => "warn",
        Level::INFO => "info",
        Level::DEBUG => "debug",
        Level::TRACE => "trace",
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.insert(field.name(), format!("{value:?}").into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name(), value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.0.insert(field.name(), value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.0.insert(field.name(), value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.0.insert(field.name(), value.into());
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.0.insert(field.name(), value.into());
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    /// The lines that `body` logs at `level`, with the clock standing still.
    fn logged(level: LevelFilter, body: impl FnOnce()) -> Vec<String> {
        let lines = Arc::new(Mutex::new(String::new()));
        let sink = {
            let lines = Arc::clone(&lines);
            move |line: &str| lines.lock().unwrap().push_str(line)
        };
        let clock = || "2026-01-02T03:04:05.123456789Z".parse().unwrap();
        let layer = JsonLines { clock, sink }.with_filter(targets(level));
        tracing::subscriber::with_default(Registry::default().with(layer), body);
        let lines = lines.lock().unwrap();
        assert!(lines.is_empty() || lines.ends_with('\n'));
        lines.lines().map(String::from).collect()
    }

    #[test]
    fn an_event_is_one_line_in_flows_shape() {
        let lines = logged(LevelFilter::INFO, || {
            tracing::info!(
                rows = 3_u64,
                part = -1,
                ratio = 0.5,
                done = true,
                key = "a/b",
                "staged {}",
                1
            );
        });
        let expected = r#"{"ts":"2026-01-02T03:04:05.123456Z","level":"info","message":"staged 1","fields":{"done":true,"key":"a/b","part":-1,"ratio":0.5,"rows":3}}"#;
        assert_eq!(lines, [expected]);
    }

    #[test]
    fn text_is_escaped_and_stays_on_one_line() {
        let nasty = "line\nbreak \"quoted\" \\ \u{0} \u{1b}[31m ünïcode \u{2028}";
        let lines = logged(
            LevelFilter::INFO,
            || tracing::warn!(path = nasty, debug = ?nasty, "{nasty}"),
        );
        assert_eq!(lines.len(), 1);
        let line: Value = serde_json::from_str(&lines[0]).unwrap();
        assert_eq!(line["message"], nasty);
        assert_eq!(line["fields"]["path"], nasty);
        assert_eq!(line["fields"]["debug"], format!("{nasty:?}"));
        assert_eq!(line["level"], "warn");
    }

    #[test]
    fn fields_of_spans_stand_beside_those_of_the_event_and_the_nearest_wins() {
        let lines = logged(LevelFilter::INFO, || {
            let outer = tracing::info_span!(
                "session",
                shard = "00000000",
                step = 1,
                late = tracing::field::Empty
            );
            let _outer = outer.enter();
            let _inner = tracing::info_span!("binding", binding = 7, step = 2).entered();
            outer.record("late", "came");
            tracing::info!(step = 3, "in both");
            tracing::info!("in both again");
        });
        let fields =
            |line: &str| serde_json::from_str::<Value>(line).unwrap()["fields"].to_string();
        assert_eq!(
            fields(&lines[0]),
            r#"{"binding":7,"late":"came","shard":"00000000","step":3}"#
        );
        assert_eq!(
            fields(&lines[1]),
            r#"{"binding":7,"late":"came","shard":"00000000","step":2}"#
        );
    }

    #[test]
    fn libraries_are_heard_from_warnings_on_unless_everything_is() {
        let body = || {
            tracing::info!(target: "hyper::client", "theirs");
            tracing::warn!(target: "aws_smithy_runtime", "theirs");
            tracing::debug!("ours");
        };
        let count = |level| logged(level, body).len();
        assert_eq!(count(LevelFilter::ERROR), 0);
        assert_eq!(count(LevelFilter::INFO), 1);
        assert_eq!(count(LevelFilter::DEBUG), 2);
        assert_eq!(count(LevelFilter::TRACE), 3);
        let theirs = &logged(LevelFilter::INFO, body)[0];
        assert!(
            theirs.contains(r#""target":"aws_smithy_runtime""#),
            "{theirs}"
        );
    }

    #[test]
    fn levels_are_known_by_name_in_any_case() {
        let cases = [
            ("", Some(LevelFilter::INFO)),
            ("error", Some(LevelFilter::ERROR)),
            ("WARN", Some(LevelFilter::WARN)),
            ("warning", Some(LevelFilter::WARN)),
            ("Info", Some(LevelFilter::INFO)),
            ("debug", Some(LevelFilter::DEBUG)),
            ("trace", Some(LevelFilter::TRACE)),
            ("loud", None),
        ];
        for (name, level) in cases {
            assert_eq!(parse_level(name), level, "{name}");
        }
    }

    #[test]
    fn an_error_is_logged_with_its_whole_story_at_every_level() {
        let error =
            Error::config("the bucket is missing").with_source(io::Error::other("no such\nhost"));
        let lines = logged(LevelFilter::ERROR, || log_error(&error));
        let expected = r#"{"ts":"2026-01-02T03:04:05.123456Z","level":"error","message":"the bucket is missing: no such\nhost","fields":{"kind":"config"}}"#;
        assert_eq!(lines, [expected]);
    }
}
