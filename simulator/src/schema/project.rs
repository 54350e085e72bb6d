//! Shape → projections: the fields a collection has, each with what is known of its location
//! (docs/protocol.md §7.1).

use bytes::Bytes;
use materialize_s3_parquet::protocol::flow;
use serde_json::Value;

use super::locate::{Exists, Location};
use super::reduce::{Reduce, Strategy};
use super::shape::{Reduction, Shape};
use super::types::Types;

/// How a projection of the user's names the time within a document's UUID.
const PUBLISHED_AT_LOCATION: &str = "/_meta/uuid/date-time";

/// A projection the user wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExplicitProjection {
    /// The field's name.
    pub field: String,
    /// The JSON pointer it stands for; `""` is the root.
    pub location: String,
    /// Whether the collection is partitioned by it.
    pub partition: bool,
}

/// The projections of a collection with this shape and key (JSON pointers), sorted by field.
///
/// Where several claim one field name the first wins, in this order: the user's, the root document
/// and the two fields Flow adds, the key, and every location the schema names.
pub fn project(
    shape: &Shape,
    key: &[String],
    explicit: &[ExplicitProjection],
) -> Vec<flow::Projection> {
    let mut projections: Vec<_> = explicit
        .iter()
        .map(|projection| of_user(shape, projection))
        .collect();
    projections.extend(implicit(shape, explicit));
    projections.extend(
        key.iter()
            .map(|pointer| of_location(&shape.locate(pointer))),
    );
    let locations = shape.locations();
    let named = locations
        .iter()
        .filter(|location| location.pointer != "/flow_document");
    projections.extend(named.map(of_location));

    projections.sort_by(|left, right| left.field.cmp(&right.field));
    projections.dedup_by(|later, first| later.field == first.field);
    for projection in &mut projections {
        projection.is_primary_key = key.contains(&projection.ptr);
    }
    projections
}

fn of_user(shape: &Shape, projection: &ExplicitProjection) -> flow::Projection {
    let inferred = match projection.location.as_str() {
        PUBLISHED_AT_LOCATION => published_at(),
        location => of_location(&shape.locate(location)),
    };
    flow::Projection {
        field: projection.field.clone(),
        explicit: true,
        is_partition_key: projection.partition,
        ..inferred
    }
}

fn of_location(location: &Location) -> flow::Projection {
    flow::Projection {
        ptr: location.pointer.clone(),
        field: location.pointer.trim_start_matches('/').to_owned(),
        inference: Some(inference(&location.shape, location.exists)),
        ..flow::Projection::default()
    }
}

/// What Flow adds to every collection.
fn implicit(shape: &Shape, explicit: &[ExplicitProjection]) -> Vec<flow::Projection> {
    let has_explicit = |location: &str| {
        explicit
            .iter()
            .any(|projection| projection.location == location)
    };
    let mut projections = Vec::new();
    if !has_explicit("") {
        projections.push(flow::Projection {
            field: "flow_document".to_owned(),
            ..of_location(&shape.locate(""))
        });
    }
    if !has_explicit(PUBLISHED_AT_LOCATION) {
        projections.push(published_at());
    }
    projections.push(truncated());
    projections
}

fn published_at() -> flow::Projection {
    let mut shape = Shape {
        types: Types::STRING,
        title: Some("Flow Publication Time".to_owned()),
        ..Shape::anything()
    };
    shape.string.format = Some("date-time".to_owned());
    shape.string.content_encoding = Some("uuid".to_owned());
    flow::Projection {
        ptr: "/_meta/uuid".to_owned(),
        field: "flow_published_at".to_owned(),
        inference: Some(inference(&shape, Exists::Must)),
        ..flow::Projection::default()
    }
}

fn truncated() -> flow::Projection {
    let title = Some("Flow truncation indicator".to_owned());
    let shape = Shape {
        types: Types::BOOLEAN,
        title,
        ..Shape::anything()
    };
    flow::Projection {
        ptr: "/_meta/flow_truncated".to_owned(),
        field: "_meta/flow_truncated".to_owned(),
        inference: Some(inference(&shape, Exists::Must)),
        ..flow::Projection::default()
    }
}

