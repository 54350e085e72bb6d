//! `/pathPrefix` and `/advanced/stagingPrefix`: the parts of keys that the user chooses.

use std::fmt::Write as _;
use std::str::FromStr;

use jiff::Timestamp;
use serde::Deserialize;

use super::{KEY_BYTES, STAGED_KEY_BYTES, STAGING_FOLDER};
use crate::error::{Error, Result};

/// The greatest length of a key in S3, in bytes of UTF-8.
const MAX_KEY_BYTES: usize = 1024;

/// The date patterns, in the words of strftime, and how many digits each becomes.
const DATE_PATTERNS: [(char, &str, usize); 6] = [
    ('Y', "%Y", 4),
    ('m', "%m", 2),
    ('d', "%d", 2),
    ('H', "%H", 2),
    ('M', "%M", 2),
    ('S', "%S", 2),
];

/// A bare key prefix, without a slash at either end, that may hold date patterns.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct PathPrefix {
    normalised: String,
    pieces: Vec<Piece>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Literal(String),
    Date {
        pattern: &'static str,
        digits: usize,
    },
}

impl PathPrefix {
    /// The prefix as the user wrote it, without a slash at either end: the one component of the
    /// binding's resource path.
    pub fn normalised(&self) -> &str {
        &self.normalised
    }

    /// The prefix of the keys of a transaction that began at `at`, in UTC.
    pub fn render(&self, at: Timestamp) -> String {
        let mut rendered = String::new();
        for piece in &self.pieces {
            match piece {
                Piece::Literal(text) => rendered.push_str(text),
                Piece::Date { pattern, .. } => {
                    write!(rendered, "{}", at.strftime(pattern))
                        .expect("writing to a string cannot fail");
                }
            }
        }
        rendered
    }

    /// The folders before the first one with a date pattern, which are the same at any date. Empty
    /// where the first one has a pattern.
    pub fn before_patterns(&self) -> &str {
        match self.pieces.as_slice() {
            [Piece::Literal(all)] => all,
            [Piece::Literal(text), ..] => text.rsplit_once('/').map_or("", |(folders, _)| folders),
            _ => "",
        }
    }

    /// The folders from the first one with a date pattern on, for a transaction that began at `at`,
    /// in UTC. Empty where none has a pattern.
    pub fn render_patterns(&self, at: Timestamp) -> String {
        let rendered = self.render(at);
        let rest = &rendered[self.before_patterns().len()..];
        rest.strip_prefix('/').unwrap_or(rest).to_owned()
    }

    /// The folder below which the binding's [`STAGING_FOLDER`] lies, without a slash at its end:
    /// the endpoint's `/advanced/stagingPrefix`, or else this prefix before its patterns. Where
    /// it is empty, keys begin with [`STAGING_FOLDER`].
    pub fn staging_place<'a>(&'a self, staging_prefix: Option<&'a StagingPrefix>) -> &'a str {
        staging_prefix.map_or(self.before_patterns(), StagingPrefix::as_str)
    }

    fn parse(text: &str) -> Result<Self, String> {
        let normalised = normalise(text)?;
        let pieces = pieces(normalised)?;
        let parsed = Self {
            normalised: normalised.into(),
            pieces,
        };
        if parsed.has_staging_folder() {
            return Err(format!(
                "holds the folder `{STAGING_FOLDER}`, which is kept for files that are not \
                 visible yet: give it another name"
            ));
        }
        let longest = parsed.longest_key_bytes();
        if longest > MAX_KEY_BYTES {
            return Err(format!(
                "is {} bytes too long: the longest key below it would have {longest}, and S3 \
                 takes {MAX_KEY_BYTES}",
                longest - MAX_KEY_BYTES
            ));
        }
        Ok(parsed)
    }

    fn has_staging_folder(&self) -> bool {
        // A percent sign may stand in the text twice, and no pattern becomes a letter.
        self.normalised
            .split('/')
            .any(|folder| folder == STAGING_FOLDER)
    }

    /// The length of the longest key that is made of this prefix, be it a file's own or that of its
    /// staged object.
    fn longest_key_bytes(&self) -> usize {
        let rendered: usize = self.pieces.iter().map(Piece::rendered_bytes).sum();
        let file = rendered + KEY_BYTES;
        let staged = self.before_patterns().len() + STAGED_KEY_BYTES;
        file.max(staged)
    }
}

/// A bare key prefix without date patterns and without a slash at either end, below which all
/// bindings stage.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct StagingPrefix(String);

impl StagingPrefix {
    /// The prefix as it stands in keys.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn parse(text: &str) -> Result<Self, String> {
        let prefix = PathPrefix::parse(text)?;
        match prefix.pieces.as_slice() {
            [Piece::Literal(all)] => Ok(Self(all.clone())),
            _ => Err(format!(
                "is `{text}`, but it may hold no date patterns: what is staged is moved away \
                 soon. `%%` is a percent sign"
            )),
        }
    }
}

