//! Decimal numbers as strings of format `integer` and `number` may write them.
//!
//! Flow checks such strings with the crate bigdecimal, so its grammar decides: digits may be
//! missing on either side of the point, `_` may stand between digits, an exponent is an integer of
//! any length that keeps the scale within 64 bits. Even a sign behind a leading point is taken, as
//! bigdecimal takes it. `fuzz/src/formats.rs` holds this reader against that crate.

use super::NotAnInteger;

/// A decimal number: `whole` and `fraction` are its digits with `_` between them, to be divided by
/// 10^`scale`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Decimal<'a> {
    sign: Option<char>,
    whole: &'a str,
    fraction: &'a str,
    scale: i64,
}

impl<'a> Decimal<'a> {
    /// Reads the whole of `text`; none where Flow would not call it a number.
    pub(super) fn parse(text: &'a str) -> Option<Self> {
        let (mantissa, exponent) = match text.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, exponent.parse::<i128>().ok()?),
            None => (text, 0),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        // Whatever stands behind the point counts, a sign too.
        let places = fraction.bytes().filter(|&byte| byte != b'_').count() as i128;
        let scale = i64::try_from(places.checked_sub(exponent)?).ok()?;
        let (sign, whole, fraction) = if whole.is_empty() {
            let (sign, fraction) = split_sign(fraction);
            (sign, whole, fraction)
        } else {
            let (sign, whole) = split_sign(whole);
            (sign, whole, fraction)
        };
        let mut characters = whole.bytes().chain(fraction.bytes());
        let begins = characters.next()?.is_ascii_digit();
        let goes_on = characters.all(|byte| byte.is_ascii_digit() || byte == b'_');
        (begins && goes_on).then_some(Self {
            sign,
            whole,
            fraction,
            scale,
        })
    }

    /// Tells text that is a code rather than a number: a zero before other digits, or a plus sign.
    pub(super) fn is_code(&self) -> bool {
        let mut whole = digits_of(self.whole);
        self.sign == Some('+') || (whole.next() == Some(b'0') && whole.next().is_some())
    }

    fn is_negative(&self) -> bool {
        self.sign == Some('-')
    }

    /// Computes the integer that it is, exactly.
    pub(super) fn to_integer(self) -> Result<i64, NotAnInteger> {
        let length = self.digits().count() as i128;
        // The digits before this place are the integer; those from it on are its fraction.
        let point = length - i128::from(self.scale);
        let mut integer = 0_i128;
        for (place, digit) in self.digits().enumerate() {
            let digit = i128::from(digit - b'0');
            if place as i128 >= point {
                if digit != 0 {
                    return Err(NotAnInteger::Fraction);
                }
            } else {
                integer = shift(integer)? + digit;
            }
        }
        let mut place = length;
        while integer != 0 && place < point {
            integer = shift(integer)?;
            place += 1;
        }
        let signed = if self.is_negative() {
            -integer
        } else {
            integer
        };
        i64::try_from(signed).map_err(|_| NotAnInteger::OutOfRange)
    }

    /// Writes the same number as Rust's own reader of doubles takes it.
    pub(super) fn plain_text(&self) -> String {
        let sign = if self.is_negative() { "-" } else { "" };
        let digits = self.digits().map(char::from).collect::<String>();
        format!("{sign}{digits}e{}", -i128::from(self.scale))
    }

    /// Whether two numbers are equal, whatever their zeros and exponents.
    pub(super) fn equals(&self, other: &Self) -> bool {
        match (self.magnitude(), other.magnitude()) {
            (None, None) => true,
            (Some(one), Some(another)) => {
                self.is_negative() == other.is_negative()
                    && one == another
                    && self.significant().eq(other.significant())
            }
            _ => false,
        }
    }

    /// The place of the first digit that is not zero, counted from the point; none of zero.
    fn magnitude(&self) -> Option<i128> {
        let digits = self.digits_from_the_first().count() as i128;
        (digits > 0).then(|| digits - i128::from(self.scale))
    }

    /// The digits from the first to the last that is not zero.
    fn significant(&self) -> impl Iterator<Item = u8> {
        let zeros_at_the_end = self.digits_backwards().take_while(|&digit| digit == b'0');
        let length = self.digits_from_the_first().count();
        let kept = length.saturating_sub(zeros_at_the_end.count());
        self.digits_from_the_first().take(kept)
    }

    /// The digits from the first that is not zero.
    pub(super) fn digits_from_the_first(&self) -> impl Iterator<Item = u8> {
        self.digits().skip_while(|&digit| digit == b'0')
    }

    fn digits(&self) -> impl Iterator<Item = u8> {
        digits_of(self.whole).chain(digits_of(self.fraction))
    }

    fn digits_backwards(&self) -> impl Iterator<Item = u8> {
        let bytes = self.whole.bytes().chain(self.fraction.bytes()).rev();
        bytes.filter(|&byte| byte != b'_')
    }
}

