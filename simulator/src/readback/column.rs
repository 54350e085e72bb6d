//! Which column a field must have in a file: design decisions of the product, written down a second
//! time.

use std::collections::BTreeSet;

use materialize_s3_parquet::protocol::flow;
use serde_json::Value;

/// One column of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its name: the field's, verbatim.
    pub name: String,
    /// What it holds.
    pub column_type: ColumnType,
}

/// The Parquet type of JSON text: the option `advanced.jsonColumns`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum JsonColumns {
    /// A plain string.
    #[default]
    String,
    /// The JSON logical type.
    Json,
}

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColumnType {
    /// Booleans.
    Boolean,
    /// 64-bit integers, `from_text` also out of strings.
    Integer {
        /// Whether strings of digits count.
        from_text: bool,
    },
    /// Doubles, `from_text` also out of strings.
    Double {
        /// Whether strings that hold a number count.
        from_text: bool,
    },
    /// Strings.
    Text,
    /// Bytes out of base64.
    Bytes,
    /// Days.
    Date,
    /// Microseconds, UTC.
    Timestamp,
    /// Strings as they are, anything else as JSON text.
    Cast,
    /// JSON text.
    Json,
}

impl Column {
    /// The column of a selected field.
    pub fn of(projection: &flow::Projection, config: Option<&Value>) -> Self {
        let is_cast =
            config.and_then(|config| config.get("castToString")) == Some(&Value::Bool(true));
        let column_type = if is_cast {
            ColumnType::Cast
        } else {
            ColumnType::of(projection)
        };
        Self {
            name: projection.field.clone(),
            column_type,
        }
    }
}

impl ColumnType {
    fn of(projection: &flow::Projection) -> Self {
        let inference = projection.inference.clone().unwrap_or_default();
        let types: BTreeSet<&str> = inference
            .types
            .iter()
            .map(String::as_str)
            .filter(|name| *name != "null")
            .map(|name| if name == "fractional" { "number" } else { name })
            .collect();
        let types: Vec<&str> = types.into_iter().collect();
        let string = inference.string.unwrap_or_default();
        let is_value = !projection.is_primary_key;
        match (types.as_slice(), string.format.as_str()) {
            (["boolean"], _) => Self::Boolean,
            (["integer"], _) => Self::Integer { from_text: false },
            (["number"] | ["integer", "number"], _) => Self::Double { from_text: false },
            (["string"], _) if string.content_encoding == "base64" => Self::Bytes,
            (["string"] | ["integer", "string"], "integer") if is_value => {
                Self::Integer { from_text: true }
            }
            (["string"] | ["integer" | "number", "string"], "number") if is_value => {
                Self::Double { from_text: true }
            }
            (["string"], "date") => Self::Date,
            (["string"], "date-time") => Self::Timestamp,
            (["string"], _) => Self::Text,
            _ => Self::Json,
        }
    }

    /// The type that DuckDB must see.
    pub fn sql(self, json_columns: JsonColumns) -> &'static str {
        match self {
            Self::Boolean => "BOOLEAN",
            Self::Integer { .. } => "BIGINT",
            Self::Double { .. } => "DOUBLE",
            Self::Bytes => "BLOB",
            Self::Date => "DATE",
            Self::Timestamp => "TIMESTAMP WITH TIME ZONE",
            Self::Json if json_columns == JsonColumns::Json => "JSON",
            Self::Text | Self::Cast | Self::Json => "VARCHAR",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column_type(types: &[&str], format: &str, is_key: bool) -> ColumnType {
        let string = flow::inference::String {
            format: format.to_owned(),
            ..Default::default()
        };
        let inference = flow::Inference {
            types: types.iter().map(|name| (*name).to_owned()).collect(),
            string: Some(string),
            ..Default::default()
        };
        ColumnType::of(&flow::Projection {
            is_primary_key: is_key,
            inference: Some(inference),
            ..Default::default()
        })
    }

    #[test]
    fn null_is_ignored_and_mixtures_are_json() {
        assert_eq!(
            column_type(&["integer", "null"], "", false),
            ColumnType::Integer { from_text: false }
        );
        assert_eq!(
            column_type(&["integer", "string"], "", false),
            ColumnType::Json
        );
        assert_eq!(column_type(&["array"], "", false), ColumnType::Json);
        assert_eq!(
            column_type(&["number", "null"], "", false),
            ColumnType::Double { from_text: false }
        );
    }

    #[test]
    fn a_fractional_is_a_number_and_an_unknown_type_is_json() {
        let double = |from_text| ColumnType::Double { from_text };
        for (types, format, expected) in [
            (&["fractional", "null"][..], "", double(false)),
            (&["fractional", "integer"], "", double(false)),
            (&["fractional", "string"], "number", double(true)),
            (&["fractional", "string"], "", ColumnType::Json),
            (&["decimal"], "", ColumnType::Json),
        ] {
            assert_eq!(column_type(types, format, false), expected, "{types:?}");
        }
    }

    #[test]
    fn numbers_may_be_written_as_strings_unless_they_are_keys() {
        assert_eq!(
            column_type(&["integer", "string"], "integer", false),
            ColumnType::Integer { from_text: true }
        );
        assert_eq!(
            column_type(&["integer", "string"], "integer", true),
            ColumnType::Json
        );
        assert_eq!(column_type(&["string"], "integer", true), ColumnType::Text);
        assert_eq!(
            column_type(&["integer", "string"], "number", false),
            ColumnType::Double { from_text: true }
        );
    }

    #[test]
    fn strings_go_by_their_format() {
        let table = [
            ("date", ColumnType::Date),
            ("date-time", ColumnType::Timestamp),
            ("time", ColumnType::Text),
            ("uuid", ColumnType::Text),
        ];
        for (format, expected) in table {
            assert_eq!(
                column_type(&["string"], format, false),
                expected,
                "{format}"
            );
        }
    }
}
