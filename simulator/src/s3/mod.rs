//! An S3 server inside the process: strict where AWS and MinIO are strict, loud about what it does not implement, with
//! a journal of every request and faults as data.
//!
//! A request passes downwards through these rooms, and its answer back up:
//!
//! * `server`: the socket, start and stop
//! * `gate`: journal, faults, revoked access
//! * `s3s` (a crate): HTTP, signatures, XML
//! * `service`: the operations, from S3's shapes to the store's
//! * `state`: buckets, objects and uploads; synchronous and pure

mod fault;
mod gate;
mod journal;
mod request;
mod server;
mod service;
mod slow;
mod state;
#[cfg(test)]
mod tests;

pub use fault::{Attempts, Effect, Fault, FaultPlan, KeyPattern};
pub use journal::{Entry, Outcome, Timing};
pub use request::{Operation, Target};
pub use server::{Clock, Options, Server, ServerError, Stored};
pub use state::{
    Algorithm, Attributes, Checksum, Completed, Content, Object, ObjectPage, ObjectQuery, Part,
    PartClaim, PartPage, Payload, Recompletion, Rules, Store, StoreError, Upload, UploadListing,
    UploadPage, UploadQuery, UploadRef,
};
