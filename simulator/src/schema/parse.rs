//! Reads a JSON schema document into an arena of nodes, once, so that inference and evaluation need
//! not look at JSON.
//!
//! References stay inside the document (`#`, `#/pointer`, `#anchor`, or the `$id` of something in
//! it): what lies in other files was bundled by the catalog.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use regex::Regex;
use serde_json::{Number, Value};

use super::keywords::Keywords;
use super::pointer::escape;
use super::reduce::{Reduce, parse_reduce};
use super::types::Types;

/// What is wrong with a schema, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("schema at `{pointer}`: {message}")]
pub struct SchemaError {
    /// Where, as a JSON pointer within the schema document, with a leading `#`.
    pub pointer: String,
    /// What is wrong and what to write instead.
    pub message: String,
}

/// A JSON schema, read and resolved.
#[derive(Clone, Debug)]
pub struct Schema {
    pub(super) nodes: Vec<Node>,
}

/// The index of a node within [`Schema::nodes`]; the root is 0.
pub(super) type NodeId = usize;

/// One schema object: its keywords, typed. Subschemas are ids.
#[derive(Clone, Debug, Default)]
pub(super) struct Node {
    /// The schema `false`.
    pub(super) never: bool,
    pub(super) types: Option<Types>,
    pub(super) enumeration: Option<Vec<Value>>,
    pub(super) properties: BTreeMap<String, NodeId>,
    pub(super) pattern_properties: Vec<(Regex, NodeId)>,
    pub(super) additional_properties: Option<NodeId>,
    pub(super) property_names: Option<NodeId>,
    pub(super) required: BTreeSet<String>,
    pub(super) min_properties: Option<u64>,
    pub(super) max_properties: Option<u64>,
    pub(super) prefix_items: Vec<NodeId>,
    pub(super) items: Option<NodeId>,
    pub(super) min_items: Option<u64>,
    pub(super) max_items: Option<u64>,
    pub(super) unique_items: bool,
    pub(super) contains: Option<NodeId>,
    pub(super) min_contains: Option<u64>,
    pub(super) max_contains: Option<u64>,
    pub(super) dependent_required: BTreeMap<String, Vec<String>>,
    pub(super) dependent_schemas: BTreeMap<String, NodeId>,
    pub(super) all_of: Vec<NodeId>,
    pub(super) any_of: Vec<NodeId>,
    pub(super) one_of: Vec<NodeId>,
    pub(super) not: Option<NodeId>,
    pub(super) condition: Option<NodeId>,
    pub(super) then: Option<NodeId>,
    pub(super) otherwise: Option<NodeId>,
    pub(super) reference: Option<NodeId>,
    pub(super) pattern: Option<Regex>,
    pub(super) min_length: Option<u64>,
    pub(super) max_length: Option<u64>,
    pub(super) minimum: Option<Number>,
    pub(super) exclusive_minimum: Option<Number>,
    pub(super) maximum: Option<Number>,
    pub(super) exclusive_maximum: Option<Number>,
    pub(super) multiple_of: Option<Number>,
    pub(super) format: Option<String>,
    pub(super) content_encoding: Option<String>,
    pub(super) content_media_type: Option<String>,
    pub(super) title: Option<String>,
    pub(super) description: Option<String>,
    pub(super) default: Option<Value>,
    pub(super) secret: bool,
    pub(super) reduce: Option<Reduce>,
}

impl Schema {
    /// Reads a schema document.
    ///
    /// Unknown keywords are annotations, as JSON Schema has it; known ones with a value of the
    /// wrong kind, unknown type names and references that lead nowhere are errors.
    pub fn parse(document: &Value) -> Result<Self, SchemaError> {
        let mut parser = Parser::new(document);
        parser.node("#", document)?;
        while let Some(pointer) = parser.pending.pop() {
            parser.resolve_pending(&pointer)?;
        }
        Ok(Self {
            nodes: parser.nodes,
        })
    }

