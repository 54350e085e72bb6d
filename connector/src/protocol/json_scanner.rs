//! Finds where JSON values end (RFC 8259), in one pass and without a tree: what the hot path needs
//! to know of a line before it reads the values themselves.
//!
//! Takes exactly what `serde_json` takes as a raw value, which the fuzzers hold it to.

use std::ops::Range;

/// What a JSON value is, as far as it can be told where it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// `null`
    Null,
    /// `false`
    False,
    /// `true`
    True,
    /// A number without a fraction and an exponent.
    Integer,
    /// Any other number.
    Number,
    /// A string without escapes, so that its text stands between its quotes.
    PlainString,
    /// A string with escapes.
    EscapedString,
    /// An object or an array.
    Container,
}

/// Goes through JSON text, which is known to be UTF-8. Each step returns none where the text is not
/// JSON, and is of no more use then.
#[derive(Debug)]
pub(super) struct Scanner<'a> {
    text: &'a [u8],
    at: usize,
}

impl<'a> Scanner<'a> {
    /// Stands at `at`, and goes to the end of `text`.
    pub(super) fn new(text: &'a [u8], at: usize) -> Self {
        Self { text, at }
    }

    /// Where it stands, in bytes from the start of the text.
    pub(super) fn position(&self) -> usize {
        self.at
    }

