//! The share of a task's keys that one shard takes.

use materialize_s3_parquet::protocol::flow::RangeSpec;
use serde_json::Value;

use super::launch::incarnation_seed;
use crate::extract::pack;

/// The share of a task's keys that one shard takes, by the 32-bit hash of their packed form; both
/// ends belong to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyRange {
    /// The lowest hash.
    pub begin: u32,
    /// The highest hash.
    pub end: u32,
}

impl KeyRange {
    /// Every key: a task of one shard.
    pub const WHOLE: Self = Self {
        begin: 0,
        end: u32::MAX,
    };

    /// The range as Open carries it. A materialization never splits by clock.
    pub fn spec(self) -> RangeSpec {
        RangeSpec {
            key_begin: self.begin,
            key_end: self.end,
            r_clock_begin: 0,
            r_clock_end: u32::MAX,
        }
    }

    /// So many parts of nearly the same size, side by side; fewer, where it has fewer hashes.
    pub fn parts(self, count: u32) -> Vec<Self> {
        let length = u64::from(self.end) - u64::from(self.begin) + 1;
        let count = u64::from(count).clamp(1, length);
        // At most the end, so it fits.
        let edge = |index: u64| u64::from(self.begin) + length * index / count;
        (0..count)
            .map(|index| Self {
                begin: edge(index) as u32,
                end: (edge(index + 1) - 1) as u32,
            })
            .collect()
    }

    /// Whether a hash belongs to it.
    pub fn contains(self, hash: u32) -> bool {
        (self.begin..=self.end).contains(&hash)
    }

    /// Whether a row with this key belongs to it.
    pub fn takes(self, key: &[Value]) -> bool {
        self == Self::WHOLE || self.contains(key_hash(&pack(key)))
    }
}

/// The hash of a packed key. Flow's is `HighwayHash` with a key of its own; any stable hash that
/// spreads well will do here, because a connector is only told the range, and must not care which
/// keys are in it.
pub fn key_hash(packed: &[u8]) -> u32 {
    const OFFSET_BASIS: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0100_0000_01b3;
    let folded = packed.iter().fold(OFFSET_BASIS, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(PRIME)
    });
    (incarnation_seed(folded, 0) >> 32) as u32
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn parts_lie_side_by_side_and_cover_the_whole() {
        for count in [1, 2, 3, 7, 100] {
            let parts = KeyRange::WHOLE.parts(count);
            assert_eq!(parts.len(), count as usize);
            assert_eq!((parts[0].begin, parts[parts.len() - 1].end), (0, u32::MAX));
            for pair in parts.windows(2) {
                assert_eq!(pair[0].end + 1, pair[1].begin);
            }
        }
        let few = KeyRange { begin: 5, end: 6 };
        assert_eq!(few.parts(9).len(), 2);
    }

    #[test]
    fn every_key_is_in_one_part_and_every_part_has_its_share() {
        let parts = KeyRange::WHOLE.parts(3);
        let mut counts = [0; 3];
        for number in 0..3_000 {
            let key = [json!(number), json!("k")];
            let takers: Vec<usize> = (0..3).filter(|index| parts[*index].takes(&key)).collect();
            assert_eq!(takers.len(), 1, "{key:?}");
            counts[takers[0]] += 1;
        }
        assert!(
            counts.iter().all(|count| (900..1_100).contains(count)),
            "{counts:?}"
        );
    }
}
