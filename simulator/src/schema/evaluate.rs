//! Holds a document against a schema: does it fit, and which `reduce` annotations apply to it.

use std::cmp::Ordering;

use serde_json::{Number, Value};

use super::exact;
use super::parse::{Node, NodeId, Schema};
use super::pointer::escape;
use super::reduce::Reduce;
use super::types::Types;

/// References that only lead to each other would be followed for ever.
const DEPTH_LIMIT: usize = 256;

/// Why a document does not fit a schema.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("at `{pointer}`: {message}")]
pub struct Violation {
    /// Where in the document; `""` is the root.
    pub pointer: String,
    /// What the schema wants there.
    pub message: String,
}

/// The `reduce` annotations that apply to one document: those of every subschema that holds.
#[derive(Clone, Debug, Default)]
pub struct Evaluation<'s> {
    reductions: Vec<(String, &'s Reduce)>,
}

impl<'s> Evaluation<'s> {
    /// The annotation of the location at `pointer`: the outermost schema's, unless a part of it
    /// that depends on the document says more (`delete`).
    pub fn reduction(&self, pointer: &str) -> Option<&'s Reduce> {
        let mut here = self
            .reductions
            .iter()
            .filter(|(at, _)| at == pointer)
            .map(|(_, reduce)| *reduce);
        let first = here.next()?;
        Some(if first.delete {
            first
        } else {
            here.find(|reduce| reduce.delete).unwrap_or(first)
        })
    }

    /// Whether the document is a deletion: its root is annotated `delete: true`.
    pub fn is_deletion(&self) -> bool {
        self.reduction("").is_some_and(|reduce| reduce.delete)
    }
}

impl Schema {
    /// Holds `document` against the schema. The error is the first violation found.
    pub fn evaluate(&self, document: &Value) -> Result<Evaluation<'_>, Violation> {
        let mut evaluator = Evaluator {
            nodes: &self.nodes,
            pointer: String::new(),
            found: Vec::new(),
            depth: 0,
        };
        evaluator.check(0, document)?;
        Ok(Evaluation {
            reductions: evaluator.found,
        })
    }
}

struct Evaluator<'s> {
    nodes: &'s [Node],
    /// Where we are in the document.
    pointer: String,
    found: Vec<(String, &'s Reduce)>,
    depth: usize,
}

type Checked = Result<(), Violation>;

impl<'s> Evaluator<'s> {
    fn check(&mut self, id: NodeId, value: &Value) -> Checked {
        let nodes = self.nodes;
        let node = &nodes[id];
        if self.depth == DEPTH_LIMIT {
            return Ok(());
        }
        self.depth += 1;
        let result = self.check_node(node, value);
        self.depth -= 1;
        result
    }

    /// Whether `value` fits; leaves no annotation where it does not.
    fn holds(&mut self, id: NodeId, value: &Value) -> bool {
        let (annotations, place) = (self.found.len(), self.pointer.len());
        let holds = self.check(id, value).is_ok();
        if !holds {
            self.found.truncate(annotations);
            self.pointer.truncate(place);
        }
        holds
    }

    fn check_node(&mut self, node: &'s Node, value: &Value) -> Checked {
        self.check_any_type(node, value)?;
        if let Some(reduce) = &node.reduce {
            self.found.push((self.pointer.clone(), reduce));
        }
        match value {
            Value::Number(number) => self.check_number(node, number)?,
            Value::String(text) => self.check_string(node, text)?,
            Value::Array(items) => self.check_array(node, items)?,
            Value::Object(members) => self.check_object(node, members)?,
            Value::Null | Value::Bool(_) => {}
        }
        self.check_applicators(node, value)
    }

    fn check_any_type(&self, node: &Node, value: &Value) -> Checked {
        self.require(!node.never, || "nothing may stand here".to_owned())?;
        let types = node.types.unwrap_or(Types::ANY);
        self.require(Types::of(value).is_within(types), || {
            format!(
                "expected {}, found {}",
                types.names().join(" or "),
                Types::of(value).names().join("")
            )
        })?;
        let Some(allowed) = &node.enumeration else {
            return Ok(());
        };
        self.require(exact::contains(allowed, value), || {
            let allowed: Vec<_> = allowed.iter().map(Value::to_string).collect();
            format!("expected {}", allowed.join(" or "))
        })
    }

