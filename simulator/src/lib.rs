//! The simulator.

pub mod minio;
pub mod s3;
pub mod schema;
pub mod selection;
pub mod suggest;
pub mod combine;
pub mod document_uuid;
pub mod extract;
pub mod catalog;
pub mod readback;
pub mod runtime;
pub mod fixture;
pub mod generate;
pub mod run;
mod refusal;
