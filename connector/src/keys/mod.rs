//! The keys of what the connector puts into a bucket.
//!
//! ```text
//! <prefix>/v<backfill>/<dated folders>/<keyBegin>-<counter>-<writer>-<token>.parquet   a file
//! <place>/_staged/<keyBegin>-<counter>-<writer>-<token>.parquet.staged               a staged object
//! <place>/_staged/<keyBegin>-<writer>.receipt                                        a receipt
//! ```
//!
//! The counter is there to sort by, and the token makes every key new, so that no file ever
//! overwrites another. The clean-up alone reads meaning out of a key: the [`Author`] that its last
//! segment names, and only where the whole segment is one that this connector writes.

mod path_prefix;

use std::fmt;

use jiff::Timestamp;

pub use path_prefix::{PathPrefix, StagingPrefix, check_path_prefix, check_staging_prefix};

/// The folder of what is not part of any table. Spark, Hive, Athena and Trino skip folders whose
/// name begins with `_`.
pub const STAGING_FOLDER: &str = "_staged";

/// The end of a staged object's key, which no pattern of `*.parquet` matches.
const STAGED: &str = ".staged";

/// The bytes of a file's name.
const NAME_BYTES: usize = "00000000-000000000001-00000000-0000000000000000.parquet".len();

/// The bytes that a file's key has more than its binding's prefix.
pub const KEY_BYTES: usize = "/v0000000001/".len() + NAME_BYTES;

/// The bytes that a staged object's key has more than its staging place.
pub const STAGED_KEY_BYTES: usize = "/_staged/".len() + NAME_BYTES + STAGED.len();

/// The end of a receipt's key.
const RECEIPT: &str = ".receipt";

/// The session that wrote something: the beginning of its shard's key range, and its writer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Author {
    /// The beginning of the shard's key range.
    pub key_begin: u32,
    /// A random number, drawn anew by every session.
    pub writer: u32,
}

impl Author {
    /// Names the author of the file, staged object or receipt under `key`; `None` where its last
    /// segment is not, to the letter, one that this connector writes.
    pub fn of(key: &str) -> Option<Self> {
        let name = key.rsplit('/').next()?;
        let staged = name.strip_suffix(STAGED).unwrap_or(name);
        FileName::parse(staged)
            .map(|file| file.author)
            .or_else(|| Self::of_receipt(name))
    }

    fn of_receipt(name: &str) -> Option<Self> {
        let (key_begin, writer) = name.strip_suffix(RECEIPT)?.split_once('-')?;
        let author = Self {
            key_begin: u32::from_str_radix(key_begin, 16).ok()?,
            writer: u32::from_str_radix(writer, 16).ok()?,
        };
        (author.receipt_name() == name).then_some(author)
    }

    fn receipt_name(self) -> String {
        let Self { key_begin, writer } = self;
        format!("{key_begin:08x}-{writer:08x}{RECEIPT}")
    }

    /// The key of this session's receipt at a staging place.
    pub fn receipt_key(self, place: &str) -> String {
        in_staging_folder(place, &self.receipt_name())
    }
}

/// The name of a file: the last segment of its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileName {
    /// The session that writes it.
    pub author: Author,
    /// How many files this binding and shard began before this one.
    pub counter: u64,
    /// A random number, new for every file.
    pub token: u64,
}

impl FileName {
    /// The whole key of a file of a binding, whose transaction began at `began_at`.
    pub fn key(&self, prefix: &PathPrefix, backfill: u32, began_at: Timestamp) -> String {
        let dated = prefix.render_patterns(began_at);
        let segments = [
            prefix.before_patterns(),
            &version_name(backfill),
            &dated,
            &self.to_string(),
        ];
        let segments = segments.into_iter().filter(|segment| !segment.is_empty());
        segments.collect::<Vec<_>>().join("/")
    }

    /// The key under which the file is staged at a staging place.
    pub fn staged_key(&self, place: &str) -> String {
        in_staging_folder(place, &format!("{self}{STAGED}"))
    }

    /// Reads a name back. `None` for every name that this connector would not write, to the letter.
    pub fn parse(name: &str) -> Option<Self> {
        let mut parts = name.strip_suffix(".parquet")?.split('-');
        let key_begin = u32::from_str_radix(parts.next()?, 16).ok()?;
        let counter = parts.next()?.parse().ok()?;
        let writer = u32::from_str_radix(parts.next()?, 16).ok()?;
        let token = u64::from_str_radix(parts.next()?, 16).ok()?;
        let parsed = Self {
            author: Author { key_begin, writer },
            counter,
            token,
        };
        // Upper case, plus signs, missing zeros and further parts all come out here.
        (parsed.to_string() == name).then_some(parsed)
    }
}

/// The folder of a version: of all files of a binding that belong to one backfill.
pub fn version_folder(prefix: &PathPrefix, backfill: u32) -> String {
    let version = version_name(backfill);
    match prefix.before_patterns() {
        "" => version,
        folders => format!("{folders}/{version}"),
    }
}

fn version_name(backfill: u32) -> String {
    format!("v{backfill:010}")
}

/// The token in the key of a file or of its staged object, 16 hex digits.
pub fn token_of(key: &str) -> Option<String> {
    let name = key.rsplit('/').next()?;
    let file = FileName::parse(name.strip_suffix(STAGED).unwrap_or(name))?;
    Some(format!("{:016x}", file.token))
}

