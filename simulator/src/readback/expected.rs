//! What a binding's files must hold, from the specification and the rows that were committed.

use std::collections::BTreeMap;

use materialize_s3_parquet::protocol::flow::materialization_spec;
use materialize_s3_parquet::protocol::flow::{CollectionSpec, FieldSelection, MaterializationSpec};
use serde_json::{Map, Value};

use super::cell::Cell;
use super::column::{Column, JsonColumns};
use super::error::{Error, Result};
use crate::runtime::{KeyRange, Row, Transaction};

/// The column that holds what did not fit a column of its own.
pub const RESCUED: &str = "flow_rescued";

/// The options of the endpoint that decide what a file looks like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Knobs {
    /// `advanced.jsonColumns`.
    pub json_columns: JsonColumns,
    /// `advanced.unconvertible: fail`: there is no rescue column.
    pub fails_on_misfits: bool,
}

impl Knobs {
    /// Reads them from an endpoint's configuration.
    pub fn of(config: &Value) -> Self {
        let is = |pointer: &str, word: &str| {
            config.pointer(pointer).and_then(Value::as_str) == Some(word)
        };
        Self {
            json_columns: if is("/advanced/jsonColumns", "json") {
                JsonColumns::Json
            } else {
                JsonColumns::String
            },
            fails_on_misfits: is("/advanced/unconvertible", "fail"),
        }
    }
}

/// What a binding's files must hold.
#[derive(Clone, Debug)]
pub struct Expected<'a> {
    /// The source's name.
    pub collection: String,
    /// Where the files are: below this prefix, which ends with a slash.
    pub prefix: String,
    /// The columns, without the rescue column.
    pub columns: Vec<Column>,
    /// What a file looks like besides.
    pub knobs: Knobs,
    /// The rows in order, by the beginning of the key range of the shard that sent them.
    pub shards: BTreeMap<u32, Vec<&'a Row>>,
}

impl<'a> Expected<'a> {
    /// What every binding's files must hold after `committed`, of which each shard has sent the rows in its range.
    pub fn of(
        spec: &MaterializationSpec,
        shards: &[KeyRange],
        committed: impl IntoIterator<Item = &'a Transaction>,
        knobs: Knobs,
    ) -> Result<Vec<Self>> {
        let mut bindings: Vec<Self> = spec
            .bindings
            .iter()
            .map(|binding| Self::empty(binding, shards, knobs))
            .collect::<Result<_>>()?;
        let rows = committed
            .into_iter()
            .flat_map(|transaction| &transaction.rows);
        for row in rows {
            let binding = bindings.get_mut(row.binding as usize).ok_or_else(|| {
                Error::Specification(format!(
                    "a row names binding {}, and there are {}",
                    row.binding,
                    spec.bindings.len()
                ))
            })?;
            for range in shards.iter().filter(|range| range.takes(&row.key)) {
                binding.shards.entry(range.begin).or_default().push(row);
            }
        }
        Ok(bindings)
    }

    fn empty(
        binding: &materialization_spec::Binding,
        shards: &[KeyRange],
        knobs: Knobs,
    ) -> Result<Self> {
        let collection = binding.collection.clone().unwrap_or_default();
        let selection = binding.field_selection.clone().unwrap_or_default();
        Ok(Self {
            columns: columns(&collection, &selection)?,
            collection: collection.name,
            prefix: prefix(binding),
            knobs,
            shards: shards
                .iter()
                .map(|range| (range.begin, Vec::new()))
                .collect(),
        })
    }

    /// Every column's name and SQL type, in order, the rescue column last.
    pub(super) fn described(&self) -> Vec<(String, String)> {
        let described = |column: &Column| {
            (
                column.name.clone(),
                column.column_type.sql(self.knobs.json_columns).to_owned(),
            )
        };
        let rescued =
            (!self.knobs.fails_on_misfits).then(|| (RESCUED.to_owned(), "VARCHAR".to_owned()));
        self.columns.iter().map(described).chain(rescued).collect()
    }

    /// The cells of a row, the rescue column last.
    pub(super) fn cells(&self, row: &Row) -> Vec<Cell> {
        let document = row.document.as_ref().map(|text| Cell::Text(text.clone()));
        let mut rescued = Map::new();
        let mut cells = Vec::with_capacity(self.columns.len() + 1);
        for (column, value) in self.columns.iter().zip(row.key.iter().chain(&row.values)) {
            cells.push(
                Cell::expected(column.column_type, value).unwrap_or_else(|_misfit| {
                    rescued.insert(column.name.clone(), value.clone());
                    Cell::Null
                }),
            );
        }
        cells.extend(document);
        if !self.knobs.fails_on_misfits {
            cells.push(if rescued.is_empty() {
                Cell::Null
            } else {
                Cell::Json(Value::Object(rescued))
            });
        }
        cells
    }

    /// How many rows there must be.
    pub fn rows(&self) -> usize {
        self.shards.values().map(Vec::len).sum()
    }
}

/// Where a binding's files are: below this prefix, which ends with a slash. The folders with date patterns stand below that of
/// the version, so that one version is one folder whatever the day.
pub fn prefix(binding: &materialization_spec::Binding) -> String {
    let path = binding.resource_path.join("/");
    let version = format!("v{:010}", binding.backfill);
    let mut folders: Vec<&str> = path.split('/').collect();
    let first_dated = folders.iter().position(|folder| is_dated(folder));
    folders.insert(first_dated.unwrap_or(folders.len()), &version);
    format!("{}/", folders.join("/"))
}

/// Whether a folder's name has a date pattern; `%%` is only a percent sign.
fn is_dated(folder: &str) -> bool {
    folder.replace("%%", "").contains('%')
}

/// Keys, values, document.
fn columns(collection: &CollectionSpec, selection: &FieldSelection) -> Result<Vec<Column>> {
    let document = (!selection.document.is_empty()).then_some(&selection.document);
    let fields = selection
        .keys
        .iter()
        .chain(&selection.values)
        .chain(document);
    let column = |field: &String| {
        let found = collection
            .projections
            .iter()
            .find(|projection| projection.field == *field);
        let projection = found.ok_or_else(|| {
            Error::Specification(format!(
                "`{}` has no projection `{field}`, but it is selected",
                collection.name
            ))
        })?;
        let config = selection.field_config_json_map.get(field);
        let config: Option<Value> = config.and_then(|config| serde_json::from_slice(config).ok());
        Ok(Column::of(projection, config.as_ref()))
    };
    fields.map(column).collect()
}
