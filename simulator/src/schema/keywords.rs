//! Reads the keywords of one schema object by kind; each error says where it is and what belongs
//! there.

use std::collections::BTreeMap;

use regex::Regex;
use serde_json::{Map, Number, Value};

use super::exact;
use super::parse::SchemaError;
use super::types::Types;
use crate::suggest::nearest;

/// The keywords of one schema object, and where it stands.
pub(super) struct Keywords<'a> {
    pub(super) pointer: &'a str,
    pub(super) map: &'a Map<String, Value>,
}

impl Keywords<'_> {
    pub(super) fn error(&self, keyword: &str, message: String) -> SchemaError {
        SchemaError {
            pointer: format!("{}/{keyword}", self.pointer),
            message,
        }
    }

    pub(super) fn wrong_kind(&self, keyword: &str, expected: &str, found: &Value) -> SchemaError {
        self.error(
            keyword,
            format!("`{keyword}` must be {expected}, but is {found}"),
        )
    }

    fn read<T>(
        &self,
        keyword: &str,
        expected: &str,
        read: impl Fn(&Value) -> Option<T>,
    ) -> Result<Option<T>, SchemaError> {
        let Some(value) = self.map.get(keyword) else {
            return Ok(None);
        };
        read(value)
            .map(Some)
            .ok_or_else(|| self.wrong_kind(keyword, expected, value))
    }

    pub(super) fn string(&self, keyword: &str) -> Result<Option<String>, SchemaError> {
        self.read(keyword, "a string", |value| {
            value.as_str().map(str::to_owned)
        })
    }

    pub(super) fn strings(&self, keyword: &str) -> Result<Vec<String>, SchemaError> {
        let strings = self.read(keyword, "a list of strings", |value| {
            value
                .as_array()?
                .iter()
                .map(|item| item.as_str().map(str::to_owned))
                .collect::<Option<Vec<_>>>()
        });
        Ok(strings?.unwrap_or_default())
    }

    pub(super) fn lists_of_strings(
        &self,
        keyword: &str,
    ) -> Result<BTreeMap<String, Vec<String>>, SchemaError> {
        let lists = self.read(keyword, "an object of lists of strings", |value| {
            let list = |(name, list): (&String, &Value)| {
                let items = list.as_array()?.iter();
                let strings = items.map(|item| item.as_str().map(str::to_owned));
                Some((name.clone(), strings.collect::<Option<_>>()?))
            };
            value.as_object()?.iter().map(list).collect::<Option<_>>()
        });
        Ok(lists?.unwrap_or_default())
    }

    pub(super) fn flag(&self, keyword: &str) -> Result<bool, SchemaError> {
        Ok(self
            .read(keyword, "a boolean", Value::as_bool)?
            .unwrap_or_default())
    }

    pub(super) fn number(&self, keyword: &str) -> Result<Option<Number>, SchemaError> {
        self.read(keyword, "a number", |value| match value {
            Value::Number(number) => Some(number.clone()),
            _ => None,
        })
    }

    pub(super) fn count(&self, keyword: &str) -> Result<Option<u64>, SchemaError> {
        self.read(keyword, "an integer from 0 on", |value| {
            match value.as_f64() {
                Some(float) if float.fract() == 0.0 && float >= 0.0 => Some(float as u64),
                _ => None,
            }
        })
    }

    pub(super) fn pattern(&self, keyword: &str) -> Result<Option<Regex>, SchemaError> {
        let Some(pattern) = self.string(keyword)? else {
            return Ok(None);
        };
        Regex::new(&pattern)
            .map(Some)
            .map_err(|error| self.error(keyword, error.to_string()))
    }

    pub(super) fn types(&self) -> Result<Option<Types>, SchemaError> {
        let names = match self.map.get("type") {
            None => return Ok(None),
            Some(Value::String(name)) => vec![name.clone()],
            Some(Value::Array(_)) => self.strings("type")?,
            Some(other) => {
                return Err(self.wrong_kind("type", "a type name or a list of them", other));
            }
        };
        let nullable = if self.flag("nullable")? {
            Types::NULL
        } else {
            Types::NONE
        };
        names
            .iter()
            .try_fold(nullable, |types, name| Ok(types | self.one_type(name)?))
            .map(Some)
    }

    fn one_type(&self, name: &str) -> Result<Types, SchemaError> {
        Types::named(name).ok_or_else(|| {
            let right = nearest(name, Types::all_names());
            self.error(
                "type",
                format!(
                    "`{name}` is not a JSON type; did you mean `{}`?",
                    right.unwrap_or("string")
                ),
            )
        })
    }

    pub(super) fn enumeration(&self) -> Result<Option<Vec<Value>>, SchemaError> {
        let values = self.read("enum", "a list of values", |value| {
            value.as_array().cloned()
        })?;
        let constant = self.map.get("const");
        Ok(match (values, constant) {
            (values, None) => values,
            (None, Some(constant)) => Some(vec![constant.clone()]),
            (Some(values), Some(constant)) => Some(
                values
                    .into_iter()
                    .filter(|value| exact::equal(value, constant))
                    .collect(),
            ),
        })
    }
}
