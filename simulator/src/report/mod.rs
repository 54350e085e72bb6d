//! What people and machines look at after a run: one document, as JSON and as a page.
//!
//! ```text
//! Recorder ──Recording──▶ Document ──▶ JSON (`flow-sim run --json`)
//! (while it goes on)         └───────▶ page (`flow-sim run --report out.html`)
//! ```
//!
//! The recorder hears everything that a run says and notes when; the document is made of the
//! recording and of what came of the run, and holds all that is shown. The page is one file without
//! scripts and without anything to load.

pub mod campaign;
mod document;
mod fields;
mod make;
mod markup;
mod page;
mod recorder;
#[cfg(test)]
mod tests;
mod timeline;

pub use document::{
    Binding, Document, Field, File, Kill, Lane, LogLine, Phase, Preview, Request, Run, Span,
    Timeline, Transaction, VERSION, Verdict,
};
pub use fields::fields;
pub use make::Context;
pub use recorder::{Recorder, Recording};
