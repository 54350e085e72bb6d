//! Responses as they go out: each is whole in the runtime's pipe before the session goes on.

use std::io::Write;

use crate::error::{Error, ErrorKind, Result};
use crate::protocol::materialize::{Response, response};
use crate::protocol::{Codec, flow};

/// The connector's side of the pipe to the runtime.
#[derive(Debug)]
pub struct Responses<W> {
    codec: Codec,
    output: W,
    frame: Vec<u8>,
}

impl<W: Write> Responses<W> {
    /// Writes to `output`, which nothing else may write to.
    pub fn new(codec: Codec, output: W) -> Self {
        Self {
            codec,
            output,
            frame: Vec::new(),
        }
    }

    /// Describes the connector.
    pub fn spec(&mut self, spec: response::Spec) -> Result<()> {
        self.send(&Response {
            spec: Some(spec),
            ..Response::default()
        })
    }

    /// Answers Validate.
    pub fn validated(&mut self, validated: response::Validated) -> Result<()> {
        self.send(&Response {
            validated: Some(validated),
            ..Response::default()
        })
    }

    /// Answers Apply; an empty description says that there was nothing to do.
    pub fn applied(&mut self, action_description: String) -> Result<()> {
        let applied = response::Applied {
            action_description,
            state: None,
        };
        self.send(&Response {
            applied: Some(applied),
            ..Response::default()
        })
    }

    /// Answers Open.
    pub fn opened(&mut self) -> Result<()> {
        self.send(&Response {
            opened: Some(response::Opened::default()),
            ..Response::default()
        })
    }

    /// Answers Flush.
    pub fn flushed(&mut self) -> Result<()> {
        self.send(&Response {
            flushed: Some(response::Flushed::default()),
            ..Response::default()
        })
    }

    /// Answers StartCommit with a merge patch of the driver state.
    pub fn started_commit(&mut self, patch: Option<&serde_json::Value>) -> Result<()> {
        let started_commit = response::StartedCommit {
            state: patch.map(state),
        };
        self.send(&Response {
            started_commit: Some(started_commit),
            ..Response::default()
        })
    }

    /// Answers Acknowledge with a merge patch of the driver state.
    pub fn acknowledged(&mut self, patch: Option<&serde_json::Value>) -> Result<()> {
        let acknowledged = response::Acknowledged {
            state: patch.map(state),
        };
        self.send(&Response {
            acknowledged: Some(acknowledged),
            ..Response::default()
        })
    }

    fn send(&mut self, response: &Response) -> Result<()> {
        self.frame.clear();
        self.codec.encode(response, &mut self.frame)?;
        let written = self
            .output
            .write_all(&self.frame)
            .and_then(|()| self.output.flush());
        written.map_err(|error| {
            let message = "the runtime no longer reads the connector's responses";
            Error::new(ErrorKind::Unavailable, message).with_source(error)
        })
    }
}

fn state(patch: &serde_json::Value) -> flow::ConnectorState {
    flow::ConnectorState {
        updated_json: patch.to_string().into(),
        merge_patch: true,
    }
}
