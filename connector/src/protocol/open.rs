//! Open as a session reads it: its bindings stay encoded until each is asked for.
//!
//! A decoded specification takes about ten times the bytes that it came in, and a session needs
//! little of it. Decoded one after the other, its bindings never take more memory than the largest
//! of them.

use std::fmt;
use std::marker::PhantomData;

use bytes::Bytes;
use prost::Message;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::{Codec, flow, protojson};
use crate::error::{Error, Result};

/// Begin a session.
#[derive(Clone, Debug)]
pub struct Open {
    /// The specification of the task.
    pub materialization: Option<Materialization>,
    /// The version of the specification.
    pub version: String,
    /// What of the task is this shard's.
    pub range: Option<flow::RangeSpec>,
    /// The driver state, as JSON.
    pub state_json: Bytes,
}

/// The specification of a task, as far as a session needs it.
#[derive(Clone)]
pub struct Materialization {
    /// The name of the task.
    pub name: String,
    /// The configuration of its endpoint, as JSON.
    pub config_json: Bytes,
    /// When the runtime begins transactions, as JSON; empty where the connector paces them.
    pub sync_schedule_json: Bytes,
    /// What is materialized.
    pub bindings: Encoded<flow::materialization_spec::Binding>,
    /// What was materialized earlier.
    pub inactive_bindings: Encoded<flow::materialization_spec::Binding>,
    linked_collections: Encoded<flow::CollectionSpec>,
}

impl Materialization {
    /// Takes the collection of `binding` out of it, or decodes it from the table that the bindings
    /// share. Errors where it is neither here nor there.
    pub fn take_collection(
        &self,
        binding: &mut flow::materialization_spec::Binding,
    ) -> Result<flow::CollectionSpec> {
        if let Some(inline) = binding.collection.take() {
            return Ok(inline);
        }
        let (index, linked) = (binding.collection_index, &self.linked_collections);
        linked
            .get(index as usize)
            .unwrap_or_else(|| Err(super::linked::no_collection(index, linked.len())))
    }
}

impl fmt::Debug for Materialization {
    /// Leaves the configuration out, which holds secrets.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Materialization")
            .field("name", &self.name)
            .field("bindings", &self.bindings.len())
            .finish_non_exhaustive()
    }
}

/// Messages in the form that they were sent in.
#[derive(Clone)]
pub struct Encoded<M> {
    codec: Codec,
    messages: Vec<Bytes>,
    kind: PhantomData<fn() -> M>,
}

impl<M: Message + Default + DeserializeOwned> Encoded<M> {
    fn new(codec: Codec, messages: Vec<Bytes>) -> Self {
        Self {
            codec,
            messages,
            kind: PhantomData,
        }
    }

    /// Counts them.
    pub fn len(&self) -> usize {
        self.messages.len()
    }

    /// Tells whether there is none.
    pub fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    /// Decodes one of them by its place; none behind the last.
    pub fn get(&self, index: usize) -> Option<Result<M>> {
        let message = self.messages.get(index)?;
        Some(self.codec.decode(message.clone()))
    }

    /// Decodes one after the other.
    pub fn iter(&self) -> impl Iterator<Item = Result<M>> + '_ {
        let messages = self.messages.iter();
        messages.map(|message| self.codec.decode(message.clone()))
    }
}

/// The wire's form of [`Open`].
#[derive(Clone, PartialEq, Message, Deserialize)]
#[prost(skip_debug)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct OpenMessage {
    #[prost(message, optional, tag = "1")]
    materialization: Option<MaterializationMessage>,
    #[prost(string, tag = "2")]
    #[serde(deserialize_with = "protojson::nullable")]
    version: String,
    #[prost(message, optional, tag = "3")]
    range: Option<flow::RangeSpec>,
    #[prost(bytes = "bytes", tag = "4")]
    #[serde(
        rename = "state",
        alias = "state_json",
        deserialize_with = "protojson::raw::deserialize"
    )]
    state_json: Bytes,
}

/// The wire's form of [`Materialization`].
#[derive(Clone, PartialEq, Message, Deserialize)]
#[prost(skip_debug)]
#[serde(default, rename_all = "camelCase")]
struct MaterializationMessage {
    #[prost(string, tag = "1")]
    #[serde(deserialize_with = "protojson::nullable")]
    name: String,
    #[prost(bytes = "bytes", tag = "3")]
    #[serde(
        rename = "config",
        alias = "config_json",
        deserialize_with = "protojson::raw::deserialize"
    )]
    config_json: Bytes,
    #[prost(bytes = "bytes", repeated, tag = "4")]
    #[serde(deserialize_with = "protojson::raw_list::deserialize")]
    bindings: Vec<Bytes>,
    #[prost(bytes = "bytes", repeated, tag = "9")]
    #[serde(
        alias = "inactive_bindings",
        deserialize_with = "protojson::raw_list::deserialize"
    )]
    inactive_bindings: Vec<Bytes>,
    #[prost(bytes = "bytes", tag = "12")]
    #[serde(
        rename = "syncSchedule",
        alias = "sync_schedule_json",
        deserialize_with = "protojson::raw::deserialize"
    )]
    sync_schedule_json: Bytes,
    #[prost(bytes = "bytes", repeated, tag = "13")]
    #[serde(
        alias = "linked_collections",
        deserialize_with = "protojson::raw_list::deserialize"
    )]
    linked_collections: Vec<Bytes>,
}

impl OpenMessage {
    /// Makes it an [`Open`] that came by `codec`.
    pub(super) fn by(self, codec: Codec) -> Open {
        Open {
            materialization: self.materialization.map(|message| message.by(codec)),
            version: self.version,
            range: self.range,
            state_json: self.state_json,
        }
    }
}

