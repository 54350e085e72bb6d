//! Writes a transcript while the bytes of a session pass by.
//!
//! Every whole message is a line as soon as its last byte is seen. What is secret only the
//! connector's Spec response tells, so a configuration that comes before it waits for it, and
//! everything behind it too; only the recording does, not the session.

use std::io::{self, Write};

use bytes::{Buf, Bytes, BytesMut};
use materialize_s3_parquet::protocol::Codec;
use materialize_s3_parquet::protocol::materialize::{Request, Response};
use prost::Message;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::form::{End, Head};
use super::redact::Redactor;

/// Who speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Runtime,
    Connector,
}

impl Side {
    fn sign(self) -> &'static str {
        match self {
            Side::Runtime => ">",
            Side::Connector => "<",
        }
    }
}

/// A line, before secrets are taken out of it.
enum Draft {
    /// A request with configurations in it.
    Configured(Value),
    /// Any other message, as JSON text.
    Message(Side, String),
    /// A line that is no message.
    Line(Value),
}

/// The bytes of one side that are no whole message yet.
#[derive(Default)]
struct Tap {
    bytes: BytesMut,
    /// Whether what came was not of the protocol: from there on nothing can be told apart.
    is_lost: bool,
    /// Whether a message may have become whole. Long lines come in many pieces, and none of them
    /// is looked through twice.
    is_ripe: bool,
}

impl Tap {
    fn append(&mut self, bytes: &[u8], codec: Codec) {
        self.bytes.extend_from_slice(bytes);
        self.is_ripe = codec == Codec::Proto || bytes.contains(&b'\n');
    }
}

/// How many whole messages each side has sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Those of the runtime.
    pub requests: u64,
    /// Those of the connector.
    pub responses: u64,
}

/// Writes a transcript.
pub struct Recorder<W> {
    out: W,
    codec: Codec,
    redactor: Redactor,
    requests: Tap,
    responses: Tap,
    /// Lines that wait for the connector to say what is secret.
    waiting: Vec<Draft>,
    failure: Option<io::Error>,
    counts: Counts,
}

impl<W: Write> Recorder<W> {
    /// Begins a transcript with its head.
    pub fn new(out: W, head: &Head, redactor: Redactor) -> Self {
        let mut recorder = Self {
            out,
            codec: head.codec,
            redactor,
            requests: Tap::default(),
            responses: Tap::default(),
            waiting: Vec::new(),
            failure: None,
            counts: Counts::default(),
        };
        recorder.write(&json!({ "recording": head }).to_string());
        recorder
    }

    /// Bytes pass from the runtime to the connector. To be told before the connector gets them.
    pub fn request_bytes(&mut self, bytes: &[u8]) {
        let mut tap = std::mem::take(&mut self.requests);
        tap.append(bytes, self.codec);
        while let Some((request, text)) = self.next::<Request>(&mut tap, Side::Runtime) {
            self.counts.requests += 1;
            let draft = draft(&request, text);
            self.push(draft);
        }
        self.requests = tap;
    }

    /// Bytes pass from the connector to the runtime.
    pub fn response_bytes(&mut self, bytes: &[u8]) {
        let mut tap = std::mem::take(&mut self.responses);
        tap.append(bytes, self.codec);
        while let Some((response, text)) = self.next::<Response>(&mut tap, Side::Connector) {
            self.counts.responses += 1;
            if let Some(spec) = &response.spec {
                self.redactor.learn(spec);
                self.release();
            }
            self.push(Draft::Message(Side::Connector, text));
        }
        self.responses = tap;
    }

    /// The runtime has closed the connector's input.
    pub fn input_closed(&mut self) {
        self.push(Draft::Line(json!({"dir": ">", "end": true})));
    }

    /// The connector's process has ended: nothing follows. Errors where a line could not be
    /// written.
    pub fn finish(&mut self, end: &End) -> io::Result<()> {
        self.release();
        let mut line = json!({"dir": "!", "status": end.status});
        if let Some(message) = &end.message {
            line["message"] = json!(self.redactor.sweep(message));
        }
        self.write(&line.to_string());
        self.failure.take().map_or(Ok(()), Err)
    }

    /// How many messages have passed by so far.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// What has ended the recording before its time, if anything; the session goes on without it.
    pub fn failure(&self) -> Option<&io::Error> {
        self.failure.as_ref()
    }

