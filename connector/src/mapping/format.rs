//! Strings with a format: dates and date-times as RFC 3339 has them.

use super::number::Fit;

/// Microseconds in a second.
const MICROS: i64 = 1_000_000;
/// Seconds in a day, without leap seconds.
const DAY_SECONDS: i64 = 86_400;
/// The days of the years 0001 to 9999: Python, and with it pandas and PyArrow, has no others.
const DAYS: std::ops::RangeInclusive<i32> = -719_162..=2_932_896;
/// The microseconds of the same years in UTC.
const INSTANTS: std::ops::RangeInclusive<i64> = -62_135_596_800_000_000..=253_402_300_799_999_999;

/// Counts the days since 1970-01-01 of a `YYYY-MM-DD` in the proleptic Gregorian calendar, of the
/// years 0001 to 9999.
pub(super) fn parse_date(text: &[u8]) -> Option<i32> {
    let mut rest = text;
    let days = take_date(&mut rest)?;
    (rest.is_empty() && DAYS.contains(&days)).then_some(days)
}

/// Counts the microseconds since 1970-01-01T00:00:00Z of an RFC 3339 date-time, and tells whether
/// they are the very instant: what is finer is floored, and a leap second `:60` is read as `:59`,
/// so that it stays within its minute.
///
/// An instant outside of the years 0001 to 9999 in UTC, where its offset may have taken it, is
/// none.
pub(super) fn parse_date_time(text: &[u8]) -> Option<(i64, Fit)> {
    let mut rest = text;
    let days = i64::from(take_date(&mut rest)?);
    take_one_of(&mut rest, b"Tt ")?;
    let hour = take_digits(&mut rest, 2).filter(|&hour| hour < 24)?;
    take_one_of(&mut rest, b":")?;
    let minute = take_digits(&mut rest, 2).filter(|&minute| minute < 60)?;
    take_one_of(&mut rest, b":")?;
    let second = take_digits(&mut rest, 2).filter(|&second| second <= 60)?;
    let is_leap_second = second == 60;
    let (micros, is_floored) = take_fraction(&mut rest)?;
    let offset = take_offset(&mut rest)?;
    let seconds =
        days * DAY_SECONDS + i64::from(hour * 3600 + minute * 60 + second.min(59)) - offset;
    let instant = seconds * MICROS + micros;
    let fit = Fit::exact_if(!is_leap_second && !is_floored);
    (rest.is_empty() && INSTANTS.contains(&instant)).then_some((instant, fit))
}

fn take_date(rest: &mut &[u8]) -> Option<i32> {
    let year = take_digits(rest, 4)? as i32;
    take_one_of(rest, b"-")?;
    let month = take_digits(rest, 2).filter(|month| (1..=12).contains(month))?;
    take_one_of(rest, b"-")?;
    let day = take_digits(rest, 2).filter(|day| (1..=days_in_month(year, month)).contains(day))?;
    Some(days_since_epoch(year, month, day))
}

/// An unsigned number of exactly `count` digits.
fn take_digits(rest: &mut &[u8], count: usize) -> Option<u32> {
    let (digits, after) = rest.split_at_checked(count)?;
    *rest = after;
    digits.iter().try_fold(0, |number, digit| {
        digit
            .is_ascii_digit()
            .then(|| number * 10 + u32::from(digit - b'0'))
    })
}

fn take_one_of(rest: &mut &[u8], allowed: &[u8]) -> Option<u8> {
    let (&first, after) = rest.split_first()?;
    *rest = after;
    allowed.contains(&first).then_some(first)
}

/// Takes a fraction of a second in microseconds, of any number of digits from one on, and tells
/// whether it is finer than that; zero where there is none.
fn take_fraction(rest: &mut &[u8]) -> Option<(i64, bool)> {
    let Some(after) = rest.strip_prefix(b".") else {
        return Some((0, false));
    };
    let length = after
        .iter()
        .take_while(|byte| byte.is_ascii_digit())
        .count();
    let (digits, after) = after.split_at(length);
    *rest = after;
    let padded = digits.iter().chain(std::iter::repeat(&b'0')).take(6);
    let micros = padded.fold(0, |micros, digit| micros * 10 + i64::from(digit - b'0'));
    let is_finer = digits.iter().skip(6).any(|&digit| digit != b'0');
    (length > 0).then_some((micros, is_finer))
}

/// The seconds that local time is ahead of UTC.
fn take_offset(rest: &mut &[u8]) -> Option<i64> {
    let sign = match take_one_of(rest, b"Zz+-")? {
        b'+' => 1,
        b'-' => -1,
        _ => return Some(0),
    };
    let hours = take_digits(rest, 2).filter(|&hours| hours < 24)?;
    take_one_of(rest, b":")?;
    let minutes = take_digits(rest, 2).filter(|&minutes| minutes < 60)?;
    Some(sign * i64::from(hours * 3600 + minutes * 60))
}