    /// Whether any part of the schema says `reduce: {delete: true}`.
    pub fn marks_deletions(&self) -> bool {
        let deletes = |node: &Node| node.reduce.as_ref().is_some_and(|reduce| reduce.delete);
        self.nodes.iter().any(deletes)
    }

    /// Whether any part of the schema has a `reduce` annotation.
    pub fn has_reductions(&self) -> bool {
        self.nodes.iter().any(|node| node.reduce.is_some())
    }
}

struct Parser<'a> {
    document: &'a Value,
    /// `$id` and `#anchor` → pointer.
    named: HashMap<String, String>,
    nodes: Vec<Node>,
    by_pointer: HashMap<String, NodeId>,
    /// Referenced pointers whose nodes are still empty.
    pending: Vec<String>,
}

impl<'a> Parser<'a> {
    fn new(document: &'a Value) -> Self {
        let mut named = HashMap::new();
        collect_names("#", document, &mut named);
        Self {
            document,
            named,
            nodes: Vec::new(),
            by_pointer: HashMap::new(),
            pending: Vec::new(),
        }
    }

    /// The node of the schema `value` at `pointer`, read now unless it was read before.
    fn node(&mut self, pointer: &str, value: &Value) -> Result<NodeId, SchemaError> {
        let id = self.reserve(pointer);
        self.pending.retain(|waiting| waiting != pointer);
        self.nodes[id] = self.read(pointer, value)?;
        Ok(id)
    }

    fn reserve(&mut self, pointer: &str) -> NodeId {
        if let Some(id) = self.by_pointer.get(pointer) {
            return *id;
        }
        let id = self.nodes.len();
        self.nodes.push(Node::default());
        self.by_pointer.insert(pointer.to_owned(), id);
        id
    }

    fn resolve_pending(&mut self, pointer: &str) -> Result<(), SchemaError> {
        let value = self
            .document
            .pointer(&pointer[1..])
            .ok_or_else(|| SchemaError {
                pointer: pointer.to_owned(),
                message: "a `$ref` leads here, but there is nothing".to_owned(),
            })?;
        self.node(pointer, value).map(drop)
    }

    fn read(&mut self, pointer: &str, value: &Value) -> Result<Node, SchemaError> {
        match value {
            Value::Bool(allowed) => Ok(Node {
                never: !allowed,
                ..Node::default()
            }),
            Value::Object(map) => self.read_object(&Keywords { pointer, map }),
            other => Err(SchemaError {
                pointer: pointer.to_owned(),
                message: format!("a schema is an object or a boolean, not {other}"),
            }),
        }
    }

    fn read_object(&mut self, keywords: &Keywords<'_>) -> Result<Node, SchemaError> {
        let mut node = Node {
            types: keywords.types()?,
            enumeration: keywords.enumeration()?,
            required: keywords.strings("required")?.into_iter().collect(),
            min_properties: keywords.count("minProperties")?,
            max_properties: keywords.count("maxProperties")?,
            min_items: keywords.count("minItems")?,
            max_items: keywords.count("maxItems")?,
            unique_items: keywords.flag("uniqueItems")?,
            min_contains: keywords.count("minContains")?,
            max_contains: keywords.count("maxContains")?,
            dependent_required: keywords.lists_of_strings("dependentRequired")?,
            pattern: keywords.pattern("pattern")?,
            min_length: keywords.count("minLength")?,
            max_length: keywords.count("maxLength")?,
            minimum: keywords.number("minimum")?,
            exclusive_minimum: keywords.number("exclusiveMinimum")?,
            maximum: keywords.number("maximum")?,
            exclusive_maximum: keywords.number("exclusiveMaximum")?,
            multiple_of: keywords.number("multipleOf")?,
            format: keywords.string("format")?,
            content_encoding: keywords.string("contentEncoding")?,
            content_media_type: keywords.string("contentMediaType")?,
            title: keywords.string("title")?,
            description: keywords.string("description")?,
            default: keywords.map.get("default").cloned(),
            secret: keywords.flag("secret")? || keywords.flag("airbyte_secret")?,
            reduce: parse_reduce(keywords.map)
                .map_err(|message| keywords.error("reduce", message))?,
            ..Node::default()
        };
        self.read_objects_and_arrays(keywords, &mut node)?;
        self.read_applicators(keywords, &mut node)?;
        Ok(node)
    }

