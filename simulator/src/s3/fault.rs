//! Faults as data: what goes wrong, for which requests, at which attempt.
//!
//! A fault is found by what a request is (operation, key, part) and by how often that same request
//! has come before, never by the clock or by what else is going on, so that one plan gives the same
//! faults whatever the concurrency.

use std::collections::HashMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::chance;
use super::request::{Operation, Target};

/// One thing that goes wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Fault {
    /// The operation it strikes; `None` strikes any.
    pub operation: Option<Operation>,
    /// The keys it strikes. Operations without a key are struck only by [`KeyPattern::Any`].
    pub key: KeyPattern,
    /// The part number it strikes; `None` strikes any, and operations without a part.
    pub part: Option<u32>,
    /// The attempts it strikes.
    pub attempts: Attempts,
    /// How many of a thousand requests that fit are struck; which ones, the plan's seed and the
    /// request decide.
    pub per_mille: u16,
    /// What happens.
    pub effect: Effect,
}

impl Fault {
    /// A fault that strikes every request of an operation; narrow it down with struct update
    /// syntax.
    pub fn on(operation: Operation, effect: Effect) -> Self {
        Self {
            operation: Some(operation),
            key: KeyPattern::Any,
            part: None,
            attempts: Attempts::ALL,
            per_mille: 1000,
            effect,
        }
    }

    fn fits(&self, target: &Target, attempt: u32) -> bool {
        let key = target.key.as_deref();
        self.operation
            .is_none_or(|operation| operation == target.operation)
            && self.key.fits(key)
            && (self.part.is_none() || self.part == target.part)
            && self.attempts.contain(attempt)
    }
}

/// Which keys a fault strikes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum KeyPattern {
    /// All, and requests without a key.
    Any,
    /// This one.
    Exact(String),
    /// Those that start with this.
    Prefix(String),
    /// Those that hold this anywhere.
    Contains(String),
}

impl KeyPattern {
    fn fits(&self, key: Option<&str>) -> bool {
        match (self, key) {
            (Self::Any, _) => true,
            (_, None) => false,
            (Self::Exact(text), Some(key)) => key == text,
            (Self::Prefix(text), Some(key)) => key.starts_with(text),
            (Self::Contains(text), Some(key)) => key.contains(text),
        }
    }
}

/// A range of attempts, both ends included. The first request of its kind is attempt 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempts {
    /// The first attempt that is struck.
    pub first: u32,
    /// The last attempt that is struck.
    pub last: u32,
}

impl Attempts {
    /// Every attempt.
    pub const ALL: Self = Self {
        first: 1,
        last: u32::MAX,
    };

    /// Only the given attempt.
    pub fn only(attempt: u32) -> Self {
        Self {
            first: attempt,
            last: attempt,
        }
    }

    /// The first attempts, up to and including the given one.
    pub fn up_to(last: u32) -> Self {
        Self { first: 1, last }
    }

    fn contain(self, attempt: u32) -> bool {
        (self.first..=self.last).contains(&attempt)
    }
}

/// What happens to a request that a fault strikes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Effect {
    /// It waits before anything else happens. Delays of several faults add up, and other effects
    /// still follow.
    Latency {
        /// How long.
        milliseconds: u64,
    },
    /// 500 `InternalError`, and nothing is done.
    InternalError,
    /// 503 `SlowDown`, and nothing is done.
    SlowDown,
    /// 403 `AccessDenied`, and nothing is done.
    AccessDenied,
    /// 200 with an error in the body, and nothing is done: what AWS may answer to
    /// `CompleteMultipartUpload` and `CopyObject`.
    ErrorInBody,
    /// The connection is closed without an answer, and nothing is done.
    ResetBefore,
    /// It is done, and the connection is closed without an answer: a lost response.
    ResetAfter,
    /// The connection is closed without an answer, and it is done later: a completion that is still
    /// running on the server when the client asks again.
    ResetThenDone {
        /// How long after the connection was closed.
        milliseconds: u64,
    },
    /// It is done, and the connection is closed without an answer; the object it made can be seen
    /// only later. Meanwhile there is neither upload nor object: a completion that a server
    /// carries out in the background.
    ResetThenVisible {
        /// How long after the connection was closed.
        milliseconds: u64,
    },
    /// It is done; the status and the headers of the answer come at once, its body later.
    SlowBody {
        /// How much later.
        milliseconds: u64,
    },
    /// The upload it names expires first; then it goes on, and finds no such upload.
    ExpireUpload,
    /// The object that it copies expires first; then it goes on, and finds no such key.
    ExpireSource,
}

/// All faults of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FaultPlan {
    /// Decides which requests are struck by a fault that strikes only some.
    pub seed: u64,
    /// The faults. Of those that strike one request all delays count, and else the first one.
    pub faults: Vec<Fault>,
}

