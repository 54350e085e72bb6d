//! Columns: from a projection's inferred JSON types to the type that its values have in a Parquet
//! file.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::Arc;

use arrow_schema::extension::Json;
use arrow_schema::{DataType, Field, SchemaRef, TimeUnit};
use bytes::Bytes;
use serde::Deserialize;

use crate::config::JsonColumns;
use crate::error::{Error, Result};
use crate::protocol::flow;

/// The column that holds what did not fit a column of its own.
pub const RESCUED_FIELD: &str = "flow_rescued";

/// The column that holds, beside the nearest value that a column of its own has, what the document
/// says exactly.
pub const EXACT_FIELD: &str = "flow_exact";

/// What the values of a column are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ColumnType {
    /// BOOLEAN.
    Boolean,
    /// INT64; `strings` says whether strings of digits are integers too.
    Integer {
        /// The projection's format is `integer`.
        strings: bool,
    },
    /// DOUBLE; `strings` says whether strings that hold a number are numbers too.
    Number {
        /// The projection's format is `number`.
        strings: bool,
    },
    /// STRING.
    String,
    /// BYTE_ARRAY, decoded from base64.
    Binary,
    /// DATE.
    Date,
    /// TIMESTAMP in microseconds, UTC.
    Timestamp,
    /// STRING, where every value that is not a string stands as its JSON text.
    CastToString,
    /// JSON text.
    Json,
}

impl ColumnType {
    /// Returns the column type of a projection, by `docs/mapping.md` §2, or `None` if its schema
    /// allows no value but null.
    pub fn of(projection: &flow::Projection) -> Option<Self> {
        let types = JsonTypes::of(projection);
        let string = projection
            .inference
            .as_ref()
            .and_then(|inference| inference.string.as_ref());
        let format = string.map_or("", |string| string.format.as_str());
        let may_parse = !projection.is_primary_key;
        Some(match types {
            JsonTypes::NONE => return None,
            JsonTypes::BOOLEAN => Self::Boolean,
            JsonTypes::INTEGER => Self::Integer { strings: false },
            _ if types.is_number() => Self::Number { strings: false },
            JsonTypes::STRING if string.is_some_and(is_base64) => Self::Binary,
            _ if may_parse
                && format == "integer"
                && types.is_within(JsonTypes::INTEGER | JsonTypes::STRING) =>
            {
                Self::Integer { strings: true }
            }
            _ if may_parse
                && format == "number"
                && types.is_within(JsonTypes::NUMERIC | JsonTypes::STRING) =>
            {
                Self::Number { strings: true }
            }
            JsonTypes::STRING => match format {
                "date" => Self::Date,
                "date-time" => Self::Timestamp,
                _ => Self::String,
            },
            _ => Self::Json,
        })
    }

    /// Whether a value stands in a file just as it would in a column of type `other`.
    pub fn has_form_of(self, other: Self) -> bool {
        let is_json = |column_type| column_type == Self::Json;
        self.data_type() == other.data_type() && is_json(self) == is_json(other)
    }

    /// Whether a column of a key, or else of other values, may hold a value that does not give the
    /// document's back, but is only the nearest to it.
    pub fn may_be_inexact(self, is_key: bool) -> bool {
        match self {
            Self::Number { .. } | Self::Integer { strings: true } => true,
            Self::Timestamp => is_key,
            _ => false,
        }
    }

    /// Its Arrow type, which decides the Parquet type.
    pub fn data_type(self) -> DataType {
        match self {
            Self::Boolean => DataType::Boolean,
            Self::Integer { .. } => DataType::Int64,
            Self::Number { .. } => DataType::Float64,
            Self::String | Self::CastToString | Self::Json => DataType::Utf8,
            Self::Binary => DataType::Binary,
            Self::Date => DataType::Date32,
            Self::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        }
    }

    fn field(self, name: &str, json_columns: JsonColumns) -> Field {
        let field = Field::new(name, self.data_type(), true);
        match (self, json_columns) {
            (Self::Json, JsonColumns::Json) => field.with_extension_type(Json::default()),
            _ => field,
        }
    }
}

