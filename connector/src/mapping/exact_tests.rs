//! Values that a column has only nearly, and years that not every reader has: by both codecs, in
//! keys and in values.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, RecordBatch};
use serde_json::{Value as Json, json};

use super::{Batch, BatchBuilder, EXACT_FIELD, RESCUED_FIELD, Schema};
use crate::config::JsonColumns;
use crate::protocol::{JsonTuple, Store, Tuple, Value, flow, packed};

const FORMATS: [(&str, &str, &str); 7] = [
    ("at", "string", "date-time"),
    ("cast", "string", "number"),
    ("code", "string", "integer"),
    ("count", "integer", ""),
    ("day", "string", "date"),
    ("number", "number", ""),
    ("price", "string", "number"),
];

fn projection(field: &str, kind: &str, format: &str, is_primary_key: bool) -> flow::Projection {
    let string = flow::inference::String {
        format: format.to_owned(),
        ..Default::default()
    };
    flow::Projection {
        ptr: format!("/{field}"),
        field: field.to_owned(),
        is_primary_key,
        inference: Some(flow::Inference {
            types: vec![kind.to_owned()],
            string: Some(string),
            ..Default::default()
        }),
        ..Default::default()
    }
}

/// A table with some of [`FORMATS`] as keys and others as values.
fn schema(keys: &[&str], values: &[&str]) -> Schema {
    let projections =
        FORMATS.map(|(field, kind, format)| projection(field, kind, format, keys.contains(&field)));
    let mut selection = selection(keys, values);
    let cast = r#"{"castToString":true}"#.into();
    selection
        .field_config_json_map
        .insert("cast".to_owned(), cast);
    schema_of(projections.to_vec(), &selection)
}

fn selection(keys: &[&str], values: &[impl AsRef<str>]) -> flow::FieldSelection {
    flow::FieldSelection {
        keys: keys.iter().map(|&key| key.to_owned()).collect(),
        values: values
            .iter()
            .map(|value| value.as_ref().to_owned())
            .collect(),
        ..Default::default()
    }
}

fn schema_of(projections: Vec<flow::Projection>, selection: &flow::FieldSelection) -> Schema {
    let collection = flow::CollectionSpec {
        projections,
        ..Default::default()
    };
    Schema::new(&collection, selection, JsonColumns::String, true).unwrap()
}

fn pack(value: &Json) -> Vec<u8> {
    let mut writer = packed::Writer::new();
    writer.push(&match value {
        Json::String(text) => Value::String(text.into()),
        Json::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(integer), _) => Value::Integer(integer),
            (_, Some(integer)) => Value::Unsigned(integer),
            _ => Value::Double(number.as_f64().unwrap()),
        },
        other => panic!("{other}"),
    });
    writer.into_bytes()
}

