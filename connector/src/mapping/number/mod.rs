//! Numbers: integers exact to the last digit, doubles the nearest there is, and whether the number
//! is given back by them.

mod decimal;

use std::fmt::{self, Write as _};
use std::io::Write as _;

use self::decimal::Decimal;

/// Below 2^53 every integer is a double, and the nearest double to no other.
const EVERY_INTEGER: f64 = 9_007_199_254_740_992.0;

/// How the value of a column stands to the value of the document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fit {
    /// It gives the document's back.
    Exact,
    /// It is only the nearest one that the column has.
    Nearest,
}

impl Fit {
    pub(super) fn exact_if(is_exact: bool) -> Self {
        if is_exact { Self::Exact } else { Self::Nearest }
    }
}

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

/// Why a text is not a double.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NotADouble {
    /// The text is not a number.
    NotANumber,
    /// No double is near.
    OutOfRange,
}

/// Reads the integer that a string of format `integer` is: `1.0` and `1e0` are 1, `1.9` is none.
/// Text that is a code, such as `00501`, is not given back by it.
pub(super) fn integer_of_string(text: &str) -> Result<(i64, Fit), NotAnInteger> {
    let decimal = Decimal::parse(text).ok_or(NotAnInteger::NotANumber)?;
    Ok((decimal.to_integer()?, Fit::exact_if(!decimal.is_code())))
}

/// Reads the integer that a JSON number is. With a fraction or an exponent it stands for the double
/// nearest to it: that is how the runtime holds it, and how it sends it by the other codec.
pub(super) fn integer_of_number(text: &str) -> Result<i64, NotAnInteger> {
    if is_integer_text(text) {
        return text.parse().map_err(|_| NotAnInteger::OutOfRange);
    }
    match finite(text) {
        Some(double) => integer_of_double(double),
        None => Err(NotAnInteger::OutOfRange),
    }
}

/// Takes a double for the integer that it is, exactly.
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

/// Finds the double nearest to an integer with a sign.
pub(super) fn double_of_integer(integer: i64) -> (f64, Fit) {
    let double = integer as f64;
    let is_exact = double.abs() < EVERY_INTEGER || double as i128 == i128::from(integer);
    (double, Fit::exact_if(is_exact))
}

/// Finds the double nearest to an integer without a sign.
pub(super) fn double_of_unsigned(integer: u64) -> (f64, Fit) {
    let double = integer as f64;
    let is_exact = double < EVERY_INTEGER || double as i128 == i128::from(integer);
    (double, Fit::exact_if(is_exact))
}

/// Finds the double nearest to a JSON number; none where no double is near.
pub(super) fn double_of_number(text: &str) -> Option<(f64, Fit)> {
    let double = finite(text)?;
    let gives_back = Decimal::parse(text).is_some_and(|decimal| gives_back(double, text, &decimal));
    Some((double, Fit::exact_if(gives_back)))
}

/// Finds the double that a string of format `number` is: the nearest to a decimal number, or one of
/// the three that JSON has no number for. Text that is a code, such as `00.5`, is not given back by
/// it.
pub(super) fn double_of_string(text: &str) -> Result<(f64, Fit), NotADouble> {
    match text {
        "NaN" => return Ok((f64::NAN, Fit::Exact)),
        "Infinity" => return Ok((f64::INFINITY, Fit::Exact)),
        "-Infinity" => return Ok((f64::NEG_INFINITY, Fit::Exact)),
        _ => {}
    }
    let decimal = Decimal::parse(text).ok_or(NotADouble::NotANumber)?;
    let double = match text.parse::<f64>() {
        Ok(double) => Some(double).filter(|double| double.is_finite()),
        // What big decimals have and Rust has not: `_` between digits.
        Err(_) => finite(&decimal.plain_text()),
    };
    let double = double.ok_or(NotADouble::OutOfRange)?;
    let is_exact = !decimal.is_code() && gives_back(double, text, &decimal);
    Ok((double, Fit::exact_if(is_exact)))
}

fn finite(text: &str) -> Option<f64> {
    text.parse().ok().filter(|double: &f64| double.is_finite())
}

/// Whether a number is written with neither a fraction nor an exponent.
fn is_integer_text(text: &str) -> bool {
    !text.contains(['.', 'e', 'E'])
}

/// Whether a number is what its nearest double says: an integer where the double equals it, any
/// other number where it is that of the double's shortest text, which is what readers show.
fn gives_back(double: f64, text: &str, decimal: &Decimal<'_>) -> bool {
    if is_integer_text(text) {
        equals_integer(double, decimal)
    } else {
        equals_shortest_text(double, decimal)
    }
}

fn equals_integer(double: f64, decimal: &Decimal<'_>) -> bool {
    if double.abs() < EVERY_INTEGER {
        return true;
    }
    let mut expected = Expected {
        digits: decimal.digits_from_the_first(),
    };
    write!(expected, "{:.0}", double.abs()).is_ok() && expected.digits.next().is_none()
}

/// Takes text only as long as it is what is expected.
struct Expected<I> {
    digits: I,
}

impl<I: Iterator<Item = u8>> fmt::Write for Expected<I> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let is_expected = text.bytes().all(|byte| self.digits.next() == Some(byte));
        is_expected.then_some(()).ok_or(fmt::Error)
    }
}

