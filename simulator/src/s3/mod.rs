//! An S3 server inside the process: strict where AWS and MinIO are strict, loud about what it does
//! not implement, with a journal of every request and faults as data.
//!
//! A request passes downwards through these rooms, and its answer back up:
//!
//! * `server`: the socket, start and stop
//! * `gate`: journal, faults, revoked access, and the manners that only HTTP has
//! * `s3s` (a crate): HTTP, signatures, XML
//! * `service`: the operations, from S3's shapes to the store's
//! * `state`: buckets, objects, their versions, and uploads; synchronous and pure
//!
//! What real servers answer differently is a table, `manners`, that all of them look into.

mod chance;
mod client;
mod fault;
mod gate;
mod headers;
mod journal;
mod manners;
mod request;
mod server;
mod service;
mod slow;
mod state;
#[cfg(test)]
mod tests;

pub use fault::{Attempts, Effect, Fault, FaultPlan, KeyPattern};
pub use journal::{Entry, Outcome, Timing};
pub use manners::{Completing, Manners, Recompletion, Rules, UnknownCompletion, UploadListing};
pub use request::{CopySource, Operation, Target};
pub use server::{Clock, Options, Server, ServerError, Stored};
pub use state::{
    Algorithm, Attributes, Checksum, Completed, Content, CopyRequest, Deleted, Object, ObjectPage,
    ObjectQuery, ObjectRef, Part, PartClaim, PartPage, Payload, Store, StoreError, Upload,
    UploadPage, UploadQuery, UploadRef, Version,
};
