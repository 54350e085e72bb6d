//! What people write into a `flow.yaml`, feature by feature, and what is made of it.

use super::*;
use crate::selection::Recommended;

/// A catalog of one collection with this schema, in flow style, whose key is `/k`.
fn with_schema(schema: &str) -> String {
    format!("collections:\n  acmeCo/c:\n    key: [/k]\n    schema: {schema}\n")
}

/// The collection's fields, but for those that every collection has: `name: types`, then `!` where
/// it must exist, and what is known of its text.
fn fields(catalog: &Catalog) -> Vec<String> {
    let spec = &catalog.collections["acmeCo/c"].spec;
    let own = spec.projections.iter().filter(|projection| {
        let field = &projection.field;
        field != "k"
            && field != "flow_document"
            && field != "flow_published_at"
            && !field.starts_with("_meta/")
    });
    own.map(|projection| {
        let inference = projection.inference.clone().unwrap_or_default();
        let text = inference.string.unwrap_or_default();
        let exists = if inference.exists == flow::inference::Exists::Must as i32 {
            "!"
        } else {
            ""
        };
        let mut told = format!(
            "{}: {}{exists}",
            projection.field,
            inference.types.join("|")
        );
        for (name, value) in [
            ("format", text.format.clone()),
            ("encoding", text.content_encoding.clone()),
            (
                "default",
                String::from_utf8_lossy(&inference.default_json).into_owned(),
            ),
        ] {
            if !value.is_empty() {
                told.extend([" ", name, "=", &value]);
            }
        }
        told
    })
    .collect()
}

/// Features, each with a schema and the fields that come of it.
fn check(table: &[(&str, String, &[&str])]) {
    for (feature, schema, expected) in table {
        let catalog = load_files(&[("flow.yaml", &with_schema(schema))])
            .unwrap_or_else(|error| panic!("{feature}: {error}"));
        assert_eq!(fields(&catalog), *expected, "{feature}");
    }
}

/// The beginning of a schema, open for more properties.
const K: &str = "required: [k], properties: {k: {type: string}";

#[test]
fn schemas_are_put_together_as_people_write_them() {
    let k = K;
    check(&[
        (
            "$ref and $defs",
            format!(
                "{{{k}, a: {{$ref: '#/$defs/amount'}}}}, $defs: {{amount: {{type: number}}}}}}"
            ),
            &["a: number"],
        ),
        (
            "definitions of older drafts",
            format!(
                "{{{k}, a: {{$ref: '#/definitions/d'}}}}, definitions: {{d: {{type: integer}}}}}}"
            ),
            &["a: integer"],
        ),
        (
            "allOf narrows",
            format!(
                "{{{k}, a: {{type: [string, integer]}}}}, allOf: [{{properties: {{a: {{type: \
                 integer}}}}}}]}}"
            ),
            &["a: integer"],
        ),
        (
            "anyOf widens",
            format!("{{{k}, a: {{anyOf: [{{type: integer}}, {{type: string}}]}}}}}}"),
            &["a: integer|string"],
        ),
        (
            "oneOf with null",
            format!("{{{k}, a: {{oneOf: [{{type: string, format: date}}, {{type: 'null'}}]}}}}}}"),
            &["a: null|string format=date"],
        ),
        (
            "if, then, else",
            format!(
                "{{{k}, a: {{if: {{type: string}}, then: {{type: string, format: date-time}}, \
                 else: {{type: integer}}}}}}}}"
            ),
            &["a: integer|string format=date-time"],
        ),
    ]);
}

#[test]
fn types_and_what_is_said_of_them() {
    let k = K;
    check(&[
        (
            "nullable",
            format!("{{{k}, a: {{type: integer, nullable: true}}}}}}"),
            &["a: integer|null"],
        ),
        (
            "const",
            format!("{{{k}, a: {{const: open}}}}}}"),
            &["a: string"],
        ),
        (
            "enum of several types",
            format!("{{{k}, a: {{enum: [1, two, null]}}}}}}"),
            &["a: integer|null|string"],
        ),
        (
            "required",
            "{required: [k, a], properties: {k: {type: string}, a: {type: boolean}}, type: object}"
                .to_owned(),
            &["a: boolean!"],
        ),
        (
            "nested objects",
            format!("{{{k}, o: {{type: object, properties: {{x: {{type: number}}}}}}}}}}"),
            &["o: object", "o/x: number"],
        ),
        (
            "contentEncoding",
            format!("{{{k}, a: {{type: string, contentEncoding: base64}}}}}}"),
            &["a: string encoding=base64"],
        ),
        (
            "defaults",
            format!("{{{k}, a: {{type: integer, default: 7}}}}}}"),
            &["a: integer default=7"],
        ),
        (
            "strings that are numbers",
            format!("{{{k}, a: {{type: [integer, string], format: integer}}}}}}"),
            &["a: integer|string format=integer"],
        ),
        (
            "unknown keywords are annotations",
            format!("{{{k}, a: {{type: string, x-display: big, examples: [b]}}}}}}"),
            &["a: string"],
        ),
    ]);
}

