//! Collections as Flow might describe them, made of arbitrary bytes.

use std::collections::{BTreeMap, BTreeSet};

use arbitrary::{Result, Unstructured};
use bytes::Bytes;
use materialize_s3_parquet::protocol::flow;

/// The most projections of a collection.
const MOST_PROJECTIONS: usize = 8;

/// Names that mean something, to Flow, to us, or to readers of Parquet.
const NAMES: [&str; 17] = [
    "id",
    "ID",
    "flow_document",
    "flow_published_at",
    "flow_rescued",
    "flow_exact",
    "_meta/op",
    "_meta/uuid",
    "_meta",
    "a/b",
    "a.b",
    "a b,c=\"d\"",
    "größe 😀",
    "\u{0}",
    "a",
    "'; --",
    "list",
];

const TYPES: [&str; 8] = [
    "array", "boolean", "integer", "null", "number", "object", "string", "unknown",
];

const FORMATS: [&str; 10] = [
    "",
    "integer",
    "number",
    "date",
    "date-time",
    "time",
    "uuid",
    "duration",
    "email",
    "Date",
];

const CONTENT_ENCODINGS: [&str; 4] = ["", "base64", "BASE64", "quoted-printable"];

/// The configurations of a field, and whether each is one that we know.
const FIELD_CONFIGS: [(&str, bool); 7] = [
    ("", true),
    ("null", true),
    ("{}", true),
    (r#"{"castToString":true}"#, true),
    (r#"{"castToString":false}"#, true),
    (r#"{"castToSting":true}"#, false),
    ("[", false),
];

/// A collection with some projections; like Flow's, no two have the same field.
pub(crate) fn collection(input: &mut Unstructured<'_>) -> Result<flow::CollectionSpec> {
    let mut fields = BTreeSet::new();
    let mut projections = Vec::new();
    for _ in 0..input.int_in_range(1..=MOST_PROJECTIONS)? {
        let projection = projection(input)?;
        if fields.insert(projection.field.clone()) {
            projections.push(projection);
        }
    }
    Ok(flow::CollectionSpec {
        name: "acmeCo/things".to_owned(),
        projections,
        ..Default::default()
    })
}

fn projection(input: &mut Unstructured<'_>) -> Result<flow::Projection> {
    let field = name(input)?;
    let ptr = match field.as_str() {
        "flow_document" => String::new(),
        _ if input.ratio(1, 16)? => String::new(),
        field => format!("/{field}"),
    };
    Ok(flow::Projection {
        ptr,
        field,
        is_primary_key: input.ratio(1, 4)?,
        inference: Some(inference(input)?),
        ..Default::default()
    })
}

fn name(input: &mut Unstructured<'_>) -> Result<String> {
    if input.ratio(3, 4)? {
        return input.choose(&NAMES).map(|&name| name.to_owned());
    }
    let text: &str = input.arbitrary()?;
    Ok(if text.is_empty() { "empty" } else { text }.to_owned())
}

fn inference(input: &mut Unstructured<'_>) -> Result<flow::Inference> {
    let string = flow::inference::String {
        format: (*input.choose(&FORMATS)?).to_owned(),
        content_encoding: (*input.choose(&CONTENT_ENCODINGS)?).to_owned(),
        ..Default::default()
    };
    Ok(flow::Inference {
        types: types(input)?,
        string: input.ratio(3, 4)?.then_some(string),
        ..Default::default()
    })
}

/// Mostly one type and perhaps null, else any set.
fn types(input: &mut Unstructured<'_>) -> Result<Vec<String>> {
    let mut types = Vec::new();
    if input.ratio(2, 3)? {
        types.push((*input.choose(&TYPES)?).to_owned());
    }
    if input.ratio(1, 3)? {
        let set: u8 = input.arbitrary()?;
        let chosen = TYPES
            .iter()
            .enumerate()
            .filter(|(bit, _)| set >> bit & 1 == 1);
        types.extend(chosen.map(|(_, name)| (*name).to_owned()));
    }
    Ok(types)
}

/// What the user says of some of the fields, and whether all of it is known.
pub(crate) fn field_config(
    input: &mut Unstructured<'_>,
    collection: &flow::CollectionSpec,
) -> Result<(BTreeMap<String, Bytes>, bool)> {
    let mut configs = BTreeMap::new();
    let mut is_known = true;
    for projection in &collection.projections {
        if input.ratio(1, 3)? {
            let (config, known) = *input.choose(&FIELD_CONFIGS)?;
            is_known &= known;
            let config = Bytes::from_static(config.as_bytes());
            configs.insert(projection.field.clone(), config);
        }
    }
    Ok((configs, is_known))
}

/// A selection of any of the fields, as a materialization of the past may have made it.
pub(crate) fn past_selection(
    input: &mut Unstructured<'_>,
    collection: &flow::CollectionSpec,
) -> Result<flow::FieldSelection> {
    let mut values = Vec::new();
    for projection in &collection.projections {
        if input.arbitrary()? {
            values.push(projection.field.clone());
        }
    }
    Ok(flow::FieldSelection {
        values,
        ..Default::default()
    })
}
