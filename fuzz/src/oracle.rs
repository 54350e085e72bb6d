//! What values mean, said once more and in another way than the connector says it: jiff knows the
//! calendar, and bigdecimal, by which Flow checks numbers that are written as strings, knows
//! numbers.

use bigdecimal::BigDecimal;
use bigdecimal::num_bigint::Sign;
use jiff::civil::{Date, DateTime, Time};
use jiff::{SignedDuration, Timestamp};

/// 1970-01-01T00:00:00.
const EPOCH: DateTime = DateTime::constant(1970, 1, 1, 0, 0, 0, 0);

/// The days since 1970-01-01 of a `YYYY-MM-DD` of the years 0001 to 9999.
pub(crate) fn date(text: &str) -> Option<i32> {
    let date = civil_date(text).filter(|date| date.year() > 0)?;
    let hours = date.at(0, 0, 0, 0).duration_since(EPOCH).as_hours();
    i32::try_from(hours / 24).ok()
}

/// The microseconds since the epoch of an RFC 3339 date-time, floored; none outside of the years
/// 0001 to 9999 in UTC.
pub(crate) fn date_time(text: &str) -> Option<i64> {
    let (date, rest) = text.split_at_checked(10)?;
    let (separator, rest) = rest.split_at_checked(1)?;
    let (time, rest) = rest.split_at_checked(8)?;
    let digits = rest.strip_prefix('.').map(leading_digits);
    let offset = digits.map_or(rest, |digits| &rest[1 + digits.len()..]);
    if !["T", "t", " "].contains(&separator) || digits == Some("") {
        return None;
    }
    let (time, offset) = (civil_time(time)?, seconds_of_offset(offset)?);
    let nanos: String = digits
        .unwrap_or_default()
        .chars()
        .chain("000000000".chars())
        .take(9)
        .collect();
    let local = civil_date(date)?.to_datetime(time);
    let utc = local.checked_sub(SignedDuration::from_secs(offset)).ok()?;
    if utc.year() < 1 {
        return None;
    }
    let instant = utc.duration_since(EPOCH) + SignedDuration::from_nanos(nanos.parse().ok()?);
    let micros = i64::try_from(instant.as_nanos().div_euclid(1000)).ok()?;
    agrees_with_jiffs_own_reading(text, micros);
    Some(micros)
}

/// Whether a date-time says something that its floored microseconds do not.
pub(crate) fn is_finer_than_micros(text: &str) -> bool {
    let digits = text
        .split_once('.')
        .map_or("", |(_, rest)| leading_digits(rest));
    let is_leap_second = text.get(17..19) == Some("60");
    is_leap_second || digits.trim_end_matches('0').len() > 6
}

/// Where jiff reads the text itself, it must say the same; it has another idea of very long
/// fractions and of the last day.
fn agrees_with_jiffs_own_reading(text: &str, micros: i64) {
    if let Ok(timestamp) = text.parse::<Timestamp>() {
        let theirs = timestamp.as_nanosecond().div_euclid(1000);
        assert_eq!(i128::from(micros), theirs, "{text} by jiff");
    }
}

fn civil_date(text: &str) -> Option<Date> {
    let [year, month, day] = numbers(text, "0000-00-00")?;
    Date::new(year, month.try_into().ok()?, day.try_into().ok()?).ok()
}

/// A leap second is read as the one before it.
fn civil_time(text: &str) -> Option<Time> {
    let [hour, minute, second] = numbers(text, "00:00:00")?;
    let second = if second == 60 { 59 } else { second };
    let narrow = |number: i16| i8::try_from(number).ok();
    Time::new(narrow(hour)?, narrow(minute)?, narrow(second)?, 0).ok()
}

fn seconds_of_offset(text: &str) -> Option<i64> {
    if ["Z", "z"].contains(&text) {
        return Some(0);
    }
    let (sign, text) = text.split_at_checked(1)?;
    let [hours, minutes] = numbers(text, "00:00")?;
    let seconds = 3600 * i64::from(hours) + 60 * i64::from(minutes);
    match sign {
        _ if hours > 23 || minutes > 59 => None,
        "+" => Some(seconds),
        "-" => Some(-seconds),
        _ => None,
    }
}

/// The numbers in a text of just this pattern, where `0` is any digit.
fn numbers<const N: usize>(text: &str, pattern: &str) -> Option<[i16; N]> {
    let fits = |(found, wanted): (u8, u8)| match wanted {
        b'0' => found.is_ascii_digit(),
        _ => found == wanted,
    };
    if text.len() != pattern.len() || !text.bytes().zip(pattern.bytes()).all(fits) {
        return None;
    }
    let numbers: Vec<i16> = text
        .split(['-', ':'])
        .map(|number| number.parse().ok())
        .collect::<Option<_>>()?;
    numbers.try_into().ok()
}