    fn read_objects_and_arrays(
        &mut self,
        keywords: &Keywords<'_>,
        node: &mut Node,
    ) -> Result<(), SchemaError> {
        node.properties = self.members(keywords, "properties")?.into_iter().collect();
        for (pattern, id) in self.members(keywords, "patternProperties")? {
            let regex = Regex::new(&pattern)
                .map_err(|error| keywords.error("patternProperties", error.to_string()))?;
            node.pattern_properties.push((regex, id));
        }
        node.additional_properties = self.child(keywords, "additionalProperties")?;
        node.property_names = self.child(keywords, "propertyNames")?;
        let dependent = self.members(keywords, "dependentSchemas")?;
        node.dependent_schemas = dependent.into_iter().collect();
        node.contains = self.child(keywords, "contains")?;
        node.prefix_items = self.list(keywords, "prefixItems")?;
        match keywords.map.get("items") {
            // The older drafts' way to say `prefixItems`.
            Some(Value::Array(_)) => {
                node.prefix_items = self.list(keywords, "items")?;
                node.items = self.child(keywords, "additionalItems")?;
            }
            _ => node.items = self.child(keywords, "items")?,
        }
        Ok(())
    }

    fn read_applicators(
        &mut self,
        keywords: &Keywords<'_>,
        node: &mut Node,
    ) -> Result<(), SchemaError> {
        node.all_of = self.list(keywords, "allOf")?;
        node.any_of = self.list(keywords, "anyOf")?;
        node.one_of = self.list(keywords, "oneOf")?;
        node.not = self.child(keywords, "not")?;
        node.condition = self.child(keywords, "if")?;
        node.then = self.child(keywords, "then")?;
        node.otherwise = self.child(keywords, "else")?;
        if let Some(target) = keywords.string("$ref")? {
            let pointer = self
                .target(&target)
                .ok_or_else(|| keywords.error("$ref", unknown_target(&target)))?;
            node.reference = Some(self.refer(pointer));
        }
        Ok(())
    }

    fn refer(&mut self, pointer: String) -> NodeId {
        if let Some(id) = self.by_pointer.get(&pointer) {
            return *id;
        }
        let id = self.reserve(&pointer);
        self.pending.push(pointer);
        id
    }

    /// The pointer a `$ref` leads to, with a leading `#`; `None` when that is not in this document.
    fn target(&self, reference: &str) -> Option<String> {
        if let Some(pointer) = self.named.get(reference) {
            return Some(pointer.clone());
        }
        let (base, fragment) = reference.split_once('#').unwrap_or((reference, ""));
        let base = if base.is_empty() {
            "#"
        } else {
            self.named.get(base)?
        };
        let is_pointer = fragment.is_empty() || fragment.starts_with('/');
        let pointer = format!("{base}{}", percent_decoded(fragment));
        (is_pointer && self.document.pointer(&pointer[1..]).is_some()).then_some(pointer)
    }

    fn child(
        &mut self,
        keywords: &Keywords<'_>,
        keyword: &str,
    ) -> Result<Option<NodeId>, SchemaError> {
        let Some(value) = keywords.map.get(keyword) else {
            return Ok(None);
        };
        self.node(&format!("{}/{keyword}", keywords.pointer), value)
            .map(Some)
    }

    fn list(&mut self, keywords: &Keywords<'_>, keyword: &str) -> Result<Vec<NodeId>, SchemaError> {
        let Some(value) = keywords.map.get(keyword) else {
            return Ok(Vec::new());
        };
        let Value::Array(schemas) = value else {
            return Err(keywords.wrong_kind(keyword, "a list of schemas", value));
        };
        let prefix = format!("{}/{keyword}", keywords.pointer);
        schemas
            .iter()
            .enumerate()
            .map(|(index, schema)| self.node(&format!("{prefix}/{index}"), schema))
            .collect()
    }