fn equals_shortest_text(double: f64, decimal: &Decimal<'_>) -> bool {
    /// As many bytes as `-1.7976931348623157e-308` has, and some.
    const LONGEST: usize = 32;
    let mut buffer = [0; LONGEST];
    let mut rest = &mut buffer[..];
    if write!(rest, "{double:e}").is_err() {
        return false;
    }
    let length = LONGEST - rest.len();
    let shortest = std::str::from_utf8(&buffer[..length]).ok();
    shortest
        .and_then(Decimal::parse)
        .is_some_and(|shortest| shortest.equals(decimal))
}

#[cfg(test)]
mod tests {
    use super::*;
    use Fit::{Exact, Nearest};
    use NotAnInteger::{Fraction, NotANumber, OutOfRange};

    #[test]
    fn integers_are_exact_to_the_last_digit() {
        for (text, expected) in [
            ("0", Ok((0, Exact))),
            ("-0", Ok((0, Exact))),
            ("1.0", Ok((1, Exact))),
            ("5.", Ok((5, Exact))),
            ("1_000", Ok((1000, Exact))),
            ("1e3", Ok((1000, Exact))),
            ("1.5e1", Ok((15, Exact))),
            (".5e1", Ok((5, Exact))),
            ("1200e-2", Ok((12, Exact))),
            ("0e999999999999", Ok((0, Exact))),
            ("9007199254740993.0", Ok((9_007_199_254_740_993, Exact))),
            ("9223372036854775807.000", Ok((i64::MAX, Exact))),
            ("-9223372036854775808", Ok((i64::MIN, Exact))),
            ("007", Ok((7, Nearest))),
            ("+7", Ok((7, Nearest))),
            ("9223372036854775808", Err(OutOfRange)),
            ("18446744073709551616", Err(OutOfRange)),
            ("1e400", Err(OutOfRange)),
            ("1.9", Err(Fraction)),
            (".5", Err(Fraction)),
            ("1e-1", Err(Fraction)),
            ("1e-9999999999999999", Err(Fraction)),
            ("", Err(NotANumber)),
            ("1e-99999999999999999999", Err(NotANumber)),
            ("0x10", Err(NotANumber)),
            (" 1", Err(NotANumber)),
        ] {
            assert_eq!(integer_of_string(text), expected, "{text}");
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
            ("99999999999999999999", Err(OutOfRange)),
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
        assert_eq!(double_of_number("0.1"), Some((0.1, Exact)));
        assert_eq!(double_of_number("1e400"), None);
        assert_eq!(double_of_string("1e400"), Err(NotADouble::OutOfRange));
        for text in ["inf", "infinity", "nan", "", "x"] {
            assert_eq!(
                double_of_string(text),
                Err(NotADouble::NotANumber),
                "{text}"
            );
        }
        assert!(double_of_string("NaN").is_ok_and(|(double, _)| double.is_nan()));
        let infinity = double_of_string("-Infinity");
        assert_eq!(infinity, Ok((f64::NEG_INFINITY, Exact)));
    }

    #[test]
    fn what_flow_calls_a_number_is_one() {
        for (text, expected) in [
            (".15", 0.15),
            ("-.5", -0.5),
            ("5.", 5.0),
            (".5e1", 5.0),
            ("1_000.5", 1000.5),
            ("1e-400", 0.0),
            (".-5", -0.05),
        ] {
            let double = double_of_string(text).map(|(double, _)| double);
            assert_eq!(double, Ok(expected), "{text}");
        }
    }

    #[test]
    fn a_double_gives_back_what_its_shortest_text_is_and_integers_that_it_equals() {
        for (text, fit) in [
            ("19.90", Exact),
            ("5.00", Exact),
            ("1e3", Exact),
            ("1e23", Exact),
            ("0.30000000000000004", Exact),
            ("12345678901234567.89", Nearest),
            ("0.1000000000000000055511151231257827", Nearest),
            ("1e-400", Nearest),
            ("4.9e-324", Nearest),
            ("9007199254740992", Exact),
            ("9007199254740993", Nearest),
            ("18446744073709551616", Exact),
            ("18446744073709551617", Nearest),
            ("100000000000000000000000", Nearest),
            ("99999999999999991611392", Exact),
            ("-0", Exact),
            ("-0.0", Exact),
        ] {
            assert_eq!(
                double_of_number(text).map(|(_, fit)| fit),
                Some(fit),
                "{text}"
            );
            assert_eq!(
                double_of_string(text).map(|(_, fit)| fit),
                Ok(fit),
                "{text}"
            );
        }
        for text in ["+.5", "00501", "00.5", "-01"] {
            assert_eq!(
                double_of_string(text).map(|(_, fit)| fit),
                Ok(Nearest),
                "{text}"
            );
        }
        for (integer, fit) in [
            (9_007_199_254_740_993, Nearest),
            (-9_007_199_254_740_993, Nearest),
            (9_007_199_254_740_992, Exact),
            (i64::MAX, Nearest),
            (i64::MIN, Exact),
            (0, Exact),
        ] {
            assert_eq!(double_of_integer(integer).1, fit, "{integer}");
        }
        for (integer, fit) in [
            (9_007_199_254_740_993, Nearest),
            (9_007_199_254_740_994, Exact),
            (u64::MAX, Nearest),
            (1 << 63, Exact),
            (1, Exact),
        ] {
            assert_eq!(double_of_unsigned(integer).1, fit, "{integer}");
        }
    }
}