/// Parses as the configuration does; a Config error names `/advanced/stagingPrefix` and the right
/// form.
impl FromStr for StagingPrefix {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::parse(text)
            .map_err(|problem| Error::config(format!("`/advanced/stagingPrefix` {problem}")))
    }
}

impl TryFrom<String> for StagingPrefix {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

/// Parses as the configuration does; a Config error names `/pathPrefix` and the right form.
impl FromStr for PathPrefix {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::parse(text).map_err(|problem| Error::config(format!("`/pathPrefix` {problem}")))
    }
}

impl TryFrom<String> for PathPrefix {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl Piece {
    fn rendered_bytes(&self) -> usize {
        match self {
            Piece::Literal(text) => text.len(),
            Piece::Date { digits, .. } => *digits,
        }
    }
}

/// Checks a prefix. An error says what is wrong and the right form; it follows the name of the
/// property.
pub fn check_path_prefix(text: &str) -> Result<(), String> {
    PathPrefix::parse(text).map(drop)
}

/// Checks a staging prefix. An error says what is wrong and the right form; it follows the name of
/// the property.
pub fn check_staging_prefix(text: &str) -> Result<(), String> {
    StagingPrefix::parse(text).map(drop)
}

fn normalise(text: &str) -> Result<&str, String> {
    if let Some((_, bucket_and_prefix)) = text.split_once("://") {
        let bare = bucket_and_prefix
            .split_once('/')
            .map_or("", |(_, prefix)| prefix);
        return Err(format!(
            "is a URL, expected only the prefix, such as `{}`: the bucket is in the endpoint \
             configuration",
            suggestion(bare)
        ));
    }
    if let Some(control) = text.chars().find(|character| character.is_control()) {
        let code = u32::from(control);
        return Err(format!(
            "holds the control character U+{code:04X}, which many tools cannot read in a key: \
             remove it"
        ));
    }
    let bare = text.strip_prefix('/').unwrap_or(text);
    let bare = bare.strip_suffix('/').unwrap_or(bare);
    match bare
        .split('/')
        .find(|segment| ["", ".", ".."].contains(segment))
    {
        _ if bare.is_empty() => Err(format!(
            "is `{text}`, expected a prefix such as `{}`",
            suggestion("")
        )),
        Some("") => Err(format!(
            "is `{text}`, which holds an empty segment, expected `{}`",
            suggestion(bare)
        )),
        Some(dots) => Err(format!(
            "is `{text}`, but `{dots}` means nothing in a key, expected a prefix such as `{}`",
            suggestion(bare)
        )),
        None => Ok(bare),
    }
}

/// The same prefix without the segments that cannot be.
fn suggestion(prefix: &str) -> String {
    let segments: Vec<&str> = prefix
        .split('/')
        .filter(|segment| !["", ".", ".."].contains(segment))
        .collect();
    if segments.is_empty() {
        "my/prefix".into()
    } else {
        segments.join("/")
    }
}

fn pieces(normalised: &str) -> Result<Vec<Piece>, String> {
    let mut pieces = Vec::new();
    let mut literal = String::new();
    let mut rest = normalised;
    while let Some((before, after)) = rest.split_once('%') {
        literal.push_str(before);
        rest = after;
        if let Some(after) = rest.strip_prefix('%') {
            literal.push('%');
            rest = after;
            continue;
        }
        if !literal.is_empty() {
            pieces.push(Piece::Literal(std::mem::take(&mut literal)));
        }
        pieces.push(date(rest.chars().next())?);
        rest = &rest[1..];
    }
    literal.push_str(rest);
    if !literal.is_empty() {
        pieces.push(Piece::Literal(literal));
    }
    Ok(pieces)
}

fn date(letter: Option<char>) -> Result<Piece, String> {
    if let Some(&(_, pattern, digits)) = DATE_PATTERNS
        .iter()
        .find(|(known, ..)| Some(*known) == letter)
    {
        return Ok(Piece::Date { pattern, digits });
    }
    let letter = letter.map_or(String::new(), String::from);
    Err(format!(
        "holds `%{letter}`, which is no date pattern: there are `%Y`, `%m`, `%d`, `%H`, `%M`, \
         `%S`, and `%%` for a percent sign"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prefix(text: &str) -> PathPrefix {
        text.parse().unwrap()
    }

    fn problem(text: &str) -> String {
        text.parse::<PathPrefix>().unwrap_err().to_string()
    }

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn one_slash_at_either_end_is_dropped() {
        for same in ["my-prefix", "/my-prefix", "my-prefix/", "/my-prefix/"] {
            assert_eq!(prefix(same).normalised(), "my-prefix");
            assert_eq!(prefix(same), prefix("my-prefix"));
        }
    }

    #[test]
    fn dates_are_rendered_in_utc() {
        let prefix = prefix("a b/größe/%Y-%m-%d/%H%M%S/100%%");
        assert_eq!(
            prefix.render(at("2026-03-04T23:06:07+01:00")),
            "a b/größe/2026-03-04/220607/100%"
        );
        assert_eq!(prefix.normalised(), "a b/größe/%Y-%m-%d/%H%M%S/100%%");
        assert_eq!(
            self::prefix("%Y").render(at("0099-01-01T00:00:00Z")),
            "0099"
        );
    }

    #[test]
    fn prefixes_that_cannot_be_are_refused_with_the_right_form() {
        let cases = [
            ("/", "such as `my/prefix`"),
            ("//", "such as `my/prefix`"),
            ("//a", "expected `a`"),
            ("a//b", "expected `a/b`"),
            ("a//", "expected `a`"),
            ("../a", "such as `a`"),
            ("a/./b", "such as `a/b`"),
            ("..", "such as `my/prefix`"),
            ("s3://bucket/a/b", "such as `a/b`"),
            ("s3://bucket", "such as `my/prefix`"),
            ("a\nb", "U+000A"),
            ("a/%q", "`%q`, which is no date pattern"),
            ("a/%ö", "`%ö`"),
            ("50%", "`%`"),
            ("50%/a", "`%/`"),
        ];
        for (text, reason) in cases {
            let message = problem(text);
            assert!(
                message.starts_with("`/pathPrefix` ") && message.contains(reason),
                "{text}: {message}"
            );
        }
        assert!(problem("").contains("such as"));
    }

    #[test]
    fn dots_within_a_segment_are_fine() {
        assert_eq!(prefix("a..b/.hidden/c.").normalised(), "a..b/.hidden/c.");
    }

    #[test]
    fn folders_before_the_first_pattern_are_apart_from_those_from_it_on() {
        let cases = [
            ("a/b", "a/b", ""),
            ("a/%Y/b", "a", "2026/b"),
            ("a/b/year=%Y/%m/c", "a/b", "year=2026/03/c"),
            ("%Y/b", "", "2026/b"),
            ("y%Y", "", "y2026"),
            ("100%%/%d", "100%", "04"),
            ("100%%/a", "100%/a", ""),
        ];
        for (text, before, rest) in cases {
            let prefix = prefix(text);
            assert_eq!(prefix.before_patterns(), before, "{text}");
            let rendered = prefix.render_patterns(at("2026-03-04T05:06:07Z"));
            assert_eq!(rendered, rest, "{text}");
        }
    }

    #[test]
    fn files_are_staged_at_the_staging_prefix_or_before_the_patterns() {
        let staging: StagingPrefix = "/tmp/100%%/".parse().unwrap();
        for (text, place) in [("a/b", "a/b"), ("a/%Y/b", "a"), ("%Y", "")] {
            let prefix = prefix(text);
            assert_eq!(prefix.staging_place(None), place, "{text}");
            assert_eq!(prefix.staging_place(Some(&staging)), "tmp/100%");
        }
    }

    #[test]
    fn the_staging_folder_is_no_part_of_a_prefix() {
        for text in ["_staged", "a/_staged", "_staged/a", "a/_staged/%Y"] {
            let message = problem(text);
            assert!(
                message.contains("folder `_staged`") && message.contains("another name"),
                "{text}: {message}"
            );
        }
        for text in ["a/_staged_", "a_staged/b", "a/_Staged"] {
            assert_eq!(prefix(text).normalised(), text);
        }
    }

    #[test]
    fn staging_prefixes_that_cannot_be_are_refused_with_the_right_form() {
        let cases = [
            ("tmp/%Y", "no date patterns"),
            ("%d", "no date patterns"),
            ("tmp/%q", "`%q`"),
            ("tmp/_staged", "folder `_staged`"),
            ("s3://bucket/tmp", "such as `tmp`"),
            ("a//b", "expected `a/b`"),
            ("/", "such as `my/prefix`"),
            (&"x".repeat(954), "1 bytes too long"),
        ];
        for (text, reason) in cases {
            let message = text.parse::<StagingPrefix>().unwrap_err().to_string();
            assert!(
                message.starts_with("`/advanced/stagingPrefix` ") && message.contains(reason),
                "{text}: {message}"
            );
        }
    }

    #[test]
    fn the_longest_key_just_fits() {
        // Without patterns the staged object has the longer key, and with long patterns the file.
        let staged = "0/_staged/00000000-000000000001-00000000-0000000000000000.parquet.staged";
        let longest = "x".repeat(MAX_KEY_BYTES - staged.len() + 1);
        assert_eq!(prefix(&longest).normalised(), longest);
        let message = problem(&format!("{longest}x"));
        assert!(message.contains("is 1 bytes too long"), "{message}");
        assert!(message.contains("would have 1025, and S3 takes 1024"));
        let dated = format!("{}/%Y", "x".repeat(MAX_KEY_BYTES - KEY_BYTES - 5));
        assert_eq!(prefix(&dated).normalised(), dated);
        // What counts is the length in UTF-8, and after dates are put in.
        assert!(problem(&format!("ö{}", &longest[1..])).contains("is 1 bytes too long"));
        assert!(problem(&format!("x{dated}")).contains("is 1 bytes too long"));
    }
}