/// What is known of a location, as the protocol says it: details of a type stand only where the
/// type is possible.
pub fn inference(shape: &Shape, exists: Exists) -> flow::Inference {
    let can_be = |types: Types| shape.types.overlaps(types);
    let exists = match exists {
        Exists::Must => flow::inference::Exists::Must,
        Exists::May => flow::inference::Exists::May,
        Exists::Implicit => flow::inference::Exists::Implicit,
        Exists::Cannot => flow::inference::Exists::Cannot,
    };
    flow::Inference {
        types: shape.types.names().into_iter().map(str::to_owned).collect(),
        string: can_be(Types::STRING).then(|| string(shape)),
        title: shape.title.clone().unwrap_or_default(),
        description: shape.description.clone().unwrap_or_default(),
        default_json: shape.default.as_ref().map(json).unwrap_or_default(),
        secret: shape.secret,
        exists: exists.into(),
        numeric: can_be(Types::NUMBER).then(|| numeric(shape)),
        array: can_be(Types::ARRAY).then(|| array(shape)),
        enum_json_vec: shape.enumeration.iter().flatten().map(json).collect(),
        reduce: reduce(&shape.reduce).into(),
        content_media_type: shape.string.content_media_type.clone().unwrap_or_default(),
        ..flow::Inference::default()
    }
}

fn json(value: &Value) -> Bytes {
    value.to_string().into()
}

fn string(shape: &Shape) -> flow::inference::String {
    let string = &shape.string;
    flow::inference::String {
        content_type: string.content_media_type.clone().unwrap_or_default(),
        format: string.format.clone().unwrap_or_default(),
        max_length: string
            .max_length
            .and_then(|length| u32::try_from(length).ok())
            .unwrap_or_default(),
        content_encoding: string.content_encoding.clone().unwrap_or_default(),
        ..flow::inference::String::default()
    }
}

fn numeric(shape: &Shape) -> flow::inference::Numeric {
    flow::inference::Numeric {
        has_minimum: shape.numeric.minimum.is_some(),
        minimum: shape.numeric.minimum.unwrap_or_default(),
        has_maximum: shape.numeric.maximum.is_some(),
        maximum: shape.numeric.maximum.unwrap_or_default(),
    }
}

fn array(shape: &Shape) -> flow::inference::Array {
    let array = &shape.array;
    let items = array.items().filter(|items| items.types != Types::ANY);
    let max_items = array.max_items.and_then(|count| u32::try_from(count).ok());
    flow::inference::Array {
        min_items: u32::try_from(array.min_items).unwrap_or(u32::MAX),
        has_max_items: max_items.is_some(),
        max_items: max_items.unwrap_or_default(),
        item_types: items
            .iter()
            .flat_map(|items| items.types.names())
            .map(str::to_owned)
            .collect(),
    }
}

