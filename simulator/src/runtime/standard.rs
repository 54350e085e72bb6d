//! Standard bindings: what is stored of a key is loaded, reduced with the new documents, and stored
//! again as a whole.
//!
//! The runtime asks for keys that may have been stored before, and the connector answers with those
//! that were. What it answers is compared with what it was given to store: that is how a standard
//! binding is read back.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use materialize_s3_parquet::protocol::materialize::response::Loaded;
use serde_json::Value;

use super::error::{Error, Result};
use super::range::KeyRange;
use super::row::{Row, Transaction};
use crate::extract::pack;

/// What must be known of a task's documents to keep its standard bindings.
pub trait Reducer: Send + Sync {
    /// The key of a document of a binding.
    fn key(&self, binding: u32, document: &Value) -> Vec<Value>;

    /// The row of `row`'s document reduced on top of what was loaded of its key. Errors where the
    /// two do not go together.
    fn reduce(&self, row: &Row, loaded: Value) -> Result<Row, String>;
}

/// A key of a binding, packed.
pub(super) type Place = (u32, Vec<u8>);

/// One shard's share of a transaction.
#[derive(Clone, Debug)]
pub(super) struct Share<'t> {
    /// Its rows; once everything is loaded, those that are stored.
    pub(super) rows: Vec<Cow<'t, Row>>,
    /// What is asked for.
    asked: BTreeSet<Place>,
}

impl<'t> Share<'t> {
    /// The share of a shard. `may_exist` tells whether a key of a binding may have been stored
    /// before.
    pub(super) fn of(
        transaction: &'t Transaction,
        range: KeyRange,
        may_exist: impl Fn(u32, &[u8]) -> bool,
    ) -> Self {
        let rows = transaction.rows.iter();
        let rows: Vec<Cow<'t, Row>> = rows
            .filter(|row| range.takes(&row.key))
            .map(Cow::Borrowed)
            .collect();
        let places = rows.iter().filter_map(|row| place(row));
        let asked = places
            .filter(|(binding, key)| may_exist(*binding, key))
            .collect();
        Self { rows, asked }
    }

    /// The rows whose keys are asked for.
    pub(super) fn asked(&self) -> impl Iterator<Item = &Row> {
        let is_asked = |row: &&Row| place(row).is_some_and(|place| self.asked.contains(&place));
        self.rows.iter().map(AsRef::as_ref).filter(is_asked)
    }

    /// The packed keys of standard bindings.
    pub(super) fn places(&self) -> impl Iterator<Item = Place> {
        self.rows.iter().filter_map(|row| place(row))
    }

    /// Takes in what was loaded: the rows become what is to be stored.
    pub(super) fn reduce(
        &mut self,
        loaded: Vec<Loaded>,
        reducer: &dyn Reducer,
        memory: &mut Memory,
    ) -> Result<()> {
        if self.asked.is_empty() && loaded.is_empty() {
            return Ok(());
        }
        let mut found: BTreeMap<Place, Value> = BTreeMap::new();
        for Loaded { binding, doc_json } in loaded {
            let document: Value = serde_json::from_slice(&doc_json).map_err(|error| {
                Error::violation(format!(
                    "Loaded of binding {binding} holds a document that is not JSON ({error})"
                ))
            })?;
            let key = reducer.key(binding, &document);
            let place = (binding, pack(&key));
            if !self.asked.contains(&place) {
                return Err(wrong(binding, &key, "was loaded, but it was not asked for"));
            }
            if found.insert(place, document).is_some() {
                return Err(wrong(binding, &key, "was loaded twice"));
            }
        }
        for row in &mut self.rows {
            let Some(place) = place(row).filter(|place| self.asked.contains(place)) else {
                continue;
            };
            let loaded = found.remove(&place);
            memory.check(row, &place, loaded.as_ref())?;
            if let Some(loaded) = loaded {
                let whole = reducer
                    .reduce(row, loaded)
                    .map_err(|what| wrong(row.binding, &row.key, &what))?;
                *row = Cow::Owned(Row {
                    exists: true,
                    ..whole
                });
            }
        }
        Ok(())
    }
}

