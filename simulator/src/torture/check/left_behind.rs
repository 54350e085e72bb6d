//! Nothing of ours is left behind in the end, and nothing of anybody else's was touched.

use super::{Checker, Evidence};

/// Uploads, staged objects and receipts that nobody has a use for are gone in the end; those of
/// others are not.
#[derive(Clone, Copy, Debug)]
pub struct NothingLeftBehind;

impl Checker for NothingLeftBehind {
    fn promise(&self) -> &'static str {
        "what is left behind is thrown away in the end, and nothing of anybody else's"
    }

    fn check(&self, evidence: &Evidence) -> Vec<String> {
        let ours = evidence
            .left_behind
            .iter()
            .map(|key| format!("{key} is still there"));
        let theirs = evidence
            .bystanders_gone
            .iter()
            .map(|key| format!("{key} was not ours, and is gone"));
        ours.chain(theirs).collect()
    }
}
