//! The two codecs of the protocol: how a message becomes bytes on a pipe, and where it ends there.

use bytes::Bytes;
use prost::Message;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{Error, Result};

/// The longest frame that is read, in bytes. Flow's documents end at 64 MiB, and a Store holds one
/// at most twice: as columns and as the document.
pub const MAX_FRAME_BYTES: usize = 256 << 20;

/// The bytes of a proto frame's length, before its message.
const HEADER_BYTES: usize = 4;

/// How messages are written on stdin and stdout.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Codec {
    /// A little-endian `u32` length, then that many bytes of protobuf.
    #[default]
    Proto,
    /// One JSON object in protobuf's JSON mapping, then a newline.
    Json,
}

impl Codec {
    /// The codec that an environment variable `FLOW_RUNTIME_CODEC` names; proto where it is absent,
    /// as in Flow itself.
    pub fn from_name(name: Option<&str>) -> Result<Self> {
        match name {
            None | Some("" | "proto") => Ok(Self::Proto),
            Some("json") => Ok(Self::Json),
            Some(other) => Err(Error::config(format!(
                "FLOW_RUNTIME_CODEC is `{other}`; set it to `proto` or `json`, or leave it out \
                 for `proto`"
            ))),
        }
    }

    /// The name of the codec in `FLOW_RUNTIME_CODEC`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Proto => "proto",
            Self::Json => "json",
        }
    }

    /// The first frame of `bytes`, with its length in the stream: the message without its header or
    /// newline, and how many bytes to go on. None where the frame is not whole yet.
    pub fn split_frame(self, bytes: &[u8]) -> Result<Option<(&[u8], usize)>> {
        match self {
            Self::Proto => split_proto(bytes),
            Self::Json => split_json(bytes),
        }
    }

    /// The bytes of a frame before its message.
    pub(super) fn header_bytes(self) -> usize {
        match self {
            Self::Proto => HEADER_BYTES,
            Self::Json => 0,
        }
    }

    /// How many bytes the frame at the start of `bytes` will have in all, as far as it can be told;
    /// for sizing a buffer.
    pub fn frame_bytes(self, bytes: &[u8]) -> Option<usize> {
        match self {
            Self::Proto => Some(HEADER_BYTES + proto_length(bytes)?),
            Self::Json => None,
        }
    }

    /// Errors where a frame of `length` bytes is over [`MAX_FRAME_BYTES`].
    pub fn check_frame_bytes(self, length: usize) -> Result<()> {
        if length <= MAX_FRAME_BYTES {
            return Ok(());
        }
        Err(Error::protocol(format!(
            "a message of {length} bytes from the runtime, read by the {} codec, is over the \
             limit of {MAX_FRAME_BYTES} bytes; if the runtime speaks the other codec, set \
             FLOW_RUNTIME_CODEC to `proto` or `json`",
            self.name()
        )))
    }

    /// Reads one message from a frame of [`Codec::split_frame`].
    pub fn decode<M: Message + Default + DeserializeOwned>(self, frame: Bytes) -> Result<M> {
        match self {
            Self::Proto => {
                M::decode(frame).map_err(|error| malformed("protobuf").with_source(error))
            }
            Self::Json => decode_json(&frame),
        }
    }

    /// Reads one message from a frame that goes on to other uses: what the message keeps of it is
    /// copied.
    pub(super) fn decode_slice<M: Message + Default + DeserializeOwned>(
        self,
        frame: &[u8],
    ) -> Result<M> {
        match self {
            Self::Proto => self.decode(Bytes::copy_from_slice(frame)),
            Self::Json => decode_json(frame),
        }
    }

    /// Appends `message` to `out` as one frame.
    pub fn encode<M: Message + Serialize>(self, message: &M, out: &mut Vec<u8>) -> Result<()> {
        match self {
            Self::Proto => {
                let length = u32::try_from(message.encoded_len()).map_err(|error| {
                    Error::internal("a message is over 4 GiB").with_source(error)
                })?;
                out.extend_from_slice(&length.to_le_bytes());
                message.encode_raw(out);
            }
            Self::Json => {
                let start = out.len();
                serde_json::to_writer(&mut *out, message).map_err(|error| {
                    Error::internal("a message cannot be written as JSON").with_source(error)
                })?;
                one_line(&mut out[start..]);
                out.push(b'\n');
            }
        }
        Ok(())
    }
}

fn decode_json<M: DeserializeOwned>(frame: &[u8]) -> Result<M> {
    // JSON is UTF-8 (RFC 8259, section 8.1) also where serde would pass over it: in fields that are
    // not known.
    let line =
        simdutf8::basic::from_utf8(frame).map_err(|error| malformed("JSON").with_source(error))?;
    serde_json::from_str(line).map_err(|error| malformed("JSON").with_source(error))
}