#[test]
fn objects_with_open_ends() {
    let k = K;
    for (feature, schema) in [
        (
            "additionalProperties: false",
            format!("{{{k}}}, additionalProperties: false}}"),
        ),
        (
            "additionalProperties of a type",
            format!("{{{k}}}, additionalProperties: {{type: integer}}}}"),
        ),
        (
            "patternProperties",
            format!("{{{k}}}, patternProperties: {{'^x-': {{type: string}}}}}}"),
        ),
    ] {
        let text = with_schema(&schema);
        let catalog = load_files(&[("flow.yaml", &text)])
            .unwrap_or_else(|error| panic!("{feature}: {error}"));
        assert_eq!(fields(&catalog), Vec::<String>::new(), "{feature}");
        // What no property names is a field as soon as somebody projects it, with the type of the
        // pattern.
        let projected = text.replace("    key:", "    projections: {extra: /x-1}\n    key:");
        let catalog = load_files(&[("flow.yaml", &projected)])
            .unwrap_or_else(|error| panic!("{feature}: {error}"));
        let kind = match feature {
            "additionalProperties: false" => "extra: ",
            "patternProperties" => "extra: string",
            _ => "extra: integer",
        };
        assert_eq!(fields(&catalog), [kind], "{feature}");
    }
}

#[test]
fn fields_of_a_binding_as_people_write_them() {
    for (written, expected) in [
        ("{recommended: true}", Recommended::All),
        ("{recommended: false}", Recommended::None),
        ("{recommended: 0}", Recommended::None),
        ("{recommended: 2}", Recommended::Depth(2)),
    ] {
        let catalog = load_files(&[(
            "flow.yaml",
            &edited(
                "{groupBy: [id], recommended: 1, include: {flow_published_at: {}}}",
                written,
            ),
        )])
        .expect("a valid catalog");
        let fields = &catalog.materializations["acmeCo/mat"].bindings[1].fields;
        assert_eq!(fields.recommended, expected, "{written}");
    }
}

#[test]
fn an_image_stands_for_the_connector() {
    let endpoint = "      local:\n        command: [materialize-s3-parquet]\n        config: \
                    {bucket: b}\n        env: {FLOW_RUNTIME_CODEC: json}\n        protobuf: \
                    false\n";
    let image = "      connector:\n        image: ghcr.io/acmeCo/materialize-anything:v1\n        \
                 config: {bucket: b}\n";
    let catalog = load_files(&[("flow.yaml", &edited(endpoint, image))]).expect("a valid catalog");
    let endpoint = &catalog.materializations["acmeCo/mat"].endpoint;
    assert_eq!(endpoint.config(), &json!({"bucket": "b"}));
    assert!(
        matches!(endpoint, Endpoint::Connector { image, .. } if image.ends_with("materialize-anything:v1"))
    );
}

#[test]
fn what_others_read_may_stand_in_a_catalog() {
    let text = format!(
        "{ORDERS}captures:\n  acmeCo/capture: {{endpoint: {{connector: {{image: i, config: \
         {{}}}}}}, bindings: []}}\ntests:\n  acmeCo/test: [{{ingest: {{collection: acmeCo/orders, \
         documents: []}}}}]\n"
    );
    assert!(load_files(&[("flow.yaml", &text)]).is_ok());
}

#[test]
fn a_source_may_be_some_partitions_of_a_collection() {
    let source = "source: {name: acmeCo/orders, notBefore: \"2024-01-01T00:00:00Z\"}";
    let with = |partitions: &str| {
        let source = source.replace('}', &format!(", partitions: {partitions}}}"));
        edited(
            "source: {name: acmeCo/orders, notBefore: \"2024-01-01T00:00:00Z\"}",
            &source,
        )
    };
    let written = with("{include: {area: [us, eu]}, exclude: {area: [x]}}");
    let catalog = load_files(&[("flow.yaml", &written)]).expect("a valid catalog");
    let partitions = &catalog.materializations["acmeCo/mat"].bindings[1].partitions;
    assert_eq!(partitions.include["area"], [json!("us"), json!("eu")]);
    assert_eq!(partitions.exclude["area"], [json!("x")]);
    for (partitions, says) in [
        (
            "{include: {are: [eu]}}",
            "`acmeCo/orders` is not partitioned by `are`: none of its projections of that name \
             has `partition: true`; did you mean `area`?",
        ),
        ("{include: {area: [1.5]}}", "and 1.5 is none"),
        ("{includes: {}}", "includes"),
    ] {
        let error = error_of(&[("flow.yaml", &with(partitions))]);
        assert!(error.contains(says), "{error}");
        assert!(error.starts_with("flow.yaml:"), "{error}");
    }
}
