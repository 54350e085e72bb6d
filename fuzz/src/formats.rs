//! Strings with a format, and numbers, against jiff and against arithmetic on text: see `oracle.rs`.
//!
//! The conversions are the mapper's own business, so they are driven as a file is built: a column of one row.

use std::borrow::Cow;
use std::sync::Arc;

use arrow_array::Array;
use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowPrimitiveType, Date32Type, Float64Type, Int64Type, TimestampMicrosecondType,
};
use materialize_s3_parquet::config::JsonColumns;
use materialize_s3_parquet::mapping::{BatchBuilder, Schema};
use materialize_s3_parquet::protocol::{Store, Tuple, Value, flow, packed};

use crate::oracle;

/// Takes `data` for a date, a date-time, an integer, a number and base64.
pub fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    assert_eq!(
        primitive::<Date32Type>("date", text),
        oracle::date(text),
        "date {text:?}"
    );
    assert_eq!(
        primitive::<TimestampMicrosecondType>("date-time", text),
        oracle::date_time(text),
        "date-time {text:?}"
    );
    assert_eq!(
        primitive::<Int64Type>("integer", text),
        oracle::integer(text),
        "integer {text:?}"
    );
    assert_eq!(
        primitive::<Float64Type>("number", text).map(f64::to_bits),
        oracle::double_of_string(text).map(f64::to_bits),
        "number {text:?}"
    );
    let array = column("base64", text);
    let bytes = array.as_binary::<i32>();
    let bytes = bytes.is_valid(0).then(|| bytes.value(0).to_vec());
    assert_eq!(bytes, oracle::base64(text), "base64 {text:?}");
}

fn primitive<T: ArrowPrimitiveType>(format: &str, text: &str) -> Option<T::Native> {
    let array = column(format, text);
    let values = array.as_primitive::<T>();
    values.is_valid(0).then(|| values.value(0))
}

/// The one column of a file with one row, of a field whose strings have this format.
fn column(format: &str, text: &str) -> Arc<dyn Array> {
    let mut builder = BatchBuilder::new(Arc::new(schema(format)));
    let mut values = packed::Writer::new();
    values.push(&Value::String(Cow::Borrowed(text)));
    let store = Store {
        binding: 0,
        key: Tuple::Packed(&[]),
        values: Tuple::Packed(&values.into_bytes()),
        doc: None,
        delete: false,
    };
    builder
        .append(&store)
        .expect("what does not fit is rescued, and is no error");
    let batch = builder.finish().expect("a row is a batch");
    Arc::clone(batch.records.column(0))
}

fn schema(format: &str) -> Schema {
    let (format, content_encoding) = match format {
        "base64" => ("", "base64"),
        format => (format, ""),
    };
    let string = flow::inference::String {
        format: format.to_owned(),
        content_encoding: content_encoding.to_owned(),
        ..Default::default()
    };
    let inference = flow::Inference {
        types: vec!["string".to_owned()],
        string: Some(string),
        ..Default::default()
    };
    let projection = flow::Projection {
        ptr: "/field".to_owned(),
        field: "field".to_owned(),
        inference: Some(inference),
        ..Default::default()
    };
    let collection = flow::CollectionSpec {
        projections: vec![projection],
        ..Default::default()
    };
    let selection = flow::FieldSelection {
        values: vec!["field".to_owned()],
        ..Default::default()
    };
    Schema::new(&collection, &selection, JsonColumns::String, true)
        .expect("a string field has a column")
}
