//! The upload interval: how long `Acknowledged` waits.
//!
//! The runtime goes on reading and combining until it hears `Acknowledged`, so a later one makes
//! the next transaction, and with it the next files, larger. The files of the round are complete
//! and visible before the wait begins.

use std::time::{Duration, Instant};

/// Rows over all bindings from which a round is large: a backfill, which must not be slowed down.
pub const LARGE_ROUND_ROWS: u64 = 1_000_000;
/// Bytes of stores over all bindings from which a round is large.
pub const LARGE_ROUND_BYTES: u64 = 1 << 30;

/// Who paces this session, and how.
#[derive(Clone, Copy, Debug)]
pub struct Pacing {
    /// The configured upload interval; zero is no pacing.
    pub interval: Duration,
    /// Whether the specification has a `syncSchedule`: then the runtime paces, and we must not
    /// pace on top of it.
    pub runtime_schedules: bool,
}

/// What one transaction brought.
#[derive(Clone, Copy, Debug)]
pub struct Round {
    /// When its Flush came in.
    pub flush_at: Instant,
    /// How many documents it stored, over all bindings.
    pub rows: u64,
    /// How many bytes its Store messages had, over all bindings.
    pub bytes: u64,
}

impl Pacing {
    /// How long the `Acknowledged` of `round` waits from `now` on. `round` is `None` for the
    /// session's first, which only recovers. The caller ends the wait when the session ends.
    pub fn wait(&self, round: Option<&Round>, now: Instant) -> Duration {
        match round {
            Some(round) if !self.runtime_schedules && round.is_paced() => self
                .interval
                .saturating_sub(now.saturating_duration_since(round.flush_at)),
            _ => Duration::ZERO,
        }
    }
}

impl Round {
    fn is_paced(&self) -> bool {
        self.rows > 0 && self.rows < LARGE_ROUND_ROWS && self.bytes < LARGE_ROUND_BYTES
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTERVAL: Duration = Duration::from_mins(5);

    #[expect(
        clippy::disallowed_methods,
        reason = "there is no other way to an Instant"
    )]
    fn some_instant() -> Instant {
        Instant::now()
    }

    /// The wait of a round of `rows` and `bytes`, `after` its Flush.
    fn wait(pacing: Pacing, rows: u64, bytes: u64, after: Duration) -> Duration {
        let flush_at = some_instant();
        pacing.wait(
            Some(&Round {
                flush_at,
                rows,
                bytes,
            }),
            flush_at + after,
        )
    }

    const OURS: Pacing = Pacing {
        interval: INTERVAL,
        runtime_schedules: false,
    };

    #[test]
    fn the_recovery_round_never_waits() {
        assert_eq!(OURS.wait(None, some_instant()), Duration::ZERO);
    }

    #[test]
    fn a_round_that_wrote_waits_until_the_interval_after_its_flush() {
        let seconds = Duration::from_secs;
        for (after, expected) in [(0, 300), (1, 299), (299, 1), (300, 0), (1000, 0)] {
            assert_eq!(
                wait(OURS, 1, 100, seconds(after)),
                seconds(expected),
                "{after} s after the Flush"
            );
        }
    }

    #[test]
    fn rounds_that_wrote_nothing_or_much_do_not_wait() {
        let cases = [
            (0, 0, false),
            (1, 0, true),
            (LARGE_ROUND_ROWS - 1, LARGE_ROUND_BYTES - 1, true),
            (LARGE_ROUND_ROWS, 1, false),
            (1, LARGE_ROUND_BYTES, false),
        ];
        for (rows, bytes, waits) in cases {
            assert_eq!(
                !wait(OURS, rows, bytes, Duration::ZERO).is_zero(),
                waits,
                "{rows} rows, {bytes} bytes"
            );
        }
    }

    #[test]
    fn nothing_waits_when_the_runtime_schedules_or_the_interval_is_zero() {
        let scheduled = Pacing {
            runtime_schedules: true,
            ..OURS
        };
        let unpaced = Pacing {
            interval: Duration::ZERO,
            ..OURS
        };
        for pacing in [scheduled, unpaced] {
            assert_eq!(
                wait(pacing, 1, 100, Duration::ZERO),
                Duration::ZERO,
                "{pacing:?}"
            );
        }
    }

    #[test]
    fn extreme_times_do_not_overflow() {
        let forever = Pacing {
            interval: Duration::MAX,
            ..OURS
        };
        assert_eq!(wait(forever, 1, 1, Duration::ZERO), Duration::MAX);
        let flush_at = some_instant() + Duration::from_secs(10);
        let early = OURS.wait(
            Some(&Round {
                flush_at,
                rows: 1,
                bytes: 1,
            }),
            some_instant(),
        );
        assert_eq!(early, INTERVAL);
    }
}
