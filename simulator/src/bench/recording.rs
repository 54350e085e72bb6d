//! The recording: documents as lines of JSON for DuckDB, and the Stores that carry them for the
//! connector, each in a file, so that nothing is made while it is measured.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use materialize_s3_parquet::protocol::flow::{self, MaterializationSpec};
use serde_json::Value;

use super::error::{Error, Result};
use super::shape::Shape;
use super::variant::Variant;
use crate::extract::Extractor;
use crate::runtime::Row;

/// How much is gathered before it is written to a file.
const BUFFER_BYTES: usize = 1 << 20;

/// After so many bytes an interruption is heard.
const BREATH_BYTES: u64 = 1 << 20;

/// The documents of a shape on disk.
#[derive(Clone, Debug, Default)]
pub(super) struct Recording {
    /// One document on each line.
    pub(super) documents: PathBuf,
    /// How many.
    pub(super) count: u64,
    /// Their length as JSON, without line ends.
    pub(super) bytes: u64,
}

/// The file with the Stores of a variant.
pub(super) fn stores(folder: &Path, variant: Variant) -> PathBuf {
    folder.join(format!("stores.{}", variant.slug()))
}

/// Makes `count` documents of a shape and writes them, and the Stores of each variant as its
/// specification selects them.
pub(super) async fn record(
    folder: &Path,
    shape: Shape,
    count: u64,
    variants: &[(Variant, MaterializationSpec)],
) -> Result<Recording> {
    let path = folder.join("documents.jsonl");
    let mut documents = Output::create(path.clone())?;
    let mut tracks = Vec::new();
    for (variant, spec) in variants {
        tracks.push(Track::new(folder, *variant, spec)?);
    }
    let (mut bytes, mut breath) = (0, 0);
    for document in shape.documents().take(count as usize) {
        let text = document.to_string();
        bytes += text.len() as u64;
        documents.buffer.extend_from_slice(text.as_bytes());
        documents.buffer.push(b'\n');
        documents.write()?;
        for track in &mut tracks {
            track.store(&document, &text)?;
        }
        if bytes - breath > BREATH_BYTES {
            breath = bytes;
            tokio::task::yield_now().await;
        }
    }
    documents.finish()?;
    for track in tracks {
        track.output.finish()?;
    }
    Ok(Recording {
        documents: path,
        count,
        bytes,
    })
}

/// The Stores of one variant, and their file.
struct Track {
    stores: Stores,
    output: Output,
}

impl Track {
    fn new(folder: &Path, variant: Variant, spec: &MaterializationSpec) -> Result<Self> {
        let binding = spec.bindings.first().cloned().unwrap_or_default();
        let collection = binding.collection.unwrap_or_default();
        let selection = binding.field_selection.unwrap_or_default();
        Ok(Self {
            stores: Stores::new(variant, &collection.projections, &selection)?,
            output: Output::create(stores(folder, variant))?,
        })
    }

    fn store(&mut self, document: &Value, text: &str) -> Result<()> {
        self.stores
            .encode(document, text, &mut self.output.buffer)?;
        self.output.write()
    }
}

/// Makes Stores of documents.
pub(super) struct Stores {
    variant: Variant,
    extractor: Extractor,
}

impl Stores {
    pub(super) fn new(
        variant: Variant,
        projections: &[flow::Projection],
        selection: &flow::FieldSelection,
    ) -> Result<Self> {
        Ok(Self {
            variant,
            extractor: Extractor::new(projections, selection)?,
        })
    }

    /// Appends the Store of a document, whose JSON is `text`, as a frame to `out`.
    pub(super) fn encode(&self, document: &Value, text: &str, out: &mut Vec<u8>) -> Result<()> {
        let row = Row {
            binding: 0,
            key: self.extractor.key(document),
            values: self.extractor.values(document),
            document: self.extractor.has_document().then(|| text.to_owned()),
            delete: false,
            document_bytes: text.len() as u64,
            combined: None,
            exists: false,
        };
        let request = row.request(self.variant.tuples());
        let codec = self.variant.codec();
        codec
            .encode(&request, out)
            .map_err(crate::runtime::Error::from)?;
        Ok(())
    }
}

/// A file in the making.
struct Output {
    path: PathBuf,
    file: BufWriter<File>,
    /// What is to be written next.
    buffer: Vec<u8>,
}

impl Output {
    fn create(path: PathBuf) -> Result<Self> {
        let file = File::create(&path).map_err(Error::file(&path))?;
        Ok(Self {
            path,
            file: BufWriter::with_capacity(BUFFER_BYTES, file),
            buffer: Vec::new(),
        })
    }

    fn write(&mut self) -> Result<()> {
        let written = self.file.write_all(&self.buffer);
        self.buffer.clear();
        written.map_err(Error::file(&self.path))
    }

    /// Everything is on the disk then: writing it must not take part in what is measured.
    fn finish(mut self) -> Result<()> {
        let flushed = self.file.flush();
        flushed
            .and_then(|()| self.file.get_ref().sync_all())
            .map_err(Error::file(&self.path))
    }
}
