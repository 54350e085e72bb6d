//! The share of a task's keys that one shard takes.

use materialize_s3_parquet::protocol::flow::RangeSpec;

/// The share of a task's keys that one shard takes, by the 32-bit hash of their packed form; both ends belong to it.
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
}
