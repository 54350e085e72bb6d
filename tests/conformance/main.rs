//! The conformance suite.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod docker;
mod minio;
mod protocol;
