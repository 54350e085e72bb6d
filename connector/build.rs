//! Compiles `proto/*.proto` into message types that speak both codecs: protobuf by prost, and
//! protobuf's JSON mapping by serde attributes, which are derived here from each field's type and
//! name. No `protoc` is needed.

use std::error::Error;

use prost_types::field_descriptor_proto::{Label, Type};
use prost_types::{DescriptorProto, FieldDescriptorProto};

const PROTOJSON: &str = "crate::protocol::protojson";

/// Messages that carry an endpoint's configuration: their `Debug` is in `src/protocol/redacted.rs`.
const SECRETIVE: [&str; 4] = [
    ".flow.MaterializationSpec",
    ".materialize.Request.Open",
    ".materialize.Request.Spec",
    ".materialize.Request.Validate",
];

/// Messages within those that carry no such thing.
const HARMLESS: [&str; 2] = [
    ".flow.MaterializationSpec.Binding",
    ".materialize.Request.Validate.Binding",
];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=proto");
    let files = protox::compile(["materialize.proto"], ["proto"])?;

    let mut config = prost_build::Config::new();
    config
        .bytes(["."])
        .btree_map(["."])
        .include_file("messages.rs");
    config.skip_debug(SECRETIVE);
    for harmless in HARMLESS {
        config.message_attribute(harmless, "#[derive(Debug)]");
    }
    config.message_attribute(
        ".",
        "#[derive(serde::Serialize, serde::Deserialize)] #[serde(default, rename_all = \
         \"camelCase\")]",
    );
    for file in &files.file {
        if file.package() != "google.protobuf" {
            for message in &file.message_type {
                annotate(&mut config, &format!(".{}", file.package()), message);
            }
        }
    }
    config.compile_fds(files)?;
    Ok(())
}

/// Adds the serde attributes of every field of `message` and of the messages within it.
fn annotate(config: &mut prost_build::Config, parent: &str, message: &DescriptorProto) {
    let path = format!("{parent}.{}", message.name());
    for field in &message.field {
        let attribute = format!(
            "#[serde({}, skip_serializing_if = \"{PROTOJSON}::is_default\", {})]",
            names(field),
            mapping(message, field)
        );
        config.field_attribute(format!("{path}.{}", field.name()), attribute);
    }
    for nested in &message.nested_type {
        if !nested
            .options
            .as_ref()
            .is_some_and(prost_types::MessageOptions::map_entry)
        {
            annotate(config, &path, nested);
        }
    }
}

/// The JSON name, and the proto name as an alias, which readers of protobuf's JSON mapping accept
/// as well.
///
/// A field of JSON text is named without the ending that says so, unless its `.proto` gives it a
/// name.
fn names(field: &FieldDescriptorProto) -> String {
    let proto = field.name();
    let bare = ["_json_vec", "_json_map", "_json"]
        .iter()
        .find_map(|ending| proto.strip_suffix(ending))
        .unwrap_or(proto);
    let name = match field.json_name() {
        given if given != camel_case(proto) => given.to_owned(),
        _ => camel_case(bare),
    };
    format!("rename = \"{name}\", alias = \"{proto}\"")
}

/// How the field's value is written and read in JSON.
fn mapping(message: &DescriptorProto, field: &FieldDescriptorProto) -> String {
    let with = |module: &str| format!("with = \"{PROTOJSON}::{module}\"");
    let bytes = |module: &str, name: &str| match name {
        _ if name.ends_with("_json_vec") => with("raw_list"),
        _ if name.ends_with("_json_map") => with("raw_map"),
        _ if name.ends_with("_json") => with("raw"),
        _ => with(module),
    };
    match (field.r#type(), field.label()) {
        (Type::Bytes, _) => bytes("base64", field.name()),
        (Type::Int64 | Type::Uint64 | Type::Fixed64, _) => with("integer64"),
        (Type::Enum, Label::Optional) => {
            let kind = rust_path(field.type_name());
            format!(
                "serialize_with = \"{PROTOJSON}::enumeration::serialize::<{kind}, _>\", \
                 deserialize_with = \"{PROTOJSON}::enumeration::deserialize::<{kind}, _>\""
            )
        }
        (Type::Message, _) if field.type_name() == ".google.protobuf.Timestamp" => {
            with("timestamp")
        }
        (Type::Message, _) if field.type_name() == ".google.protobuf.Duration" => with("duration"),
        (Type::Message, Label::Repeated) if map_value(message, field) == Some(Type::Bytes) => {
            bytes("base64_map", field.name())
        }
        _ => format!("deserialize_with = \"{PROTOJSON}::nullable\""),
    }
}

/// The type of a map's values, or none where `field` is not a map.
fn map_value(message: &DescriptorProto, field: &FieldDescriptorProto) -> Option<Type> {
    let entry = message.nested_type.iter().find(|nested| {
        field
            .type_name()
            .ends_with(&format!(".{}.{}", message.name(), nested.name()))
    })?;
    let is_map = entry
        .options
        .as_ref()
        .is_some_and(prost_types::MessageOptions::map_entry);
    is_map.then(|| entry.field[1].r#type())
}

/// `.flow.MaterializationSpec.ConnectorType` →
/// `crate::protocol::flow::materialization_spec::ConnectorType`.
fn rust_path(type_name: &str) -> String {
    let mut parts: Vec<_> = type_name.trim_start_matches('.').split('.').collect();
    let name = parts.pop().unwrap_or_default();
    let modules: Vec<_> = parts.into_iter().map(snake_case).collect();
    format!("crate::protocol::{}::{name}", modules.join("::"))
}

fn snake_case(name: &str) -> String {
    let mut snake = String::new();
    for (index, letter) in name.char_indices() {
        if letter.is_uppercase() && index > 0 {
            snake.push('_');
        }
        snake.extend(letter.to_lowercase());
    }
    snake
}

fn camel_case(name: &str) -> String {
    let mut words = name.split('_');
    let mut camel = words.next().unwrap_or_default().to_owned();
    for word in words {
        let (first, rest) = word.split_at(1);
        camel.push_str(&first.to_uppercase());
        camel.push_str(rest);
    }
    camel
}
