//! What a binding's files must hold, from the specification and the rows that were committed.

use std::collections::BTreeMap;

use materialize_s3_parquet::protocol::flow::materialization_spec;
use materialize_s3_parquet::protocol::flow::{CollectionSpec, FieldSelection, MaterializationSpec};
use serde_json::{Map, Value};

use super::cell::Cell;
use super::column::{Column, ColumnType, JsonColumns};
use super::error::{Error, Result};
use crate::runtime::{KeyRange, Row, Transaction};

/// The column that holds what did not fit a column of its own.
pub const RESCUED: &str = "flow_rescued";

/// The column that holds what the column of a field has only nearly.
pub const EXACT: &str = "flow_exact";

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
    /// The columns of fields, without those for rescued and for exact values.
    pub columns: Vec<Column>,
    /// How many of them, from the first on, are the key.
    pub key_columns: usize,
    /// What a file looks like besides.
    pub knobs: Knobs,
    /// The rows in order, by the beginning of the key range of the shard that sent them.
    pub shards: BTreeMap<u32, Vec<&'a Row>>,
}

impl<'a> Expected<'a> {
    /// What every binding's files must hold after `committed`, of which each shard has sent the
    /// rows in its range.
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
            key_columns: selection.keys.len(),
            collection: collection.name,
            prefix: prefix(binding),
            knobs,
            shards: shards
                .iter()
                .map(|range| (range.begin, Vec::new()))
                .collect(),
        })
    }

    /// Every column's name and SQL type, in order, those for rescued and for exact values last.
    pub(super) fn described(&self) -> Vec<(String, String)> {
        let described = |column: &Column| {
            (
                column.name.clone(),
                column.column_type.sql(self.knobs.json_columns).to_owned(),
            )
        };
        let rescued =
            (!self.knobs.fails_on_misfits).then(|| (RESCUED.to_owned(), "VARCHAR".to_owned()));
        let exact = self
            .keeps_exact()
            .then(|| (EXACT.to_owned(), "VARCHAR".to_owned()));
        let columns = self.columns.iter().map(described);
        columns.chain(rescued).chain(exact).collect()
    }

    /// Whether a field can have a value that its column does not give back. A field of that name,
    /// from before it was reserved, keeps its column.
    fn keeps_exact(&self) -> bool {
        let may_be_inexact = |(index, column): (usize, &Column)| match column.column_type {
            ColumnType::Double { .. } | ColumnType::Integer { from_text: true } => true,
            ColumnType::Timestamp => index < self.key_columns,
            _ => false,
        };
        let is_free = self.columns.iter().all(|column| column.name != EXACT);
        is_free && self.columns.iter().enumerate().any(may_be_inexact)
    }

    /// The cells of a row, those for rescued and for exact values last.
    pub(super) fn cells(&self, row: &Row) -> Vec<Cell> {
        let document = row.document.as_ref().map(|text| Cell::Text(text.clone()));
        let (mut rescued, mut exact) = (Map::new(), Map::new());
        let mut cells = Vec::with_capacity(self.columns.len() + 2);
        let values = row.key.iter().chain(&row.values);
        for (index, (column, value)) in self.columns.iter().zip(values).enumerate() {
            let cell = Cell::expected(column.column_type, value);
            let cell = cell.unwrap_or_else(|_misfit| {
                rescued.insert(column.name.clone(), value.clone());
                Cell::Null
            });
            let is_key = index < self.key_columns;
            if cell != Cell::Null && !cell.gives_back(column.column_type, is_key, value) {
                exact.insert(column.name.clone(), value.clone());
            }
            cells.push(cell);
        }
        cells.extend(document);
        if !self.knobs.fails_on_misfits {
            cells.push(kept(rescued));
        }
        if self.keeps_exact() {
            cells.push(kept(exact));
        }
        cells
    }

    /// How many rows there must be.
    pub fn rows(&self) -> usize {
        self.shards.values().map(Vec::len).sum()
    }
}

fn kept(values: Map<String, Value>) -> Cell {
    if values.is_empty() {
        Cell::Null
    } else {
        Cell::Json(Value::Object(values))
    }
}

/// Where a binding's files are: below this prefix, which ends with a slash. The folders with date
/// patterns stand below that of the version, so that one version is one folder whatever the day.
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