    /// The text that it goes through.
    pub(super) fn text(&self) -> &'a [u8] {
        self.text
    }

    /// Whether nothing but white space is left.
    pub(super) fn is_at_end(&mut self) -> bool {
        self.next_token();
        self.at == self.text.len()
    }

    /// Takes `token`, which is punctuation, and the white space before it.
    #[inline]
    pub(super) fn take(&mut self, token: u8) -> Option<()> {
        self.take_if(token).then_some(())
    }

    /// Takes `token` and the white space before it, if it is there.
    #[inline]
    pub(super) fn take_if(&mut self, token: u8) -> bool {
        let is_there = self.next_token() == Some(token);
        self.at += usize::from(is_there);
        is_there
    }

    /// Takes a value and the white space before it: what it is, and where.
    #[inline]
    pub(super) fn value(&mut self) -> Option<(Kind, Range<usize>)> {
        let first = self.next_token()?;
        let start = self.at;
        let kind = match first {
            b'{' | b'[' => self.container()?,
            scalar => self.scalar(scalar)?,
        };
        Some((kind, start..self.at))
    }

    /// Takes a value that is no object or array, and begins here with `first`.
    #[inline]
    fn scalar(&mut self, first: u8) -> Option<Kind> {
        match first {
            b'"' => self.string(),
            b'n' => self.literal(b"null", Kind::Null),
            b't' => self.literal(b"true", Kind::True),
            b'f' => self.literal(b"false", Kind::False),
            _ => self.number(),
        }
    }

    /// The first byte that is not white space, which is passed over.
    #[inline]
    fn next_token(&mut self) -> Option<u8> {
        loop {
            let byte = *self.text.get(self.at)?;
            if !matches!(byte, b' ' | b'\t' | b'\n' | b'\r') {
                return Some(byte);
            }
            self.at += 1;
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn literal(&mut self, literal: &[u8], kind: Kind) -> Option<Kind> {
        let is_there = self.text.get(self.at..)?.starts_with(literal);
        self.at += literal.len();
        is_there.then_some(kind)
    }

    /// Takes a string that begins here.
    #[inline]
    fn string(&mut self) -> Option<Kind> {
        self.at += 1;
        let mut kind = Kind::PlainString;
        loop {
            self.at += plain_length(self.text.get(self.at..)?);
            match self.peek()? {
                b'"' => {
                    self.at += 1;
                    return Some(kind);
                }
                b'\\' => self.escape()?,
                // A control character must be escaped.
                _ => return None,
            }
            kind = Kind::EscapedString;
        }
    }

    #[cold]
    fn escape(&mut self) -> Option<()> {
        let escape = self.text.get(self.at + 1)?;
        self.at += 2;
        match escape {
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Some(()),
            b'u' => {
                let digits = self.text.get(self.at..self.at + 4)?;
                self.at += 4;
                digits.iter().all(u8::is_ascii_hexdigit).then_some(())
            }
            _ => None,
        }
    }

    #[inline]
    fn number(&mut self) -> Option<Kind> {
        self.skip(b"-");
        let is_zero = self.peek() == Some(b'0');
        let digits = self.digits()?;
        if is_zero && digits > 1 {
            return None;
        }
        let mut kind = Kind::Integer;
        if self.skip(b".") {
            self.digits()?;
            kind = Kind::Number;
        }
        if self.skip(b"eE") {
            self.skip(b"+-");
            self.digits()?;
            kind = Kind::Number;
        }
        Some(kind)
    }

    /// Takes one of `bytes`, if it is there.
    #[inline]
    fn skip(&mut self, bytes: &[u8]) -> bool {
        let is_there = self.peek().is_some_and(|byte| bytes.contains(&byte));
        self.at += usize::from(is_there);
        is_there
    }

    /// Takes at least one digit, and says how many.
    #[inline]
    fn digits(&mut self) -> Option<usize> {
        let rest = self.text.get(self.at..)?;
        let count = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        self.at += count;
        (count > 0).then_some(count)
    }

    /// Takes an object or array that begins here, however deep it is.
    fn container(&mut self) -> Option<Kind> {
        let mut open = Open::default();
        loop {
            match self.next_token()? {
                bracket @ (b'{' | b'[') => {
                    self.at += 1;
                    open.push(bracket == b'{');
                    if !self.take_if(open.closing()) {
                        self.name(&open)?;
                        continue;
                    }
                    open.pop();
                }
                scalar => {
                    self.scalar(scalar)?;
                }
            }
            // A value has ended, and perhaps the containers around it.
            loop {
                if open.depth == 0 {
                    return Some(Kind::Container);
                }
                if self.take_if(b',') {
                    break;
                }
                self.take(open.closing())?;
                open.pop();
            }
            self.name(&open)?;
        }
    }

    /// Takes the name of a member and its colon, where the innermost container is an object.
    fn name(&mut self, open: &Open) -> Option<()> {
        if !open.is_object() {
            return Some(());
        }
        if self.next_token()? != b'"' {
            return None;
        }
        self.string()?;
        self.take(b':')
    }
}

/// The containers that have not ended yet: a bit for each, set for objects, the innermost one last.
#[derive(Debug, Default)]
struct Open {
    innermost: u64,
    depth: usize,
    /// What does not fit into one word; nothing, and so not allocated, up to a depth of 64.
    outer: Vec<u64>,
}

impl Open {
    fn push(&mut self, is_object: bool) {
        if self.depth > 0 && self.depth.is_multiple_of(64) {
            self.outer.push(self.innermost);
        }
        self.depth += 1;
        self.innermost = self.innermost << 1 | u64::from(is_object);
    }

    fn pop(&mut self) {
        self.depth -= 1;
        self.innermost >>= 1;
        if self.depth.is_multiple_of(64) {
            self.innermost = self.outer.pop().unwrap_or_default();
        }
    }

    fn is_object(&self) -> bool {
        self.innermost & 1 == 1
    }

    /// What ends the innermost one.
    fn closing(&self) -> u8 {
        if self.is_object() { b'}' } else { b']' }
    }
}

/// The bytes before the first one that does not stand for itself in a string: its end, an escape, a
/// control character.
#[inline]
fn plain_length(text: &[u8]) -> usize {
    let (words, rest) = text.as_chunks::<8>();
    for (index, word) in words.iter().enumerate() {
        let special = special_bytes(u64::from_le_bytes(*word));
        if special != 0 {
            return index * 8 + special.trailing_zeros() as usize / 8;
        }
    }
    let is_plain = |byte: &&u8| !matches!(byte, b'"' | b'\\' | ..0x20);
    words.len() * 8 + rest.iter().take_while(is_plain).count()
}

/// Sets the highest bit of each byte that is a quote, a backslash or a control character; perhaps
/// that of bytes above one, too, so only the lowest bit that is set says something.
#[inline]
fn special_bytes(word: u64) -> u64 {
    const ONES: u64 = u64::MAX / 255;
    const HIGHEST: u64 = ONES << 7;
    let below = |word: u64, limit: u64| word.wrapping_sub(ONES * limit) & !word & HIGHEST;
    let equal = |byte: u8| below(word ^ (ONES * u64::from(byte)), 1);
    below(word, 0x20) | equal(b'"') | equal(b'\\')
}

#[cfg(test)]
mod tests {
    use serde_json::value::RawValue;

    use super::*;

    fn scan(text: &str) -> Option<(Kind, &str)> {
        let mut scanner = Scanner::new(text.as_bytes(), 0);
        let (kind, range) = scanner.value()?;
        scanner.is_at_end().then(|| (kind, &text[range]))
    }

    #[test]
    fn values_are_what_they_are() {
        for (text, kind) in [
            ("null", Kind::Null),
            ("true", Kind::True),
            ("false", Kind::False),
            ("0", Kind::Integer),
            ("-120", Kind::Integer),
            ("1.50", Kind::Number),
            ("1e400", Kind::Number),
            ("-0.0E-1", Kind::Number),
            ("\"\"", Kind::PlainString),
            ("\"eight or more, é and 😀\"", Kind::PlainString),
            (r#""a\u00e9\"b""#, Kind::EscapedString),
            ("[]", Kind::Container),
            (r#"{"a" : [ 1 , {"b":{}} ], "c":"}]"}"#, Kind::Container),
        ] {
            assert_eq!(scan(text), Some((kind, text)));
            assert_eq!(scan(&format!(" \t{text}\r\n")), Some((kind, text)));
        }
    }

    #[test]
    fn what_serde_json_refuses_is_none_and_the_other_way_round() {
        let long = "x".repeat(20);
        for text in [
            "",
            " ",
            "nul",
            "nulll",
            "True",
            "01",
            "-",
            "-01",
            "+1",
            "1.",
            ".5",
            "1e",
            "1e+",
            "0x1",
            "1_0",
            "NaN",
            "\"",
            "\"\u{1f}\"",
            "\"\t\"",
            r#""\""#,
            r#""\x""#,
            r#""\u12""#,
            r#""\u12g4""#,
            r#""\ud800""#,
            "[",
            "[1",
            "[1,",
            "[1,]",
            "[,1]",
            "[1 2]",
            "[1]]",
            "[1}",
            "{",
            "{1:2}",
            "{\"a\"}",
            "{\"a\":}",
            "{\"a\":1,}",
            "{\"a\" 1}",
            "{,}",
            "{\"a\":1]",
            "{\"a\":1 \"b\":2}",
            "[[[]]",
            "[\u{a0}]",
            "-0",
            "-0e0",
            "0e",
            "1E5",
            "[[],{}]",
            "{\"\":[{}]}",
            "\u{7f}",
            "\"\u{7f}\"",
            &format!("\"{long}\u{0}\""),
            &format!("\"{long}\\\\{long}\""),
            &format!("\"{long}"),
        ] {
            let expected = serde_json::from_str::<&RawValue>(text).ok();
            assert_eq!(
                scan(text).map(|(_, text)| text),
                expected.map(RawValue::get),
                "{text}"
            );
        }
    }

    #[test]
    fn containers_may_be_as_deep_as_they_are() {
        for depth in [1, 63, 64, 65, 127, 128, 129, 1000, 100_000] {
            let objects = [r#"{"a":"#.repeat(depth), "1".to_owned(), "}".repeat(depth)].concat();
            assert_eq!(scan(&objects), Some((Kind::Container, &objects[..])));
            let mixed = [
                r#"[{"a":"#.repeat(depth),
                "[]".to_owned(),
                "}]".repeat(depth),
            ]
            .concat();
            assert_eq!(scan(&mixed), Some((Kind::Container, &mixed[..])));
            assert_eq!(scan(&mixed[..mixed.len() - 1]), None);
            assert_eq!(scan(&mixed.replace("[]}", "[]]")), None);
        }
    }

    #[test]
    fn the_first_special_byte_is_found_wherever_it_is() {
        for special in [b'"', b'\\', 0, 0x1f] {
            for at in 0..40 {
                let mut text = vec![0x80; 40];
                text[..at].fill(b'!');
                text[at] = special;
                assert_eq!(plain_length(&text), at, "{special}");
            }
        }
        let others: Vec<u8> = (0x20..=0xff)
            .filter(|byte| !b"\"\\".contains(byte))
            .collect();
        assert_eq!(plain_length(&others), others.len());
    }
}