impl fmt::Display for ColumnType {
    /// The type in Parquet's words.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Boolean => "BOOLEAN",
            Self::Integer { .. } => "INT64",
            Self::Number { .. } => "DOUBLE",
            Self::String | Self::CastToString => "STRING",
            Self::Binary => "BYTE_ARRAY",
            Self::Date => "DATE",
            Self::Timestamp => "TIMESTAMP(MICROS, UTC)",
            Self::Json => "JSON text",
        })
    }
}

fn is_base64(string: &flow::inference::String) -> bool {
    string.content_encoding.eq_ignore_ascii_case("base64")
}

/// A set of JSON types, without null: every column may be null.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JsonTypes(u8);

impl JsonTypes {
    /// No type but null.
    pub const NONE: Self = Self(0);
    /// `array`.
    pub const ARRAY: Self = Self(1);
    /// `boolean`.
    pub const BOOLEAN: Self = Self(2);
    /// `integer`.
    pub const INTEGER: Self = Self(4);
    /// `number`, and `fractional`: Flow's name for numbers that are no integers.
    pub const NUMBER: Self = Self(8);
    /// `integer` and `number`.
    pub const NUMERIC: Self = Self(4 | 8);
    /// `object`.
    pub const OBJECT: Self = Self(16);
    /// `string`.
    pub const STRING: Self = Self(32);
    /// Any type whose name is not known: its values are JSON in any case.
    pub const UNKNOWN: Self = Self(64);

    /// The types that a projection's values may have.
    pub fn of(projection: &flow::Projection) -> Self {
        let types = projection
            .inference
            .iter()
            .flat_map(|inference| &inference.types);
        types.fold(Self::NONE, |set, name| set | Self::named(name))
    }

    fn named(name: &str) -> Self {
        match name {
            "array" => Self::ARRAY,
            "boolean" => Self::BOOLEAN,
            "integer" => Self::INTEGER,
            "null" => Self::NONE,
            "number" | "fractional" => Self::NUMBER,
            "object" => Self::OBJECT,
            "string" => Self::STRING,
            _ => Self::UNKNOWN,
        }
    }

    /// Whether it holds a type, and none outside `other`.
    fn is_within(self, other: Self) -> bool {
        self != Self::NONE && self.0 & !other.0 == 0
    }

    fn is_number(self) -> bool {
        self.is_within(Self::NUMERIC) && self != Self::INTEGER
    }
}

impl std::ops::BitOr for JsonTypes {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// A column of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its name: the field's, verbatim.
    pub field: String,
    /// The type of its values.
    pub column_type: ColumnType,
}

/// The columns of a binding's files, in the order that a Store gives their values: keys, values,
/// document.
///
/// A session has one for each of its bindings, idle or not, so it holds no more than names and
/// types.
#[derive(Clone, Debug)]
pub struct Schema {
    columns: Box<[Column]>,
    key_columns: usize,
    has_document: bool,
    json_columns: JsonColumns,
    rescues: bool,
    keeps_exact: bool,
}

impl Schema {
    /// The columns of a binding as the runtime has selected them. `rescues` adds the column for
    /// what does not fit; that for exact values is added where a field can be inexact, and no
    /// field has taken its name before it was reserved.
    ///
    /// Errors where the selection names a field that the collection does not project, or that has
    /// no column.
    pub fn new(
        collection: &flow::CollectionSpec,
        selection: &flow::FieldSelection,
        json_columns: JsonColumns,
        rescues: bool,
    ) -> Result<Self> {
        let document = Some(&selection.document).filter(|document| !document.is_empty());
        let fields = selection
            .keys
            .iter()
            .chain(&selection.values)
            .chain(document);
        let projections = projections_by_field(collection);
        let columns = fields
            .map(|field| {
                let projection = projections.get(field.as_str()).copied();
                column(&collection.name, projection, selection, field)
            })
            .collect::<Result<Box<[Column]>>>()?;
        Ok(Self {
            keeps_exact: keeps_exact(&columns, selection.keys.len()),
            columns,
            key_columns: selection.keys.len(),
            has_document: document.is_some(),
            json_columns,
            rescues,
        })
    }