    /// The next whole message, with its JSON.
    fn next<M>(&mut self, tap: &mut Tap, side: Side) -> Option<(M, String)>
    where
        M: Message + Default + Serialize + DeserializeOwned,
    {
        if tap.is_lost {
            tap.bytes.clear();
            return None;
        }
        if !tap.is_ripe {
            return None;
        }
        match take(self.codec, &mut tap.bytes) {
            Ok(message) => message,
            Err(error) => {
                tap.is_lost = true;
                tap.bytes.clear();
                self.push(Draft::Line(
                    json!({"comment": lost(self.codec, side, &error)}),
                ));
                None
            }
        }
    }

    fn push(&mut self, draft: Draft) {
        let must_wait = matches!(draft, Draft::Configured(_)) && !self.redactor.knows();
        if must_wait || !self.waiting.is_empty() {
            self.waiting.push(draft);
        } else {
            self.put(draft);
        }
    }

    fn release(&mut self) {
        for draft in std::mem::take(&mut self.waiting) {
            self.put(draft);
        }
    }

    fn put(&mut self, draft: Draft) {
        let line = match draft {
            Draft::Configured(mut request) => {
                self.redactor.redact(&mut request);
                format!(r#"{{"dir":">","msg":{request}}}"#)
            }
            Draft::Message(side, text) => format!(r#"{{"dir":"{}","msg":{text}}}"#, side.sign()),
            Draft::Line(line) => line.to_string(),
        };
        let swept = self.redactor.sweep(&line);
        self.write(&swept);
    }

    fn write(&mut self, line: &str) {
        if self.failure.is_some() {
            return;
        }
        // In one write, so that whoever reads along sees whole lines.
        let written = self.out.write_all(format!("{line}\n").as_bytes());
        if let Err(error) = written.and_then(|()| self.out.flush()) {
            self.failure = Some(error);
        }
    }
}

/// Takes the first whole message off `bytes`, with its JSON. Of the JSON codec it is the very text
/// that came.
fn take<M>(codec: Codec, bytes: &mut BytesMut) -> Result<Option<(M, String)>, String>
where
    M: Message + Default + Serialize + DeserializeOwned,
{
    let wrong = |error: materialize_s3_parquet::error::Error| error.to_string();
    let Some((frame, used)) = codec.split_frame(bytes).map_err(wrong)? else {
        return Ok(None);
    };
    let frame = Bytes::copy_from_slice(frame);
    bytes.advance(used);
    let message: M = codec.decode(frame.clone()).map_err(wrong)?;
    let text = match codec {
        Codec::Json => frame.to_vec(),
        Codec::Proto => json_of(&message)?,
    };
    let text = String::from_utf8(text).map_err(|error| error.to_string())?;
    Ok(Some((message, text.trim().to_owned())))
}

fn json_of<M: Message + Serialize>(message: &M) -> Result<Vec<u8>, String> {
    let mut out = Vec::new();
    Codec::Json
        .encode(message, &mut out)
        .map_err(|error| error.to_string())?;
    Ok(out)
}

/// A request with configurations is rebuilt from what is known of its message, so that no name can
/// hide a secret that another name would have shown. Every other stays the text it is.
fn draft(request: &Request, text: String) -> Draft {
    if !has_configuration(request) {
        return Draft::Message(Side::Runtime, text);
    }
    match serde_json::to_value(request) {
        Ok(request) => Draft::Configured(request),
        Err(error) => {
            Draft::Line(json!({"comment": format!("a request that cannot be recorded: {error}")}))
        }
    }
}

fn has_configuration(request: &Request) -> bool {
    let spec = request.spec.as_ref();
    let is_configured = spec.is_some_and(|spec| !matches!(&spec.config_json[..], b"" | b"{}"));
    is_configured || request.validate.is_some() || request.apply.is_some() || request.open.is_some()
}

fn lost(codec: Codec, side: Side, error: &str) -> String {
    let who = match side {
        Side::Runtime => "the runtime",
        Side::Connector => "the connector",
    };
    format!(
        "from here on {who} said nothing that can be read by the {} codec; record with --codec, \
         or FLOW_RUNTIME_CODEC, as they speak it ({error})",
        codec.name()
    )
}
