//! Document → row: the values of the selected fields, and their packed form (docs/protocol.md §3.2,
//! §3.3).

use materialize_s3_parquet::protocol::{self, flow, packed};
use serde_json::{Number, Value};

use crate::document_uuid::published_at;

/// The field whose value is made by the runtime: whether it shortened anything in the row.
const TRUNCATED_POINTER: &str = "/_meta/flow_truncated";

/// A selection names a field that the collection does not have.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the selection names the field `{0}`, which the collection does not have")]
pub struct UnknownField(pub String);

/// Takes the values of a binding's selected fields out of documents.
#[derive(Clone, Debug)]
pub struct Extractor {
    keys: Vec<Column>,
    values: Vec<Column>,
    has_document: bool,
}

#[derive(Clone, Debug)]
struct Column {
    pointer: String,
    /// What stands for a location that a document does not have.
    default: Value,
    origin: Origin,
}

#[derive(Clone, Copy, Debug)]
enum Origin {
    /// The document's own value.
    Location,
    /// The time within a UUID.
    PublishedAt,
    /// The runtime's own word: nothing is ever shortened here.
    Truncated,
}

impl Extractor {
    /// An extractor of the fields of `selection`, each found among `projections`.
    pub fn new(
        projections: &[flow::Projection],
        selection: &flow::FieldSelection,
    ) -> Result<Self, UnknownField> {
        let column = |field: &String| {
            let found = projections
                .iter()
                .find(|projection| projection.field == *field);
            found
                .map(Column::new)
                .ok_or_else(|| UnknownField(field.clone()))
        };
        Ok(Self {
            keys: selection
                .keys
                .iter()
                .map(column)
                .collect::<Result<_, _>>()?,
            values: selection
                .values
                .iter()
                .map(column)
                .collect::<Result<_, _>>()?,
            has_document: !selection.document.is_empty(),
        })
    }

    /// The key's values, in the selection's order.
    pub fn key(&self, document: &Value) -> Vec<Value> {
        self.keys
            .iter()
            .map(|column| column.extract(document))
            .collect()
    }

    /// The other fields' values, in the selection's order.
    pub fn values(&self, document: &Value) -> Vec<Value> {
        self.values
            .iter()
            .map(|column| column.extract(document))
            .collect()
    }

    /// Whether rows carry the whole document besides.
    pub fn has_document(&self) -> bool {
        self.has_document
    }
}

impl Column {
    fn new(projection: &flow::Projection) -> Self {
        let inference = projection.inference.as_ref();
        let default =
            inference.and_then(|inference| serde_json::from_slice(&inference.default_json).ok());
        let string = inference.and_then(|inference| inference.string.as_ref());
        let is_uuid = string.is_some_and(|string| {
            string.format == "date-time" && string.content_encoding == "uuid"
        });
        let origin = match projection.ptr.as_str() {
            TRUNCATED_POINTER => Origin::Truncated,
            _ if is_uuid => Origin::PublishedAt,
            _ => Origin::Location,
        };
        Self {
            pointer: projection.ptr.clone(),
            default: default.unwrap_or_default(),
            origin,
        }
    }

    fn extract(&self, document: &Value) -> Value {
        let found = document.pointer(&self.pointer);
        match self.origin {
            Origin::Truncated => Value::Bool(false),
            Origin::Location => found.unwrap_or(&self.default).clone(),
            Origin::PublishedAt => {
                let time = found.and_then(Value::as_str).and_then(published_at);
                time.map_or_else(|| found.unwrap_or(&self.default).clone(), Value::String)
            }
        }
    }
}

/// Packs values one after the other as `FoundationDB`'s tuple elements. Of two keys the packed
/// forms are in the keys' order.
pub fn pack(values: &[Value]) -> Vec<u8> {
    let mut writer = packed::Writer::new();
    for value in values {
        writer.push(&element(value));
    }
    writer.into_bytes()
}

