//! No file is ever overwritten.

use super::{Checker, Evidence};

/// Every file was written once; one that was copied may have been copied again where that was
/// recorded.
#[derive(Clone, Copy, Debug)]
pub struct NeverOverwritten;

impl Checker for NeverOverwritten {
    fn promise(&self) -> &'static str {
        "no file is ever overwritten"
    }

    fn check(&self, evidence: &Evidence) -> Vec<String> {
        let again = evidence.writes.iter();
        let again =
            again.filter(|(key, times)| **times > 1 && !evidence.may_be_repeated.contains(*key));
        again
            .map(|(key, times)| format!("{key} was written {times} times"))
            .collect()
    }
}
