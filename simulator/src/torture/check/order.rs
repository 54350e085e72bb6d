//! Rows stand in the order in which they were sent: within a file, and from file to file of a shard
//! by their names.

use std::collections::BTreeMap;

use super::{Checker, Evidence, File, RowId, Stream};

/// The files of a shard and binding, sorted by name, hold their rows in order; and where one
/// recovery log knows all shards, so do those of a key, sorted by counter, over splits and merges
/// too.
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
        if evidence.shards_share_a_log {
            findings.extend(by_key(evidence));
        }
        findings
    }
}

/// The rows of one key of one binding: generation, binding, backfill and key.
type KeyOf = (u32, usize, u32, u32);

/// Where rows of a key come after later ones in the order of their files' folders and counters.
fn by_key(evidence: &Evidence) -> Vec<String> {
    let mut sent: BTreeMap<RowId, (KeyOf, usize)> = BTreeMap::new();
    for (place, (stream, row)) in rows(evidence).enumerate() {
        let key = (row.id.generation, stream.binding, stream.backfill, row.key);
        sent.insert(row.id, (key, place));
    }
    let mut files: Vec<(Option<(&str, &str)>, &File)> = evidence
        .files
        .iter()
        .map(|file| (by_counter(&file.key), file))
        .collect();
    files.sort_by_key(|(counter, _)| *counter);
    let mut last: BTreeMap<KeyOf, usize> = BTreeMap::new();
    let mut findings = Vec::new();
    for (_, file) in files {
        let places = file.rows.iter().flatten();
        for (key, place) in places.filter_map(|row| sent.get(&row.id)) {
            if last.insert(*key, *place).is_some_and(|last| last >= *place) {
                let key = key.3;
                findings.push(format!(
                    "{} has a row of key {key} that was sent before one in a file with a lower \
                     counter",
                    file.key
                ));
                break;
            }
        }
    }
    findings
}

fn rows(evidence: &Evidence) -> impl Iterator<Item = (&Stream, &super::Row)> {
    let commits = evidence.commits.iter();
    commits.flat_map(|commit| commit.rows.iter().map(|row| (&commit.stream, row)))
}

/// A file's folders, and the counter in its name.
fn by_counter(key: &str) -> Option<(&str, &str)> {
    let (folders, name) = key.rsplit_once('/')?;
    Some((folders, name.split('-').nth(1)?))
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