fn digits_of(text: &str) -> impl Iterator<Item = u8> {
    text.bytes().filter(|&byte| byte != b'_')
}

fn split_sign(text: &str) -> (Option<char>, &str) {
    match text.strip_prefix(['-', '+']) {
        Some(rest) => (text.chars().next(), rest),
        None => (None, text),
    }
}

/// Ten times an integer that is still within reach of 64 bits.
fn shift(integer: i128) -> Result<i128, NotAnInteger> {
    if integer > i128::from(u64::MAX) {
        Err(NotAnInteger::OutOfRange)
    } else {
        Ok(integer * 10)
    }
}

#[cfg(test)]
mod tests {
    use bigdecimal::BigDecimal;

    use super::*;

    fn equal(one: &str, other: &str) -> bool {
        let parse = |text| Decimal::parse(text).unwrap();
        parse(one).equals(&parse(other))
    }

    #[test]
    fn the_grammar_is_that_of_big_decimals() {
        for text in [
            "0",
            "-0",
            ".15",
            "5.",
            "+.5",
            ".5e1",
            "1.e5",
            "1e+5",
            "1E-05",
            "1_000",
            "1__0",
            "1_",
            "1_.5",
            "1._5",
            "1.5_",
            "5._",
            ".-5",
            ".+5",
            "007",
            "1e9223372036854775807",
            "1e9223372036854775808",
        ] {
            assert!(Decimal::parse(text).is_some(), "{text}");
        }
        for text in [
            "",
            "-",
            "+",
            ".",
            "-.",
            "_",
            "_1",
            "-_5",
            "._5",
            "+._5",
            "e5",
            ".e5",
            "1e",
            "1e-",
            "1e1_0",
            "1e1e1",
            "--5",
            "+-5",
            "-+5",
            "-.-5",
            "1.2.3",
            "1.+5",
            " 1",
            "1 ",
            "0x10",
            "inf",
            "NaN",
            "٣",
            "1e-9223372036854775808",
            "1e99999999999999999999",
        ] {
            assert!(Decimal::parse(text).is_none(), "{text}");
        }
    }

    #[test]
    fn every_text_of_up_to_six_characters_is_what_bigdecimal_takes_it_for() {
        every_text(&mut String::new(), 6);
    }

    /// Checks `text`, and what it becomes with up to `more` characters that the grammar knows, or
    /// of one that it does not.
    fn every_text(text: &mut String, more: usize) {
        agrees_with_bigdecimal(text);
        if more > 0 {
            for next in "015._-+e ".chars() {
                text.push(next);
                every_text(text, more - 1);
                text.pop();
            }
        }
    }

    fn agrees_with_bigdecimal(text: &str) {
        let theirs = text.parse::<BigDecimal>().ok();
        let ours = Decimal::parse(text);
        assert_eq!(ours.is_some(), theirs.is_some(), "{text:?}");
        if let (Some(ours), Some(theirs)) = (ours, theirs) {
            let (digits, scale) = theirs.as_bigint_and_exponent();
            assert_eq!(
                ours.plain_text().parse::<BigDecimal>(),
                Ok(theirs),
                "{text:?}"
            );
            assert_eq!(ours.scale, scale, "{text:?}");
            assert_eq!(ours.magnitude().is_none(), digits == 0.into(), "{text:?}");
        }
    }

    #[test]
    fn a_code_has_a_plus_sign_or_a_zero_before_other_digits() {
        for (text, expected) in [
            ("00501", true),
            ("-07", true),
            ("00", true),
            ("0_1", true),
            ("+5", true),
            (".+5", true),
            ("0", false),
            ("-0", false),
            ("0.05", false),
            (".05", false),
            ("1e+5", false),
            ("100", false),
        ] {
            assert_eq!(Decimal::parse(text).unwrap().is_code(), expected, "{text}");
        }
    }

    #[test]
    fn numbers_are_equal_whatever_their_zeros_and_exponents() {
        for (one, other) in [
            ("19.90", "1.99e1"),
            ("5.00", "5"),
            ("1e3", "1000"),
            ("-0", "0e7"),
            ("00.10", "1e-1"),
            ("1_0", "10"),
            ("100", "1.e2"),
        ] {
            assert!(equal(one, other), "{one} {other}");
        }
        for (one, other) in [
            ("1", "-1"),
            ("1", "10"),
            ("1.01", "1.1"),
            ("0", "1e-400"),
            ("12", "1"),
        ] {
            assert!(!equal(one, other), "{one} {other}");
            assert!(!equal(other, one), "{one} {other}");
        }
    }

    #[test]
    fn the_plain_text_is_what_rust_reads() {
        for (text, expected) in [
            ("1_000", 1000.0),
            (".-5", -0.05),
            ("5.", 5.0),
            ("-.5e1", -5.0),
        ] {
            let plain = Decimal::parse(text).unwrap().plain_text();
            assert_eq!(plain.parse(), Ok(expected), "{text}");
        }
    }
}
