//! The JSON schemas of the two configurations, made from their types and kept plain for the forms
//! of Flow's user interface.

use schemars::JsonSchema;
use schemars::Schema;
use schemars::generate::SchemaSettings;
use schemars::transform::{RecursiveTransform, Transform};
use serde_json::{Value, json};

use super::{EndpointConfig, ResourceConfig};

/// The JSON schema (draft 7) of [`EndpointConfig`].
pub fn endpoint_schema() -> Value {
    schema_of::<EndpointConfig>()
}

/// The JSON schema (draft 7) of [`ResourceConfig`].
pub fn resource_schema() -> Value {
    schema_of::<ResourceConfig>()
}

fn schema_of<T: JsonSchema>() -> Value {
    let settings = SchemaSettings::draft07().with(|settings| settings.inline_subschemas = true);
    let mut schema = settings.into_generator().into_root_schema_for::<T>();
    RecursiveTransform(make_plain).transform(&mut schema);
    schema.to_value()
}

/// Takes out what forms have no use for: Rust's number formats, "or null" and a default of null
/// where a property may simply be left out, and a schema per choice where a list of the choices
/// says the same.
fn make_plain(schema: &mut Schema) {
    schema.remove("format");
    if schema.get("default") == Some(&Value::Null) {
        schema.remove("default");
    }
    if let Some(kind) = schema.get("type").and_then(|kind| kind.get(0)).cloned() {
        schema.insert("type".into(), kind);
    }
    if let Some(choices) = schema.remove("oneOf") {
        let names: Vec<&Value> = choices
            .as_array()
            .into_iter()
            .flatten()
            .map(|choice| &choice["const"])
            .collect();
        schema.insert("enum".into(), json!(names));
        schema.insert("type".into(), json!("string"));
    }
    if let Some(Value::String(description)) = schema.get_mut("description") {
        *description = description.replace('\n', " ");
    }
}
