//! What values mean, said once more and in another way than the connector says it: jiff knows the calendar, and numbers are
//! compared as strings of digits.

use jiff::civil::{Date, DateTime, Time};
use jiff::{SignedDuration, Timestamp};

/// 1970-01-01T00:00:00.
const EPOCH: DateTime = DateTime::constant(1970, 1, 1, 0, 0, 0, 0);

/// The days since 1970-01-01 of a `YYYY-MM-DD`.
pub(crate) fn date(text: &str) -> Option<i32> {
    let date = civil_date(text)?;
    let hours = date.at(0, 0, 0, 0).duration_since(EPOCH).as_hours();
    i32::try_from(hours / 24).ok()
}

/// The microseconds since the epoch of an RFC 3339 date-time, floored; none outside of the years 0000 to 9999 in UTC.
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
    if utc.year() < 0 {
        return None;
    }
    let instant = utc.duration_since(EPOCH) + SignedDuration::from_nanos(nanos.parse().ok()?);
    let micros = i64::try_from(instant.as_nanos().div_euclid(1000)).ok()?;
    agrees_with_jiffs_own_reading(text, micros);
    Some(micros)
}

/// Where jiff reads the text itself, it must say the same; it has another idea of very long fractions and of the last day.
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

/// The 64-bit integer that a decimal number is, by moving its point as text.
pub(crate) fn integer(text: &str) -> Option<i64> {
    let (sign, digits, exponent) = decimal(text)?;
    let significant = digits.trim_end_matches('0');
    let zeros = exponent.saturating_add((digits.len() - significant.len()) as i64);
    match (significant.trim_start_matches('0'), zeros) {
        ("", _) => Some(0),
        (digits, zeros @ 0..=19) => format!("{sign}{digits}{}", "0".repeat(zeros as usize))
            .parse()
            .ok(),
        _ => None,
    }
}

/// Sign, digits and the power of ten that they are to be multiplied by, of a JSON number or one with a `+` or leading zeros.
fn decimal(text: &str) -> Option<(&str, String, i64)> {
    let (sign, rest) = split_sign(text);
    let whole = leading_digits(rest);
    let rest = &rest[whole.len()..];
    let fraction = rest.strip_prefix('.').map(leading_digits);
    let rest = fraction.map_or(rest, |fraction| &rest[1 + fraction.len()..]);
    if whole.is_empty() || fraction == Some("") {
        return None;
    }
    let fraction = fraction.unwrap_or_default();
    let exponent = match rest.strip_prefix(['e', 'E']) {
        Some(exponent) => exponent_of(exponent)?,
        None if rest.is_empty() => 0,
        None => return None,
    };
    let exponent = exponent - fraction.len() as i64;
    Some((sign, format!("{whole}{fraction}"), exponent))
}

fn split_sign(text: &str) -> (&str, &str) {
    text.split_at(usize::from(text.starts_with(['-', '+'])))
}

/// An exponent beyond a million might as well be a million.
fn exponent_of(text: &str) -> Option<i64> {
    const MOST: i64 = 1_000_000;
    let (sign, digits) = split_sign(text);
    if digits.is_empty() || leading_digits(digits) != digits {
        return None;
    }
    let magnitude = digits.parse().unwrap_or(MOST).min(MOST);
    Some(if sign == "-" { -magnitude } else { magnitude })
}

/// The double nearest to a decimal number; none where there is none near.
pub(crate) fn double(text: &str) -> Option<f64> {
    decimal(text)?;
    let unsigned = split_sign(text).1;
    let whole = unsigned.trim_start_matches('0');
    let zero = if whole.starts_with(|first: char| first.is_ascii_digit()) {
        ""
    } else {
        "0"
    };
    // serde_json has a reader of doubles of its own; it knows neither `+` nor leading zeros.
    let double: f64 = serde_json::from_str(&format!("{zero}{whole}")).ok()?;
    Some(if text.starts_with('-') {
        -double
    } else {
        double
    })
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

/// The bytes that base64 stands for, with its padding, a part of it, or none.
pub(crate) fn base64(text: &str) -> Option<Vec<u8>> {
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