    fn members(
        &mut self,
        keywords: &Keywords<'_>,
        keyword: &str,
    ) -> Result<Vec<(String, NodeId)>, SchemaError> {
        let Some(value) = keywords.map.get(keyword) else {
            return Ok(Vec::new());
        };
        let Value::Object(schemas) = value else {
            return Err(keywords.wrong_kind(keyword, "an object of schemas", value));
        };
        let mut members = Vec::with_capacity(schemas.len());
        for (name, schema) in schemas {
            let pointer = format!("{}/{keyword}/{}", keywords.pointer, escape(name));
            members.push((name.clone(), self.node(&pointer, schema)?));
        }
        Ok(members)
    }
}

fn collect_names(pointer: &str, value: &Value, named: &mut HashMap<String, String>) {
    match value {
        Value::Object(map) => {
            if let Some(Value::String(id)) = map.get("$id") {
                named.insert(id.trim_end_matches('#').to_owned(), pointer.to_owned());
            }
            if let Some(Value::String(anchor)) = map.get("$anchor") {
                named.insert(format!("#{anchor}"), pointer.to_owned());
            }
            for (name, member) in map {
                collect_names(&format!("{pointer}/{}", escape(name)), member, named);
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                collect_names(&format!("{pointer}/{index}"), item, named);
            }
        }
        _ => {}
    }
}

/// Undoes the percent-encoding of a URI fragment; text that is not valid percent-encoding stays as
/// it is.
fn percent_decoded(fragment: &str) -> String {
    let mut bytes = Vec::with_capacity(fragment.len());
    let mut rest = fragment.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        let code = tail.get(..2).filter(|_| *first == b'%');
        let code =
            code.and_then(|digits| u8::from_str_radix(str::from_utf8(digits).ok()?, 16).ok());
        bytes.push(code.unwrap_or(*first));
        rest = if code.is_some() { &tail[2..] } else { tail };
    }
    String::from_utf8(bytes).unwrap_or_else(|_| fragment.to_owned())
}

fn unknown_target(target: &str) -> String {
    format!(
        "`$ref: {target}` leads nowhere; write `#/$defs/…` for something in this schema, the path \
         of another schema file, or `flow://write-schema`"
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn error_of(schema: &Value) -> String {
        Schema::parse(schema)
            .expect_err("must be refused")
            .to_string()
    }

    #[test]
    fn errors_name_place_and_cure() {
        assert_eq!(
            error_of(&json!({"properties": {"a/b": {"type": "int"}}})),
            "schema at `#/properties/a~1b/type`: `int` is not a JSON type; did you mean `integer`?"
        );
        assert_eq!(
            error_of(&json!({"required": "id"})),
            "schema at `#/required`: `required` must be a list of strings, but is \"id\""
        );
        assert!(error_of(&json!({"$ref": "#/$defs/gone"})).contains("leads nowhere"));
        assert!(error_of(&json!({"pattern": "("})).starts_with("schema at `#/pattern`"));
        assert!(error_of(&json!({"items": 3})).contains("a schema is an object or a boolean"));
    }

    #[test]
    fn references_by_pointer_anchor_and_id() {
        for reference in ["#/$defs/a%20b", "#named", "other", "other#/$defs/inner"] {
            let schema = json!({
                "$ref": reference,
                "$defs": {"a b": {}, "n": {"$anchor": "named"}, "o": {"$id": "other", "$defs": {"inner": {}}}},
            });
            assert!(Schema::parse(&schema).is_ok(), "{reference}");
        }
    }

    #[test]
    fn recursive_schemas_end() {
        let schema =
            Schema::parse(&json!({"properties": {"child": {"$ref": "#"}}})).expect("parses");
        assert_eq!(schema.nodes.len(), 2);
    }
}