    fn check_number(&self, node: &Node, number: &Number) -> Checked {
        let keeps = |bound: &Option<Number>, holds: fn(Ordering) -> bool| {
            let bound = bound.as_ref();
            bound.is_none_or(|bound| holds(exact::compare(number, bound)))
        };
        let is_within = keeps(&node.minimum, Ordering::is_ge)
            && keeps(&node.exclusive_minimum, Ordering::is_gt)
            && keeps(&node.maximum, Ordering::is_le)
            && keeps(&node.exclusive_maximum, Ordering::is_lt);
        self.require(is_within, || "the number is out of its bounds".to_owned())?;
        let step = node.multiple_of.as_ref();
        let is_multiple = step.is_none_or(|step| exact::is_multiple(number, step));
        self.require(is_multiple, || {
            "the number is not a multiple of `multipleOf`".to_owned()
        })
    }

    fn check_string(&self, node: &Node, text: &str) -> Checked {
        if node.min_length.is_some() || node.max_length.is_some() {
            let length = text.chars().count() as u64;
            self.require(within(length, node.min_length, node.max_length), || {
                format!("the string's length of {length} characters is out of its bounds")
            })?;
        }
        let matches = node
            .pattern
            .as_ref()
            .is_none_or(|pattern| pattern.is_match(text));
        self.require(matches, || {
            "the string does not match its `pattern`".to_owned()
        })
    }

    fn check_array(&mut self, node: &Node, items: &[Value]) -> Checked {
        self.require(
            within(items.len() as u64, node.min_items, node.max_items),
            || format!("the array's {} items are too few or too many", items.len()),
        )?;
        let repeats = || {
            items
                .iter()
                .enumerate()
                .any(|(at, item)| exact::contains(&items[..at], item))
        };
        self.require(!node.unique_items || !repeats(), || {
            "the array's items are not unique".to_owned()
        })?;
        self.check_contains(node, items)?;
        for (index, item) in items.iter().enumerate() {
            if let Some(id) = node.prefix_items.get(index).copied().or(node.items) {
                self.check_child(id, &index.to_string(), item)?;
            }
        }
        Ok(())
    }

    fn check_contains(&mut self, node: &Node, items: &[Value]) -> Checked {
        let Some(id) = node.contains else {
            return Ok(());
        };
        let count = items.iter().filter(|item| self.holds(id, item)).count() as u64;
        let least = node.min_contains.unwrap_or(1);
        self.require(within(count, Some(least), node.max_contains), || {
            format!(
                "{count} of the array's items are as `contains` says, which is too few or too many"
            )
        })
    }

    fn check_dependent(
        &mut self,
        node: &Node,
        members: &serde_json::Map<String, Value>,
    ) -> Checked {
        for (name, others) in &node.dependent_required {
            let missing = others.iter().find(|other| !members.contains_key(*other));
            if let (true, Some(other)) = (members.contains_key(name), missing) {
                return self.require(false, || {
                    format!("the property `{other}` is missing, which `{name}` requires")
                });
            }
        }
        Ok(())
    }

    fn check_object(&mut self, node: &Node, members: &serde_json::Map<String, Value>) -> Checked {
        for name in &node.required {
            self.require(members.contains_key(name), || {
                format!("the property `{name}` is missing")
            })?;
        }
        self.require(
            within(
                members.len() as u64,
                node.min_properties,
                node.max_properties,
            ),
            || {
                format!(
                    "the object's {} properties are too few or too many",
                    members.len()
                )
            },
        )?;
        self.check_dependent(node, members)?;
        for (name, member) in members {
            if let Some(id) = node.property_names {
                self.check_child(id, name, &Value::String(name.clone()))?;
            }
            self.check_member(node, name, member)?;
        }
        Ok(())
    }

