//! Recorded sessions: what a runtime and a connector said to one another, one JSON object per line.
//!
//! ```json
//! {"comment": "anything, for people"}
//! {"recording": {"version": 1, "codec": "proto", "connector": "materialize-s3-parquet", "at": "2026-11-23T03:00:00Z"}}
//! {"dir": ">", "msg": {"spec": {"config": {}}}}
//! {"dir": "<", "msg": {"spec": {"protocol": 3032023}}}
//! {"dir": ">", "end": true}
//! {"dir": "!", "status": "exit status: 0"}
//! ```
//!
//! `>` is the runtime's side and `<` the connector's, messages are in the protocol's JSON form
//! whatever the codec was, `end` is the end of the connector's input, and `!` is how its process
//! ended, with the message of its last log where that was not in good order. One process is one
//! [`Transcript`]; a file holds any number, one after the other, each from its head or from
//! what follows a `!`. Without `!` the process was killed. Only the messages are needed; everything
//! else may be left out.
//!
//! Secrets are taken out while a [`Recorder`] records: see [`Redactor`].

mod error;
mod file;
mod form;
mod pattern;
mod recorder;
mod redact;
#[cfg(test)]
mod tests;

pub use error::{Error, Result};
pub use file::{create, files, next_in, read, read_text, write};
pub use form::{End, Entry, Head, Transcript, VERSION};
pub use pattern::Pattern;
pub use recorder::{Counts, Recorder};
pub use redact::{REDACTED, Redactor};
