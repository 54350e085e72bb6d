//! Ids that come from a seed and a counter alone.

/// Makes ids, of uploads or of versions.
#[derive(Debug)]
pub(super) struct Ids {
    seed: u64,
    made: u64,
}

impl Ids {
    pub(super) fn new(seed: u64) -> Self {
        Self { seed, made: 0 }
    }

    /// Ids begin with the counter, so that they sort by age, and go on with what only the seed can
    /// tell.
    pub(super) fn make(&mut self) -> String {
        self.made += 1;
        let seed = self.seed ^ self.made.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let token = fastrand::Rng::with_seed(seed).u64(..);
        format!("{:012}-{token:016x}", self.made)
    }
}
