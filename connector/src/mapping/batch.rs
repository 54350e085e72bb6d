//! Stores into record batches.

use std::iter;
use std::ops::Range;
use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch};

use super::column::Schema;
use super::convert::{ColumnBuilder, Room};
use super::kept::KeptValues;
use super::number::Fit;
use super::rescue::{Inexact, Misfit, Rescued};
use crate::error::{Error, Result};
use crate::protocol::{Elements, Store, Tuple, Value, packed};

/// The bytes that a column takes for each row besides its text: a number, or the end of a text.
const SLOT_BYTES: usize = 8;

/// The bytes that a column takes from its first row on: its builder, and the smallest buffers that
/// an allocator gives.
const COLUMN_BYTES: usize = size_of::<ColumnBuilder>() + 256;

/// The bytes of a key that an error shows.
const KEY_BYTES: usize = 200;

/// Rows as columns, and what of them the columns do not give back.
#[derive(Debug)]
pub struct Batch {
    /// The rows, by the file's schema.
    pub records: RecordBatch,
    /// How many values were rescued.
    pub rescued: Rescued,
    /// How many values their columns have only nearly.
    pub inexact: Inexact,
}

/// Builds the columns of one binding from its Stores, a batch at a time.
///
/// A session has one for each of its bindings, most of them idle: between batches it holds no
/// columns.
#[derive(Debug)]
pub struct BatchBuilder {
    schema: Arc<Schema>,
    /// One for each column of the schema, from the first row of a batch to its end.
    columns: Vec<ColumnBuilder>,
    rescue_column: KeptValues,
    rescued: Rescued,
    exact_column: KeptValues,
    inexact: Inexact,
    /// What to make room for, after the last batch.
    last: Vec<Room>,
    rows: usize,
    sent_bytes: usize,
}

impl BatchBuilder {
    /// An empty builder for the columns of `schema`.
    pub fn new(schema: Arc<Schema>) -> Self {
        Self {
            schema,
            columns: Vec::new(),
            rescue_column: KeptValues::default(),
            rescued: Rescued::new(),
            exact_column: KeptValues::default(),
            inexact: Inexact::new(),
            last: Vec::new(),
            rows: 0,
            sent_bytes: 0,
        }
    }

    /// The rows that the next batch has so far.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// The bytes of their keys, values and documents as the runtime sent them, and of what is kept
    /// beside them, which may be many times as much: it names the field of each value.
    pub fn bytes(&self) -> usize {
        self.sent_bytes + self.rescue_column.bytes() + self.exact_column.bytes()
    }

    /// About how many bytes of memory they take: what the runtime sent and what is kept beside it,
    /// and in every column its buffers and a slot for each row.
    pub fn memory_bytes(&self) -> usize {
        let columns = self.columns.len() * (self.rows * SLOT_BYTES + COLUMN_BYTES);
        if self.rows == 0 {
            0
        } else {
            self.bytes() + columns
        }
    }

    /// Appends one row, and returns the bytes of its key, values and document as the runtime sent
    /// them.
    ///
    /// Errors where the Store does not have a value for each column (the session cannot go on
    /// then), and, if misfits are not rescued, where a value does not fit its column.
    pub fn append(&mut self, store: &Store<'_>) -> Result<usize> {
        if self.rows == 0 {
            self.begin();
        }
        let key_columns = self.schema.key_columns();
        let value_end = self.columns.len() - usize::from(self.schema.has_document());
        self.append_tuple(store, store.key, 0..key_columns)?;
        self.append_tuple(store, store.values, key_columns..value_end)?;
        if self.schema.has_document() {
            let document = store.doc.map_or(Value::Null, |doc| Value::Json(doc.into()));
            self.append_value(store, self.columns.len() - 1, &document)?;
        }
        if self.schema.rescues() {
            self.rescue_column.end_row();
        }
        if self.schema.keeps_exact() {
            self.exact_column.end_row();
        }
        let bytes = store_bytes(store);
        self.rows += 1;
        self.sent_bytes += bytes;
        Ok(bytes)
    }

    /// Takes the rows out and begins the next batch.
    pub fn finish(&mut self) -> Result<Batch> {
        if self.rows == 0 {
            self.begin();
        }
        let columns = std::mem::take(&mut self.columns).into_iter();
        let mut arrays: Vec<ArrayRef> = columns
            .map(ColumnBuilder::finish)
            .collect::<Result<_, _>>()
            .map_err(packed::not_utf8)?;
        self.last.clear();
        self.last
            .extend(arrays.iter().map(|array| Room::like(array)));
        if self.schema.rescues() {
            arrays.push(Arc::new(self.rescue_column.finish()));
        }
        if self.schema.keeps_exact() {
            arrays.push(Arc::new(self.exact_column.finish()));
        }
        self.rows = 0;
        self.sent_bytes = 0;
        let records = RecordBatch::try_new(self.schema.arrow(), arrays).map_err(|error| {
            Error::internal("a batch does not fit its schema").with_source(error)
        })?;
        Ok(Batch {
            records,
            rescued: std::mem::take(&mut self.rescued),
            inexact: std::mem::take(&mut self.inexact),
        })
    }