impl FaultPlan {
    /// What happens to the given attempt of a request.
    pub(super) fn verdict(&self, target: &Target, attempt: u32) -> Verdict {
        let mut verdict = Verdict::default();
        for (index, fault) in self.faults.iter().enumerate() {
            if !fault.fits(target, attempt) || !self.draws(index, fault, target, attempt) {
                continue;
            }
            match &fault.effect {
                Effect::Latency { milliseconds } => {
                    verdict.latency += Duration::from_millis(*milliseconds);
                }
                effect if verdict.effect.is_none() => verdict.effect = Some(effect.clone()),
                _ => {}
            }
        }
        verdict
    }

    fn draws(&self, index: usize, fault: &Fault, target: &Target, attempt: u32) -> bool {
        let identity = format!(
            "{} {index} {} {:?} {:?} {:?} {attempt}",
            self.seed, target.operation, target.bucket, target.key, target.part
        );
        chance::strikes(&identity, fault.per_mille)
    }
}

/// What the faults that strike one request come to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Verdict {
    pub(super) latency: Duration,
    pub(super) effect: Option<Effect>,
}

/// Counts how often the same request came. Requests are the same if operation, bucket, key and part
/// are.
#[derive(Debug, Default)]
pub(super) struct AttemptCounter(HashMap<Identity, u32>);

/// Operation, bucket, key and part.
type Identity = (Operation, Option<String>, Option<String>, Option<u32>);

impl AttemptCounter {
    /// The number of this attempt, 1 for the first.
    pub(super) fn count(&mut self, target: &Target) -> u32 {
        let identity = (
            target.operation,
            target.bucket.clone(),
            target.key.clone(),
            target.part,
        );
        let attempts = self.0.entry(identity).or_default();
        *attempts += 1;
        *attempts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(key: &str, number: u32) -> Target {
        Target {
            operation: Operation::UploadPart,
            bucket: Some("b".to_owned()),
            key: Some(key.to_owned()),
            upload_id: Some("u".to_owned()),
            part: Some(number),
            version: None,
            copy_source: None,
        }
    }

    fn plan(fault: Fault) -> FaultPlan {
        FaultPlan {
            seed: 7,
            faults: vec![fault],
        }
    }

    #[test]
    fn a_fault_strikes_only_what_it_names() {
        let plan = plan(Fault {
            key: KeyPattern::Prefix("a/".to_owned()),
            part: Some(2),
            attempts: Attempts::up_to(2),
            ..Fault::on(Operation::UploadPart, Effect::SlowDown)
        });
        let struck = |target: &Target, attempt| plan.verdict(target, attempt).effect.is_some();
        assert!(struck(&part("a/x", 2), 1));
        assert!(struck(&part("a/x", 2), 2));
        assert!(!struck(&part("a/x", 2), 3));
        assert!(!struck(&part("a/x", 1), 1));
        assert!(!struck(&part("b/x", 2), 1));
        let other = Target {
            operation: Operation::PutObject,
            ..part("a/x", 2)
        };
        assert!(!struck(&other, 1));
    }

    #[test]
    fn attempts_are_counted_per_request() {
        let mut counter = AttemptCounter::default();
        assert_eq!(counter.count(&part("a", 1)), 1);
        assert_eq!(counter.count(&part("a", 2)), 1);
        assert_eq!(counter.count(&part("a", 1)), 2);
    }

    #[test]
    fn chance_depends_on_seed_and_request_alone() {
        let fault = Fault {
            per_mille: 300,
            ..Fault::on(Operation::UploadPart, Effect::SlowDown)
        };
        let struck = |plan: &FaultPlan| -> Vec<u32> {
            let hit = |number: &u32| plan.verdict(&part("a", *number), 1).effect.is_some();
            (1..=1000).filter(hit).collect()
        };
        let plan = plan(fault);
        let first = struck(&plan);
        assert_eq!(first, struck(&plan));
        assert!((250..350).contains(&first.len()), "{}", first.len());
        assert_ne!(first, struck(&FaultPlan { seed: 8, ..plan }));
    }

    #[test]
    fn delays_add_up_and_the_first_other_effect_counts() {
        let latency = Effect::Latency { milliseconds: 20 };
        let plan = FaultPlan {
            seed: 0,
            faults: [
                latency.clone(),
                Effect::SlowDown,
                latency,
                Effect::InternalError,
            ]
            .map(|effect| Fault::on(Operation::UploadPart, effect))
            .to_vec(),
        };
        let verdict = plan.verdict(&part("a", 1), 1);
        assert_eq!(verdict.latency, Duration::from_millis(40));
        assert_eq!(verdict.effect, Some(Effect::SlowDown));
    }

    #[test]
    fn a_plan_is_data() {
        let plan = plan(Fault {
            key: KeyPattern::Exact("k".to_owned()),
            ..Fault::on(
                Operation::CompleteMultipartUpload,
                Effect::ResetThenDone { milliseconds: 5 },
            )
        });
        let text = serde_json::to_string(&plan).unwrap();
        assert_eq!(serde_json::from_str::<FaultPlan>(&text).unwrap(), plan);
    }
}
