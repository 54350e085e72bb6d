//! Numbers as Flow reads them where a format makes strings of them: by bigdecimal.

use bigdecimal::BigDecimal;

/// A decimal number: what it is whatever zeros and exponent it is written with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Decimal {
    /// The digits with their sign, without zeros at the end; `0` of zero.
    digits: String,
    /// The power of ten that they are to be multiplied by.
    exponent: i128,
}

impl Decimal {
    /// Reads the whole of `text`; none where Flow would not call it a number.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (integer, scale) = text.parse::<BigDecimal>().ok()?.into_bigint_and_exponent();
        let all = integer.to_string();
        let significant = all.trim_end_matches('0');
        if significant.is_empty() {
            return Some(Self {
                digits: "0".to_owned(),
                exponent: 0,
            });
        }
        let zeros = (all.len() - significant.len()) as i128;
        Some(Self {
            digits: significant.to_owned(),
            exponent: zeros - i128::from(scale),
        })
    }

    /// The integer of 64 bits that it is.
    pub(super) fn integer(&self) -> Option<i64> {
        let zeros = usize::try_from(self.exponent)
            .ok()
            .filter(|zeros| *zeros < 20)?;
        format!("{}{}", self.digits, "0".repeat(zeros)).parse().ok()
    }
}

/// The double that a string of format `number` is.
pub(super) fn double(text: &str) -> Option<f64> {
    match text {
        "NaN" => return Some(f64::NAN),
        "Infinity" => return Some(f64::INFINITY),
        "-Infinity" => return Some(f64::NEG_INFINITY),
        _ => {}
    }
    let Decimal { digits, exponent } = Decimal::parse(text)?;
    let double: f64 = format!("{digits}e{exponent}").parse().ok()?;
    let is_negative_zero = digits == "0" && text.trim_start_matches('.').starts_with('-');
    let double = if is_negative_zero { -0.0 } else { double };
    double.is_finite().then_some(double)
}

/// Whether a string of format `integer` or `number` is a code: with a plus sign, or a zero before
/// other digits.
pub(super) fn is_code(text: &str) -> bool {
    let mantissa = text.split(['e', 'E']).next().unwrap_or_default();
    let whole = mantissa.split('.').next().unwrap_or_default();
    let digits = whole.trim_start_matches('-').replace('_', "");
    mantissa.contains('+') || (digits.len() > 1 && digits.starts_with('0'))
}

/// Whether a double says all that a number's text does: an integer where it is just that one, any
/// other number as it is printed.
pub(super) fn is_given_back(double: f64, text: &str) -> bool {
    if !double.is_finite() {
        return true;
    }
    let printed = if text.contains(['.', 'e', 'E']) {
        format!("{double:e}")
    } else {
        format!("{double:.0}")
    };
    Decimal::parse(&printed) == Decimal::parse(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_flow_calls_a_number_is_one() {
        for (text, expected) in [
            (".15", Some(0.15)),
            ("5.", Some(5.0)),
            ("-.5e1", Some(-5.0)),
            ("1_000", Some(1000.0)),
            ("-Infinity", Some(f64::NEG_INFINITY)),
            ("1e400", None),
            ("inf", None),
            ("1,5", None),
        ] {
            assert_eq!(double(text), expected, "{text}");
        }
        assert!(double("-0").is_some_and(f64::is_sign_negative));
        let integer = |text| Decimal::parse(text).and_then(|decimal| decimal.integer());
        assert_eq!(integer("12.0e1"), Some(120));
        assert_eq!(integer("-0.0"), Some(0));
        assert_eq!(integer("1.5"), None);
        assert_eq!(integer("9223372036854775808"), None);
    }

    #[test]
    fn codes_and_digits_beyond_a_double_are_not_given_back() {
        assert!(is_code("00501") && is_code("+5") && !is_code("0.5") && !is_code("1e+5"));
        for (text, expected) in [
            ("19.90", true),
            ("1e23", true),
            ("9007199254740993", false),
            ("12345678901234567.89", false),
            ("1e-400", false),
        ] {
            let double = double(text).unwrap();
            assert_eq!(is_given_back(double, text), expected, "{text}");
        }
    }
}
