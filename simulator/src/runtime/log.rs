//! What a connector writes on stderr: lines of JSON in several dialects, or plain text.

use std::fmt;

use jiff::Timestamp;
use serde_json::{Map, Value};

/// How much a log matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Level {
    Trace,
    Debug,
    Info,
    Warn,
    Error,
}

impl Level {
    /// The name that `LOG_LEVEL` takes.
    pub fn name(self) -> &'static str {
        match self {
            Level::Trace => "trace",
            Level::Debug => "debug",
            Level::Info => "info",
            Level::Warn => "warn",
            Level::Error => "error",
        }
    }

    fn from_name(name: &str) -> Option<Self> {
        Some(match name.to_ascii_lowercase().as_str() {
            "trace" => Level::Trace,
            "debug" => Level::Debug,
            "info" => Level::Info,
            "warn" | "warning" => Level::Warn,
            "error" | "fatal" | "panic" => Level::Error,
            _ => return None,
        })
    }
}

impl fmt::Display for Level {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// One line of a connector's stderr.
#[derive(Clone, Debug, PartialEq)]
pub struct Log {
    /// When, as the connector says.
    pub at: Option<Timestamp>,
    /// How much it matters.
    pub level: Level,
    /// What it says; of a line that is not JSON, the line.
    pub message: String,
    /// Everything else the line holds, `fields` unfolded.
    pub fields: Map<String, Value>,
}

/// Words that make a line without a level an error.
const ALARMING: [&str; 7] = [
    "error",
    "failed",
    "panic",
    "timeout",
    "unable",
    "unrecognised",
    "unrecognized",
];

impl Log {
    /// Reads a line as Flow does.
    pub fn parse(line: &str) -> Self {
        match serde_json::from_str(line) {
            Ok(Value::Object(fields)) => Self::from_json(line, fields),
            _ => Self {
                at: None,
                level: level_of_text(line),
                message: line.to_owned(),
                fields: Map::new(),
            },
        }
    }

    fn from_json(line: &str, mut fields: Map<String, Value>) -> Self {
        let at = take_text(&mut fields, &["ts", "timestamp", "time"]);
        let level =
            take_text(&mut fields, &["level", "lvl"]).and_then(|name| Level::from_name(&name));
        let message = take_text(&mut fields, &["message", "msg"]).unwrap_or_default();
        if let Some(Value::Object(nested)) = fields.remove("fields") {
            fields.extend(nested);
        }
        Self {
            at: at.and_then(|text| text.parse().ok()),
            level: level.unwrap_or_else(|| level_of_text(line)),
            message,
            fields,
        }
    }
}

fn take_text(fields: &mut Map<String, Value>, names: &[&str]) -> Option<String> {
    let name = names
        .iter()
        .find(|name| fields.get(**name).is_some_and(Value::is_string))?;
    match fields.remove(*name)? {
        Value::String(text) => Some(text),
        _ => None,
    }
}

fn level_of_text(line: &str) -> Level {
    let line = line.to_lowercase();
    if ALARMING.iter().any(|word| line.contains(word)) {
        Level::Error
    } else {
        Level::Warn
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_dialects_of_json_logs_are_read_alike() {
        let table = [
            (
                r#"{"ts":"2026-01-01T00:00:00Z","level":"info","message":"m","fields":{"n":2}}"#,
                Level::Info,
            ),
            (
                r#"{"time":"2026-01-01T00:00:00Z","lvl":"warning","msg":"m","n":2}"#,
                Level::Warn,
            ),
            (
                r#"{"timestamp":"2026-01-01T00:00:00Z","level":"ERROR","message":"m","n":2}"#,
                Level::Error,
            ),
        ];
        for (line, level) in table {
            let log = Log::parse(line);
            assert_eq!((log.level, log.message.as_str()), (level, "m"), "{line}");
            assert_eq!(log.at, Some("2026-01-01T00:00:00Z".parse().unwrap()));
            assert_eq!(Value::Object(log.fields), serde_json::json!({"n": 2}));
        }
    }

    #[test]
    fn plain_text_is_a_warning_unless_it_alarms() {
        assert_eq!(Log::parse("hello").level, Level::Warn);
        assert_eq!(Log::parse("thread 'main' panicked").level, Level::Error);
        assert_eq!(Log::parse(r#"{"message":"it FAILED"}"#).level, Level::Error);
    }
}
