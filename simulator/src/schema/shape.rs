//! What is known of a location's values: types and bounds, as an upper bound of all documents the
//! schema allows.
//!
//! `intersect` is for schemas that all hold (`allOf`), `union` for those of which some holds
//! (`anyOf`, `oneOf`, `if`).

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::exact;
use super::reduce::Reduce;
use super::types::Types;

/// What is known of one location.
#[derive(Clone, Debug, PartialEq)]
pub struct Shape {
    /// The types values may have; none = nothing can stand here.
    pub types: Types,
    /// The only values allowed (`enum`, `const`).
    pub enumeration: Option<Vec<Value>>,
    /// `title`.
    pub title: Option<String>,
    /// `description`.
    pub description: Option<String>,
    /// `default`.
    pub default: Option<Value>,
    /// `secret: true`.
    pub secret: bool,
    /// `reduce`.
    pub reduce: Reduction,
    /// What is known of strings.
    pub string: StringShape,
    /// What is known of numbers.
    pub numeric: NumericShape,
    /// What is known of arrays.
    pub array: ArrayShape,
    /// What is known of objects.
    pub object: ObjectShape,
}

/// The `reduce` annotations of a location.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Reduction {
    /// None.
    #[default]
    Unset,
    /// One.
    One(Reduce),
    /// Several that differ: which one applies depends on the document.
    Several,
}

/// What is known of a location's strings.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StringShape {
    /// `format`.
    pub format: Option<String>,
    /// `contentEncoding`.
    pub content_encoding: Option<String>,
    /// `contentMediaType`.
    pub content_media_type: Option<String>,
    /// `maxLength`, characters.
    pub max_length: Option<u64>,
}

/// What is known of a location's numbers: bounds, inclusive.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NumericShape {
    /// No number is smaller.
    pub minimum: Option<f64>,
    /// No number is greater.
    pub maximum: Option<f64>,
}

/// What is known of a location's arrays.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ArrayShape {
    /// `minItems`.
    pub min_items: u64,
    /// `maxItems`.
    pub max_items: Option<u64>,
    /// The first items, one by one.
    pub tuple: Vec<Shape>,
    /// All items after those; `None` = anything.
    pub rest: Option<Box<Shape>>,
}

/// What is known of a location's objects.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ObjectShape {
    /// Properties known by name.
    pub properties: BTreeMap<String, Property>,
    /// Properties known by a pattern of their names.
    pub patterns: Vec<(Pattern, Shape)>,
    /// All other properties; `None` = anything.
    pub rest: Option<Box<Shape>>,
}

/// A property of an object.
#[derive(Clone, Debug, PartialEq)]
pub struct Property {
    /// What is known of its values.
    pub shape: Shape,
    /// Whether every object has it.
    pub required: bool,
}

/// A regular expression, equal to those written alike.
#[derive(Clone, Debug)]
pub struct Pattern(pub regex::Regex);

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_str() == other.0.as_str()
    }
}

impl Shape {
    /// The shape of a location nothing is known of.
    pub fn anything() -> Self {
        Self {
            types: Types::ANY,
            enumeration: None,
            title: None,
            description: None,
            default: None,
            secret: false,
            reduce: Reduction::Unset,
            string: StringShape::default(),
            numeric: NumericShape::default(),
            array: ArrayShape::default(),
            object: ObjectShape::default(),
        }
    }

    /// The shape of a location where nothing can stand.
    pub fn nothing() -> Self {
        Self {
            types: Types::NONE,
            ..Self::anything()
        }
    }

    /// What is known when both are true.
    #[must_use]
    pub fn intersect(self, other: Self) -> Self {
        let enumeration = intersect_enumerations(self.enumeration, other.enumeration);
        let mut types = self.types & other.types;
        if let Some(values) = &enumeration {
            types = types & types_of(values);
        }
        Self {
            types,
            enumeration: enumeration.map(|values| keep_types(values, types)),
            title: self.title.or(other.title),
            description: self.description.or(other.description),
            default: self.default.or(other.default),
            secret: self.secret || other.secret,
            reduce: self.reduce.or(other.reduce),
            string: self.string.intersect(other.string),
            numeric: self.numeric.intersect(&other.numeric),
            array: self.array.intersect(other.array),
            object: self.object.intersect(other.object),
        }
    }