fn leading_digits(text: &str) -> &str {
    let end = text.find(|character: char| !character.is_ascii_digit());
    &text[..end.unwrap_or(text.len())]
}

/// A number by its sign, its digits without zeros at either end, and the power of ten that they are
/// to be multiplied by.
#[derive(Debug, PartialEq)]
pub(crate) struct Number {
    is_negative: bool,
    digits: String,
    exponent: i128,
}

/// The number that Flow takes a text for.
pub(crate) fn number(text: &str) -> Option<Number> {
    let (integer, scale) = text.parse::<BigDecimal>().ok()?.into_bigint_and_exponent();
    let all = integer.magnitude().to_string();
    let digits = all.trim_end_matches('0').to_owned();
    let zeros = (all.len() - digits.len()) as i128;
    let exponent = if digits.is_empty() {
        0
    } else {
        zeros - i128::from(scale)
    };
    Some(Number {
        is_negative: integer.sign() == Sign::Minus,
        digits,
        exponent,
    })
}

/// The 64-bit integer that a decimal number is, by moving its point as text.
pub(crate) fn integer(text: &str) -> Option<i64> {
    let Number {
        is_negative,
        digits,
        exponent,
    } = number(text)?;
    let sign = if is_negative { "-" } else { "" };
    match (digits.as_str(), exponent) {
        ("", _) => Some(0),
        (digits, zeros @ 0..=19) => format!("{sign}{digits}{}", "0".repeat(zeros as usize))
            .parse()
            .ok(),
        _ => None,
    }
}

/// The double nearest to a decimal number; none where there is none near.
pub(crate) fn double(text: &str) -> Option<f64> {
    let Number {
        digits, exponent, ..
    } = number(text)?;
    let digits = if digits.is_empty() { "0" } else { &digits };
    // Any exponent beyond a million might as well be a million.
    let exponent = exponent.clamp(-1_000_000, 1_000_000);
    // serde_json has a reader of doubles of its own.
    let double: f64 = serde_json::from_str(&format!("{digits}e{exponent}")).ok()?;
    let is_negative = text.trim_start_matches('.').starts_with('-');
    Some(if is_negative { -double } else { double })
}

/// Whether a text is a code rather than a number: it has a plus sign, or a zero before other
/// digits.
pub(crate) fn is_code(text: &str) -> bool {
    let mantissa = text.split(['e', 'E']).next().unwrap_or_default();
    let whole = mantissa.split('.').next().unwrap_or_default();
    let digits = whole.trim_start_matches('-').replace('_', "");
    mantissa.contains('+') || (digits.len() > 1 && digits.starts_with('0'))
}

/// Whether the double nearest to a number says all of it: an integer where it is just that one, any
/// other number as it is printed.
pub(crate) fn is_given_back(double: f64, text: &str) -> bool {
    let is_integer = text
        .chars()
        .all(|character| character.is_ascii_digit() || "-+_".contains(character));
    let printed = if is_integer {
        format!("{double:.0}")
    } else {
        format!("{double:?}")
    };
    number(&printed) == number(text)
}

/// The double that a string of format `number` is.
pub(crate) fn double_of_string(text: &str) -> Option<f64> {
    match text {
        "NaN" => Some(f64::NAN),
        "Infinity" => Some(f64::INFINITY),
        "-Infinity" => Some(f64::NEG_INFINITY),
        number => double(number),
    }
}

/// The bytes that base64 stands for, with its padding, a part of it, or none, and with white space
/// anywhere.
pub(crate) fn base64(text: &str) -> Option<Vec<u8>> {
    let text = text.replace([' ', '\t', '\n', '\r', '\u{c}'], "");
    let bare = text.trim_end_matches('=');
    let most = [0, 0, 2, 1][bare.len() % 4];
    if bare.len() % 4 == 1 || text.len() - bare.len() > most {
        return None;
    }
    let sextets: Vec<u8> = bare.bytes().map(sextet).collect::<Option<_>>()?;
    sextets.chunks(4).try_fold(Vec::new(), |mut bytes, chunk| {
        let bits = chunk
            .iter()
            .fold(0_u32, |bits, &sextet| bits << 6 | u32::from(sextet));
        let left_over = chunk.len() * 6 % 8;
        let whole = bits >> left_over;
        if whole << left_over != bits {
            return None;
        }
        bytes.extend_from_slice(&whole.to_be_bytes()[5 - chunk.len()..]);
        Some(bytes)
    })
}

fn sextet(byte: u8) -> Option<u8> {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let place = ALPHABET.iter().position(|&letter| letter == byte)?;
    u8::try_from(place).ok()
}
