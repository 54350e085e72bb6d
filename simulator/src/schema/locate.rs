//! The locations of a [`Shape`]: all that are known by name, and any by its pointer.

use super::pointer::{escape, tokens};
use super::shape::Shape;
use super::types::Types;

/// Whether documents have a location.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exists {
    /// All do.
    Must,
    /// Some may.
    May,
    /// The schema does not speak of it.
    Implicit,
    /// None does.
    Cannot,
}

/// A location and what is known of it.
#[derive(Clone, Debug)]
pub struct Location {
    /// Its JSON pointer; `""` is the root.
    pub pointer: String,
    /// What is known of its values.
    pub shape: Shape,
    /// Whether documents have it.
    pub exists: Exists,
}

impl Shape {
    /// All locations known by name (or by index, in tuples), parents before children, without the
    /// root, the properties known by a pattern only, and all below a property whose name is
    /// empty.
    pub fn locations(&self) -> Vec<Location> {
        let mut locations = Vec::new();
        collect(self, "", Exists::Must, &mut locations);
        locations
    }

    /// The location at `pointer`, whether the schema speaks of it or not.
    pub fn locate(&self, pointer: &str) -> Location {
        let mut shape = self.clone();
        let mut exists = Exists::Must;
        for token in tokens(pointer) {
            let child = child_exists(&shape, exists, &token);
            shape = child_shape(&shape, &token);
            exists = if shape.types == Types::NONE {
                Exists::Cannot
            } else {
                child
            };
        }
        Location {
            pointer: pointer.to_owned(),
            shape,
            exists,
        }
    }
}

fn collect(parent: &Shape, pointer: &str, exists: Exists, locations: &mut Vec<Location>) {
    let properties = parent
        .object
        .properties
        .keys()
        .filter(|name| !name.is_empty())
        .cloned();
    let items = (0..parent.array.tuple.len()).map(|index| index.to_string());
    let properties = properties.filter(|_| parent.types.overlaps(Types::OBJECT));
    let items = items.filter(|_| parent.types.overlaps(Types::ARRAY));
    for token in properties.chain(items) {
        let shape = child_shape(parent, &token);
        let cannot = shape.types == Types::NONE;
        let exists = if cannot {
            Exists::Cannot
        } else {
            child_exists(parent, exists, &token)
        };
        let pointer = format!("{pointer}/{}", escape(&token));
        locations.push(Location {
            pointer: pointer.clone(),
            shape: shape.clone(),
            exists,
        });
        collect(&shape, &pointer, exists, locations);
    }
}

fn child_shape(parent: &Shape, token: &str) -> Shape {
    let as_property = parent.object.property(token);
    let as_item = token
        .parse()
        .map_or_else(|_| Shape::nothing(), |index| parent.array.item(index));
    match (
        parent.types.overlaps(Types::OBJECT),
        parent.types.overlaps(Types::ARRAY),
    ) {
        (true, true) if parent.types != Types::ANY => as_property.union(as_item),
        (true, _) => as_property,
        (false, true) => as_item,
        (false, false) => Shape::nothing(),
    }
}

fn child_exists(parent: &Shape, exists: Exists, token: &str) -> Exists {
    let index = token.parse::<u64>().ok();
    let must = match parent.types {
        Types::OBJECT => parent.object.requires(token),
        Types::ARRAY => index.is_some_and(|index| index < parent.array.min_items),
        _ => false,
    };
    let spoken_of = parent.object.properties.contains_key(token)
        || parent.object.rest.is_some()
        || parent
            .object
            .patterns
            .iter()
            .any(|(pattern, _)| pattern.0.is_match(token))
        || index.is_some_and(|index| {
            parent.array.rest.is_some() || index < parent.array.tuple.len() as u64
        });
    match (exists, must, spoken_of) {
        (Exists::Must, true, _) => Exists::Must,
        (Exists::Cannot, ..) => Exists::Cannot,
        (Exists::Implicit, ..) | (_, _, false) => Exists::Implicit,
        _ => Exists::May,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::parse::Schema;
    use super::*;

    fn shape(schema: &Value) -> Shape {
        Schema::parse(schema).expect("a valid schema").shape()
    }

    #[test]
    fn all_named_locations_parents_first() {
        let schema = json!({
            "type": "object",
            "required": ["id", "o"],
            "properties": {
                "id": {"type": "integer"},
                "o": {"type": "object", "required": ["must"], "properties": {"must": {}, "may": {}}},
                "n": {"type": ["object", "null"], "required": ["x"], "properties": {"x": {"type": "string"}}},
                "pair": {"type": "array", "prefixItems": [{"type": "string"}], "minItems": 1},
                "a/b": {"type": "string"},
                "never": false,
                "": {"properties": {"hidden": {}}},
            },
            "patternProperties": {"^p": {"type": "string"}},
        });
        let locations = shape(&schema).locations();
        let found: Vec<_> = locations
            .iter()
            .map(|found| (found.pointer.as_str(), found.exists))
            .collect();
        let expected = [
            ("/a~1b", Exists::May),
            ("/id", Exists::Must),
            ("/n", Exists::May),
            ("/n/x", Exists::May),
            ("/never", Exists::Cannot),
            ("/o", Exists::Must),
            ("/o/may", Exists::May),
            ("/o/must", Exists::Must),
            ("/pair", Exists::May),
            ("/pair/0", Exists::May),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn any_location_by_pointer() {
        let schema = json!({
            "type": "object",
            "properties": {"list": {"type": "array", "items": {"type": "integer"}}},
            "patternProperties": {"^p": {"type": "string"}},
            "additionalProperties": false,
        });
        let shape = shape(&schema);
        let table = [
            ("", Exists::Must, vec!["object"]),
            ("/list/3", Exists::May, vec!["integer"]),
            ("/p1", Exists::May, vec!["string"]),
            ("/other", Exists::Cannot, vec![]),
            ("/list/x", Exists::Cannot, vec![]),
        ];
        for (pointer, exists, types) in table {
            let found = shape.locate(pointer);
            assert_eq!(
                (found.exists, found.shape.types.names()),
                (exists, types),
                "{pointer}"
            );
        }
        assert_eq!(Shape::anything().locate("/x").exists, Exists::Implicit);
    }
}
