//! `/pathPrefix`: the part of a binding's keys that the user chooses.

use std::fmt::Write as _;
use std::str::FromStr;

use jiff::Timestamp;
use serde::Deserialize;

use crate::error::{Error, Result};
use crate::keys::FileKey;

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
    /// The prefix as the user wrote it, without a slash at either end: the one component of the binding's resource path.
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

    /// What all keys of the binding begin with, whatever the date: the part before the first date pattern.
    pub fn literal(&self) -> &str {
        match self.pieces.first() {
            Some(Piece::Literal(text)) => text,
            _ => "",
        }
    }

    /// What follows this prefix in `key`, from the slash on, if `key` begins with it rendered at any date.
    pub fn strip<'a>(&self, key: &'a str) -> Option<&'a str> {
        self.pieces.iter().try_fold(key, |rest, piece| match piece {
            Piece::Literal(text) => rest.strip_prefix(text.as_str()),
            Piece::Date { digits, .. } => {
                let (date, rest) = rest.split_at_checked(*digits)?;
                date.bytes()
                    .all(|byte| byte.is_ascii_digit())
                    .then_some(rest)
            }
        })
    }

    fn parse(text: &str) -> Result<Self, String> {
        let normalised = normalise(text)?;
        let pieces = pieces(normalised)?;
        let bytes: usize = pieces.iter().map(Piece::rendered_bytes).sum();
        let most = MAX_KEY_BYTES - FileKey::BYTES;
        if bytes > most {
            return Err(format!(
                "is {bytes} bytes long, at most {most} fit: a key has at most {MAX_KEY_BYTES} in S3"
            ));
        }
        Ok(Self {
            normalised: normalised.into(),
            pieces,
        })
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

/// What is wrong with a prefix and its right form; it follows the name of the property.
pub(super) fn check(text: &str) -> Result<(), String> {
    PathPrefix::parse(text).map(drop)
}

fn normalise(text: &str) -> Result<&str, String> {
    if let Some((_, bucket_and_prefix)) = text.split_once("://") {
        let bare = bucket_and_prefix
            .split_once('/')
            .map_or("", |(_, prefix)| prefix);
        return Err(format!(
            "is a URL, expected only the prefix, such as `{}`: the bucket is in the endpoint configuration",
            suggestion(bare)
        ));
    }
    if let Some(control) = text.chars().find(|character| character.is_control()) {
        let code = u32::from(control);
        return Err(format!(
            "holds the control character U+{code:04X}, which many tools cannot read in a key: remove it"
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
        "holds `%{letter}`, which is no date pattern: there are `%Y`, `%m`, `%d`, `%H`, `%M`, `%S`, and `%%` for a percent sign"
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
    fn the_literal_part_ends_before_the_first_date() {
        let cases = [
            ("a/b", "a/b"),
            ("a/%Y/b", "a/"),
            ("%Y/b", ""),
            ("100%%/%d", "100%/"),
            ("%%Y", "%Y"),
        ];
        for (text, literal) in cases {
            assert_eq!(prefix(text).literal(), literal, "{text}");
        }
    }

    #[test]
    fn strip_undoes_render_at_any_date() {
        for text in ["a/b", "a/%Y/%m", "%Y%m%d%H%M%S", "%%Y/%Y", "größe/%d"] {
            let prefix = prefix(text);
            for date in [
                "0001-01-01T00:00:00Z",
                "2026-12-31T23:59:59Z",
                "9999-12-30T00:00:00Z",
            ] {
                let key = prefix.render(at(date)) + "/rest";
                assert_eq!(prefix.strip(&key), Some("/rest"), "{key}");
            }
        }
    }

    #[test]
    fn strip_refuses_other_keys() {
        let prefix = prefix("a/%Y/b");
        for other in [
            "",
            "a/",
            "a/202",
            "a/20xx/b",
            "a/2026",
            "b/2026/b",
            "a/202ö/b",
        ] {
            assert_eq!(prefix.strip(other), None, "{other}");
        }
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
    fn the_longest_key_just_fits() {
        let longest = "x".repeat(MAX_KEY_BYTES - FileKey::BYTES);
        assert_eq!(prefix(&longest).normalised(), longest);
        assert!(problem(&format!("{longest}x")).contains("957 bytes long, at most 956 fit"));
        // What counts is the length in UTF-8, and after dates are put in.
        assert!(problem(&"ö".repeat(479)).contains("958 bytes"));
        assert!(problem(&format!("{}%Y", &longest[2..])).contains("958 bytes"));
    }
}
