//! No upload of ours is left behind in the end, and none of anybody else's was touched.

use super::{Checker, Evidence};

/// Orphaned uploads are gone in the end; those of others are not.
#[derive(Clone, Copy, Debug)]
pub struct NothingPending;

impl Checker for NothingPending {
    fn promise(&self) -> &'static str {
        "orphaned uploads are gone in the end, and nobody else's"
    }

    fn check(&self, evidence: &Evidence) -> Vec<String> {
        let ours = evidence
            .pending
            .iter()
            .map(|key| format!("the upload of {key} is still pending"));
        let theirs = evidence.aborted_bystanders.iter();
        let theirs = theirs.map(|key| format!("the upload of {key} was not ours, and is gone"));
        ours.chain(theirs).collect()
    }
}