    /// The columns that hold the fields of a Store.
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// How many of them, from the first on, are the key.
    pub fn key_columns(&self) -> usize {
        self.key_columns
    }

    /// Whether the last of them is the root document.
    pub fn has_document(&self) -> bool {
        self.has_document
    }

    /// Makes the schema of a file, with the columns for what did not fit and for exact values where
    /// there are such.
    pub fn arrow(&self) -> SchemaRef {
        let kept = |field| ColumnType::Json.field(field, JsonColumns::String);
        let rescue_column = self.rescues.then(|| kept(RESCUED_FIELD));
        let exact_column = self.keeps_exact.then(|| kept(EXACT_FIELD));
        let columns = self.columns.iter();
        let fields = columns
            .map(|column| column.column_type.field(&column.field, self.json_columns))
            .chain(rescue_column)
            .chain(exact_column);
        Arc::new(arrow_schema::Schema::new(fields.collect::<Vec<_>>()))
    }

    /// Whether a column behind those of the fields holds what did not fit.
    pub fn rescues(&self) -> bool {
        self.rescues
    }

    /// Whether the last column of the file holds what the columns of the fields have only nearly.
    pub fn keeps_exact(&self) -> bool {
        self.keeps_exact
    }
}

fn keeps_exact(columns: &[Column], key_columns: usize) -> bool {
    let mut indexed = columns.iter().enumerate();
    let may_be_inexact =
        indexed.any(|(index, column)| column.column_type.may_be_inexact(index < key_columns));
    may_be_inexact && columns.iter().all(|column| column.field != EXACT_FIELD)
}

/// The projections of a collection by their fields; of a field that is projected twice, the first.
pub fn projections_by_field(collection: &flow::CollectionSpec) -> HashMap<&str, &flow::Projection> {
    let projections = collection.projections.iter().rev();
    projections
        .map(|projection| (projection.field.as_str(), projection))
        .collect()
}

fn column(
    collection: &str,
    projection: Option<&flow::Projection>,
    selection: &flow::FieldSelection,
    field: &str,
) -> Result<Column> {
    let projection = projection.ok_or_else(|| {
        Error::protocol(format!(
            "field `{field}` is selected, but collection `{collection}` does not project it"
        ))
    })?;
    let column_type = column_type(projection, &selection.field_config_json_map)?;
    let column_type = column_type.ok_or_else(|| {
        Error::protocol(format!(
            "field `{field}` of collection `{collection}` is selected, but its schema allows no \
             value but null"
        ))
    })?;
    Ok(Column {
        field: field.to_owned(),
        column_type,
    })
}

/// The column type of a projection, by what the user says of its field under `fields.include`; none
/// where its schema allows no value but null. Errors where what the user says is not known.
pub fn column_type(
    projection: &flow::Projection,
    field_config: &BTreeMap<String, Bytes>,
) -> Result<Option<ColumnType>> {
    let casts = casts_to_string(field_config.get(&projection.field))
        .map_err(|error| error.context(format_args!("field `{}`", projection.field)))?;
    let column_type = ColumnType::of(projection);
    Ok(if casts {
        column_type.map(|_| ColumnType::CastToString)
    } else {
        column_type
    })
}

/// The column type of a projection in a selection that has been applied before; none where its
/// schema allows no value but null, or where its configuration is not known. Another version of the
/// connector may have applied it, and what that one understood must not stop this one.
pub fn applied_column_type(
    projection: &flow::Projection,
    selection: &flow::FieldSelection,
) -> Option<ColumnType> {
    let column_type = column_type(projection, &selection.field_config_json_map);
    column_type.ok().flatten()
}

/// What a user may say of one field, under `fields.include`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
struct FieldConfig {
    cast_to_string: bool,
}