    /// What is known when either is true.
    #[must_use]
    pub fn union(self, other: Self) -> Self {
        if self.types == Types::NONE {
            return other;
        }
        if other.types == Types::NONE {
            return self;
        }
        let both = (self.types, other.types);
        Self {
            types: self.types | other.types,
            enumeration: union_enumerations(self.enumeration, other.enumeration),
            title: if_equal(self.title, other.title),
            description: if_equal(self.description, other.description),
            default: if_equal(self.default, other.default),
            secret: self.secret || other.secret,
            reduce: self.reduce.union(&other.reduce),
            string: where_possible(
                Types::STRING,
                both,
                self.string,
                other.string,
                StringShape::union,
            ),
            numeric: where_possible(
                Types::NUMBER,
                both,
                self.numeric,
                other.numeric,
                NumericShape::union,
            ),
            array: where_possible(
                Types::ARRAY,
                both,
                self.array,
                other.array,
                ArrayShape::union,
            ),
            object: where_possible(
                Types::OBJECT,
                both,
                self.object,
                other.object,
                ObjectShape::union,
            ),
        }
    }
}

/// The union of what is known of one type: a side that cannot have the type has no say.
fn where_possible<T>(
    of: Types,
    types: (Types, Types),
    left: T,
    right: T,
    union: impl Fn(T, T) -> T,
) -> T {
    match (types.0.overlaps(of), types.1.overlaps(of)) {
        (true, false) => left,
        (false, true) => right,
        _ => union(left, right),
    }
}

fn if_equal<T: PartialEq>(left: Option<T>, right: Option<T>) -> Option<T> {
    left.filter(|left| right.is_some_and(|right| *left == right))
}

/// Of two bounds the narrower, as `narrower` picks it; a side without one has no say.
fn narrower<T>(left: Option<T>, right: Option<T>, narrower: impl Fn(T, T) -> T) -> Option<T> {
    match (left, right) {
        (Some(left), Some(right)) => Some(narrower(left, right)),
        (left, right) => left.or(right),
    }
}

/// Of two bounds the wider, as `wider` picks it; none when a side has none.
fn wider<T>(left: Option<T>, right: Option<T>, wider: impl Fn(T, T) -> T) -> Option<T> {
    left.zip(right).map(|(left, right)| wider(left, right))
}

fn types_of(values: &[Value]) -> Types {
    values
        .iter()
        .fold(Types::NONE, |types, value| types | Types::of(value))
}

fn keep_types(values: Vec<Value>, types: Types) -> Vec<Value> {
    values
        .into_iter()
        .filter(|value| Types::of(value).is_within(types))
        .collect()
}

fn intersect_enumerations(
    left: Option<Vec<Value>>,
    right: Option<Vec<Value>>,
) -> Option<Vec<Value>> {
    narrower(left, right, |left, right| {
        left.into_iter()
            .filter(|value| exact::contains(&right, value))
            .collect()
    })
}

fn union_enumerations(left: Option<Vec<Value>>, right: Option<Vec<Value>>) -> Option<Vec<Value>> {
    wider(left, right, |mut left, right| {
        for value in right {
            if !exact::contains(&left, &value) {
                left.push(value);
            }
        }
        left
    })
}

impl Reduction {
    fn or(self, other: Self) -> Self {
        if self == Self::Unset { other } else { self }
    }

    fn union(self, other: &Self) -> Self {
        if self == *other { self } else { Self::Several }
    }
}

impl StringShape {
    fn intersect(self, other: Self) -> Self {
        Self {
            format: self.format.or(other.format),
            content_encoding: self.content_encoding.or(other.content_encoding),
            content_media_type: self.content_media_type.or(other.content_media_type),
            max_length: narrower(self.max_length, other.max_length, u64::min),
        }
    }

    fn union(self, other: Self) -> Self {
        Self {
            format: if_equal(self.format, other.format),
            content_encoding: if_equal(self.content_encoding, other.content_encoding),
            content_media_type: if_equal(self.content_media_type, other.content_media_type),
            max_length: wider(self.max_length, other.max_length, u64::max),
        }
    }
}

impl NumericShape {
    fn intersect(&self, other: &Self) -> Self {
        Self {
            minimum: narrower(self.minimum, other.minimum, f64::max),
            maximum: narrower(self.maximum, other.maximum, f64::min),
        }
    }

    #[expect(
        clippy::needless_pass_by_value,
        reason = "one of the unions, which take their sides alike"
    )]
    fn union(self, other: Self) -> Self {
        Self {
            minimum: wider(self.minimum, other.minimum, f64::min),
            maximum: wider(self.maximum, other.maximum, f64::max),
        }
    }
}

