//! The keys of files: `<prefix>/v<backfill>/<keyBegin>-<counter>-<task>-<token>.parquet`.
//!
//! The counter is there to sort by, and the token makes every key new, so that no file ever overwrites another. Nothing reads
//! meaning out of a key but the clean-up of stale uploads, and that only if the whole key parses.

use std::fmt;

use crate::config::PathPrefix;

/// What a file's key says behind its prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileKey {
    /// The binding's backfill counter.
    pub backfill: u32,
    /// The begin of the shard's key range.
    pub key_begin: u32,
    /// How many files this binding and shard began before this one.
    pub counter: u64,
    /// The hash of the materialization's name: see [`task_hash`].
    pub task: u32,
    /// A random number, new for every upload.
    pub token: u64,
}

impl FileKey {
    /// The length in bytes of what this adds to a prefix, the slash between them included.
    pub const BYTES: usize =
        "/v0000000001/00000000-000000000001-00000000-0000000000000000.parquet".len();

    /// The whole key, under a prefix as [`PathPrefix::render`] gives it.
    pub fn under(&self, rendered_prefix: &str) -> String {
        format!("{rendered_prefix}/{self}")
    }

    /// Reads a whole key back. `None` for every key that [`FileKey::under`] would not have made of `prefix`, to the letter.
    pub fn parse(prefix: &PathPrefix, key: &str) -> Option<FileKey> {
        let text = prefix.strip(key)?.strip_prefix('/')?;
        let (backfill, name) = text.strip_prefix('v')?.split_once('/')?;
        let mut parts = name.strip_suffix(".parquet")?.split('-');
        let parsed = FileKey {
            backfill: backfill.parse().ok()?,
            key_begin: u32::from_str_radix(parts.next()?, 16).ok()?,
            counter: parts.next()?.parse().ok()?,
            task: u32::from_str_radix(parts.next()?, 16).ok()?,
            token: u64::from_str_radix(parts.next()?, 16).ok()?,
        };
        // Upper case, plus signs, missing zeros and further parts all come out here.
        (parsed.to_string() == text).then_some(parsed)
    }
}

/// The key behind the prefix and its slash.
impl fmt::Display for FileKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let FileKey {
            backfill,
            key_begin,
            counter,
            task,
            token,
        } = self;
        write!(
            formatter,
            "v{backfill:010}/{key_begin:08x}-{counter:012}-{task:08x}-{token:016x}.parquet"
        )
    }
}

/// A hash of the materialization's name that is the same for ever: FNV-1a with 32 bits.
pub fn task_hash(name: &str) -> u32 {
    const OFFSET_BASIS: u32 = 0x811c_9dc5;
    const PRIME: u32 = 0x0100_0193;
    name.bytes().fold(OFFSET_BASIS, |hash, byte| {
        (hash ^ u32::from(byte)).wrapping_mul(PRIME)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOME: FileKey = FileKey {
        backfill: 3,
        key_begin: 0x8000_0000,
        counter: 42,
        task: 0xbf9c_f968,
        token: 0x0123_4567_89ab_cdef,
    };
    const LEAST: FileKey = FileKey {
        backfill: 0,
        key_begin: 0,
        counter: 0,
        task: 0,
        token: 0,
    };
    const GREATEST: FileKey = FileKey {
        backfill: u32::MAX,
        key_begin: u32::MAX,
        counter: 999_999_999_999,
        task: u32::MAX,
        token: u64::MAX,
    };

    fn prefix(text: &str) -> PathPrefix {
        text.parse().unwrap()
    }

    #[test]
    fn a_key_is_made_of_prefix_backfill_and_numbers() {
        assert_eq!(
            SOME.under("a/b"),
            "a/b/v0000000003/80000000-000000000042-bf9cf968-0123456789abcdef.parquet"
        );
    }

    #[test]
    fn every_key_adds_the_same_length_to_its_prefix() {
        for key in [SOME, LEAST, GREATEST] {
            assert_eq!(key.under("").len(), FileKey::BYTES, "{key}");
        }
    }

    #[test]
    fn keys_parse_back_under_their_prefix() {
        for text in ["a", "a/b", "a/%Y/%m/%d", "100%%"] {
            let prefix = prefix(text);
            let rendered = prefix.render("2026-03-04T05:06:07Z".parse().unwrap());
            for key in [SOME, LEAST, GREATEST] {
                assert_eq!(
                    FileKey::parse(&prefix, &key.under(&rendered)),
                    Some(key),
                    "{text}"
                );
            }
        }
    }

    #[test]
    fn keys_that_are_not_ours_to_the_letter_do_not_parse() {
        let right = SOME.under("a");
        assert!(FileKey::parse(&prefix("a"), &right).is_some());
        let wrong = [
            right.replace("a/v", "b/v"),
            right.replace("a/v", "a/x/v"),
            right.replace("a/v", "av"),
            right.replace("/v", "/w"),
            right.replace("v0000000003", "v3"),
            right.replace("v0000000003", "v+000000003"),
            right.replace("v0000000003", "v9999999999"),
            right.replace("bf9cf968", "BF9CF968"),
            right.replace("bf9cf968", "+f9cf968"),
            right.replace("80000000", "8000000"),
            right.replace("000000000042", "0000000000042"),
            right.replace("-0123456789abcdef", ""),
            right.replace(".parquet", "-00.parquet"),
            right.replace(".parquet", ".csv"),
            format!("{right}x"),
            format!("x{right}"),
        ];
        for key in wrong {
            assert_eq!(FileKey::parse(&prefix("a"), &key), None, "{key}");
        }
    }

    #[test]
    fn counters_sort_as_text() {
        let later = FileKey {
            counter: 100,
            ..SOME
        };
        assert!(SOME.under("a") < later.under("a"));
    }

    #[test]
    fn the_task_hash_is_fnv_1a() {
        // The test vectors of FNV's authors.
        for (text, hash) in [
            ("", 0x811c_9dc5),
            ("a", 0xe40c_292c),
            ("foobar", 0xbf9c_f968),
        ] {
            assert_eq!(task_hash(text), hash, "{text}");
        }
    }
}