/// Whether the user wants a field as a string, by its field configuration.
fn casts_to_string(field_config: Option<&Bytes>) -> Result<bool> {
    let Some(config) = field_config.filter(|config| !config.is_empty() && &config[..] != b"null")
    else {
        return Ok(false);
    };
    let config: FieldConfig = serde_json::from_slice(config).map_err(|error| {
        Error::config(
            "the configuration of a field under `fields` may hold `castToString: true` and \
             nothing else",
        )
        .with_source(error)
    })?;
    Ok(config.cast_to_string)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mapping::scale::assert_no_search;

    fn collection() -> flow::CollectionSpec {
        let projection = |field: &str, kind: &str| flow::Projection {
            field: field.to_owned(),
            inference: Some(flow::Inference {
                types: vec![kind.to_owned()],
                ..Default::default()
            }),
            ..Default::default()
        };
        flow::CollectionSpec {
            name: "acmeCo/orders".to_owned(),
            projections: vec![
                projection("a", "integer"),
                projection("b", "array"),
                projection("document", "object"),
                projection("nothing", "null"),
            ],
            ..Default::default()
        }
    }

    fn schema(keys: &[&str], values: &[&str], document: &str, json: JsonColumns) -> Result<Schema> {
        let names = |fields: &[&str]| fields.iter().map(|&field| field.to_owned()).collect();
        let selection = flow::FieldSelection {
            keys: names(keys),
            values: names(values),
            document: document.to_owned(),
            ..Default::default()
        };
        Schema::new(&collection(), &selection, json, true)
    }

    fn names(schema: &Schema) -> Vec<String> {
        let arrow = schema.arrow();
        let fields = arrow.fields().iter();
        fields.map(|field| field.name().clone()).collect()
    }

    #[test]
    fn columns_are_keys_then_values_then_the_document_then_what_was_rescued() {
        let schema = schema(&["b"], &["a"], "document", JsonColumns::String).unwrap();
        assert_eq!(names(&schema), ["b", "a", "document", RESCUED_FIELD]);
        assert_eq!((schema.key_columns(), schema.has_document()), (1, true));
        let is_nullable = |field: &Arc<Field>| field.is_nullable();
        assert!(schema.arrow().fields().iter().all(is_nullable));
    }

    #[test]
    fn a_selection_without_keys_or_without_anything_has_its_columns_all_the_same() {
        let values_only = schema(&[], &["a"], "", JsonColumns::String).unwrap();
        assert_eq!(names(&values_only), ["a", RESCUED_FIELD]);
        assert_eq!(
            (values_only.key_columns(), values_only.has_document()),
            (0, false)
        );
        assert_eq!(
            names(&schema(&[], &[], "", JsonColumns::String).unwrap()),
            [RESCUED_FIELD]
        );
    }

    #[test]
    fn json_text_is_a_string_or_of_the_json_type_but_what_was_rescued_is_a_string() {
        for (json, expected) in [(JsonColumns::String, false), (JsonColumns::Json, true)] {
            let schema = schema(&[], &["b"], "", json).unwrap();
            let is_json = |index: usize| {
                schema
                    .arrow()
                    .field(index)
                    .has_valid_extension_type::<Json>()
            };
            assert_eq!((is_json(0), is_json(1)), (expected, false));
        }
    }

    fn select_every_field(count: usize) {
        let fields: Vec<_> = (0..count).map(|index| format!("f{index:06}")).collect();
        let mut collection = collection();
        let integer = collection.projections.swap_remove(0);
        let projections = fields.iter().map(|field| flow::Projection {
            field: field.clone(),
            ..integer.clone()
        });
        collection.projections = projections.collect();
        let selection = flow::FieldSelection {
            values: fields,
            ..Default::default()
        };
        let schema = Schema::new(&collection, &selection, JsonColumns::String, false).unwrap();
        assert_eq!(schema.columns().len(), count);
    }

    #[test]
    fn many_columns_are_looked_up_and_not_searched() {
        assert_no_search(select_every_field);
    }

    #[test]
    fn a_selection_of_what_is_not_there_or_has_no_column_is_an_error_that_names_it() {
        for (field, says) in [
            ("c", "does not project it"),
            ("nothing", "no value but null"),
        ] {
            let error = schema(&[], &[field], "", JsonColumns::String)
                .unwrap_err()
                .to_string();
            assert!(
                error.contains(&format!("`{field}`")) && error.contains(says),
                "{error}"
            );
            assert!(error.contains("acmeCo/orders"), "{error}");
        }
    }
}