/// Where a row of a standard binding is stored; none for delta updates.
fn place(row: &Row) -> Option<Place> {
    row.combined.as_ref()?;
    Some((row.binding, pack(&row.key)))
}

fn wrong(binding: u32, key: &[Value], what: &str) -> Error {
    let key = Value::from(key.to_vec());
    Error::violation(format!("the key {key} of binding {binding} {what}"))
}

/// What a connector was given to store, so far as it is committed.
#[derive(Clone, Debug, Default)]
pub(super) struct Memory {
    stored: BTreeMap<Place, Stored>,
    /// How many documents were loaded and compared, by binding.
    pub(super) loaded: BTreeMap<u32, u64>,
}

/// What of a transaction is to be remembered once it is committed.
#[derive(Clone, Debug, Default)]
pub(super) struct Committing(Vec<(Place, Stored)>);

impl Committing {
    /// The rows of standard bindings.
    pub(super) fn of(shares: &[Share<'_>]) -> Self {
        let rows = shares.iter().flat_map(|share| &share.rows);
        let stored = rows.filter_map(|row| {
            let stored = Stored {
                document: row.document.clone(),
                is_deleted: row.delete,
            };
            Some((place(row)?, stored))
        });
        Self(stored.collect())
    }
}

#[derive(Clone, Debug)]
struct Stored {
    /// The root document, where it was selected.
    document: Option<String>,
    is_deleted: bool,
}

impl Memory {
    /// Rows are committed.
    pub(super) fn remember(&mut self, rows: Committing) {
        self.stored.extend(rows.0);
    }

    /// What was loaded must be what was stored last. A row that was deleted may still be there,
    /// marked as such.
    fn check(&mut self, row: &Row, place: &Place, loaded: Option<&Value>) -> Result<()> {
        let Some(Stored {
            document,
            is_deleted,
        }) = self.stored.get(place)
        else {
            // Nobody knows what was there before the task.
            return Ok(());
        };
        let Some(loaded) = loaded else {
            if *is_deleted {
                return Ok(());
            }
            let what = "was stored and committed, but it was not loaded when it was asked for";
            return Err(wrong(row.binding, &row.key, what));
        };
        let stored = document
            .as_deref()
            .and_then(|text| serde_json::from_str::<Value>(text).ok());
        if let Some(stored) = stored.filter(|stored| !is_same(stored, loaded)) {
            let what = format!("was loaded as {loaded}, but what was stored last is {stored}");
            return Err(wrong(row.binding, &row.key, &what));
        }
        *self.loaded.entry(row.binding).or_default() += 1;
        Ok(())
    }
}

/// Whether two documents are the same: a store may write 1.0 as 1.
fn is_same(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Number(one), Value::Number(other)) => {
            one == other || (one.as_f64() == other.as_f64() && (one.is_f64() || other.is_f64()))
        }
        (Value::Array(ones), Value::Array(others)) => {
            let mut pairs = ones.iter().zip(others);
            ones.len() == others.len() && pairs.all(|(one, other)| is_same(one, other))
        }
        (Value::Object(ones), Value::Object(others)) => {
            let is_there = |(name, one): (&String, &Value)| {
                others.get(name).is_some_and(|other| is_same(one, other))
            };
            ones.len() == others.len() && ones.iter().all(is_there)
        }
        (one, other) => one == other,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_store_may_write_numbers_and_members_otherwise() {
        let table = [
            (json!({"a": 1.0, "b": [2]}), json!({"b": [2], "a": 1}), true),
            (json!({"a": 1}), json!({"a": 1, "b": null}), false),
            (json!(u64::MAX), json!(u64::MAX - 1), false),
            (json!([1]), json!([1, 1]), false),
            (json!("1"), json!(1), false),
        ];
        for (left, right, expected) in table {
            assert_eq!(is_same(&left, &right), expected, "{left} {right}");
        }
    }
}