/// JSON that a message embeds may have line breaks, which would end the frame; they can only be
/// white space.
fn one_line(json: &mut [u8]) {
    for byte in json.iter_mut().filter(|byte| **byte == b'\n') {
        *byte = b' ';
    }
}

fn malformed(kind: &str) -> Error {
    Error::protocol(format!(
        "a message from the runtime is not {kind} of the materialize protocol; if the runtime \
         speaks the other codec, set FLOW_RUNTIME_CODEC"
    ))
}

fn proto_length(bytes: &[u8]) -> Option<usize> {
    let header: [u8; HEADER_BYTES] = bytes.get(..HEADER_BYTES)?.try_into().ok()?;
    Some(u32::from_le_bytes(header) as usize)
}

fn split_proto(bytes: &[u8]) -> Result<Option<(&[u8], usize)>> {
    let Some(length) = proto_length(bytes) else {
        return Ok(None);
    };
    Codec::Proto.check_frame_bytes(length)?;
    let end = HEADER_BYTES + length;
    Ok(bytes.get(HEADER_BYTES..end).map(|frame| (frame, end)))
}

fn split_json(bytes: &[u8]) -> Result<Option<(&[u8], usize)>> {
    let newline = memchr::memchr(b'\n', bytes);
    Codec::Json.check_frame_bytes(newline.unwrap_or(bytes.len()))?;
    Ok(newline.map(|end| (&bytes[..end], end + 1)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::materialize::{Request, request};

    fn flush() -> Request {
        Request {
            flush: Some(request::Flush::default()),
            ..Request::default()
        }
    }

    #[test]
    fn a_proto_frame_is_a_little_endian_length_and_its_message() {
        let mut out = Vec::new();
        Codec::Proto.encode(&flush(), &mut out).unwrap();
        assert_eq!(out, [2, 0, 0, 0, 0x32, 0]);
        let (frame, used) = Codec::Proto.split_frame(&out).unwrap().unwrap();
        assert_eq!((frame, used), (&[0x32, 0][..], 6));
    }

    #[test]
    fn a_json_frame_is_one_line() {
        let mut out = Vec::new();
        Codec::Json.encode(&flush(), &mut out).unwrap();
        assert_eq!(out, b"{\"flush\":{}}\n");
        let (frame, used) = Codec::Json.split_frame(&out).unwrap().unwrap();
        assert_eq!((frame, used), (&b"{\"flush\":{}}"[..], 13));
    }

    #[test]
    fn embedded_json_with_line_breaks_is_still_one_line() {
        let spec = request::Spec {
            config_json: "{\n  \"a\": 1\n}".into(),
            ..Default::default()
        };
        let request = Request {
            spec: Some(spec),
            ..Request::default()
        };
        let mut out = Vec::new();
        Codec::Json.encode(&request, &mut out).unwrap();
        assert_eq!(out, b"{\"spec\":{\"config\":{   \"a\": 1 }}}\n");
    }

    #[test]
    fn a_frame_that_is_not_whole_yet_is_none() {
        for bytes in [&b""[..], &[2, 0, 0], &[2, 0, 0, 0, 0x32]] {
            assert_eq!(Codec::Proto.split_frame(bytes).unwrap(), None);
        }
        assert_eq!(Codec::Json.split_frame(b"{\"flush\":{}}").unwrap(), None);
    }

    #[test]
    fn a_frame_over_the_limit_is_an_error_that_names_the_codec() {
        let error = Codec::Proto.split_frame(b"{\"spec\":{}}\n").unwrap_err();
        assert!(error.to_string().contains("FLOW_RUNTIME_CODEC"), "{error}");
    }

    #[test]
    fn the_codec_is_proto_where_nothing_is_said_and_else_must_be_known() {
        assert_eq!(Codec::from_name(None).unwrap(), Codec::Proto);
        assert_eq!(Codec::from_name(Some("json")).unwrap(), Codec::Json);
        assert!(
            Codec::from_name(Some("yaml"))
                .unwrap_err()
                .to_string()
                .contains("`yaml`")
        );
    }

    #[test]
    fn a_line_is_utf8_to_its_last_field() {
        for line in [
            &b"{\"store\":{\"unknown\":\"\xad\",\"exists\":true}}"[..],
            b"{\"flush\":{\"unknown\":\"\xad\"}}",
        ] {
            let error = Codec::Json
                .decode::<Request>(Bytes::copy_from_slice(line))
                .unwrap_err();
            assert!(error.to_string().contains("JSON"), "{error}");
        }
    }
}
