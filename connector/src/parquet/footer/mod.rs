//! The end of a file: the page index, and the metadata of the row groups.
//!
//! `SerializedFileWriter` writes it too, but fixes it when the file begins and chunk by chunk.
//! Which bounds a column may have is known at the end of the file only, and the orders that it
//! declares for columns are not those that readers of the last years know.

mod bounds;
mod orders;

use std::io::Write;
use std::sync::Arc;

use parquet::errors::Result;
use parquet::file::metadata::page_index::PageIndexBuilder;
use parquet::file::metadata::{
    FileMetaData, KeyValue, ParquetMetaDataBuilder, ParquetMetaDataWriter, RowGroupMetaData,
};
use parquet::file::page_index::column_index::ColumnIndexMetaData;
use parquet::file::page_index::offset_index::OffsetIndexMetaData;
use parquet::file::statistics::Statistics;
use parquet::file::writer::TrackedWrite;
use parquet::schema::types::SchemaDescPtr;

pub(super) use orders::{declare_type_orders, orders_bytes};

/// The version of the format that files declare, as Parquet's own writers do for data pages V1.
const FORMAT_VERSION: i32 = 1;

/// The metadata of a file's row groups, until the file ends.
#[derive(Debug)]
pub(super) struct Footer {
    schema: SchemaDescPtr,
    row_groups: Vec<RowGroupMetaData>,
    column_indexes: Vec<Vec<Option<ColumnIndexMetaData>>>,
    offset_indexes: Vec<Vec<Option<OffsetIndexMetaData>>>,
}

impl Footer {
    /// Begins the footer of a file of that schema, which has no row group yet.
    pub(super) fn new(schema: SchemaDescPtr) -> Self {
        Self {
            schema,
            row_groups: Vec::new(),
            column_indexes: Vec::new(),
            offset_indexes: Vec::new(),
        }
    }

    /// The schema of the file, leaf by leaf.
    pub(super) fn schema(&self) -> &SchemaDescPtr {
        &self.schema
    }

    /// The number of row groups so far.
    pub(super) fn row_groups(&self) -> usize {
        self.row_groups.len()
    }

    /// The least and greatest value of an INT64 column so far; none where it has no values, or
    /// there is no such column.
    pub(super) fn bounds(&self, column: &str) -> Option<(i64, i64)> {
        let columns = self.row_groups.iter().flat_map(RowGroupMetaData::columns);
        let named = columns.filter(|chunk| chunk.column_descr().name() == column);
        named
            .filter_map(|chunk| match chunk.statistics() {
                Some(Statistics::Int64(found)) => Some((*found.min_opt()?, *found.max_opt()?)),
                _ => None,
            })
            .reduce(|(least, greatest), (low, high)| (least.min(low), greatest.max(high)))
    }

    /// Adds a row group that has been written, with the page index of each of its columns.
    pub(super) fn push(
        &mut self,
        row_group: RowGroupMetaData,
        column_indexes: Vec<Option<ColumnIndexMetaData>>,
        offset_indexes: Vec<Option<OffsetIndexMetaData>>,
    ) {
        self.row_groups.push(row_group);
        self.column_indexes.push(column_indexes);
        self.offset_indexes.push(offset_indexes);
    }

    /// Writes page index and metadata to `bytes`, which stand at the end of the last row group. The
    /// magic number ends them.
    pub(super) fn write<W: Write>(
        mut self,
        bytes: TrackedWrite<W>,
        created_by: String,
        pairs: Vec<KeyValue>,
    ) -> Result<()> {
        for column in 0..self.schema.num_columns() {
            self.settle_bounds(column)?;
        }
        let rows = self.row_groups.iter().map(RowGroupMetaData::num_rows).sum();
        let file = FileMetaData::new(
            FORMAT_VERSION,
            rows,
            Some(created_by),
            Some(pairs),
            Arc::clone(&self.schema),
            None,
        );
        let metadata = ParquetMetaDataBuilder::new(file)
            .set_page_index(Some(Arc::new(self.take_page_index().build())))
            .set_row_groups(self.row_groups)
            .build();
        ParquetMetaDataWriter::new_with_tracked(bytes, &metadata)
            .with_preserve_page_index_locations(false)
            .finish()
    }

    /// Leaves a column its bounds in all row groups, with the zeros that its order asks for, or in
    /// none.
    fn settle_bounds(&mut self, column: usize) -> Result<()> {
        let chunks = || self.row_groups.iter().map(|group| group.column(column));
        let bounded = chunks().all(bounds::are_whole);
        for (group, indexes) in self.row_groups.iter_mut().zip(&mut self.column_indexes) {
            let chunk = &mut group.columns_mut()[column];
            let index = &mut indexes[column];
            if bounded {
                bounds::widen_zeros(chunk, index)?;
            } else {
                bounds::remove(chunk)?;
                *index = None;
            }
        }
        Ok(())
    }

    /// Takes the page index of all row groups.
    fn take_page_index(&mut self) -> PageIndexBuilder {
        let mut page_index =
            PageIndexBuilder::new(self.row_groups.len(), self.schema.num_columns());
        for (group, columns) in self.column_indexes.drain(..).enumerate() {
            for (column, index) in columns.into_iter().enumerate() {
                if let Some(index) = index {
                    page_index.put_column_index(index, group, column);
                }
            }
        }
        for (group, columns) in self.offset_indexes.drain(..).enumerate() {
            for (column, index) in columns.into_iter().enumerate() {
                if let Some(index) = index {
                    page_index.put_offset_index(index, group, column);
                }
            }
        }
        page_index
    }
}

#[cfg(test)]
mod tests;
