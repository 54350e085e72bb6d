//! How long requests to S3 may take, so that nothing ever hangs.

use std::time::Duration;

use aws_sdk_s3::config::timeout::TimeoutConfig;

use super::haste::Haste;

/// What an attempt has in any haste: a simulated store does not get slower than that on a busy
/// machine.
const LEAST: Duration = Duration::from_secs(10);

/// How long requests may take. The default fits every store; tests take less.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// Until a connection stands.
    pub connect: Duration,
    /// Most requests.
    pub request: Limit,
    /// Uploading a part or an object: an attempt has the time that all bytes on their way need
    /// besides, and none begins after the whole.
    pub part: Limit,
    /// An attempt to copy, besides the time that all bytes that are copied need.
    pub copy: Duration,
    /// Completing an upload: S3 says that it can take minutes.
    pub completion: Limit,
}

/// How long one kind of request may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// Until it is tried again.
    pub attempt: Duration,
    /// With all attempts and the pauses between them.
    pub operation: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        let limit = |attempt, operation| Limit {
            attempt: Duration::from_mins(attempt),
            operation: Duration::from_mins(operation),
        };
        Self {
            connect: Duration::from_secs(10),
            request: limit(1, 5),
            part: limit(1, 15),
            copy: Duration::from_mins(1),
            completion: limit(5, 20),
        }
    }
}

impl Timeouts {
    /// These in a simulation, where who waits for an answer that will not come waits in vain sooner
    /// too.
    #[must_use]
    pub fn in_haste(self, haste: Haste) -> Self {
        Self {
            request: self.request.in_haste(haste),
            part: self.part.in_haste(haste),
            completion: self.completion.in_haste(haste),
            copy: haste.shorten(self.copy).max(LEAST.min(self.copy)),
            ..self
        }
    }

    /// The SDK's form of a limit.
    pub(super) fn config(&self, limit: Limit) -> TimeoutConfig {
        TimeoutConfig::builder()
            .connect_timeout(self.connect)
            .operation_attempt_timeout(limit.attempt)
            .operation_timeout(limit.operation)
            .build()
    }
}

impl Limit {
    /// Both are shortened alike, so that as many attempts fit in as in life.
    fn in_haste(self, haste: Haste) -> Self {
        let attempt = haste.shorten(self.attempt).max(LEAST.min(self.attempt));
        Self {
            attempt,
            operation: self
                .operation
                .mul_f64(attempt.div_duration_f64(self.attempt)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn haste_shortens_all_alike_and_leaves_an_attempt_its_least() {
        let seconds = |attempt, operation| Limit {
            attempt: Duration::from_secs(attempt),
            operation: Duration::from_secs(operation),
        };
        let life = Timeouts::default();
        assert_eq!(life.in_haste(Haste::NONE), life);
        for (times, request, part, completion) in [
            (2, seconds(30, 150), seconds(30, 450), seconds(150, 600)),
            (10, seconds(10, 50), seconds(10, 150), seconds(30, 120)),
            (200, seconds(10, 50), seconds(10, 150), seconds(10, 40)),
        ] {
            let hasty = life.in_haste(Haste::times(times));
            assert_eq!(hasty.connect, life.connect);
            assert_eq!(
                [hasty.request, hasty.part, hasty.completion],
                [request, part, completion],
                "{times} times"
            );
        }
    }

    #[test]
    fn what_is_short_already_is_not_made_longer() {
        let limit = Limit {
            attempt: Duration::from_millis(200),
            operation: Duration::from_secs(1),
        };
        assert_eq!(limit.in_haste(Haste::times(50)), limit);
    }
}