    /// Makes the columns, with room for a batch like the last one.
    #[cold]
    fn begin(&mut self) {
        let rows = self.last.first().map_or(0, |room| room.values());
        if self.schema.rescues() {
            self.rescue_column.begin(rows);
        }
        if self.schema.keeps_exact() {
            self.exact_column.begin(rows);
        }
        let rooms = self
            .last
            .iter()
            .copied()
            .chain(iter::repeat(Room::default()));
        let key_columns = self.schema.key_columns();
        let columns = self.schema.columns().iter().zip(rooms).enumerate();
        self.columns = columns
            .map(|(index, (column, room))| {
                ColumnBuilder::new(column.column_type, index < key_columns, room)
            })
            .collect();
    }

    #[inline]
    fn append_tuple(
        &mut self,
        store: &Store<'_>,
        tuple: Tuple<'_>,
        columns: Range<usize>,
    ) -> Result<()> {
        match tuple {
            Tuple::Packed(bytes) => self.append_elements(store, bytes, columns.clone())?,
            Tuple::Json(json) => self.append_elements(store, json, columns.clone())?,
        }
        .then_some(())
        .ok_or_else(|| wrong_length(columns, tuple))
    }

    /// Appends an element to each of `columns`; false where there are more or fewer.
    #[inline]
    fn append_elements<'a>(
        &mut self,
        store: &Store<'_>,
        mut elements: impl Elements<'a>,
        columns: Range<usize>,
    ) -> Result<bool> {
        for index in columns {
            if self.columns[index].take(&mut elements) {
                continue;
            }
            match elements.take()? {
                Some(value) => self.append_value(store, index, &value)?,
                None => return Ok(false),
            }
        }
        Ok(elements.take()?.is_none())
    }

    #[inline]
    fn append_value(&mut self, store: &Store<'_>, index: usize, value: &Value<'_>) -> Result<()> {
        match self.columns[index].append(value) {
            Ok(Fit::Exact) => Ok(()),
            Ok(Fit::Nearest) => {
                self.keep_exact(index, value);
                Ok(())
            }
            Err(misfit) => self.rescue(store, index, value, misfit),
        }
    }

    #[cold]
    fn keep_exact(&mut self, index: usize, value: &Value<'_>) {
        *self.inexact.entry(index).or_default() += 1;
        if self.schema.keeps_exact() {
            let field = &self.schema.columns()[index].field;
            self.exact_column.add(field, value);
        }
    }

    #[cold]
    fn rescue(
        &mut self,
        store: &Store<'_>,
        index: usize,
        value: &Value<'_>,
        misfit: Misfit,
    ) -> Result<()> {
        let column = &self.schema.columns()[index];
        if !self.schema.rescues() {
            return Err(Error::data(format!(
                "field `{}` with key {}: the value {}, and its column is {}; correct the document \
                 or the schema, or set `unconvertible` to `rescue`, which keeps such values in a \
                 column of their own",
                column.field,
                key_text(store.key),
                misfit.reason(),
                column.column_type
            )));
        }
        self.rescue_column.add(&column.field, value);
        *self.rescued.entry((index, misfit)).or_default() += 1;
        Ok(())
    }
}

fn wrong_length(columns: Range<usize>, tuple: Tuple<'_>) -> Error {
    let what = if columns.start == 0 { "key" } else { "values" };
    let (expected, found) = (columns.len(), count(tuple));
    Error::protocol(format!(
        "a Store's {what} should have {expected} elements and has {found}"
    ))
}

fn count(mut tuple: Tuple<'_>) -> usize {
    iter::from_fn(|| tuple.take().ok().flatten()).count()
}

fn store_bytes(store: &Store<'_>) -> usize {
    store.key.bytes() + store.values.bytes() + store.doc.map_or(0, <[u8]>::len)
}

