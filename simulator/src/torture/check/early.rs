//! Nothing is visible before its transaction is committed.

use std::collections::BTreeMap;

use super::{Checker, Evidence, RowId};

/// No file was seen before the transaction of its rows was committed.
#[derive(Clone, Copy, Debug)]
pub struct NothingEarly;

impl Checker for NothingEarly {
    fn promise(&self) -> &'static str {
        "nothing is visible before it is committed"
    }

    fn check(&self, evidence: &Evidence) -> Vec<String> {
        let mut committed_by: BTreeMap<RowId, u64> = BTreeMap::new();
        for commit in &evidence.commits {
            committed_by.extend(commit.rows.iter().map(|row| (row.id, commit.number)));
        }
        let mut findings = Vec::new();
        for file in &evidence.files {
            let numbers = file
                .rows
                .iter()
                .flatten()
                .filter_map(|row| committed_by.get(&row.id));
            // Seen when so many were committed, it can hold nothing of the next one.
            if let Some(number) = numbers.max().filter(|number| file.seen_at <= **number) {
                findings.push(format!(
                    "{} was visible before transaction {number} was committed",
                    file.key
                ));
            }
        }
        findings
    }
}
