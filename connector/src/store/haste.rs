//! Waiting less in a simulation. The pauses between retries, the time that a completion may still
//! be running and the time that an answer may take are there to let a store come round; a store
//! that is simulated does so a hundred times faster. The upload interval goes by as much faster, so
//! that it can be simulated too.

use std::time::Duration;

/// How many times faster than in life a store comes round, and the upload interval goes by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Haste(u32);

impl Haste {
    /// As in life.
    pub const NONE: Self = Self(1);

    /// Waits `times` shorter; 0 counts as 1.
    pub fn times(times: u32) -> Self {
        Self(times.max(1))
    }

    /// The number per second where it would be `per_second` in life.
    pub fn hasten(self, per_second: u64) -> u64 {
        per_second.saturating_mul(u64::from(self.0))
    }

    /// How long to wait where it would be `wait` in life.
    pub fn shorten(self, wait: Duration) -> Duration {
        wait / self.0
    }
}

impl Default for Haste {
    fn default() -> Self {
        Self::NONE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_are_as_in_life_unless_told_otherwise() {
        let wait = Duration::from_mins(2);
        for haste in [Haste::default(), Haste::times(0), Haste::times(1)] {
            assert_eq!(haste.shorten(wait), wait);
        }
        assert_eq!(Haste::times(200).shorten(wait), Duration::from_millis(600));
    }
}
