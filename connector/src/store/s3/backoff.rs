//! The pauses between the attempts that the connector makes by itself.

use std::time::Duration;

use super::super::Haste;

/// The first pause, at most.
pub(super) const FIRST_BACKOFF: Duration = Duration::from_secs(1);

/// The longest pause.
pub(super) const LONGEST_BACKOFF: Duration = Duration::from_secs(20);

/// Pauses that grow, each by another share, so that transfers that failed together do not come back
/// together.
#[derive(Debug)]
pub(crate) struct Backoff {
    next: Duration,
    haste: Haste,
    random: fastrand::Rng,
}

impl Backoff {
    /// The pauses of what `name` says. The same name has the same pauses.
    pub(crate) fn new(name: &str, haste: Haste) -> Self {
        let seed = name.bytes().fold(0, |seed: u64, byte| {
            seed.wrapping_mul(31).wrapping_add(u64::from(byte))
        });
        Self {
            next: FIRST_BACKOFF,
            haste,
            random: fastrand::Rng::with_seed(seed),
        }
    }

    /// The next pause: between a half and the whole of one that doubles, up to 20 seconds.
    pub(crate) fn next_pause(&mut self) -> Duration {
        let whole = self.next;
        self.next = (2 * whole).min(LONGEST_BACKOFF);
        let share = 0.5 + self.random.f64() / 2.0;
        self.haste.shorten(whole.mul_f64(share))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_up_to_the_longest_and_differ_by_name() {
        let pauses = |name| {
            let mut backoff = Backoff::new(name, Haste::NONE);
            std::array::from_fn::<_, 8, _>(|_| backoff.next_pause())
        };
        let first = pauses("a");
        assert_eq!(first, pauses("a"));
        assert_ne!(first, pauses("b"));
        for (pause, whole) in first.into_iter().zip([1, 2, 4, 8, 16, 20, 20, 20]) {
            let whole = Duration::from_secs(whole);
            assert!(whole / 2 <= pause && pause <= whole, "{first:?}");
        }
        let hasty = Backoff::new("a", Haste::times(100)).next_pause();
        assert_eq!(hasty, first[0] / 100);
    }
}