impl MaterializationMessage {
    fn by(self, codec: Codec) -> Materialization {
        Materialization {
            name: self.name,
            config_json: self.config_json,
            sync_schedule_json: self.sync_schedule_json,
            bindings: Encoded::new(codec, self.bindings),
            inactive_bindings: Encoded::new(codec, self.inactive_bindings),
            linked_collections: Encoded::new(codec, self.linked_collections),
        }
    }
}

impl TryFrom<&flow::MaterializationSpec> for Materialization {
    type Error = Error;

    /// Encodes a specification that is at hand, by the proto codec.
    fn try_from(specification: &flow::MaterializationSpec) -> Result<Self> {
        let encoded = Bytes::from(specification.encode_to_vec());
        let message: MaterializationMessage = Codec::Proto.decode(encoded)?;
        Ok(message.by(Codec::Proto))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::protocol::request::Decoder;
    use crate::protocol::{Found, FrameIndex, Request, materialize};

    fn open(codec: Codec, message: &Value) -> Open {
        let request: materialize::Request = serde_json::from_value(message.clone()).unwrap();
        let mut stream = Vec::new();
        codec.encode(&request, &mut stream).unwrap();
        let mut index = FrameIndex::default();
        index.read(codec, &stream).unwrap();
        let mut decoder = Decoder::new(codec);
        match decoder.decode(index.get(0, &stream).unwrap()).unwrap() {
            Request::Open(open) => *open,
            other => panic!("{}", other.name()),
        }
    }

    fn message() -> Value {
        let collection = |name: &str| json!({"name": name, "key": ["/id"]});
        let binding = |key: &str| json!({"stateKey": key, "resourceConfig": {"pathPrefix": key}});
        let mut inline = binding("a");
        inline["collection"] = collection("acmeCo/inline");
        let mut linked = binding("b");
        linked["collectionIndex"] = json!(1);
        let mut lost = binding("c");
        lost["collectionIndex"] = json!(2);
        json!({"open": {
            "materialization": {
                "name": "acmeCo/lake",
                "config": {"bucket": "lake"},
                "bindings": [inline, linked, lost],
                "inactiveBindings": [binding("old")],
                "syncSchedule": {"fast": "1h"},
                "linkedCollections": [collection("acmeCo/one"), collection("acmeCo/two")],
            },
            "version": "7",
            "range": {"keyBegin": 1, "keyEnd": 2},
            "state": {"version": 1},
        }})
    }

    #[test]
    fn an_open_is_what_was_sent_by_either_codec() {
        for codec in [Codec::Proto, Codec::Json] {
            let open = open(codec, &message());
            assert_eq!(open.version, "7");
            let range = open.range.unwrap();
            assert_eq!((range.key_begin, range.key_end), (1, 2));
            assert_eq!(open.state_json, r#"{"version":1}"#);
            let task = open.materialization.unwrap();
            assert_eq!(task.name, "acmeCo/lake");
            assert_eq!(task.config_json, r#"{"bucket":"lake"}"#);
            assert_eq!(task.sync_schedule_json, r#"{"fast":"1h"}"#);
            let keys = |bindings: &Encoded<flow::materialization_spec::Binding>| {
                let bindings = bindings.iter().map(Result::unwrap);
                bindings
                    .map(|binding| binding.state_key)
                    .collect::<Vec<_>>()
            };
            assert_eq!(keys(&task.bindings), ["a", "b", "c"]);
            assert_eq!(keys(&task.inactive_bindings), ["old"]);
        }
    }

    #[test]
    fn a_binding_has_its_collection_inline_or_in_the_table_or_not_at_all() {
        for codec in [Codec::Proto, Codec::Json] {
            let task = open(codec, &message()).materialization.unwrap();
            let collection = |index| {
                let mut binding = task.bindings.get(index).unwrap().unwrap();
                task.take_collection(&mut binding)
            };
            assert_eq!(collection(0).unwrap().name, "acmeCo/inline");
            assert_eq!(collection(1).unwrap().name, "acmeCo/two");
            let error = collection(2).unwrap_err().to_string();
            assert!(error.contains("index 2 of 2 linked"), "{error}");
        }
    }

    #[test]
    fn a_binding_that_cannot_be_decoded_is_an_error_when_it_is_asked_for() {
        let line =
            br#"{"open":{"materialization":{"bindings":[{"stateKey":"a"},{"stateKey":7}]}}}"#;
        let mut decoder = Decoder::new(Codec::Json);
        let Request::Open(open) = decoder.decode(Found::Other(line)).unwrap() else {
            panic!("it is an Open");
        };
        let task = open.materialization.unwrap();
        let mut bindings = task.bindings.iter();
        assert_eq!(bindings.next().unwrap().unwrap().state_key, "a");
        assert!(bindings.next().unwrap().is_err());
    }

    #[test]
    fn a_specification_at_hand_is_encoded_as_it_would_be_sent() {
        let message = message();
        let specification: flow::MaterializationSpec =
            serde_json::from_value(message["open"]["materialization"].clone()).unwrap();
        let task = Materialization::try_from(&specification).unwrap();
        let bindings: Vec<_> = task.bindings.iter().map(Result::unwrap).collect();
        assert_eq!(bindings, specification.bindings);
    }

    #[test]
    fn an_open_does_not_show_its_configuration() {
        let shown = format!("{:?}", open(Codec::Json, &message()));
        assert!(
            shown.contains("acmeCo/lake") && !shown.contains("bucket"),
            "{shown}"
        );
    }
}