impl ArrayShape {
    /// What is known of the item at `index`.
    pub fn item(&self, index: usize) -> Shape {
        let named = self.tuple.get(index);
        named
            .or(self.rest.as_deref())
            .cloned()
            .unwrap_or_else(Shape::anything)
    }

    /// What is known of every item: the union over all of them; `None` when that is nothing.
    pub fn items(&self) -> Option<Shape> {
        let rest = self.rest.as_deref().cloned()?;
        Some(self.tuple.iter().cloned().fold(rest, Shape::union))
    }

    fn intersect(self, other: Self) -> Self {
        Self {
            min_items: self.min_items.max(other.min_items),
            max_items: narrower(self.max_items, other.max_items, u64::min),
            tuple: self.zip_tuples(
                &other,
                self.tuple.len().max(other.tuple.len()),
                Shape::intersect,
            ),
            rest: narrower(self.rest, other.rest, |left, right| {
                Box::new(left.intersect(*right))
            }),
        }
    }

    fn union(self, other: Self) -> Self {
        Self {
            min_items: self.min_items.min(other.min_items),
            max_items: wider(self.max_items, other.max_items, u64::max),
            tuple: self.zip_tuples(
                &other,
                self.tuple.len().max(other.tuple.len()),
                Shape::union,
            ),
            rest: wider(self.rest, other.rest, |left, right| {
                Box::new(left.union(*right))
            }),
        }
    }

    fn zip_tuples(
        &self,
        other: &Self,
        len: usize,
        join: impl Fn(Shape, Shape) -> Shape,
    ) -> Vec<Shape> {
        (0..len)
            .map(|index| join(self.item(index), other.item(index)))
            .collect()
    }
}

impl ObjectShape {
    /// What is known of the property `name`, be it known by name, by pattern, or as one of the
    /// rest.
    pub fn property(&self, name: &str) -> Shape {
        if let Some(property) = self.properties.get(name) {
            return property.shape.clone();
        }
        let matching = self
            .patterns
            .iter()
            .filter(|(pattern, _)| pattern.0.is_match(name));
        let by_pattern = matching
            .map(|(_, shape)| shape.clone())
            .reduce(Shape::intersect);
        by_pattern
            .or_else(|| self.rest.as_deref().cloned())
            .unwrap_or_else(Shape::anything)
    }

    /// Whether every object has the property `name`.
    pub fn requires(&self, name: &str) -> bool {
        self.properties
            .get(name)
            .is_some_and(|property| property.required)
    }

    fn intersect(self, other: Self) -> Self {
        let properties = self.zip_properties(&other, Shape::intersect, |left, right| left || right);
        let mut patterns = self.patterns;
        patterns.extend(other.patterns);
        let rest = narrower(self.rest, other.rest, |left, right| {
            Box::new(left.intersect(*right))
        });
        Self {
            properties,
            patterns,
            rest,
        }
    }

    fn union(self, other: Self) -> Self {
        let properties = self.zip_properties(&other, Shape::union, |left, right| left && right);
        if self.patterns == other.patterns {
            let rest = wider(self.rest, other.rest, |left, right| {
                Box::new(left.union(*right))
            });
            return Self {
                properties,
                patterns: self.patterns,
                rest,
            };
        }
        let rest = wider(
            self.patterns_into_rest(),
            other.patterns_into_rest(),
            |left, right| Box::new(left.union(*right)),
        );
        Self {
            properties,
            patterns: Vec::new(),
            rest,
        }
    }

    fn patterns_into_rest(self) -> Option<Box<Shape>> {
        let rest = *self.rest?;
        Some(Box::new(
            self.patterns
                .into_iter()
                .fold(rest, |all, (_, shape)| all.union(shape)),
        ))
    }

    fn zip_properties(
        &self,
        other: &Self,
        join: impl Fn(Shape, Shape) -> Shape,
        require: impl Fn(bool, bool) -> bool,
    ) -> BTreeMap<String, Property> {
        let names: BTreeSet<&String> = self
            .properties
            .keys()
            .chain(other.properties.keys())
            .collect();
        let property = |name: &String| Property {
            shape: join(self.property(name), other.property(name)),
            required: require(self.requires(name), other.requires(name)),
        };
        names
            .into_iter()
            .map(|name| (name.clone(), property(name)))
            .collect()
    }
}