/// A key as a JSON array, for errors; cut where it is long.
pub(super) fn key_text(mut key: Tuple<'_>) -> String {
    let mut text = vec![b'['];
    while let Ok(Some(value)) = key.take() {
        if text.len() > 1 {
            text.push(b',');
        }
        super::json_text::write_exact(&mut text, &value);
    }
    text.push(b']');
    let mut text = String::from_utf8_lossy(&text).into_owned();
    if text.len() > KEY_BYTES {
        text.truncate(text.floor_char_boundary(KEY_BYTES));
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use arrow_array::cast::AsArray;
    use arrow_array::types::{Float64Type, Int64Type, TimestampMicrosecondType};

    use super::*;
    use crate::config::JsonColumns;
    use crate::protocol::{JsonTuple, flow, packed};

    fn projection(field: &str, types: &[&str], format: &str) -> flow::Projection {
        let string = flow::inference::String {
            format: format.to_owned(),
            ..Default::default()
        };
        let inference = flow::Inference {
            types: types.iter().map(|&name| name.to_owned()).collect(),
            string: Some(string),
            ..Default::default()
        };
        let is_primary_key = field == "key";
        let (ptr, field) = (format!("/{field}"), field.to_owned());
        flow::Projection {
            ptr,
            field,
            is_primary_key,
            inference: Some(inference),
            ..Default::default()
        }
    }

    fn schema(rescues: bool) -> Arc<Schema> {
        let projections = vec![
            projection("at", &["string"], "date-time"),
            projection("flag", &["boolean"], ""),
            projection("integer", &["integer", "null"], ""),
            projection("json", &["integer", "object", "string"], ""),
            projection("key", &["string"], ""),
            projection("number", &["number", "string"], "number"),
        ];
        let selection = flow::FieldSelection {
            keys: vec!["key".to_owned()],
            values: ["at", "flag", "integer", "json", "number"]
                .map(str::to_owned)
                .to_vec(),
            ..Default::default()
        };
        let collection = flow::CollectionSpec {
            projections,
            ..Default::default()
        };
        Arc::new(Schema::new(&collection, &selection, JsonColumns::String, rescues).unwrap())
    }

    /// A tuple of JSON, whose positions are never given back.
    fn json(text: &str) -> Tuple<'_> {
        Tuple::Json(JsonTuple::new(text, Box::leak(Box::default())).unwrap())
    }

    fn packed(values: &[Value<'_>]) -> Vec<u8> {
        let mut writer = packed::Writer::new();
        for value in values {
            writer.push(value);
        }
        writer.into_bytes()
    }

    fn store<'a>(key: Tuple<'a>, values: Tuple<'a>) -> Store<'a> {
        Store {
            binding: 0,
            key,
            values,
            doc: None,
            delete: false,
        }
    }

    fn fitting() -> [Value<'static>; 5] {
        [
            Value::String("1970-01-01T00:00:01Z".into()),
            Value::Boolean(true),
            Value::Double(7.0),
            Value::Json(br#"{"b":1,"a":"<"}"#.into()),
            Value::String("-Infinity".into()),
        ]
    }

    #[test]
    fn both_codecs_give_the_same_columns() {
        let key = packed(&[Value::String("k\0é".into())]);
        let values = packed(&fitting());
        let json_key = r#"["k\u0000é"]"#;
        let json_values = r#"["1970-01-01T00:00:01Z",true,7.0,{"b":1,"a":"<"},"-Infinity"]"#;
        let forms = [
            (Tuple::Packed(&key), Tuple::Packed(&values)),
            (json(json_key), json(json_values)),
        ];
        for (key, values) in forms {
            let mut builder = BatchBuilder::new(schema(true));
            builder.append(&store(key, values)).unwrap();
            let batch = builder.finish().unwrap();
            let column = |name| batch.records.column_by_name(name).unwrap();
            assert_eq!(column("key").as_string::<i32>().value(0), "k\0é");
            assert_eq!(
                column("at")
                    .as_primitive::<TimestampMicrosecondType>()
                    .value(0),
                1_000_000
            );
            assert!(column("flag").as_boolean().value(0));
            assert_eq!(column("integer").as_primitive::<Int64Type>().value(0), 7);
            assert_eq!(
                column("json").as_string::<i32>().value(0),
                r#"{"b":1,"a":"<"}"#
            );
            assert!(
                column("number")
                    .as_primitive::<Float64Type>()
                    .value(0)
                    .is_infinite()
            );
            assert!(column(crate::mapping::RESCUED_FIELD).is_null(0));
            assert!(batch.rescued.is_empty());
        }
    }

    #[test]
    fn a_batch_like_the_last_one_has_room_without_being_doubled() {
        let mut builder = BatchBuilder::new(schema(false));
        let text = "x".repeat(100);
        let fill = |builder: &mut BatchBuilder, rows: usize| {
            for _ in 0..rows {
                let key = packed(&[Value::String(text.as_str().into())]);
                let values = packed(&fitting());
                let row = store(Tuple::Packed(&key), Tuple::Packed(&values));
                builder.append(&row).unwrap();
            }
            builder.finish().unwrap().records
        };
        fill(&mut builder, 1_000);
        for rows in [1_000, 1_050] {
            let records = fill(&mut builder, rows);
            for (field, column) in records.schema().fields().iter().zip(records.columns()) {
                let data = column.to_data();
                for buffer in data.buffers() {
                    let (held, used) = (buffer.capacity(), buffer.len());
                    assert!(held < used + used / 4 + 64, "{field}: {used} of {held}");
                }
            }
        }
    }

    fn misfits() -> (&'static str, &'static str) {
        (
            r#"["k"]"#,
            r#"["yesterday",null,18446744073709551616,"x",1e400]"#,
        )
    }

    #[test]
    fn what_does_not_fit_is_rescued_with_every_digit() {
        let (key, values) = misfits();
        let mut builder = BatchBuilder::new(schema(true));
        builder.append(&store(json(key), json(values))).unwrap();
        let batch = builder.finish().unwrap();
        let rescued = batch
            .records
            .column_by_name(crate::mapping::RESCUED_FIELD)
            .unwrap();
        assert_eq!(
            rescued.as_string::<i32>().value(0),
            r#"{"at":"yesterday","integer":18446744073709551616,"number":1e400}"#
        );
        let expected = [
            (1, Misfit::NotADateTime),
            (3, Misfit::IntegerOutOfRange),
            (5, Misfit::NumberOutOfRange),
        ];
        assert_eq!(
            batch.rescued,
            Rescued::from(expected.map(|misfit| (misfit, 1)))
        );
        for name in ["at", "integer", "number"] {
            assert!(
                batch.records.column_by_name(name).unwrap().is_null(0),
                "{name}"
            );
        }
        assert_eq!(
            batch
                .records
                .column_by_name("json")
                .unwrap()
                .as_string::<i32>()
                .value(0),
            r#""x""#
        );
    }

    #[test]
    fn what_is_not_unicode_is_rescued_as_far_as_it_can_be_read() {
        let mut values = fitting();
        values[3] = Value::Json(b"{\"a\":\"\xff\"}".into());
        let (key, values) = (packed(&[Value::String("k".into())]), packed(&values));
        let mut builder = BatchBuilder::new(schema(true));
        builder
            .append(&store(Tuple::Packed(&key), Tuple::Packed(&values)))
            .unwrap();
        let batch = builder.finish().unwrap();
        let rescued = batch
            .records
            .column_by_name(crate::mapping::RESCUED_FIELD)
            .unwrap();
        assert_eq!(
            rescued.as_string::<i32>().value(0),
            "{\"json\":{\"a\":\"\u{fffd}\"}}"
        );
    }

    #[test]
    fn where_misfits_are_errors_they_name_field_key_and_kind_but_not_the_value() {
        let (key, values) = misfits();
        let mut builder = BatchBuilder::new(schema(false));
        let store = store(json(key), json(values));
        let error = builder.append(&store).unwrap_err().to_string();
        for part in ["field `at`", r#"key ["k"]"#, "RFC 3339", "TIMESTAMP"] {
            assert!(error.contains(part), "{error}");
        }
        assert!(!error.contains("yesterday"), "{error}");
    }

    #[test]
    fn an_error_shows_no_more_than_the_beginning_of_a_long_key() {
        let key = format!("[\"{}\"]", "é".repeat(10_000));
        let text = key_text(json(&key));
        assert!(text.len() < KEY_BYTES + 10 && text.ends_with('…'), "{text}");
    }

    #[test]
    fn memory_is_counted_by_what_was_sent_and_by_slots() {
        let mut builder = BatchBuilder::new(schema(true));
        assert_eq!(builder.memory_bytes(), 0);
        let (key, values) = (r#"["k"]"#, "[null,null,null,null,null]");
        let sent = builder.append(&store(json(key), json(values))).unwrap();
        assert_eq!(sent, key.len() + values.len());
        assert_eq!(
            builder.memory_bytes(),
            sent + 6 * (SLOT_BYTES + COLUMN_BYTES)
        );
        builder.finish().unwrap();
        assert_eq!(builder.memory_bytes(), 0);
    }

    #[test]
    fn a_store_with_too_few_or_too_many_values_is_an_error_that_counts_them() {
        for (values, found) in [("[]", 0), ("[1,2,3,4,5,6]", 6)] {
            let mut builder = BatchBuilder::new(schema(true));
            let store = store(json("[\"k\"]"), json(values));
            let error = builder.append(&store).unwrap_err().to_string();
            assert!(
                error.contains(&format!("5 elements and has {found}")),
                "{error}"
            );
        }
    }
}
