//! No object is ever overwritten.

use super::{Checker, Evidence};

/// Every key was written once.
#[derive(Clone, Copy, Debug)]
pub struct NeverOverwritten;

impl Checker for NeverOverwritten {
    fn promise(&self) -> &'static str {
        "no object is ever overwritten"
    }

    fn check(&self, evidence: &Evidence) -> Vec<String> {
        let again = evidence.writes.iter().filter(|(_, times)| **times > 1);
        again
            .map(|(key, times)| format!("{key} was written {times} times"))
            .collect()
    }
}
