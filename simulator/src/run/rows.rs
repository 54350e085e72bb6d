//! Documents → transactions: every document goes to each binding of its collection, is combined
//! with those of the same key, and becomes a row.
//!
//! A binding reads by `notBefore`, `notAfter` and `partitions`; a document that does not say when
//! it was published is new.

use std::collections::BTreeMap;

use materialize_s3_parquet::protocol::flow::{MaterializationSpec, materialization_spec};
use serde_json::Value;

use super::coverage::Coverage;
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
    /// Whether documents are held against their schemas.
    checks_documents: bool,
}

struct Binding<'a> {
    index: u32,
    collection: String,
    /// The name of its source in the checkpoint.
    source: String,
    schema: &'a Schema,
    extractor: Extractor,
    coverage: Coverage,
    selector: Selector,
    /// Whether every document is stored as it came, and never loaded.
    is_delta: bool,
}

impl<'a> RowMaker<'a> {
    /// For the bindings of a built specification.
    pub(super) fn new(
        catalog: &'a Catalog,
        spec: &MaterializationSpec,
        checks_documents: bool,
    ) -> Result<Self> {
        let bindings = spec
            .bindings
            .iter()
            .zip(0..)
            .map(|(binding, index)| Binding::new(catalog, binding, index));
        Ok(Self {
            bindings: bindings.collect::<Result<_>>()?,
            checks_documents,
        })
    }

    /// The rows of one transaction. `number` is for errors.
    pub(super) fn transaction(&self, number: usize, documents: &[Document]) -> Result<Transaction> {
        if self.checks_documents {
            self.check(number, documents)?;
        }
        let mut transaction = Transaction {
            documents: documents.len() as u64,
            without_binding: self.without_binding(documents),
            ..Transaction::default()
        };
        for binding in &self.bindings {
            let own = documents.iter().filter(|document| binding.reads(document));
            let own: Vec<&Value> = own.map(|document| &document.document).collect();
            let missing = transaction.missing.entry(binding.index).or_default();
            let rows = binding.rows(&own, missing).map_err(|error| {
                Error::Documents(format!(
                    "transaction {}, collection `{}`: {error}",
                    number + 1,
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

    /// Counts the documents that no binding reads, by their collection.
    fn without_binding(&self, documents: &[Document]) -> BTreeMap<String, u64> {
        let mut counts = BTreeMap::new();
        for document in documents {
            if !self.bindings.iter().any(|binding| binding.reads(document)) {
                *counts.entry(document.collection.clone()).or_default() += 1;
            }
        }
        counts
    }

    /// Holds every document that a binding reads against the schema of its collection, as Flow does
    /// when it reads it.
    fn check(&self, number: usize, documents: &[Document]) -> Result<()> {
        for document in documents {
            let reads = |binding: &&Binding<'_>| binding.reads(document);
            let Some(binding) = self.bindings.iter().find(reads) else {
                continue;
            };
            let evaluated = binding.schema.evaluate(&document.document);
            evaluated.map_err(|violation| {
                Error::InvalidDocument(format!(
                    "{}a document of transaction {} does not fit the schema that `{}` is read by: \
                     {violation}; Flow stops there: correct the document or the schema",
                    document.place(),
                    number + 1,
                    binding.collection,
                ))
            })?;
        }
        Ok(())
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
            coverage: Coverage::new(&collection.projections, &selection),
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

    fn reads(&self, document: &Document) -> bool {
        document.collection == self.collection && self.selector.reads(document)
    }

    /// One row for each key, ascending by its packed form. Counts the locations of their documents
    /// that are in no column.
    fn rows(
        &self,
        documents: &[&Value],
        missing: &mut BTreeMap<String, u64>,
    ) -> Result<Vec<Row>, String> {
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
        for document in combined.values() {
            self.coverage.count_missing(document, missing);
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