impl fmt::Display for FileName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            author: Author { key_begin, writer },
            counter,
            token,
        } = self;
        write!(
            formatter,
            "{key_begin:08x}-{counter:012}-{writer:08x}-{token:016x}.parquet"
        )
    }
}

/// Whether a key is that of a receipt.
pub fn is_receipt(key: &str) -> bool {
    key.ends_with(RECEIPT)
}

/// A key in the staging folder of a place; an empty place is the bucket itself.
pub fn in_staging_folder(place: &str, name: &str) -> String {
    format!("{}{name}", staging_folder(place))
}

/// The prefix of everything that is staged at a place.
pub fn staging_folder(place: &str) -> String {
    if place.is_empty() {
        format!("{STAGING_FOLDER}/")
    } else {
        format!("{place}/{STAGING_FOLDER}/")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOME: FileName = FileName {
        author: Author {
            key_begin: 0x8000_0000,
            writer: 0xbf9c_f968,
        },
        counter: 42,
        token: 0x0123_4567_89ab_cdef,
    };
    const LEAST: FileName = FileName {
        author: Author {
            key_begin: 0,
            writer: 0,
        },
        counter: 0,
        token: 0,
    };
    const GREATEST: FileName = FileName {
        author: Author {
            key_begin: u32::MAX,
            writer: u32::MAX,
        },
        counter: 999_999_999_999,
        token: u64::MAX,
    };
    const NAME: &str = "80000000-000000000042-bf9cf968-0123456789abcdef.parquet";

    fn key(prefix: &str) -> String {
        let prefix: PathPrefix = prefix.parse().unwrap();
        SOME.key(&prefix, 3, "2026-03-04T05:06:07Z".parse().unwrap())
    }

    #[test]
    fn dated_folders_stand_below_the_version_so_that_one_version_is_one_folder() {
        assert_eq!(key("a/b"), format!("a/b/v0000000003/{NAME}"));
        assert_eq!(
            key("a/%Y/x/day=%d"),
            format!("a/v0000000003/2026/x/day=04/{NAME}")
        );
        assert_eq!(key("%Y"), format!("v0000000003/2026/{NAME}"));
    }

    #[test]
    fn staged_objects_and_receipts_stand_in_a_folder_of_their_own() {
        assert_eq!(SOME.staged_key("a/b"), format!("a/b/_staged/{NAME}.staged"));
        assert_eq!(SOME.staged_key(""), format!("_staged/{NAME}.staged"));
        assert_eq!(
            SOME.author.receipt_key("a"),
            "a/_staged/80000000-bf9cf968.receipt"
        );
    }

    #[test]
    fn every_key_adds_the_same_length_to_its_prefix() {
        let prefix: PathPrefix = "a".parse().unwrap();
        for name in [SOME, LEAST, GREATEST] {
            let key = name.key(&prefix, u32::MAX, Timestamp::UNIX_EPOCH);
            assert_eq!(key.len(), "a".len() + KEY_BYTES, "{key}");
            let staged = name.staged_key("a");
            assert_eq!(staged.len(), "a".len() + STAGED_KEY_BYTES, "{staged}");
        }
    }

    #[test]
    fn names_parse_back() {
        for name in [SOME, LEAST, GREATEST] {
            assert_eq!(FileName::parse(&name.to_string()), Some(name));
        }
    }

    #[test]
    fn the_author_of_every_kind_of_key_is_known() {
        for name in [SOME, LEAST, GREATEST] {
            let author = Some(name.author);
            assert_eq!(Author::of(&format!("a/v0000000003/{name}")), author);
            assert_eq!(Author::of(&name.to_string()), author);
            assert_eq!(Author::of(&name.staged_key("a")), author);
            assert_eq!(Author::of(&name.author.receipt_key("a")), author);
        }
    }

    #[test]
    fn what_is_not_ours_to_the_letter_has_no_author() {
        let receipt = "80000000-bf9cf968.receipt";
        let wrong = [
            NAME.replace("bf9cf968", "BF9CF968"),
            NAME.replace("bf9cf968", "+f9cf968"),
            NAME.replace("80000000", "8000000"),
            NAME.replace("000000000042", "0000000000042"),
            NAME.replace("-0123456789abcdef", ""),
            NAME.replace(".parquet", "-00.parquet"),
            NAME.replace(".parquet", ".csv"),
            format!("{NAME}x"),
            format!("{NAME}.bak"),
            format!("{NAME}.staged.staged"),
            format!("x{NAME}"),
            format!("{NAME}/x"),
            receipt.replace("80000000", "8000000"),
            receipt.replace("bf9cf968", "BF9CF968"),
            receipt.replace('-', "-00000000-"),
            format!("{receipt}.staged"),
            format!("{receipt}x"),
        ];
        for name in wrong {
            assert_eq!(Author::of(&format!("a/{name}")), None, "{name}");
        }
    }

    #[test]
    fn the_token_of_a_file_and_of_its_staged_object_is_known() {
        let token = Some("0123456789abcdef".to_owned());
        assert_eq!(token_of(&format!("a/{NAME}")), token);
        assert_eq!(token_of(&SOME.staged_key("a")), token);
        assert_eq!(token_of("a/0.check"), None);
    }

    #[test]
    fn counters_sort_as_text() {
        let later = FileName {
            counter: 100,
            ..SOME
        };
        assert!(SOME.to_string() < later.to_string());
    }
}
