//! What a run says while it goes on, as lines.

use flow_sim::figures::plural;
use flow_sim::run::Event;
use flow_sim::runtime::{Level, Log};

/// Makes a line of every event that is worth one.
pub(super) struct Lines {
    /// The least important logs to show.
    pub(super) level: Level,
}

impl Lines {
    /// The line of an event.
    pub(super) fn line(&self, event: &Event) -> Option<String> {
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
                let transactions = transactions.map_or_else(
                    || "transactions as documents come".to_owned(),
                    |count| plural(count as u64, "transaction"),
                );
                format!("session {number}: {transactions}")
            }
            Event::Completing => "one more session, which acknowledges the last commit".to_owned(),
            Event::Restarted { shard, step } => {
                let shard = of_shard(*shard);
                format!("  {shard}killed at {step:?}; the session begins anew")
            }
            Event::Failed { shard, message } => {
                let shard = of_shard(*shard);
                format!("  {shard}{message}; the session begins anew")
            }
            Event::Committed {
                shard,
                transaction,
                rows,
            } => {
                format!(
                    "  {}transaction {} committed: {}",
                    of_shard(*shard),
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

/// Whose line it is, where there are several shards.
fn of_shard(shard: Option<u32>) -> String {
    shard.map_or_else(String::new, |shard| format!("shard {}: ", shard + 1))
}

/// A line of a connector's log.
pub(super) fn log(log: &Log) -> String {
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

#[cfg(test)]
mod tests {
    use super::*;

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
