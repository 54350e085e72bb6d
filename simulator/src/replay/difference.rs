//! Where an answer is not what was recorded, for people to read.

use std::fmt;

use serde::Serialize;
use similar::TextDiff;

/// Lines around a change.
const CONTEXT: usize = 3;

/// Where an answer is not what was recorded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// The recording.
    pub file: String,
    /// The line, from 1 on.
    pub line: usize,
    /// What differs, such as `StartedCommit`.
    pub what: String,
    /// What was recorded, in lines.
    pub recorded: String,
    /// What was answered, in lines and in the recording's terms: what may differ is as it was
    /// recorded.
    pub answered: String,
}

impl Difference {
    /// What changed, as a unified diff.
    pub fn diff(&self) -> String {
        let (recorded, answered) = (
            format!("{}\n", self.recorded),
            format!("{}\n", self.answered),
        );
        TextDiff::from_lines(&recorded, &answered)
            .unified_diff()
            .context_radius(CONTEXT)
            .header("recorded", "answered")
            .to_string()
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            formatter,
            "{}:{}: {} differs",
            self.file, self.line, self.what
        )?;
        formatter.write_str(self.diff().trim_end())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_changed_is_shown_with_what_is_around_it() {
        let lines: Vec<String> = (0..20).map(|line| format!("line {line}")).collect();
        let difference = Difference {
            file: "s.jsonl".to_owned(),
            line: 7,
            what: "Opened".to_owned(),
            recorded: lines.join("\n"),
            answered: lines.join("\n").replace("line 10", "other"),
        };
        let text = difference.to_string();
        assert!(
            text.starts_with("s.jsonl:7: Opened differs\n--- recorded\n+++ answered\n"),
            "{text}"
        );
        assert!(text.contains("\n-line 10\n+other\n"), "{text}");
        assert!(
            text.contains("line 7\n") && !text.contains("line 6\n"),
            "{text}"
        );
    }
}