    fn check_member(&mut self, node: &Node, name: &str, member: &Value) -> Checked {
        let mut is_known = false;
        if let Some(id) = node.properties.get(name) {
            is_known = true;
            self.check_child(*id, name, member)?;
        }
        for (pattern, id) in &node.pattern_properties {
            if pattern.is_match(name) {
                is_known = true;
                self.check_child(*id, name, member)?;
            }
        }
        match node.additional_properties {
            Some(id) if !is_known => self.check_child(id, name, member),
            _ => Ok(()),
        }
    }

    fn check_child(&mut self, id: NodeId, token: &str, value: &Value) -> Checked {
        let place = self.pointer.len();
        self.pointer.push('/');
        self.pointer.push_str(&escape(token));
        self.check(id, value)?;
        self.pointer.truncate(place);
        Ok(())
    }

    fn check_applicators(&mut self, node: &Node, value: &Value) -> Checked {
        for id in node.reference.iter().chain(&node.all_of) {
            self.check(*id, value)?;
        }
        for (name, id) in &node.dependent_schemas {
            if value.get(name).is_some() {
                self.check(*id, value)?;
            }
        }
        let any = node
            .any_of
            .iter()
            .filter(|id| self.holds(**id, value))
            .count();
        self.require(node.any_of.is_empty() || any > 0, || {
            "none of `anyOf` holds".to_owned()
        })?;
        let one = node
            .one_of
            .iter()
            .filter(|id| self.holds(**id, value))
            .count();
        self.require(node.one_of.is_empty() || one == 1, || {
            format!("{one} of `oneOf` hold instead of one")
        })?;
        if let Some(id) = node.not {
            let annotations = self.found.len();
            let holds = self.holds(id, value);
            self.found.truncate(annotations);
            self.require(!holds, || "`not` holds".to_owned())?;
        }
        self.check_condition(node, value)
    }

    fn check_condition(&mut self, node: &Node, value: &Value) -> Checked {
        let Some(condition) = node.condition else {
            return Ok(());
        };
        let branch = if self.holds(condition, value) {
            node.then
        } else {
            node.otherwise
        };
        branch.map_or(Ok(()), |id| self.check(id, value))
    }

    fn require(&self, holds: bool, message: impl FnOnce() -> String) -> Checked {
        if holds {
            Ok(())
        } else {
            Err(Violation {
                pointer: self.pointer.clone(),
                message: message(),
            })
        }
    }
}

