//! A session fails only where something has failed it, and does not fail silently where it must.

use super::{Checker, Evidence};

/// Nothing went wrong without a cause, and nothing hung.
#[derive(Clone, Copy, Debug)]
pub struct NoFailureWithoutCause;

impl Checker for NoFailureWithoutCause {
    fn promise(&self) -> &'static str {
        "no session fails without a cause, nor succeeds where it must not"
    }

    fn check(&self, evidence: &Evidence) -> Vec<String> {
        evidence.surprises.clone()
    }
}
