//! The simulator.

pub mod bench;
pub mod catalog;
pub mod ceph;
pub mod combine;
pub mod container;
pub mod document_uuid;
pub mod extract;
pub mod figures;
pub mod fixture;
pub mod generate;
pub mod inspect;
pub mod minio;
pub mod readback;
mod refusal;
pub mod replay;
pub mod report;
pub mod run;
pub mod runtime;
pub mod s3;
pub mod schema;
pub mod seaweedfs;
pub mod selection;
pub mod staging;
pub mod suggest;
pub mod torture;
pub mod transcript;
