//! Schema → [`Shape`]: everything a schema says of the documents it allows, put together.

use serde_json::Number;

use super::parse::{Node, NodeId, Schema};
use super::shape::{
    ArrayShape, NumericShape, ObjectShape, Pattern, Property, Reduction, Shape, StringShape,
};
use super::types::Types;

impl Schema {
    /// The shape of the documents this schema allows. A schema that contains itself is anything
    /// from there on.
    pub fn shape(&self) -> Shape {
        Inference {
            nodes: &self.nodes,
            open: Vec::new(),
        }
        .shape(0)
    }
}

struct Inference<'a> {
    nodes: &'a [Node],
    /// The nodes being inferred, outermost first: meeting one again is a recursion.
    open: Vec<NodeId>,
}

impl Inference<'_> {
    fn shape(&mut self, id: NodeId) -> Shape {
        if self.open.contains(&id) {
            return Shape::anything();
        }
        self.open.push(id);
        let shape = self.of_node(&self.nodes[id]);
        self.open.pop();
        shape
    }

    fn of_node(&mut self, node: &Node) -> Shape {
        if node.never {
            return Shape::nothing();
        }
        let mut shape = Shape::anything().intersect(self.of_keywords(node));
        for id in node.reference.iter().chain(&node.all_of) {
            shape = shape.intersect(self.shape(*id));
        }
        for alternatives in [&node.any_of, &node.one_of] {
            if let Some(any) = self.union(alternatives) {
                shape = shape.intersect(any);
            }
        }
        match self.of_condition(node) {
            Some(conditional) => shape.intersect(conditional),
            None => shape,
        }
    }

    fn union(&mut self, alternatives: &[NodeId]) -> Option<Shape> {
        alternatives
            .iter()
            .map(|id| self.shape(*id))
            .reduce(Shape::union)
    }

    /// Either `if` and `then` hold, or `else` does.
    fn of_condition(&mut self, node: &Node) -> Option<Shape> {
        let condition = self.shape(node.condition?);
        let then = condition.intersect(self.optional(node.then));
        Some(then.union(self.optional(node.otherwise)))
    }

    fn optional(&mut self, id: Option<NodeId>) -> Shape {
        id.map_or_else(Shape::anything, |id| self.shape(id))
    }

    fn of_keywords(&mut self, node: &Node) -> Shape {
        Shape {
            types: node.types.unwrap_or(Types::ANY),
            enumeration: node.enumeration.clone(),
            title: node.title.clone(),
            description: node.description.clone(),
            default: node.default.clone(),
            secret: node.secret,
            reduce: node.reduce.clone().map_or(Reduction::Unset, Reduction::One),
            string: StringShape {
                format: node.format.clone(),
                content_encoding: node.content_encoding.clone(),
                content_media_type: node.content_media_type.clone(),
                max_length: node.max_length,
            },
            numeric: NumericShape {
                minimum: double(node.minimum.as_ref()).or(double(node.exclusive_minimum.as_ref())),
                maximum: double(node.maximum.as_ref()).or(double(node.exclusive_maximum.as_ref())),
            },
            array: self.of_array(node),
            object: self.of_object(node),
        }
    }

    fn of_array(&mut self, node: &Node) -> ArrayShape {
        ArrayShape {
            min_items: node.min_items.unwrap_or_default(),
            max_items: node.max_items,
            tuple: node.prefix_items.iter().map(|id| self.shape(*id)).collect(),
            rest: node.items.map(|id| Box::new(self.shape(id))),
        }
    }

    fn of_object(&mut self, node: &Node) -> ObjectShape {
        let mut object = ObjectShape {
            patterns: node
                .pattern_properties
                .iter()
                .map(|(regex, id)| (Pattern(regex.clone()), self.shape(*id)))
                .collect(),
            rest: node
                .additional_properties
                .map(|id| Box::new(self.shape(id))),
            ..ObjectShape::default()
        };
        for (name, id) in &node.properties {
            let property = Property {
                shape: self.shape(*id),
                required: node.required.contains(name),
            };
            object.properties.insert(name.clone(), property);
        }
        for name in &node.required {
            if !node.properties.contains_key(name) {
                let property = Property {
                    shape: object.property(name),
                    required: true,
                };
                object.properties.insert(name.clone(), property);
            }
        }
        object
    }
}

