//! What holds for frames of either codec.

use bytes::Bytes;
use materialize_s3_parquet::protocol::materialize::{self, request};
use materialize_s3_parquet::protocol::request::Decoder;
use materialize_s3_parquet::protocol::{
    Codec, Found, FrameIndex, JsonTuple, Positions, Request, Store, Tuple,
};
use serde_json::value::RawValue;

/// Splits `stream` into frames and finds the messages in them, as the reading thread does, and sees
/// that all readers agree on each.
pub(crate) fn check(codec: Codec, stream: &[u8]) {
    let mut index = FrameIndex::default();
    // A frame that is too long ends the stream; what comes before it is there.
    let _ = index.read(codec, stream);
    let mut rest = stream;
    for at in 0..index.len() {
        let (frame, used) = first_frame(codec, rest).expect("a message is a frame");
        rest = &rest[used..];
        let found = index.get(at, stream).expect("as many as there are");
        readers_agree(codec, frame, found);
    }
    assert!(first_frame(codec, rest).is_none(), "a frame is a message");
}

/// The first frame of `stream`, and its length there.
fn first_frame(codec: Codec, stream: &[u8]) -> Option<(&[u8], usize)> {
    let (frame, used) = codec.split_frame(stream).ok().flatten()?;
    assert!(frame.len() < used && used <= stream.len());
    let partial = codec.split_frame(&stream[..used - 1]);
    assert!(
        matches!(partial, Ok(None)),
        "a frame is whole before its end"
    );
    if let Some(expected) = codec.frame_bytes(stream) {
        assert_eq!(expected, used);
    }
    Some((frame, used))
}

/// A frame by the hot path and by the generated messages: the two must agree on what it is, or that
/// it is nothing.
fn readers_agree(codec: Codec, frame: &[u8], found: Found<'_>) {
    let mut decoder = Decoder::new(codec);
    let in_place = decoder.decode(found);
    let generic: Option<materialize::Request> = codec.decode(Bytes::copy_from_slice(frame)).ok();
    let expected = generic.as_ref().and_then(only_request);
    match (&in_place, expected) {
        (Ok(Request::Store(store)), Some(_)) => {
            let generic = generic.as_ref().and_then(|request| request.store.as_ref());
            let (mut key, mut values) = (Positions::default(), Positions::default());
            let expected = generic.map(|store| as_read(store, &mut key, &mut values));
            assert_eq!(Some(*store), expected);
            read_tuples(store);
        }
        (Ok(request), Some(name)) => assert_eq!(request.name(), name),
        // Only what a session needs of an Open is read, and its bindings when each is asked for.
        (Ok(Request::Open(_)) | Err(_), None) => {}
        (Ok(request), None) => panic!(
            "the message is read as {}, and the generated messages do not read it",
            request.name()
        ),
        (Err(error), Some(name)) => assert!(
            generic.as_ref().is_some_and(has_tuple_that_is_no_array),
            "the message is a {name}, and is not read: {error}"
        ),
    }
    if let Some(request) = generic {
        for codec in [Codec::Proto, Codec::Json] {
            round_trip(codec, &request);
        }
    }
}

/// Whether the message is a Store with a tuple of JSON that is no array: the generated messages
/// carry it, and the connector refuses it.
fn has_tuple_that_is_no_array(message: &materialize::Request) -> bool {
    let is_array =
        |text: &Bytes| text.is_empty() || serde_json::from_slice::<Vec<&RawValue>>(text).is_ok();
    let store = message.store.as_ref();
    store.is_some_and(|store| !is_array(&store.key_json) || !is_array(&store.values_json))
}

/// The name of the request that the message holds; none where there is not exactly one.
fn only_request(message: &materialize::Request) -> Option<&'static str> {
    let names = [
        message.spec.as_ref().map(|_| "Spec"),
        message.validate.as_ref().map(|_| "Validate"),
        message.apply.as_ref().map(|_| "Apply"),
        message.open.as_ref().map(|_| "Open"),
        message.load.as_ref().map(|_| "Load"),
        message.flush.as_ref().map(|_| "Flush"),
        message.store.as_ref().map(|_| "Store"),
        message.start_commit.as_ref().map(|_| "StartCommit"),
        message.acknowledge.as_ref().map(|_| "Acknowledge"),
    ];
    let mut present = names.into_iter().flatten();
    let first = present.next()?;
    present.next().is_none().then_some(first)
}

/// A Store of the generated messages as the session reads it.
fn as_read<'a>(
    store: &'a request::Store,
    key: &'a mut Positions,
    values: &'a mut Positions,
) -> Store<'a> {
    Store {
        binding: store.binding,
        key: tuple(&store.key_json, &store.key_packed, key),
        values: tuple(&store.values_json, &store.values_packed, values),
        doc: Some(&store.doc_json[..]).filter(|doc| !doc.is_empty()),
        delete: store.delete,
    }
}

fn tuple<'a>(json: &'a [u8], packed: &'a [u8], positions: &'a mut Positions) -> Tuple<'a> {
    if json.is_empty() {
        return Tuple::Packed(packed);
    }
    let json = std::str::from_utf8(json).expect("what was taken is JSON");
    Tuple::Json(JsonTuple::new(json, positions).expect("what was taken is an array"))
}

/// Whatever the runtime put into its tuples, reading them comes to an end.
fn read_tuples(store: &Store<'_>) {
    for mut tuple in [store.key, store.values] {
        let bytes = tuple.bytes();
        let count = std::iter::from_fn(|| tuple.take().ok().flatten()).count();
        assert!(count <= bytes, "more elements than bytes");
    }
}

/// A message that can be written is one frame, which is read as what was written.
fn round_trip(codec: Codec, message: &materialize::Request) {
    let Some(first) = encoded(codec, message) else {
        // Embedded JSON that is none, or a number that is no value of its enum.
        assert_eq!(codec, Codec::Json, "protobuf can say every message");
        return;
    };
    // JSON has two forms of some defaults, so that only what was read once is in its final form.
    let second = encoded(codec, &decoded(codec, &first)).expect("what was read can be written");
    assert!(codec == Codec::Json || second == first);
    let third = encoded(codec, &decoded(codec, &second));
    assert_eq!(third, Some(second));
}

fn encoded(codec: Codec, message: &materialize::Request) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    codec.encode(message, &mut out).ok()?;
    Some(out)
}

fn decoded(codec: Codec, stream: &[u8]) -> materialize::Request {
    let (frame, used) = codec
        .split_frame(stream)
        .expect("what we write is within the limits")
        .expect("what we write is whole");
    assert_eq!(used, stream.len(), "one message is one frame");
    codec
        .decode(Bytes::copy_from_slice(frame))
        .expect("what we write can be read")
}