fn element(value: &Value) -> protocol::Value<'_> {
    match value {
        Value::Null => protocol::Value::Null,
        Value::Bool(boolean) => protocol::Value::Boolean(*boolean),
        Value::Number(number) => number_element(number),
        Value::String(text) => protocol::Value::String(text.into()),
        Value::Array(_) | Value::Object(_) => {
            protocol::Value::Json(value.to_string().into_bytes().into())
        }
    }
}

fn number_element(number: &Number) -> protocol::Value<'static> {
    if let Some(integer) = number.as_i64() {
        return protocol::Value::Integer(integer);
    }
    match number.as_u64() {
        Some(integer) => protocol::Value::Unsigned(integer),
        None => protocol::Value::Double(number.as_f64().unwrap_or(f64::NAN)),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::schema::{Schema, project};

    fn extractor(
        keys: &[&str],
        values: &[&str],
        document: &str,
    ) -> Result<Extractor, UnknownField> {
        let schema = json!({
            "type": "object",
            "properties": {
                "id": {"type": "integer"},
                "a/b": {"type": "string"},
                "size": {"type": "integer", "default": 7},
                "list": {"type": "array"},
                "deep": {"properties": {"er": {"type": "null"}}},
            },
        });
        let shape = Schema::parse(&schema).expect("a valid schema").shape();
        let names = |fields: &[&str]| fields.iter().map(|field| (*field).to_owned()).collect();
        let selection = flow::FieldSelection {
            keys: names(keys),
            values: names(values),
            document: document.to_owned(),
            ..flow::FieldSelection::default()
        };
        Extractor::new(&project(&shape, &["/id".to_owned()], &[]), &selection)
    }

    #[test]
    fn values_in_the_selections_order_with_defaults() {
        let fields = ["a~1b", "deep/er", "list", "size"];
        let extractor = extractor(&["id"], &fields, "flow_document").expect("known fields");
        let full = json!({"id": 1, "a/b": "x", "deep": {"er": null}, "list": [1], "size": null});
        assert_eq!(extractor.key(&full), [json!(1)]);
        assert_eq!(
            extractor.values(&full),
            [json!("x"), json!(null), json!([1]), json!(null)]
        );
        assert_eq!(
            extractor.values(&json!({})),
            [json!(null), json!(null), json!(null), json!(7)]
        );
        assert!(extractor.has_document());
    }

    #[test]
    fn what_the_runtime_knows_itself() {
        let fields = ["_meta/flow_truncated", "flow_published_at"];
        let extractor = extractor(&[], &fields, "").expect("known fields");
        let document = json!({"_meta": {"uuid": "00000000-0000-11ee-8400-071353030311"}});
        assert_eq!(
            extractor.values(&document),
            [json!(false), json!("2023-05-31T22:10:49.506406404Z")]
        );
        let strange = json!({"_meta": {"uuid": "no uuid"}});
        assert_eq!(extractor.values(&strange), [json!(false), json!("no uuid")]);
        assert!(!extractor.has_document());
    }

    #[test]
    fn an_unknown_field_is_an_error() {
        assert_eq!(
            extractor(&["gone"], &[], "").err(),
            Some(UnknownField("gone".to_owned()))
        );
    }

    #[test]
    fn packs_as_the_protocol_does() {
        let packed = pack(&[
            json!("c"),
            json!(null),
            json!(10.5),
            json!(["x"]),
            json!(-1),
            json!(u64::MAX),
        ]);
        let expected =
            b"\x02c\x00\x00\x21\xc0\x25\x00\x00\x00\x00\x00\x00\x01[\"x\"]\x00\x13\xfe\x1c\xff\xff\xff\xff\xff\xff\xff\xff";
        assert_eq!(packed, expected);
    }

    #[test]
    fn packed_keys_are_in_the_keys_order() {
        let ascending = [
            json!(null),
            json!(-5),
            json!(0),
            json!(255),
            json!(256),
            json!(false),
            json!(true),
        ];
        let packed: Vec<_> = ascending
            .iter()
            .map(|key| pack(std::slice::from_ref(key)))
            .collect();
        assert!(packed.is_sorted());
    }
}