fn reduce(reduction: &Reduction) -> flow::inference::Reduce {
    use flow::inference::Reduce as Kind;
    match reduction {
        Reduction::Unset => Kind::Unset,
        Reduction::Several => Kind::Multiple,
        Reduction::One(Reduce { strategy, .. }) => match strategy {
            Strategy::Append => Kind::Append,
            Strategy::FirstWriteWins => Kind::FirstWriteWins,
            Strategy::LastWriteWins => Kind::LastWriteWins,
            Strategy::Maximize => Kind::Maximize,
            Strategy::Merge => Kind::Merge,
            Strategy::Minimize => Kind::Minimize,
            Strategy::Set => Kind::Set,
            Strategy::Sum => Kind::Sum,
        },
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::parse::Schema;
    use super::*;

    fn projections(
        schema: &Value,
        key: &[&str],
        explicit: &[ExplicitProjection],
    ) -> Vec<flow::Projection> {
        let shape = Schema::parse(schema).expect("a valid schema").shape();
        let key: Vec<String> = key.iter().map(|pointer| (*pointer).to_owned()).collect();
        project(&shape, &key, explicit)
    }

    fn explicit(field: &str, location: &str) -> ExplicitProjection {
        ExplicitProjection {
            field: field.to_owned(),
            location: location.to_owned(),
            partition: false,
        }
    }

    fn orders() -> Value {
        json!({
            "type": "object",
            "required": ["id", "region"],
            "properties": {
                "id": {"type": "integer"},
                "region": {"type": "string", "maxLength": 16},
                "amount": {"type": ["number", "null"], "minimum": 0, "default": 1.5},
                "tags": {"type": "array", "items": {"type": "string"}},
                "nested": {"type": "object", "properties": {"tag": {"type": ["string", "null"]}}},
                "_meta": {"type": "object", "properties": {"op": {"enum": ["c", "u", "d"]}}}
            },
            "reduce": {"strategy": "merge"}
        })
    }

    #[test]
    fn fields_of_a_collection_in_order() {
        let fields: Vec<_> = projections(&orders(), &["/region", "/id"], &[]);
        let names: Vec<_> = fields
            .iter()
            .map(|projection| projection.field.as_str())
            .collect();
        let expected = [
            "_meta",
            "_meta/flow_truncated",
            "_meta/op",
            "amount",
            "flow_document",
            "flow_published_at",
            "id",
            "nested",
            "nested/tag",
            "region",
            "tags",
        ];
        assert_eq!(names, expected);
        let keys = fields.iter().filter(|projection| projection.is_primary_key);
        assert_eq!(
            keys.map(|projection| projection.field.as_str())
                .collect::<Vec<_>>(),
            ["id", "region"]
        );
    }

    #[test]
    fn inference_in_the_protocols_own_words() {
        let fields = projections(&orders(), &["/region", "/id"], &[]);
        let table = [
            (
                "_meta/op",
                json!({"types": ["string"], "string": {}, "exists": "MAY", "enum": ["c", "u", "d"]}),
            ),
            (
                "amount",
                json!({"types": ["null", "number"], "numeric": {"hasMinimum": true}, "exists": "MAY", "default": 1.5}),
            ),
            (
                "flow_document",
                json!({"types": ["object"], "exists": "MUST", "reduce": "REDUCE_MERGE"}),
            ),
            (
                "flow_published_at",
                json!({
                    "types": ["string"], "string": {"format": "date-time", "contentEncoding": "uuid"},
                    "title": "Flow Publication Time", "exists": "MUST"
                }),
            ),
            (
                "id",
                json!({"types": ["integer"], "numeric": {}, "exists": "MUST"}),
            ),
            (
                "region",
                json!({"types": ["string"], "string": {"maxLength": 16}, "exists": "MUST"}),
            ),
            (
                "tags",
                json!({"types": ["array"], "array": {"itemTypes": ["string"]}, "exists": "MAY"}),
            ),
        ];
        for (field, expected) in table {
            let projection = fields
                .iter()
                .find(|projection| projection.field == field)
                .expect(field);
            let found = serde_json::to_value(&projection.inference).expect("an inference is JSON");
            assert_eq!(found, expected, "{field}");
        }
    }

    #[test]
    fn the_users_projections_come_first() {
        let user = [
            explicit("doc", ""),
            explicit("amount", "/nested/tag"),
            explicit("a/new", "/_meta/op"),
        ];
        let fields = projections(&orders(), &["/id"], &user);
        assert!(
            !fields
                .iter()
                .any(|projection| projection.field == "flow_document")
        );
        let amount = fields
            .iter()
            .find(|projection| projection.field == "amount")
            .expect("amount");
        assert_eq!(
            (amount.ptr.as_str(), amount.explicit),
            ("/nested/tag", true)
        );
        assert!(
            fields
                .iter()
                .any(|projection| projection.field == "a/new" && projection.ptr == "/_meta/op")
        );
    }

    #[test]
    fn the_publication_time_may_have_another_name() {
        let fields = projections(
            &orders(),
            &["/id"],
            &[explicit("at", "/_meta/uuid/date-time")],
        );
        assert!(
            !fields
                .iter()
                .any(|projection| projection.field == "flow_published_at")
        );
        let at = fields
            .iter()
            .find(|projection| projection.field == "at")
            .expect("at");
        let string = at
            .inference
            .as_ref()
            .and_then(|inference| inference.string.as_ref());
        assert_eq!(
            string.map(|string| string.content_encoding.as_str()),
            Some("uuid")
        );
    }

    #[test]
    fn a_key_the_schema_does_not_name_is_implicit() {
        let fields = projections(&json!({"type": "object"}), &["/id"], &[]);
        let id = fields
            .iter()
            .find(|projection| projection.field == "id")
            .expect("id");
        assert!(id.is_primary_key);
        let exists = id.inference.as_ref().expect("inference").exists();
        assert_eq!(exists, flow::inference::Exists::Implicit);
    }

    #[test]
    fn field_names_keep_pointer_escapes() {
        let fields = projections(
            &json!({"properties": {"a/b": {"properties": {"c~": {}}}}}),
            &[],
            &[],
        );
        assert!(
            fields
                .iter()
                .any(|projection| projection.field == "a~1b/c~0" && projection.ptr == "/a~1b/c~0")
        );
    }
}
