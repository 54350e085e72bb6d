//! Numbers as people read them: counts, lengths and times.

use std::collections::BTreeMap;

/// `1 file`, `2,000 files`.
pub fn plural(count: u64, noun: &str) -> String {
    let ending = if count == 1 { "" } else { "s" };
    format!("{} {noun}{ending}", grouped(count))
}

/// A number with commas.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// A length in bytes, with its unit.
pub fn bytes(count: u64) -> String {
    let units = ["KiB", "MiB", "GiB", "TiB"];
    if count < 1024 {
        return format!("{count} B");
    }
    let mut value = count as f64 / 1024.0;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < units.len() {
        value /= 1024.0;
        unit += 1;
    }
    format!("{value:.1} {}", units[unit])
}

/// A time given in microseconds, with its unit and about three digits: `0.4 ms`, `36 ms`, `2.31 s`,
/// `4 min 05 s`.
pub fn duration(micros: u64) -> String {
    let seconds = micros as f64 / 1e6;
    match micros {
        0..10_000 => format!("{:.1} ms", seconds * 1e3),
        10_000..1_000_000 => format!("{:.0} ms", seconds * 1e3),
        1_000_000..10_000_000 => format!("{seconds:.2} s"),
        10_000_000..60_000_000 => format!("{seconds:.1} s"),
        _ => format!(
            "{} min {:02} s",
            micros / 60_000_000,
            micros / 1_000_000 % 60
        ),
    }
}

/// How many times smaller the Parquet files are than the rows' JSON; none where there is no file.
pub fn ratio(json: u64, parquet: u64) -> Option<String> {
    (parquet > 0).then(|| format!("{:.1}", json as f64 / parquet as f64))
}

/// The most names that are listed.
const LISTED: usize = 8;

/// Names with how often each was found: `a` 5, `b` 1, and 3 more.
pub fn listed(counts: &BTreeMap<String, u64>) -> String {
    let mut names: Vec<String> = counts
        .iter()
        .take(LISTED)
        .map(|(name, count)| format!("`{name}` {}", grouped(*count)))
        .collect();
    if counts.len() > LISTED {
        names.push(format!("and {} more", counts.len() - LISTED));
    }
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_for_people() {
        assert_eq!(
            [grouped(0), grouped(999), grouped(1_234_567)],
            ["0", "999", "1,234,567"]
        );
        assert_eq!(
            [bytes(1023), bytes(1536), bytes(3 << 30)],
            ["1023 B", "1.5 KiB", "3.0 GiB"]
        );
        assert_eq!(
            [plural(1, "row"), plural(2_000, "row")],
            ["1 row", "2,000 rows"]
        );
    }

    #[test]
    fn times_have_the_unit_that_suits_them() {
        let table = [
            (400, "0.4 ms"),
            (36_400, "36 ms"),
            (2_312_000, "2.31 s"),
            (12_300_000, "12.3 s"),
            (245_000_000, "4 min 05 s"),
        ];
        for (micros, expected) in table {
            assert_eq!(duration(micros), expected);
        }
    }

    #[test]
    fn there_is_no_ratio_without_files() {
        assert_eq!(ratio(56, 10).as_deref(), Some("5.6"));
        assert_eq!(ratio(56, 0), None);
    }

    #[test]
    fn names_are_listed_with_their_counts_up_to_a_limit() {
        let counts = |names: u64| (0..names).map(|n| (format!("f{n}"), 1000 * n)).collect();
        assert_eq!(listed(&counts(0)), "");
        assert_eq!(listed(&counts(2)), "`f0` 0, `f1` 1,000");
        assert!(listed(&counts(10)).ends_with("`f7` 7,000, and 2 more"));
    }
}
