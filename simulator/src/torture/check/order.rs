//! Rows stand in the order in which they were sent: within a file, and from file to file of a shard by their names.

use std::collections::BTreeMap;

use super::{Checker, Evidence, RowId, Stream};

/// The files of a shard and binding, sorted by name, hold their rows in order. Per key, and more.
#[derive(Clone, Copy, Debug)]
pub struct InOrder;

/// Where a row was sent: its stream, and its place in it.
type Sent = BTreeMap<RowId, (Stream, usize)>;

impl Checker for InOrder {
    fn promise(&self) -> &'static str {
        "rows keep their order"
    }

    fn check(&self, evidence: &Evidence) -> Vec<String> {
        let sent = sent(evidence);
        let mut files: Vec<_> = evidence.files.iter().collect();
        files.sort_by_key(|file| &file.key);
        let mut last: BTreeMap<Stream, usize> = BTreeMap::new();
        let mut findings = Vec::new();
        for file in files {
            let rows = file.rows.iter().flatten();
            let places = rows.filter_map(|row| Some((row, sent.get(&row.id)?)));
            for (row, (stream, place)) in places {
                if last.get(stream).is_some_and(|last| last >= place) {
                    findings.push(format!(
                        "row {} (key {}) in {} comes after a later one",
                        row.id.number, row.key, file.key
                    ));
                    break;
                }
                last.insert(*stream, *place);
            }
        }
        findings
    }
}

fn sent(evidence: &Evidence) -> Sent {
    let mut counts: BTreeMap<Stream, usize> = BTreeMap::new();
    let mut sent = Sent::new();
    for commit in &evidence.commits {
        let count = counts.entry(commit.stream).or_default();
        for row in &commit.rows {
            sent.insert(row.id, (commit.stream, *count));
            *count += 1;
        }
    }
    sent
}