fn is_leap(year: i32) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

fn days_in_month(year: i32, month: u32) -> u32 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if is_leap(year) => 29,
        2 => 28,
        _ => 31,
    }
}

/// Counts years from March on, so that the leap day is the last of its year.
fn days_since_epoch(year: i32, month: u32, day: u32) -> i32 {
    /// From 0000-03-01 to 1970-01-01.
    const EPOCH: i32 = 719_468;
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    let day_of_year = (153 * month as i32 + 2) / 5 + day as i32 - 1;
    year * 365 + leap_days + day_of_year - EPOCH
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_day_of_the_years_that_every_reader_has_counts_up_by_one() {
        let mut expected = -719_162;
        for year in 1..=9999 {
            for month in 1..=12 {
                for day in 1..=days_in_month(year, month) {
                    let text = format!("{year:04}-{month:02}-{day:02}");
                    assert_eq!(parse_date(text.as_bytes()), Some(expected), "{text}");
                    expected += 1;
                }
            }
        }
        assert_eq!(parse_date(b"1970-01-01"), Some(0));
    }

    #[test]
    fn what_is_not_a_date_is_none() {
        for text in [
            "",
            "2024-1-1",
            "2023-02-29",
            "2024-13-01",
            "2024-00-10",
            "2024-01-00",
            "10000-01-01",
            "-0001-01-01",
            "0000-01-01",
            "0000-12-31",
            "2024-01-01Z",
            " 2024-01-01",
            "2024/01/01",
            "２024-01-01",
        ] {
            assert_eq!(parse_date(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn date_times_are_rfc_3339() {
        for (text, expected) in [
            ("1970-01-01T00:00:00Z", Some(0)),
            ("1970-01-01t00:00:00z", Some(0)),
            ("1970-01-01 00:00:00Z", Some(0)),
            ("1970-01-01T00:00:00.123456789Z", Some(123_456)),
            ("1969-12-31T23:59:59.999999999999Z", Some(-1)),
            ("1970-01-01T00:00:00.1Z", Some(100_000)),
            ("1970-01-01T01:30:00+01:30", Some(0)),
            ("1969-12-31T20:00:00-04:00", Some(0)),
            ("1970-01-01T00:00:00-00:00", Some(0)),
            ("1972-06-30T23:59:60Z", Some(78_796_799_000_000)),
            ("0001-01-01T00:00:00Z", Some(-62_135_596_800_000_000)),
            ("9999-12-31T23:59:59.999999Z", Some(253_402_300_799_999_999)),
            ("10000-01-01T00:00:00Z", None),
            ("9999-12-31T23:59:59-00:01", None),
            ("0000-12-31T23:59:59.999999Z", None),
            ("0001-01-01T00:00:00+00:01", None),
            ("0000-12-31T23:59:59-00:01", Some(-62_135_596_741_000_000)),
            ("10000-01-01T00:00:00+00:01", None),
            ("1970-01-01T00:00:00", None),
            ("1970-01-01T00:00Z", None),
            ("1970-01-01T24:00:00Z", None),
            ("1970-01-01T00:60:00Z", None),
            ("1970-01-01T00:00:61Z", None),
            ("1970-01-01T00:00:00.Z", None),
            ("1970-01-01T00:00:00+0100", None),
            ("1970-01-01T00:00:00+24:00", None),
            ("1970-01-01T00:00:00Zz", None),
            ("1970-01-01", None),
        ] {
            let found = parse_date_time(text.as_bytes()).map(|(micros, _)| micros);
            assert_eq!(found, expected, "{text}");
        }
    }

    #[test]
    fn an_instant_is_exact_unless_it_is_floored_or_a_leap_second() {
        for (text, fit) in [
            ("2026-01-02T03:04:05Z", Fit::Exact),
            ("2026-01-02T03:04:05.123456Z", Fit::Exact),
            ("2026-01-02T03:04:05.123456000Z", Fit::Exact),
            ("2026-01-02T05:04:05.5+02:00", Fit::Exact),
            ("2026-01-02T03:04:05.1234560001Z", Fit::Nearest),
            ("2026-01-02T03:04:05.1234567Z", Fit::Nearest),
            ("2016-12-31T23:59:60Z", Fit::Nearest),
        ] {
            let found = parse_date_time(text.as_bytes()).map(|(_, fit)| fit);
            assert_eq!(found, Some(fit), "{text}");
        }
    }
}
