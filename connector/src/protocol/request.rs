//! Requests as the session meets them: one variant, its message, and the hot one borrowed from the
//! frame.

use prost::Message;
use serde::Deserialize;

use super::open::OpenMessage;
use crate::error::{Error, Result};
use crate::protocol::materialize::request;
use crate::protocol::{Codec, Found, JsonTuple, Open, Positions, Store, Tuple};

/// A request of the runtime.
#[derive(Debug)]
pub enum Request<'a> {
    /// Describe yourself: configuration schemas and protocol version.
    Spec(request::Spec),
    /// Say which fields may and must be materialized.
    Validate(Box<request::Validate>),
    /// Make the endpoint ready for a specification.
    Apply(Box<request::Apply>),
    /// Begin a session.
    Open(Box<Open>),
    /// Look a document up; never sent for delta updates.
    Load(request::Load),
    /// No more loads in this transaction.
    Flush(request::Flush),
    /// One row.
    Store(Store<'a>),
    /// Stage what was stored, and say how to commit it.
    StartCommit(request::StartCommit),
    /// The runtime has committed: make what was staged visible.
    Acknowledge(request::Acknowledge),
}

impl Request<'_> {
    /// The request's name in Flow's own words.
    pub fn name(&self) -> &'static str {
        match self {
            Request::Spec(_) => "Spec",
            Request::Validate(_) => "Validate",
            Request::Apply(_) => "Apply",
            Request::Open(_) => "Open",
            Request::Load(_) => "Load",
            Request::Flush(_) => "Flush",
            Request::Store(_) => "Store",
            Request::StartCommit(_) => "StartCommit",
            Request::Acknowledge(_) => "Acknowledge",
        }
    }
}

/// Makes requests of the messages that were found in a buffer; keeps what a request borrows from
/// besides.
#[derive(Debug)]
pub struct Decoder {
    codec: Codec,
    unusual: Unusual,
}

/// The last Store that did not come in the form that the hot path reads.
#[derive(Debug, Default)]
struct Unusual {
    store: request::Store,
    key: Positions,
    values: Positions,
}

impl Decoder {
    /// A decoder for one stream.
    pub fn new(codec: Codec) -> Self {
        Self {
            codec,
            unusual: Unusual::default(),
        }
    }

    /// Reads one request. Errors where the frame is malformed, or holds no request or more than
    /// one.
    #[inline]
    pub fn decode<'a>(&'a mut self, found: Found<'a>) -> Result<Request<'a>> {
        match found {
            Found::Store(store) => Ok(Request::Store(store)),
            Found::Other(frame) => self.decode_other(frame),
        }
    }

    fn decode_other(&mut self, frame: &[u8]) -> Result<Request<'_>> {
        match only_variant(self.codec.decode_slice(frame)?, self.codec)? {
            Variant::Request(request) => Ok(request),
            Variant::Store(store) => {
                self.unusual.store = store;
                self.unusual.borrow().map(Request::Store)
            }
        }
    }
}

/// The wire's form of a request: as the generated message, but for Open.
#[derive(Clone, PartialEq, Message, Deserialize)]
#[prost(skip_debug)]
#[serde(default, rename_all = "camelCase")]
struct RequestMessage {
    #[prost(message, optional, tag = "1")]
    spec: Option<request::Spec>,
    #[prost(message, optional, tag = "2")]
    validate: Option<request::Validate>,
    #[prost(message, optional, tag = "3")]
    apply: Option<request::Apply>,
    #[prost(message, optional, tag = "4")]
    open: Option<OpenMessage>,
    #[prost(message, optional, tag = "5")]
    load: Option<request::Load>,
    #[prost(message, optional, tag = "6")]
    flush: Option<request::Flush>,
    #[prost(message, optional, tag = "7")]
    store: Option<request::Store>,
    #[prost(message, optional, tag = "8")]
    #[serde(alias = "start_commit")]
    start_commit: Option<request::StartCommit>,
    #[prost(message, optional, tag = "9")]
    acknowledge: Option<request::Acknowledge>,
}

/// A request, or a Store that still has to find an owner.
enum Variant {
    Request(Request<'static>),
    Store(request::Store),
}

fn only_variant(message: RequestMessage, codec: Codec) -> Result<Variant> {
    use Request::{Acknowledge, Apply, Flush, Load, Open, Spec, StartCommit, Validate};
    let open = message.open.map(|open| open.by(codec));
    let variants = [
        message.spec.map(Spec),
        message.validate.map(Box::new).map(Validate),
        message.apply.map(Box::new).map(Apply),
        open.map(Box::new).map(Open),
        message.load.map(Load),
        message.flush.map(Flush),
        message.start_commit.map(StartCommit),
        message.acknowledge.map(Acknowledge),
    ];
    let store = message.store.map(Variant::Store);
    let mut present = variants
        .into_iter()
        .flatten()
        .map(Variant::Request)
        .chain(store);
    let first = present.next().ok_or_else(|| {
        Error::protocol(
            "an unknown message from the runtime: it holds none of spec, validate, apply, open, \
             load, flush, store, startCommit, acknowledge; this connector may be older than the \
             runtime",
        )
    })?;
    match present.next() {
        None => Ok(first),
        Some(_) => Err(Error::protocol(
            "a message from the runtime holds more than one request",
        )),
    }
}

impl Unusual {
    fn borrow(&mut self) -> Result<Store<'_>> {
        let Self { store, key, values } = self;
        Ok(Store {
            binding: store.binding,
            key: tuple(&store.key_json, &store.key_packed, key)?,
            values: tuple(&store.values_json, &store.values_packed, values)?,
            doc: (!store.doc_json.is_empty()).then_some(&store.doc_json[..]),
            delete: store.delete,
        })
    }
}

/// The runtime fills one of the two; neither means a tuple without elements.
fn tuple<'a>(json: &'a [u8], packed: &'a [u8], positions: &'a mut Positions) -> Result<Tuple<'a>> {
    if json.is_empty() {
        return Ok(Tuple::Packed(packed));
    }
    let json = simdutf8::basic::from_utf8(json).map_err(|error| {
        Error::protocol("a key or the values of a Store from the runtime are not UTF-8")
            .with_source(error)
    })?;
    JsonTuple::new(json, positions).map(Tuple::Json)
}
