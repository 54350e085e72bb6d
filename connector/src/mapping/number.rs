//! Numbers: integers exact to the last digit, doubles the nearest there is.

/// Why a number is not a 64-bit integer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NotAnInteger {
    /// The text is not a number.
    NotANumber,
    /// It has a fraction that is not zero.
    Fraction,
    /// It lies outside of -2^63 … 2^63 - 1.
    OutOfRange,
}

/// The integer that a decimal number is, exactly: `1.0` and `1e0` are 1, `1.9` is none.
pub(super) fn integer_of_text(text: &str) -> Result<i64, NotAnInteger> {
    if let Ok(integer) = text.parse() {
        return Ok(integer);
    }
    let decimal = Decimal::parse(text).ok_or(NotAnInteger::NotANumber)?;
    decimal.to_integer()
}

/// The integer that a JSON number is. With a fraction or an exponent it stands for the double nearest to it: that is how the
/// runtime holds it, and how it sends it by the other codec.
pub(super) fn integer_of_number(text: &str) -> Result<i64, NotAnInteger> {
    if !text.contains(['.', 'e', 'E']) {
        return integer_of_text(text);
    }
    match double_of_text(text) {
        Some(double) => integer_of_double(double),
        None => Err(NotAnInteger::OutOfRange),
    }
}

/// The integer that a double is, exactly.
pub(super) fn integer_of_double(double: f64) -> Result<i64, NotAnInteger> {
    // -2^63 is a double and 2^63 the first one beyond.
    const LIMIT: f64 = 9_223_372_036_854_775_808.0;
    if double.fract() != 0.0 {
        Err(NotAnInteger::Fraction)
    } else if (-LIMIT..LIMIT).contains(&double) {
        Ok(double as i64)
    } else {
        Err(NotAnInteger::OutOfRange)
    }
}

/// The double nearest to a decimal number; none where the text is not a number or no double is near.
pub(super) fn double_of_text(text: &str) -> Option<f64> {
    Decimal::parse(text)?;
    text.parse().ok().filter(|double: &f64| double.is_finite())
}

/// The double that a string of format `number` is: a decimal number, or one of the three that JSON has no number for.
pub(super) fn double_of_string(text: &str) -> Option<f64> {
    match text {
        "NaN" => Some(f64::NAN),
        "Infinity" => Some(f64::INFINITY),
        "-Infinity" => Some(f64::NEG_INFINITY),
        _ => double_of_text(text),
    }
}

/// A decimal number: `digits` × 10^`exponent`, with a sign.
struct Decimal<'a> {
    is_negative: bool,
    whole: &'a str,
    fraction: &'a str,
    exponent: i64,
}

