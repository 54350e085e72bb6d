//! A shape's documents in memory, for benchmarks of single stages.

use materialize_s3_parquet::protocol::flow;

use super::column;
use super::error::Result;
use super::recording::Stores;
use super::shape::Shape;
use super::variant::Variant;
use crate::schema::{Schema, project};

/// The Stores of some documents, one frame after the other.
#[derive(Clone, Debug)]
pub struct Stream {
    /// The frames.
    pub frames: Vec<u8>,
    /// Where in them about every 256 KiB end, as a pipe gives them: each with whole frames.
    pub ends: Vec<usize>,
    /// The documents' length as JSON, in bytes.
    pub document_bytes: u64,
}

/// About how much is read from a pipe at once, in bytes.
const READ_BYTES: usize = 256 << 10;

impl Stream {
    /// The first `count` documents of a shape.
    pub fn record(shape: Shape, variant: Variant, count: usize) -> Result<Self> {
        let (collection, selection) = collection(shape)?;
        let stores = Stores::new(variant, &collection.projections, &selection)?;
        let mut stream = Self {
            frames: Vec::new(),
            ends: Vec::new(),
            document_bytes: 0,
        };
        let mut end = 0;
        for document in shape.documents().take(count) {
            let text = document.to_string();
            stream.document_bytes += text.len() as u64;
            stores.encode(&document, &text, &mut stream.frames)?;
            if stream.frames.len() - end >= READ_BYTES {
                end = stream.frames.len();
                stream.ends.push(end);
            }
        }
        if end < stream.frames.len() {
            stream.ends.push(stream.frames.len());
        }
        Ok(stream)
    }

    /// The frames as a pipe gives them.
    pub fn reads(&self) -> impl Iterator<Item = &[u8]> {
        let starts = [0].into_iter().chain(self.ends.iter().copied());
        starts
            .zip(&self.ends)
            .map(|(start, &end)| &self.frames[start..end])
    }
}

/// The collection of a shape's documents, and the selection of all its columns.
pub fn collection(shape: Shape) -> Result<(flow::CollectionSpec, flow::FieldSelection)> {
    let key = shape.key();
    let schema = Schema::parse(&column::schema(shape.columns(), key))?;
    let projections = project(&schema.shape(), &[format!("/{key}")], &[]);
    let values = shape.columns().iter().map(|column| column.field);
    let selection = flow::FieldSelection {
        keys: vec![key.to_owned()],
        values: values
            .filter(|field| *field != key)
            .map(str::to_owned)
            .collect(),
        ..flow::FieldSelection::default()
    };
    let collection = flow::CollectionSpec {
        name: format!("bench/{}", shape.name()),
        projections,
        ..flow::CollectionSpec::default()
    };
    Ok((collection, selection))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_document_is_a_frame_of_some_read() {
        for (shape, count) in [(Shape::Wiki, 1000), (Shape::Tiny, 5000), (Shape::Big, 3)] {
            for variant in Variant::ALL {
                let stream = Stream::record(shape, variant, count).unwrap();
                let mut frames = 0;
                for mut read in stream.reads() {
                    while let Some((_, used)) = variant.codec().split_frame(read).unwrap() {
                        read = &read[used..];
                        frames += 1;
                    }
                    assert!(read.is_empty());
                }
                assert_eq!(frames, count, "{shape:?} {variant:?}");
            }
        }
    }
}
