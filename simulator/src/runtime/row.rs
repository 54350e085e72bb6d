//! The rows of a transaction, and the form in which each runtime sends them.

use std::collections::BTreeMap;

use materialize_s3_parquet::protocol::Codec;
use materialize_s3_parquet::protocol::materialize::{Request, request};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::extract::pack;

/// Which of Flow's runtimes is played.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Runtime {
    /// The long-standing one: packed tuples in both codecs, no state patches, every transaction
    /// acknowledged.
    #[default]
    V1,
    /// The new one: JSON arrays in the JSON codec, state patches, and a stop that follows
    /// `StartedCommit`.
    V2,
}

impl Runtime {
    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Runtime::V1 => "v1",
            Runtime::V2 => "v2",
        }
    }

    /// How this runtime sends keys and values under a codec.
    pub fn tuples(self, codec: Codec) -> Tuples {
        match (self, codec) {
            (Runtime::V2, Codec::Json) => Tuples::Json,
            _ => Tuples::Packed,
        }
    }
}

/// How keys and values are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tuples {
    /// As packed tuples; in JSON they are base64.
    Packed,
    /// As JSON arrays.
    Json,
}

/// One row: what one Store carries.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Row {
    /// The index of its binding.
    pub binding: u32,
    /// The components of its key, in the order of the selection.
    pub key: Vec<Value>,
    /// The values of the selected fields that are not keys, in the order of the selection.
    pub values: Vec<Value>,
    /// The root document as JSON text, where it was selected.
    pub document: Option<String>,
    /// Whether the reduced document is a deletion.
    pub delete: bool,
    /// The bytes of the document this row was made of, as JSON.
    pub document_bytes: u64,
    /// The document of a standard binding, for what is loaded to be reduced with it; none for
    /// delta updates.
    pub combined: Option<Value>,
    /// Whether the key was loaded: never for delta updates.
    pub exists: bool,
}

impl Row {
    /// The Load that asks for its key.
    pub fn load(&self, tuples: Tuples) -> Request {
        let mut load = request::Load {
            binding: self.binding,
            ..request::Load::default()
        };
        match tuples {
            Tuples::Packed => load.key_packed = pack(&self.key).into(),
            Tuples::Json => load.key_json = json_array(&self.key).into(),
        }
        Request {
            load: Some(load),
            ..Request::default()
        }
    }

    /// The Store that carries this row.
    pub fn request(&self, tuples: Tuples) -> Request {
        let mut store = request::Store {
            binding: self.binding,
            doc_json: self.document.clone().unwrap_or_default().into(),
            delete: self.delete,
            exists: self.exists,
            ..request::Store::default()
        };
        match tuples {
            Tuples::Packed => {
                store.key_packed = pack(&self.key).into();
                store.values_packed = pack(&self.values).into();
            }
            Tuples::Json => {
                store.key_json = json_array(&self.key).into();
                store.values_json = json_array(&self.values).into();
            }
        }
        Request {
            store: Some(store),
            ..Request::default()
        }
    }
}

/// All documents between two commits, as rows: ascending by binding, then by packed key.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Transaction {
    /// The rows in the order in which they are sent.
    pub rows: Vec<Row>,
    /// How many documents there are.
    pub documents: u64,
    /// How many of them no binding reads, by their collection.
    pub without_binding: BTreeMap<String, u64>,
    /// How many documents each source has given, by its name in the checkpoint.
    pub read: BTreeMap<String, i64>,
    /// How many rows have a value at each location that is in no column, by the index of the
    /// binding.
    pub missing: BTreeMap<u32, BTreeMap<String, u64>>,
}

fn json_array(values: &[Value]) -> String {
    let elements: Vec<String> = values.iter().map(Value::to_string).collect();
    format!("[{}]", elements.join(","))
}
