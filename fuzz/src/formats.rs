//! Strings with a format, against jiff and bigdecimal: see `oracle.rs`.
//!
//! The conversions are the mapper's own business, so they are driven as a file is built: a column
//! of one row.

use std::borrow::Cow;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowPrimitiveType, Date32Type, Float64Type, Int64Type, TimestampMicrosecondType,
};
use arrow_array::{Array, RecordBatch};
use materialize_s3_parquet::config::JsonColumns;
use materialize_s3_parquet::mapping::{BatchBuilder, EXACT_FIELD, Schema};
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
    let integer = oracle::integer(text);
    assert_eq!(
        primitive::<Int64Type>("integer", text),
        integer,
        "integer {text:?}"
    );
    let is_code = integer.is_some() && oracle::is_code(text);
    assert_eq!(is_kept("integer", text), is_code, "integer {text:?}");
    let double = oracle::double_of_string(text);
    assert_eq!(
        primitive::<Float64Type>("number", text).map(f64::to_bits),
        double.map(f64::to_bits),
        "number {text:?}"
    );
    let is_inexact = double
        .filter(|_| oracle::number(text).is_some())
        .is_some_and(|double| oracle::is_code(text) || !oracle::is_given_back(double, text));
    assert_eq!(is_kept("number", text), is_inexact, "number {text:?}");
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

/// Whether the text is kept exactly beside its column; then it is the text as it was.
fn is_kept(format: &str, text: &str) -> bool {
    let records = records(format, text);
    let column = records
        .column_by_name(EXACT_FIELD)
        .expect("a number in a string can be inexact")
        .as_string::<i32>();
    if column.is_null(0) {
        return false;
    }
    let kept: serde_json::Value = serde_json::from_str(column.value(0)).expect("it is JSON");
    assert_eq!(kept, serde_json::json!({"field": text}));
    true
}

fn column(format: &str, text: &str) -> Arc<dyn Array> {
    Arc::clone(records(format, text).column(0))
}

/// A file with one row, of a field whose strings have this format.
fn records(format: &str, text: &str) -> RecordBatch {
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
    builder.finish().expect("a row is a batch").records
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
