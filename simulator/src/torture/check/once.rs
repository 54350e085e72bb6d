//! Every committed row exactly once, as it was sent, and none that was not committed.

use std::collections::BTreeMap;

use super::{Checker, Evidence, Row, RowId, first_few};

/// Every committed row is in exactly one file, and nothing else is.
#[derive(Clone, Copy, Debug)]
pub struct ExactlyOnce;

impl Checker for ExactlyOnce {
    fn promise(&self) -> &'static str {
        "every committed row exactly once, and nothing else"
    }

    fn check(&self, evidence: &Evidence) -> Vec<String> {
        let seen = seen(evidence);
        let committed: BTreeMap<RowId, &Row> =
            rows_committed(evidence).map(|row| (row.id, row)).collect();
        let mut findings = unreadable(evidence);
        findings.extend(lost(evidence, &committed, &seen));
        for (id, copies) in &seen {
            let number = id.number;
            match committed.get(id) {
                None => findings.push(format!(
                    "row {number} was never committed, and is in {}",
                    names(copies)
                )),
                Some(_) if copies.len() > 1 => {
                    findings.push(format!(
                        "row {number} is there {} times: in {}",
                        copies.len(),
                        names(copies)
                    ));
                }
                Some(row) if copies[0].1 != **row => {
                    findings.push(format!(
                        "row {number} is not what was sent: in {}",
                        names(copies)
                    ));
                }
                Some(_) => {}
            }
        }
        findings
    }
}

/// Every row with the files it is in.
type Seen<'a> = BTreeMap<RowId, Vec<(&'a str, Row)>>;

fn seen(evidence: &Evidence) -> Seen<'_> {
    let mut seen: Seen<'_> = BTreeMap::new();
    for file in &evidence.files {
        for row in file.rows.iter().flatten() {
            seen.entry(row.id).or_default().push((&file.key, *row));
        }
    }
    seen
}

fn rows_committed(evidence: &Evidence) -> impl Iterator<Item = &Row> {
    evidence.commits.iter().flat_map(|commit| &commit.rows)
}

fn unreadable(evidence: &Evidence) -> Vec<String> {
    let errors = evidence
        .files
        .iter()
        .filter_map(|file| Some((file, file.rows.as_ref().err()?)));
    errors
        .map(|(file, error)| format!("{} cannot be read: {error}", file.key))
        .collect()
}

fn lost(evidence: &Evidence, committed: &BTreeMap<RowId, &Row>, seen: &Seen<'_>) -> Vec<String> {
    let excused = evidence.excused();
    let missing = committed
        .keys()
        .filter(|id| !seen.contains_key(id) && !excused.contains(id));
    let missing: Vec<u64> = missing.map(|id| id.number).collect();
    if missing.is_empty() {
        return Vec::new();
    }
    vec![format!(
        "{} committed rows are in no file: {}",
        missing.len(),
        first_few(&missing)
    )]
}

fn names(copies: &[(&str, Row)]) -> String {
    let names: Vec<&str> = copies.iter().map(|(key, _)| *key).collect();
    first_few(&names)
}