/// A bound as the protocol has it.
fn double(bound: Option<&Number>) -> Option<f64> {
    bound.and_then(Number::as_f64)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn shape(schema: &Value) -> Shape {
        Schema::parse(schema).expect("a valid schema").shape()
    }

    fn types_at(schema: &Value, property: &str) -> Vec<&'static str> {
        shape(schema).object.property(property).types.names()
    }

    #[test]
    fn alternatives_unite_and_conjunctions_intersect() {
        let table = [
            (
                json!({"anyOf": [{"type": "integer"}, {"type": "string"}]}),
                vec!["integer", "string"],
            ),
            (
                json!({"oneOf": [{"type": "integer"}, {"type": "number"}]}),
                vec!["number"],
            ),
            (
                json!({"allOf": [{"type": ["integer", "null"]}, {"type": "number"}]}),
                vec!["integer"],
            ),
            (
                json!({"type": "string", "nullable": true}),
                vec!["null", "string"],
            ),
            (json!({"const": 1.5}), vec!["fractional"]),
            (
                json!({"type": "number", "enum": [0.07, 0.19]}),
                vec!["fractional"],
            ),
            (
                json!({"type": ["null", "number"], "enum": [null, 0.5]}),
                vec!["fractional", "null"],
            ),
            (json!({"enum": [0.5, 1]}), vec!["number"]),
            (json!({"type": "number", "enum": [1, 2]}), vec!["integer"]),
            (json!({"type": "number"}), vec!["number"]),
            (
                json!({"enum": ["a", null], "type": "string"}),
                vec!["string"],
            ),
            (
                json!({"$ref": "#/$defs/x", "$defs": {"x": {"type": "array"}}}),
                vec!["array"],
            ),
            (
                json!({"if": {"type": "string"}, "then": {}, "else": {"type": "boolean"}}),
                vec!["boolean", "string"],
            ),
            (
                json!({"type": "integer", "allOf": [{"type": "string"}]}),
                vec![],
            ),
            (json!(false), vec![]),
        ];
        for (schema, expected) in table {
            assert_eq!(shape(&schema).types.names(), expected, "{schema}");
        }
    }

    #[test]
    fn a_property_of_one_alternative_may_be_anything_in_the_other() {
        let open = json!({"oneOf": [{"properties": {"a": {"type": "string"}}}, {"properties": {"b": {}}}]});
        assert_eq!(types_at(&open, "a").len(), 6);
        let closed = json!({"oneOf": [
            {"properties": {"a": {"type": "string"}}, "required": ["a"]},
            {"properties": {"b": {}}, "additionalProperties": false},
        ]});
        assert_eq!(types_at(&closed, "a"), ["string"]);
        assert!(!shape(&closed).object.requires("a"));
    }

    #[test]
    fn patterns_and_the_rest_say_what_unnamed_properties_are() {
        let schema = json!({
            "patternProperties": {"^n_": {"type": "integer"}},
            "additionalProperties": {"type": "string"},
        });
        assert_eq!(types_at(&schema, "n_1"), ["integer"]);
        assert_eq!(types_at(&schema, "other"), ["string"]);
        let required =
            json!({"required": ["n_1"], "patternProperties": {"^n_": {"type": "integer"}}});
        assert!(shape(&required).object.requires("n_1"));
    }

    #[test]
    fn bounds_narrow_in_conjunctions_and_widen_in_alternatives() {
        let both = shape(&json!({"maxLength": 5, "allOf": [{"maxLength": 3, "minimum": 1}]}));
        assert_eq!(
            (both.string.max_length, both.numeric.minimum),
            (Some(3), Some(1.0))
        );
        let either = shape(&json!({"anyOf": [{"maxLength": 3}, {"maxLength": 9}]}));
        assert_eq!(either.string.max_length, Some(9));
        let unbounded = shape(&json!({"anyOf": [{"maxLength": 3}, {"type": "string"}]}));
        assert_eq!(unbounded.string.max_length, None);
        let other_type =
            shape(&json!({"anyOf": [{"type": "string", "format": "date"}, {"type": "null"}]}));
        assert_eq!(other_type.string.format.as_deref(), Some("date"));
    }

    #[test]
    fn recursion_is_anything() {
        let tree = json!({"type": "object", "properties": {"child": {"$ref": "#"}}});
        assert_eq!(types_at(&tree, "child").len(), 6);
    }

    #[test]
    fn reductions_that_differ_are_several() {
        let merge = json!({"reduce": {"strategy": "merge"}});
        let sum = json!({"reduce": {"strategy": "sum"}});
        assert_eq!(
            shape(&json!({"anyOf": [merge.clone(), sum]})).reduce,
            Reduction::Several
        );
        assert!(matches!(
            shape(&json!({"allOf": [{}, merge]})).reduce,
            Reduction::One(_)
        ));
    }
}
