//! The version 1 UUIDs Flow gives to documents: when they were published, by whom, and within which
//! transaction.

use jiff::Timestamp;
use serde_json::Value;

use crate::schema::pointer;

/// Where a document carries its UUID, as a JSON pointer.
pub const UUID_POINTER: &str = "/_meta/uuid";

/// The producer that fixtures use.
pub const FIXTURE_PRODUCER: [u8; 6] = [0x07, 0x13, 0x53, 0x03, 0x03, 0x11];

/// 100 ns ticks from the Gregorian calendar's start, which version 1 UUIDs count from, to the Unix
/// epoch.
const GREGORIAN_OFFSET: u64 = 0x01b2_1dd2_1381_4000;

/// Makes UUIDs, each later than the one before by the least step there is: the 4-bit counter, then
/// 100 ns.
#[derive(Clone, Debug)]
pub struct DocumentClock {
    /// 100 ns ticks since 1582-10-15, shifted left by 4 bits, plus the counter.
    ticks: u64,
}

impl Default for DocumentClock {
    /// A clock that starts one second after the Unix epoch, as fixtures' clocks do.
    fn default() -> Self {
        Self {
            ticks: (GREGORIAN_OFFSET + 10_000_000) << 4,
        }
    }
}

impl DocumentClock {
    /// Puts the next UUID into a document. Returns `false`, and leaves the document alone, where it
    /// has no room for one: it is not an object, or its `_meta` is not.
    pub fn stamp(&mut self, document: &mut Value) -> bool {
        let uuid = self.next_uuid();
        pointer::insert(document, UUID_POINTER, Value::String(uuid))
    }

    /// The next document's UUID, hyphenated.
    pub fn next_uuid(&mut self) -> String {
        self.ticks += 1;
        let (time, counter) = (self.ticks >> 4, (self.ticks & 0xf) as u16);
        let node = FIXTURE_PRODUCER
            .iter()
            .fold(0_u64, |node, byte| node << 8 | u64::from(*byte));
        format!(
            "{:08x}-{:04x}-1{:03x}-{:04x}-{node:012x}",
            time & 0xffff_ffff,
            (time >> 32) & 0xffff,
            (time >> 48) & 0xfff,
            0x8000 | (counter << 10),
        )
    }
}

/// When a document was published, as its version 1 UUID says: RFC 3339 with 9 digits of a second,
/// the counter as steps of 4 ns. `None` for what is not a version 1 UUID.
pub fn published_at(uuid: &str) -> Option<String> {
    published(uuid).map(|timestamp| format!("{timestamp:.9}"))
}

/// The same as a time.
pub fn published(uuid: &str) -> Option<Timestamp> {
    let (time, counter) = parse(uuid)?;
    let ticks = i128::from(time) - i128::from(GREGORIAN_OFFSET);
    Timestamp::from_nanosecond(ticks * 100 + i128::from(counter) * 4).ok()
}

/// The time, in 100 ns ticks, and the counter.
fn parse(uuid: &str) -> Option<(u64, u64)> {
    let groups: Vec<&str> = uuid.split('-').collect();
    let lengths: Vec<usize> = groups.iter().map(|group| group.len()).collect();
    if lengths != [8, 4, 4, 4, 12]
        || !uuid
            .bytes()
            .all(|byte| byte == b'-' || byte.is_ascii_hexdigit())
    {
        return None;
    }
    let group = |index: usize| u64::from_str_radix(groups[index], 16).ok();
    let (low, middle, high, clock) = (group(0)?, group(1)?, group(2)?, group(3)?);
    if high >> 12 != 1 || clock >> 14 != 0b10 {
        return None;
    }
    Some((
        (high & 0xfff) << 48 | middle << 32 | low,
        (clock >> 10) & 0xf,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_starts_at_one_second_and_only_goes_forward() {
        let mut clock = DocumentClock::default();
        let times: Vec<_> = (0..20)
            .map(|_| published_at(&clock.next_uuid()).expect("version 1"))
            .collect();
        assert_eq!(times[0], "1970-01-01T00:00:01.000000004Z");
        assert_eq!(times[14], "1970-01-01T00:00:01.000000060Z");
        assert_eq!(times[15], "1970-01-01T00:00:01.000000100Z");
        assert!(times.is_sorted_by(|before, after| before < after));
    }

    #[test]
    fn uuids_carry_producer_version_and_variant() {
        let uuid = DocumentClock::default().next_uuid();
        assert!(uuid.ends_with("-071353030311"), "{uuid}");
        assert_eq!((&uuid[14..15], &uuid[19..20]), ("1", "8"));
    }

    #[test]
    fn stamps_objects_only() {
        let mut clock = DocumentClock::default();
        let mut document = serde_json::json!({"_meta": {"op": "c"}});
        assert!(clock.stamp(&mut document));
        assert_eq!(
            document
                .pointer(UUID_POINTER)
                .and_then(Value::as_str)
                .map(str::len),
            Some(36)
        );
        assert_eq!(document["_meta"]["op"], "c");
        assert!(!clock.stamp(&mut serde_json::json!([1])));
    }

    #[test]
    fn known_uuids() {
        let known = published_at("00000000-0000-11ee-8400-071353030311");
        assert_eq!(known.as_deref(), Some("2023-05-31T22:10:49.506406404Z"));
        for wrong in [
            "",
            "x",
            "00000000-0000-41ee-8400-071353030311",
            "00000000-0000-11ee-c400-071353030311",
        ] {
            assert_eq!(published_at(wrong), None, "{wrong}");
        }
    }
}
