//! Dates and date-times as RFC 3339 has them, in DuckDB's units.

use jiff::Unit;
use jiff::civil::{Date, date};

const SECONDS_PER_DAY: i64 = 86_400;
const MICROS_PER_SECOND: i64 = 1_000_000;
/// Seconds since 1970 of the first and the last second of the years 0001 to 9999.
const FIRST_SECOND: i64 = -62_135_596_800;
const LAST_SECOND: i64 = 253_402_300_799;

/// Days since 1970-01-01 of `YYYY-MM-DD`; none for anything else, and for the year 0000, which not
/// every reader has.
pub(super) fn days(text: &str) -> Option<i32> {
    local_days(text).filter(|_| !text.starts_with("0000"))
}

fn local_days(text: &str) -> Option<i32> {
    if !has_shape(text, "0000-00-00") {
        return None;
    }
    let day: Date = text.parse().ok()?;
    Some(day.since((Unit::Day, date(1970, 1, 1))).ok()?.get_days())
}

/// Microseconds since 1970-01-01T00:00:00Z of an RFC 3339 date-time, floored; none for anything
/// else, and for what lies outside of the years 0001 to 9999 in UTC. A leap second counts as the
/// second before it.
pub(super) fn micros(text: &str) -> Option<i64> {
    let (local, rest) = text.split_at_checked("0000-00-00T00:00:00".len())?;
    let (day, clock) = local.split_at_checked("0000-00-00".len())?;
    let is_separated = matches!(clock.as_bytes()[0], b'T' | b't' | b' ');
    if !is_separated || !has_shape(&clock[1..], "00:00:00") {
        return None;
    }
    let seconds = i64::from(local_days(day)?) * SECONDS_PER_DAY + seconds_of_day(&clock[1..])?;
    let zone = rest.find(['Z', 'z', '+', '-'])?;
    let (fraction, zone) = rest.split_at(zone);
    let utc = seconds - offset_seconds(zone)?;
    (FIRST_SECOND..=LAST_SECOND)
        .contains(&utc)
        .then_some(utc * MICROS_PER_SECOND + fraction_micros(fraction)?)
}

/// Whether microseconds say all of a date-time: no finer digit, and no leap second.
pub(super) fn is_given_back(text: &str) -> bool {
    let fraction = text.split_once('.').map_or("", |(_, rest)| rest);
    let digits = fraction.trim_end_matches(|last: char| !last.is_ascii_digit());
    let digits = digits.split(['+', '-']).next().unwrap_or_default();
    let is_leap_second = text.get(17..19) == Some("60");
    digits.trim_end_matches('0').len() <= 6 && !is_leap_second
}

/// Whether `text` has a digit wherever `shape` has one, and is the same elsewhere.
fn has_shape(text: &str, shape: &str) -> bool {
    let fits = |(found, wanted): (u8, u8)| {
        if wanted == b'0' {
            found.is_ascii_digit()
        } else {
            found == wanted
        }
    };
    text.len() == shape.len() && text.bytes().zip(shape.bytes()).all(fits)
}

fn two_digits(text: &str, below: i64) -> Option<i64> {
    text.parse().ok().filter(|number| *number < below)
}

fn seconds_of_day(clock: &str) -> Option<i64> {
    let (hours, minutes) = (two_digits(&clock[..2], 24)?, two_digits(&clock[3..5], 60)?);
    let seconds = two_digits(&clock[6..], 61)?.min(59);
    Some(hours * 3_600 + minutes * 60 + seconds)
}

fn fraction_micros(fraction: &str) -> Option<i64> {
    if fraction.is_empty() {
        return Some(0);
    }
    let digits = fraction.strip_prefix('.')?;
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    format!("{digits:0<6}")[..6].parse().ok()
}

fn offset_seconds(zone: &str) -> Option<i64> {
    if zone.eq_ignore_ascii_case("z") {
        return Some(0);
    }
    if !has_shape(&zone[1..], "00:00") {
        return None;
    }
    let ahead = two_digits(&zone[1..3], 24)? * 3_600 + two_digits(&zone[4..], 60)? * 60;
    Some(if zone.starts_with('-') { -ahead } else { ahead })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_count_from_1970() {
        let table = [
            ("1970-01-01", Some(0)),
            ("1969-12-31", Some(-1)),
            ("2024-02-29", Some(19_782)),
            ("0001-01-01", Some(-719_162)),
            ("0000-12-31", None),
            ("9999-12-31", Some(2_932_896)),
            ("2023-02-29", None),
            ("10000-01-01", None),
            ("2024-1-1", None),
            ("", None),
        ];
        for (text, expected) in table {
            assert_eq!(days(text), expected, "{text}");
        }
    }

    #[test]
    fn digits_finer_than_microseconds_and_leap_seconds_are_not_given_back() {
        for (text, expected) in [
            ("2026-01-02T03:04:05.123456Z", true),
            ("2026-01-02T03:04:05.123456000+01:00", true),
            ("2026-01-02T03:04:05Z", true),
            ("2026-01-02T03:04:05.1234567z", false),
            ("2026-01-02T03:04:05.123456001-07:00", false),
            ("2016-12-31T23:59:60Z", false),
        ] {
            assert_eq!(is_given_back(text), expected, "{text}");
        }
    }

    #[test]
    fn date_times_are_floored_microseconds() {
        let table = [
            ("1970-01-01T00:00:00Z", Some(0)),
            ("1970-01-01t00:00:01.5z", Some(1_500_000)),
            ("1969-12-31T23:59:59.9999999Z", Some(-1)),
            ("1970-01-01T01:00:00+01:00", Some(0)),
            ("1969-12-31T23:30:00-00:30", Some(0)),
            ("2016-12-31T23:59:60Z", Some(1_483_228_799_000_000)),
            ("9999-12-31T23:59:59.999999Z", Some(253_402_300_799_999_999)),
            ("0000-12-31T23:59:59-00:01", Some(-62_135_596_741_000_000)),
            ("0001-01-01T00:00:00+00:01", None),
            ("1970-01-01T00:00:00", None),
            ("1970-01-01T24:00:00Z", None),
            ("1970-01-01T00:00:00.Z", None),
            ("1970-01-01T00:00:00+0100", None),
            ("2026-01-0é12345678Z", None),
            ("2026-01-02é1234567Z", None),
            ("1970-01-01T00:00:0é0Z", None),
            ("1970-01-01T00:00:00é", None),
            ("1970-01-01T00:00:00+é0:0", None),
            ("yesterday", None),
            ("", None),
        ];
        for (text, expected) in table {
            assert_eq!(micros(text), expected, "{text}");
        }
    }

    /// Date-times of which some letters are others, and some are cut off.
    #[test]
    fn no_text_is_too_strange() {
        let mut random = fastrand::Rng::with_seed(1);
        let letters = [
            '0', '9', '-', '+', ':', '.', 'T', 'Z', ' ', 'é', '😀', '\u{0}',
        ];
        for _ in 0..20_000 {
            let mut text: Vec<char> = "2026-01-02T03:04:05.678+01:00".chars().collect();
            text.truncate(random.usize(0..=text.len()));
            for _ in 0..random.usize(0..4) {
                if let Some(letter) = random.choice(text.iter_mut()) {
                    *letter = letters[random.usize(..letters.len())];
                }
            }
            let text: String = text.into_iter().collect();
            let is_ascii = text.is_ascii();
            assert!(
                is_ascii || (days(&text), micros(&text)) == (None, None),
                "{text:?}"
            );
            let _ = is_given_back(&text);
        }
    }
}