fn within(count: u64, minimum: Option<u64>, maximum: Option<u64>) -> bool {
    minimum.is_none_or(|bound| count >= bound) && maximum.is_none_or(|bound| count <= bound)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn violation(schema: &Value, document: &Value) -> Option<String> {
        let schema = Schema::parse(schema).expect("a valid schema");
        schema
            .evaluate(document)
            .err()
            .map(|violation| violation.to_string())
    }

    /// Each schema with a document that fits and one that does not.
    fn check(table: &[(Value, Value, Value)]) {
        for (schema, good, bad) in table {
            assert_eq!(violation(schema, good), None, "{schema} refuses {good}");
            assert!(violation(schema, bad).is_some(), "{schema} accepts {bad}");
        }
    }

    #[test]
    fn keywords_of_scalars_accept_and_refuse() {
        check(&[
            (json!({"type": ["integer", "null"]}), json!(1.0), json!(1.5)),
            (
                json!({"const": {"a": 1}}),
                json!({"a": 1.0}),
                json!({"a": 2}),
            ),
            (json!({"enum": ["a", 1]}), json!("a"), json!("b")),
            (
                json!({"minimum": 1, "exclusiveMaximum": 3}),
                json!(1),
                json!(3),
            ),
            (json!({"multipleOf": 0.5}), json!(1.5), json!(1.2)),
            (
                json!({"minLength": 2, "maxLength": 2}),
                json!("éé"),
                json!("e"),
            ),
            (json!({"pattern": "^a"}), json!("ab"), json!("ba")),
        ]);
    }

    #[test]
    fn keywords_of_objects_and_arrays_accept_and_refuse() {
        let nothing = json!({"type": "null"});
        let closed = json!({"properties": {"a": {}}, "additionalProperties": false});
        check(&[
            (json!({"required": ["a"]}), json!({"a": null}), json!({})),
            (
                json!({"properties": {"a": nothing}}),
                json!({"b": 1}),
                json!({"a": 1}),
            ),
            (
                json!({"patternProperties": {"^n": nothing}}),
                json!({"n": null}),
                json!({"n": 1}),
            ),
            (closed, json!({"a": 1}), json!({"b": 1})),
            (
                json!({"propertyNames": {"maxLength": 1}}),
                json!({"a": 1}),
                json!({"ab": 1}),
            ),
            (
                json!({"maxProperties": 1}),
                json!({"a": 1}),
                json!({"a": 1, "b": 2}),
            ),
            (
                json!({"items": {"type": "string"}, "maxItems": 1}),
                json!(["a"]),
                json!([1]),
            ),
            (
                json!({"prefixItems": [{"type": "string"}]}),
                json!(["a", 1]),
                json!([1]),
            ),
            (json!({"uniqueItems": true}), json!([1, 2]), json!([1, 1.0])),
            (json!({"contains": nothing}), json!([1, null]), json!([1])),
            (
                json!({"contains": nothing, "minContains": 2}),
                json!([null, null]),
                json!([null, 1]),
            ),
            (
                json!({"contains": nothing, "minContains": 0, "maxContains": 1}),
                json!([1]),
                json!([null, null]),
            ),
            (
                json!({"dependentRequired": {"a": ["b"]}}),
                json!({"a": 1, "b": 2}),
                json!({"a": 1}),
            ),
            (
                json!({"dependentSchemas": {"a": {"maxProperties": 1}}}),
                json!({"b": 1, "c": 2}),
                json!({"a": 1, "b": 2}),
            ),
        ]);
    }

    #[test]
    fn applicators_accept_and_refuse() {
        let string = json!({"type": "string"});
        check(&[
            (
                json!({"anyOf": [string, {"type": "null"}]}),
                json!(null),
                json!(1),
            ),
            (
                json!({"oneOf": [{"type": "integer"}, {"type": "number"}]}),
                json!(1.5),
                json!(1),
            ),
            (json!({"not": {"type": "null"}}), json!(1), json!(null)),
            (
                json!({"if": string, "then": {"minLength": 1}}),
                json!(1),
                json!(""),
            ),
            (
                json!({"$ref": "#/$defs/s", "$defs": {"s": string}}),
                json!(""),
                json!(1),
            ),
        ]);
    }

    #[test]
    fn fractional_is_a_number_that_is_no_integer() {
        check(&[(
            json!({"type": ["fractional", "null"]}),
            json!(1.5),
            json!(1),
        )]);
    }

    #[test]
    fn a_schema_that_is_only_itself_allows_everything() {
        assert_eq!(violation(&json!({"$ref": "#"}), &json!(1)), None);
    }

    #[test]
    fn a_violation_says_where_and_what() {
        let schema = json!({"properties": {"a/b": {"items": {"type": "string"}}}});
        let found = violation(&schema, &json!({"a/b": ["x", 1]}));
        assert_eq!(
            found.as_deref(),
            Some("at `/a~1b/1`: expected string, found integer")
        );
    }

    #[test]
    fn only_annotations_of_schemas_that_hold_apply() {
        let schema = Schema::parse(&json!({
            "reduce": {"strategy": "merge"},
            "properties": {"n": {"anyOf": [
                {"type": "string", "reduce": {"strategy": "append"}},
                {"type": "integer", "reduce": {"strategy": "sum"}},
            ]}},
            "if": {"properties": {"_meta": {"properties": {"op": {"const": "d"}}, "required": ["op"]}}, "required": ["_meta"]},
            "then": {"reduce": {"strategy": "merge", "delete": true}},
        }))
        .expect("a valid schema");
        let update = json!({"n": 1});
        let update = schema.evaluate(&update).expect("fits");
        assert_eq!(
            update.reduction("/n").map(|reduce| reduce.strategy),
            Some(super::super::Strategy::Sum)
        );
        assert!(!update.is_deletion());
        let deletion = json!({"_meta": {"op": "d"}});
        assert!(schema.evaluate(&deletion).expect("fits").is_deletion());
        assert!(schema.marks_deletions());
    }
}
