//! Documents → transactions: every document goes to each binding of its collection, is combined with those of the same key,
//! and becomes a row.
//!
//! A binding reads by `notBefore`, `notAfter` and `partitions`; a document that does not say when it was published is new.

use std::collections::BTreeMap;

use materialize_s3_parquet::protocol::flow::{MaterializationSpec, materialization_spec};
use serde_json::Value;

use super::error::{Error, Result};
use super::selector::Selector;
use crate::catalog::Catalog;
use crate::combine::{combine, is_deletion};
use crate::extract::{Extractor, pack};
use crate::fixture::Document;
use crate::runtime::{Reducer, Row, Transaction};
use crate::schema::Schema;

/// Makes rows of a task's documents.
pub(super) struct RowMaker<'a> {
    bindings: Vec<Binding<'a>>,
}

struct Binding<'a> {
    index: u32,
    collection: String,
    /// The name of its source in the checkpoint.
    source: String,
    schema: &'a Schema,
    extractor: Extractor,
    selector: Selector,
    /// Whether every document is stored as it came, and never loaded.
    is_delta: bool,
}

impl<'a> RowMaker<'a> {
    /// For the bindings of a built specification.
    pub(super) fn new(catalog: &'a Catalog, spec: &MaterializationSpec) -> Result<Self> {
        let bindings = spec
            .bindings
            .iter()
            .zip(0..)
            .map(|(binding, index)| Binding::new(catalog, binding, index));
        Ok(Self {
            bindings: bindings.collect::<Result<_>>()?,
        })
    }

    /// The rows of one transaction. `number` is for errors.
    pub(super) fn transaction(&self, number: usize, documents: &[Document]) -> Result<Transaction> {
        let mut transaction = Transaction::default();
        for binding in &self.bindings {
            let own = documents
                .iter()
                .filter(|document| document.collection == binding.collection)
                .filter(|document| binding.selector.reads(document));
            let own: Vec<&Value> = own.map(|document| &document.document).collect();
            let rows = binding.rows(&own).map_err(|error| {
                Error::Documents(format!(
                    "transaction {number}, collection `{}`: {error}",
                    binding.collection
                ))
            })?;
            transaction.rows.extend(rows);
            transaction
                .read
                .insert(binding.source.clone(), own.len() as i64);
        }
        Ok(transaction)
    }

    /// The name of a binding's source in the checkpoint.
    pub(super) fn source(&self, binding: usize) -> &str {
        &self.bindings[binding].source
    }
}

impl Reducer for RowMaker<'_> {
    fn key(&self, binding: u32, document: &Value) -> Vec<Value> {
        let binding = self.bindings.get(binding as usize);
        binding.map_or_else(Vec::new, |binding| binding.extractor.key(document))
    }

    fn reduce(&self, row: &Row, loaded: Value) -> Result<Row, String> {
        let Some(binding) = self.bindings.get(row.binding as usize) else {
            return Err(format!("there is no binding {}", row.binding));
        };
        let combined = row.combined.clone().unwrap_or_default();
        let document = combine(loaded, combined, binding.schema)
            .map_err(|error| format!("what was loaded does not go with what came: {error}"))?;
        binding.row(&document)
    }
}

impl<'a> Binding<'a> {
    fn new(
        catalog: &'a Catalog,
        binding: &materialization_spec::Binding,
        index: u32,
    ) -> Result<Self> {
        let collection = binding.collection.clone().unwrap_or_default();
        let selection = binding.field_selection.clone().unwrap_or_default();
        let extractor = Extractor::new(&collection.projections, &selection).map_err(|error| {
            Error::Documents(format!("collection `{}`: {error}", collection.name))
        })?;
        Ok(Self {
            index,
            selector: Selector::of(binding, &collection),
            source: format!(
                "{}/pivot=00;{}",
                collection.name, binding.journal_read_suffix
            ),
            schema: &catalog.collections[&collection.name].schema,
            collection: collection.name,
            extractor,
            is_delta: binding.delta_updates,
        })
    }

    /// One row for each key, ascending by its packed form.
    fn rows(&self, documents: &[&Value]) -> Result<Vec<Row>, String> {
        let mut combined: BTreeMap<Vec<u8>, Value> = BTreeMap::new();
        for document in documents {
            let key = pack(&self.extractor.key(document));
            let document = match combined.remove(&key) {
                Some(before) => combine(before, Value::clone(document), self.schema)
                    .map_err(|error| error.to_string())?,
                None => Value::clone(document),
            };
            combined.insert(key, document);
        }
        combined
            .values()
            .map(|document| self.row(document))
            .collect()
    }

    fn row(&self, document: &Value) -> Result<Row, String> {
        let text = document.to_string();
        Ok(Row {
            binding: self.index,
            key: self.extractor.key(document),
            values: self.extractor.values(document),
            delete: is_deletion(document, self.schema).map_err(|error| error.to_string())?,
            document_bytes: text.len() as u64,
            document: self.extractor.has_document().then_some(text),
            combined: (!self.is_delta).then(|| document.clone()),
            exists: false,
        })
    }
}
