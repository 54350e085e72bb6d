//! What stands in the columns of a file, noted in few bytes, so that a later session finds which of
//! them have changed.
//!
//! A note has four bytes for each column, as base64: a hash of its name, and a number for what
//! stands in it. A binding of a thousand columns has five kilobytes of it in the state.

use std::collections::HashMap;

use base64::Engine;
use base64::prelude::BASE64_STANDARD_NO_PAD;

use super::change::Change;
use super::column::{ColumnType, Schema};

/// The bytes of a column: three of the hash, and one for its form.
const BYTES: usize = 4;

/// The bits of the hash.
const HASH: u32 = 0x00ff_ffff;

impl Schema {
    /// Notes what stands in the columns.
    pub fn forms(&self) -> String {
        let columns = self.columns().iter();
        let bytes: Vec<u8> = columns
            .flat_map(|column| {
                let hash = hash(&column.field) << 8;
                (hash | u32::from(number(column.column_type))).to_be_bytes()
            })
            .collect();
        BASE64_STANDARD_NO_PAD.encode(bytes)
    }

    /// Lists the fields in whose columns something else stands than `forms` has noted. What `forms`
    /// does not say, or says twice, is taken for unchanged.
    pub fn changes_since(&self, forms: &str) -> Vec<(&str, Change)> {
        let bytes = BASE64_STANDARD_NO_PAD.decode(forms).unwrap_or_default();
        let mut noted: HashMap<u32, Option<u8>> = HashMap::new();
        for column in bytes.chunks_exact(BYTES) {
            let column = column
                .iter()
                .fold(0, |all, &byte| all << 8 | u32::from(byte));
            let form = column as u8;
            let known = noted.entry(column >> 8).or_insert(Some(form));
            *known = known.filter(|&known| known == form);
        }
        let change = |field, to| {
            let from = column_type((*noted.get(&hash(field))?)?)?;
            Change::between(from, to)
        };
        let columns = self.columns().iter();
        columns
            .filter_map(|column| {
                let field = column.field.as_str();
                Some((field, change(field, column.column_type)?))
            })
            .collect()
    }
}

fn hash(field: &str) -> u32 {
    crc32fast::hash(field.as_bytes()) & HASH
}

/// The number of a form. States keep it: one that was given never changes its meaning.
fn number(column_type: ColumnType) -> u8 {
    match column_type {
        ColumnType::Boolean => 1,
        ColumnType::Integer { .. } => 2,
        ColumnType::Number { .. } => 3,
        ColumnType::String | ColumnType::CastToString => 4,
        ColumnType::Binary => 5,
        ColumnType::Date => 6,
        ColumnType::Timestamp => 7,
        ColumnType::Json => 8,
    }
}

/// The form of a number; none of one that only a newer connector knows.
fn column_type(number: u8) -> Option<ColumnType> {
    Some(match number {
        1 => ColumnType::Boolean,
        2 => ColumnType::Integer { strings: false },
        3 => ColumnType::Number { strings: false },
        4 => ColumnType::String,
        5 => ColumnType::Binary,
        6 => ColumnType::Date,
        7 => ColumnType::Timestamp,
        8 => ColumnType::Json,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::JsonColumns;
    use crate::protocol::flow;

    fn schema(fields: &[(&str, &str)]) -> Schema {
        let projection = |&(field, kind): &(&str, &str)| flow::Projection {
            field: field.to_owned(),
            inference: Some(flow::Inference {
                types: kind.split(' ').map(str::to_owned).collect(),
                ..Default::default()
            }),
            ..Default::default()
        };
        let collection = flow::CollectionSpec {
            projections: fields.iter().map(projection).collect(),
            ..Default::default()
        };
        let selection = flow::FieldSelection {
            values: fields.iter().map(|&(field, _)| field.to_owned()).collect(),
            ..Default::default()
        };
        Schema::new(&collection, &selection, JsonColumns::String, true).unwrap()
    }

    #[test]
    fn what_stands_in_a_column_in_another_form_is_found() {
        let before = schema(&[("code", "string"), ("id", "integer"), ("gone", "boolean")]).forms();
        let now = schema(&[
            ("id", "integer"),
            ("code", "string integer"),
            ("new", "array"),
        ]);
        let changes = now.changes_since(&before);
        let changes: Vec<_> = changes
            .iter()
            .map(|(field, change)| format!("{field} {change}"))
            .collect();
        assert_eq!(
            changes,
            [r#"code from STRING to JSON text (`abc` becomes `"abc"`)"#]
        );
        assert_eq!(now.changes_since(&now.forms()), []);
    }

    #[test]
    fn a_note_that_is_not_understood_says_nothing() {
        let now = schema(&[("code", "string")]);
        let unknown = (hash("code") << 8 | 255).to_be_bytes();
        let ambiguous = [
            (hash("code") << 8 | 1).to_be_bytes(),
            (hash("code") << 8 | 2).to_be_bytes(),
        ];
        for forms in ["", "?", "AAA", &BASE64_STANDARD_NO_PAD.encode(unknown)] {
            assert_eq!(now.changes_since(forms), [], "{forms}");
        }
        let forms = BASE64_STANDARD_NO_PAD.encode(ambiguous.concat());
        assert_eq!(now.changes_since(&forms), []);
    }

    #[test]
    fn every_form_has_a_number_of_its_own() {
        for form in 1..=8 {
            assert_eq!(column_type(form).map(number), Some(form));
        }
        assert_eq!(number(ColumnType::CastToString), number(ColumnType::String));
    }
}
