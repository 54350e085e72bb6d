//! The JSON types a location may have, as a set: what JSON Schema's `type` says and what Flow's
//! inference reports.

use std::ops::{BitAnd, BitOr};

use serde_json::Value;

/// A set of JSON types. Numbers are two members, integers and the rest, so that `integer` is a part
/// of `number`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Types(u8);

/// What JSON Schema calls each type; `number` stands for both kinds of number.
const NAMES: [(&str, Types); 7] = [
    ("array", Types::ARRAY),
    ("boolean", Types::BOOLEAN),
    ("integer", Types::INTEGER),
    ("null", Types::NULL),
    ("number", Types::NUMBER),
    ("object", Types::OBJECT),
    ("string", Types::STRING),
];

/// Flow's name for numbers that are no integers, which JSON Schema has no type for.
const FRACTIONAL: &str = "fractional";

impl Types {
    /// No type at all: nothing can stand there.
    pub const NONE: Self = Self(0);
    /// `null`.
    pub const NULL: Self = Self(1);
    /// `boolean`.
    pub const BOOLEAN: Self = Self(1 << 1);
    /// `integer`: numbers without a fraction, however they are written.
    pub const INTEGER: Self = Self(1 << 2);
    /// Numbers with a fraction.
    pub const FRACTIONAL: Self = Self(1 << 3);
    /// `string`.
    pub const STRING: Self = Self(1 << 4);
    /// `array`.
    pub const ARRAY: Self = Self(1 << 5);
    /// `object`.
    pub const OBJECT: Self = Self(1 << 6);
    /// `number`: integers and fractions.
    pub const NUMBER: Self = Self(Self::INTEGER.0 | Self::FRACTIONAL.0);
    /// Every type.
    pub const ANY: Self = Self((1 << 7) - 1);

    /// The types that may be part of a collection's key.
    pub const KEYABLE: Self =
        Self(Self::NULL.0 | Self::BOOLEAN.0 | Self::INTEGER.0 | Self::STRING.0);

    /// The set of the one type of `value`.
    pub fn of(value: &Value) -> Self {
        match value {
            Value::Null => Self::NULL,
            Value::Bool(_) => Self::BOOLEAN,
            Value::Number(number) => Self::of_number(number),
            Value::String(_) => Self::STRING,
            Value::Array(_) => Self::ARRAY,
            Value::Object(_) => Self::OBJECT,
        }
    }

    fn of_number(number: &serde_json::Number) -> Self {
        match number.as_f64() {
            Some(float) if number.is_f64() && float.fract() != 0.0 => Self::FRACTIONAL,
            _ => Self::INTEGER,
        }
    }

    /// The set that `name` stands for, in JSON Schema or in Flow; `None` for a name that neither
    /// has.
    pub fn named(name: &str) -> Option<Self> {
        if name == FRACTIONAL {
            return Some(Self::FRACTIONAL);
        }
        let found = NAMES.iter().find(|(known, _)| *known == name)?;
        Some(found.1)
    }

    /// All names JSON Schema has, ascending.
    pub fn all_names() -> impl Iterator<Item = &'static str> {
        NAMES.iter().map(|(name, _)| *name)
    }

    /// Flow's names of the members, ascending: both kinds of number together are a `number`.
    pub fn names(self) -> Vec<&'static str> {
        let number = self & Self::NUMBER;
        let mut names: Vec<_> = NAMES
            .iter()
            .filter(|(_, types)| match *types {
                Self::INTEGER | Self::NUMBER => number == *types,
                _ => self.overlaps(*types),
            })
            .map(|(name, _)| *name)
            .collect();
        if number == Self::FRACTIONAL {
            names.push(FRACTIONAL);
            names.sort_unstable();
        }
        names
    }

    /// Whether the two sets share a member.
    pub fn overlaps(self, other: Self) -> bool {
        self & other != Self::NONE
    }

    /// Whether every member is in `other`.
    pub fn is_within(self, other: Self) -> bool {
        self & other == self
    }
}

impl BitOr for Types {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl BitAnd for Types {
    type Output = Self;

    fn bitand(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn both_kinds_of_number_together_are_a_number() {
        assert_eq!((Types::INTEGER | Types::NULL).names(), ["integer", "null"]);
        assert_eq!(
            (Types::NUMBER | Types::STRING).names(),
            ["number", "string"]
        );
        assert_eq!(
            (Types::BOOLEAN | Types::FRACTIONAL | Types::NULL).names(),
            ["boolean", "fractional", "null"]
        );
        assert_eq!(Types::NONE.names(), Vec::<&str>::new());
    }

    #[test]
    fn a_float_without_fraction_is_an_integer() {
        assert_eq!(Types::of(&json!(1.0)), Types::INTEGER);
        assert_eq!(Types::of(&json!(1.5)), Types::FRACTIONAL);
        assert_eq!(Types::of(&json!(u64::MAX)), Types::INTEGER);
    }

    #[test]
    fn every_name_round_trips() {
        for name in Types::all_names() {
            assert_eq!(Types::named(name).map(Types::names), Some(vec![name]));
        }
        assert_eq!(Types::named("int"), None);
    }

    #[test]
    fn fractional_is_a_name_of_flow_that_schemas_may_have() {
        assert_eq!(Types::named("fractional"), Some(Types::FRACTIONAL));
        assert_eq!(Types::named("number"), Some(Types::NUMBER));
    }
}
