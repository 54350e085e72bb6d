//! Why values do not fit their columns, and how many do not.

use std::collections::BTreeMap;

/// Why a value does not fit its column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Misfit {
    /// A number outside of -2^63 … 2^63 - 1 in an INT64 column.
    IntegerOutOfRange,
    /// A number with a fraction in an INT64 column.
    Fraction,
    /// A number that no double is near, such as 1e400.
    NumberOutOfRange,
    /// A string that is not a number where a number is wanted.
    NotANumber,
    /// A string that is not base64.
    NotBase64,
    /// A string that is not a date of the years 0001 to 9999.
    NotADate,
    /// A string that is not a date-time of the years 0001 to 9999.
    NotADateTime,
    /// A string that is not Unicode, such as a lone surrogate.
    NotUnicode,
    /// A value of a JSON type that the schema did not announce.
    UnexpectedType,
}

impl Misfit {
    /// The reason, as the end of "the value …".
    pub fn reason(self) -> &'static str {
        match self {
            Self::IntegerOutOfRange => "is an integer beyond 64 bits",
            Self::Fraction => "is a number with a fraction in an integer field",
            Self::NumberOutOfRange => "is a number beyond the range of a double",
            Self::NotANumber => "is a string that is not a number",
            Self::NotBase64 => "is a string that is not base64",
            Self::NotADate => "is a string that is not a date (YYYY-MM-DD, years 0001 to 9999)",
            Self::NotADateTime => {
                "is a string that is not an RFC 3339 date-time of the years 0001 to 9999 in UTC"
            }
            Self::NotUnicode => "is a string that is not valid Unicode",
            Self::UnexpectedType => "is of a JSON type that the schema does not announce",
        }
    }
}

/// How many values were rescued, by column index and reason.
pub type Rescued = BTreeMap<(usize, Misfit), u64>;

/// How many values their columns have only nearly, by column index. They are kept exactly beside
/// them, unless a field has the name of the column for that.
pub type Inexact = BTreeMap<usize, u64>;