impl<'a> Decimal<'a> {
    /// Reads sign, digits, fraction and exponent: JSON's numbers, and with them a leading `+` and leading zeros.
    fn parse(text: &'a str) -> Option<Self> {
        let (mantissa, exponent) = match text.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, parse_exponent(exponent)?),
            None => (text, 0),
        };
        let unsigned = mantissa.strip_prefix(['-', '+']).unwrap_or(mantissa);
        let (whole, fraction) = match unsigned.split_once('.') {
            Some((_, "")) => return None,
            Some(parts) => parts,
            None => (unsigned, ""),
        };
        let is_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        (!whole.is_empty() && is_digits(whole) && is_digits(fraction)).then_some(Self {
            is_negative: mantissa.starts_with('-'),
            whole,
            fraction,
            exponent,
        })
    }

    fn to_integer(&self) -> Result<i64, NotAnInteger> {
        let digits = || self.whole.bytes().chain(self.fraction.bytes());
        let length = (self.whole.len() + self.fraction.len()) as i64;
        // The digits before this place are the integer; those from it on are its fraction.
        let point = (self.whole.len() as i64).saturating_add(self.exponent);
        let mut integer = 0_i128;
        for (place, digit) in digits().enumerate() {
            let digit = i128::from(digit - b'0');
            if place as i64 >= point {
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
        let signed = if self.is_negative { -integer } else { integer };
        i64::try_from(signed).map_err(|_| NotAnInteger::OutOfRange)
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

fn parse_exponent(text: &str) -> Option<i64> {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let magnitude = digits.parse().unwrap_or(i64::from(i32::MAX));
    Some(if text.starts_with('-') {
        -magnitude
    } else {
        magnitude
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use NotAnInteger::{Fraction, NotANumber, OutOfRange};

    #[test]
    fn integers_are_exact_to_the_last_digit() {
        for (text, expected) in [
            ("0", Ok(0)),
            ("-0", Ok(0)),
            ("1.0", Ok(1)),
            ("1e3", Ok(1000)),
            ("1.5e1", Ok(15)),
            ("1200e-2", Ok(12)),
            ("0e999999999999", Ok(0)),
            ("007", Ok(7)),
            ("+7", Ok(7)),
            ("9007199254740993.0", Ok(9_007_199_254_740_993)),
            ("9223372036854775807.000", Ok(i64::MAX)),
            ("-9223372036854775808", Ok(i64::MIN)),
            ("9223372036854775808", Err(OutOfRange)),
            ("18446744073709551616", Err(OutOfRange)),
            ("1e400", Err(OutOfRange)),
            ("1.9", Err(Fraction)),
            ("1e-1", Err(Fraction)),
            ("1e-99999999999999999999", Err(Fraction)),
            ("", Err(NotANumber)),
            ("-", Err(NotANumber)),
            ("1.", Err(NotANumber)),
            (".5", Err(NotANumber)),
            ("1e", Err(NotANumber)),
            ("0x10", Err(NotANumber)),
            ("1_000", Err(NotANumber)),
            (" 1", Err(NotANumber)),
        ] {
            assert_eq!(integer_of_text(text), expected, "{text}");
        }
    }

    #[test]
    fn a_number_is_the_same_integer_as_the_double_that_the_other_codec_sends() {
        for (text, expected) in [
            ("9007199254740993", Ok(9_007_199_254_740_993)),
            ("1.0", Ok(1)),
            // As doubles are written: no more digits than tell them from their neighbours.
            ("1.2345678901234568e+18", Ok(1_234_567_890_123_456_768)),
            ("-9.223372036854776e+18", Ok(i64::MIN)),
            ("9.223372036854776e+18", Err(OutOfRange)),
            ("1e400", Err(OutOfRange)),
            ("1.9", Err(Fraction)),
        ] {
            assert_eq!(integer_of_number(text), expected, "{text}");
            if let (Ok(double), true) = (text.parse(), text.contains('.')) {
                assert_eq!(integer_of_double(double), expected, "{text}");
            }
        }
    }

    #[test]
    fn doubles_that_are_integers_convert_and_others_do_not() {
        for (double, expected) in [
            (1.0, Ok(1)),
            (-0.0, Ok(0)),
            (-9_223_372_036_854_775_808.0, Ok(i64::MIN)),
            (9_223_372_036_854_775_808.0, Err(OutOfRange)),
            (1.5, Err(Fraction)),
            (f64::NAN, Err(Fraction)),
            (f64::INFINITY, Err(Fraction)),
        ] {
            assert_eq!(integer_of_double(double), expected, "{double}");
        }
    }

    #[test]
    fn doubles_are_the_nearest_there_is() {
        assert_eq!(double_of_text("0.1"), Some(0.1));
        assert_eq!(double_of_text("1e400"), None);
        assert_eq!(double_of_text("inf"), None);
        assert_eq!(double_of_text("NaN"), None);
        assert!(double_of_string("NaN").is_some_and(f64::is_nan));
        assert_eq!(double_of_string("-Infinity"), Some(f64::NEG_INFINITY));
        assert_eq!(double_of_string("infinity"), None);
    }
}
