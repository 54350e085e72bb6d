//! What a run says while it goes on, as plain lines; and numbers as people read them.

use flow_sim::run::{Event, Progress};
use flow_sim::runtime::{Level, Log};

use super::print;

/// Prints a line for every event.
pub(super) struct Lines {
    /// The least important logs to show.
    pub(super) level: Level,
}

impl Progress for Lines {
    fn event(&mut self, event: Event) {
        if let Some(line) = self.line(&event) {
            print::line(&line);
        }
    }
}

impl Lines {
    fn line(&self, event: &Event) -> Option<String> {
        Some(match event {
            Event::Loaded { task, bindings } => {
                format!("playing `{task}`, {}", plural(*bindings as u64, "binding"))
            }
            Event::Documents {
                documents,
                transactions,
                source,
            } => {
                let (documents, transactions) = (
                    plural(*documents, "document"),
                    plural(*transactions as u64, "transaction"),
                );
                format!("{documents} in {transactions} from {source}")
            }
            Event::Bucket { name, endpoint } => format!("bucket `{name}` at {endpoint}"),
            Event::Selected {
                collection,
                prefix,
                selected,
                fields,
            } => {
                format!("`{collection}` → {prefix}: {selected} of {fields} fields")
            }
            Event::Session {
                number,
                transactions,
            } => {
                format!(
                    "session {number}: {}",
                    plural(*transactions as u64, "transaction")
                )
            }
            Event::Completing => "one more session, which acknowledges the last commit".to_owned(),
            Event::Restarted { step } => format!("  killed at {step:?}; the session begins anew"),
            Event::Committed { transaction, rows } => {
                format!(
                    "  transaction {} committed: {}",
                    transaction + 1,
                    plural(*rows as u64, "row")
                )
            }
            Event::Log(log) if log.level >= self.level => self::log(log),
            Event::Comparing {
                prefix,
                files,
                rows,
            } => {
                let (files, rows) = (plural(*files as u64, "file"), plural(*rows as u64, "row"));
                format!("comparing {prefix}: {files}, {rows}")
            }
            _ => return None,
        })
    }
}

fn log(log: &Log) -> String {
    let fields: Vec<String> = log
        .fields
        .iter()
        .map(|(name, value)| format!(" {name}={value}"))
        .collect();
    format!(
        "  connector {}: {}{}",
        log.level,
        log.message,
        fields.concat()
    )
}

/// `1 file`, `2,000 files`.
pub(super) fn plural(count: u64, noun: &str) -> String {
    let ending = if count == 1 { "" } else { "s" };
    format!("{} {noun}{ending}", grouped(count))
}

/// A number with commas.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// A length with its unit.
pub(super) fn bytes(count: u64) -> String {
    let units = ["KiB", "MiB", "GiB", "TiB"];
    if count < 1024 {
        return format!("{count} B");
    }
    let mut value = count as f64 / 1024.0;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < units.len() {
        value /= 1024.0;
        unit += 1;
    }
    format!("{value:.1} {}", units[unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_for_people() {
        assert_eq!(
            [grouped(0), grouped(999), grouped(1_234_567)],
            ["0", "999", "1,234,567"]
        );
        assert_eq!(
            [bytes(1023), bytes(1536), bytes(3 << 30)],
            ["1023 B", "1.5 KiB", "3.0 GiB"]
        );
        assert_eq!(
            [plural(1, "row"), plural(2_000, "row")],
            ["1 row", "2,000 rows"]
        );
    }

    #[test]
    fn logs_below_the_level_are_not_shown() {
        let lines = Lines { level: Level::Warn };
        let event = |level: &str| {
            Event::Log(Log::parse(&format!(
                r#"{{"level":"{level}","message":"m","n":1}}"#
            )))
        };
        assert_eq!(lines.line(&event("info")), None);
        assert_eq!(
            lines.line(&event("warn")).as_deref(),
            Some("  connector warn: m n=1")
        );
    }
}