/// The batch of one row with one value, by the packed and by the JSON codec.
fn batches(field: &str, value: &Json, is_key: bool) -> [Batch; 2] {
    let json = format!("[{value}]");
    let bytes = pack(value);
    let empty = (Tuple::Packed(&[]), Tuple::Packed(&[]));
    let json = Tuple::Json(JsonTuple::new(&json, Box::leak(Box::default())).unwrap());
    [Tuple::Packed(&bytes), json].map(|tuple| {
        let (schema, key, values) = if is_key {
            (schema(&[field], &[]), tuple, empty.1)
        } else {
            (schema(&[], &[field]), empty.0, tuple)
        };
        let mut builder = BatchBuilder::new(Arc::new(schema));
        let store = store(key, values);
        builder.append(&store).unwrap();
        builder.finish().unwrap()
    })
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

fn kept(records: &RecordBatch, column: &str) -> Option<Json> {
    let column = records.column_by_name(column)?.as_string::<i32>();
    column
        .is_valid(0)
        .then(|| serde_json::from_str(column.value(0)).unwrap())
}

#[test]
fn what_a_column_has_only_nearly_is_kept_exactly_beside_it() {
    for (field, value, is_key) in [
        ("number", json!(9_007_199_254_740_993_i64), false),
        ("number", json!(-9_007_199_254_740_993_i64), false),
        ("number", json!(u64::MAX), false),
        ("number", json!(i64::MAX), true),
        ("price", json!("12345678901234567.89"), false),
        ("price", json!("9007199254740993"), false),
        ("price", json!("+1.5"), false),
        ("price", json!("1e-400"), false),
        ("code", json!("00501"), false),
        ("code", json!("+15551234567"), false),
        ("at", json!("2026-01-02T03:04:05.1234567Z"), true),
        ("at", json!("2026-01-02T03:04:05.123456789+02:00"), true),
        ("at", json!("2016-12-31T23:59:60Z"), true),
    ] {
        for batch in batches(field, &value, is_key) {
            assert!(batch.records.column(0).is_valid(0), "{value}");
            let exact = kept(&batch.records, EXACT_FIELD);
            assert_eq!(exact, Some(json!({field: value})));
            assert_eq!(batch.inexact.get(&0), Some(&1), "{value}");
            assert_eq!(kept(&batch.records, RESCUED_FIELD), None, "{value}");
        }
    }
}

#[test]
fn what_a_column_gives_back_is_not_kept_twice() {
    for (field, value, is_key) in [
        ("number", json!(9_007_199_254_740_992_i64), false),
        ("number", json!(1.5), false),
        ("number", json!(1e23), false),
        ("number", json!(0.1 + 0.2), false),
        ("price", json!("19.90"), false),
        ("price", json!("5.00"), false),
        ("price", json!("1e3"), false),
        ("price", json!(".15"), false),
        ("price", json!("NaN"), false),
        ("code", json!("501"), false),
        ("code", json!("1e3"), false),
        ("code", json!("9223372036854775807"), false),
        ("code", json!("00501"), true),
        ("cast", json!("00501.10"), false),
        ("at", json!("2026-01-02T03:04:05.1234567Z"), false),
        ("at", json!("2026-01-02T03:04:05.123456Z"), true),
        ("day", json!("2026-01-02"), true),
        ("count", json!(i64::MAX), false),
    ] {
        for batch in batches(field, &value, is_key) {
            assert!(batch.records.column(0).is_valid(0), "{field} {value}");
            assert_eq!(kept(&batch.records, EXACT_FIELD), None, "{field} {value}");
            assert!(batch.inexact.is_empty(), "{field} {value}");
            assert_eq!(kept(&batch.records, RESCUED_FIELD), None, "{field} {value}");
        }
    }
}

#[test]
fn a_file_has_the_column_for_exact_values_where_a_field_of_it_can_be_inexact() {
    for (keys, values, expected) in [
        (&["count"][..], &["number"][..], true),
        (&["count"], &["price"], true),
        (&["count"], &["code"], true),
        (&["at"], &[], true),
        (
            &["count", "code", "price", "day"],
            &["at", "day", "cast"],
            false,
        ),
        (&[], &[], false),
    ] {
        let schema = schema(keys, values);
        let arrow = schema.arrow();
        let last = arrow.fields().last().unwrap().name();
        assert_eq!(schema.keeps_exact(), expected, "{keys:?} {values:?}");
        assert_eq!(last == EXACT_FIELD, expected, "{keys:?} {values:?}");
    }
}

#[test]
fn values_are_counted_where_a_field_has_the_name_of_the_column_for_exact_ones_too() {
    let fields = ["number", EXACT_FIELD];
    let projections = [
        projection("number", "number", "", false),
        projection(EXACT_FIELD, "string", "", false),
    ];
    let schema = schema_of(projections.to_vec(), &selection(&[], &fields));
    let mut builder = BatchBuilder::new(Arc::new(schema));
    let values = [pack(&json!(u64::MAX)), pack(&json!("own"))].concat();
    let store = store(Tuple::Packed(&[]), Tuple::Packed(&values));
    let sent = builder.append(&store).unwrap();
    assert_eq!(builder.bytes(), sent, "nothing is kept");
    let batch = builder.finish().unwrap();
    assert_eq!(batch.inexact.get(&0), Some(&1));
    let own = batch.records.column_by_name(EXACT_FIELD).unwrap();
    assert_eq!(own.as_string::<i32>().value(0), "own");
}

#[test]
fn what_is_kept_counts_as_bytes_and_as_memory_of_its_batch() {
    for (kind, column) in [("number", EXACT_FIELD), ("boolean", RESCUED_FIELD)] {
        let fields: Vec<_> = (0..100).map(|index| format!("{index:0>200}")).collect();
        let projections = fields
            .iter()
            .map(|field| projection(field, kind, "", false));
        let schema = schema_of(projections.collect(), &selection(&[], &fields));
        let mut builder = BatchBuilder::new(Arc::new(schema));
        let values = pack(&json!(9_007_199_254_740_993_i64)).repeat(100);
        let store = store(Tuple::Packed(&[]), Tuple::Packed(&values));
        let sent: usize = (0..10).map(|_| builder.append(&store).unwrap()).sum();
        let (bytes, memory) = (builder.bytes(), builder.memory_bytes());
        let records = builder.finish().unwrap().records;
        let kept = records.column_by_name(column).unwrap().as_string::<i32>();
        assert!(kept.values().len() > 10 * 100 * 200, "{column}");
        assert_eq!(bytes, sent + kept.values().len(), "{column}");
        assert!(memory > bytes, "{column}");
        assert_eq!((builder.bytes(), builder.memory_bytes()), (0, 0));
    }
}

#[test]
fn years_that_not_every_reader_has_are_rescued_unless_they_are_text() {
    for (field, text, fits) in [
        ("day", "0001-01-01", true),
        ("day", "9999-12-31", true),
        ("day", "0000-12-31", false),
        ("day", "10000-01-01", false),
        ("at", "0001-01-01T00:00:00Z", true),
        ("at", "0000-12-31T23:30:00-00:30", true),
        ("at", "9999-12-31T23:59:59.999999999Z", true),
        ("at", "0001-01-01T00:00:00+01:00", false),
        ("at", "0000-12-31T23:59:59.999999999Z", false),
        ("at", "9999-12-31T23:59:59-00:01", false),
        ("cast", "0000-01-01", true),
    ] {
        for is_key in [false, true] {
            for batch in batches(field, &json!(text), is_key) {
                let rescued = (!fits).then(|| json!({field: text}));
                assert_eq!(kept(&batch.records, RESCUED_FIELD), rescued, "{text}");
                assert_eq!(batch.records.column(0).is_valid(0), fits, "{text}");
            }
        }
    }
}
