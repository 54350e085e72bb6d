//! Checks a configuration against its JSON schema, and says what is wrong for a person.
//!
//! It knows exactly as much of JSON schema as ours use. A problem reads `` `<JSON pointer>` <what
//! is wrong> ``; it shows a value only where that is a number or should have been one of a list, so
//! never a secret.

use std::collections::BTreeMap;

use serde_json::{Map, Number, Value};

use super::RESOURCE_SCHEMA;
use crate::error::{Error, Result};

/// How alike two names are at least where one may be a slip for the other.
const ALIKE: f64 = 0.8;

/// What a schema cannot say about the text at a JSON pointer: `Err` holds what is wrong with it.
pub(super) type Rule = (&'static str, fn(&str) -> Result<(), String>);

/// What came of a check.
pub(super) struct Checked {
    /// The configuration, without properties that are null.
    pub(super) value: Value,
    /// What is wrong with it, each with its JSON pointer.
    pub(super) problems: Vec<String>,
    /// Properties of the root that the schema does not know, by name, with the problem. Whether
    /// they are wrong is for the caller to say.
    pub(super) unknown_at_root: BTreeMap<String, String>,
}

/// Checks `json` against `schema`, and the texts that pass it against `rules`. Bytes that are no
/// JSON object are an error.
pub(super) fn check(json: &[u8], schema: &Value, rules: &[Rule]) -> Result<Checked> {
    let mut value: Value = serde_json::from_slice(json).map_err(|error| {
        Error::config(format!(
            "it is not JSON (line {}, column {})",
            error.line(),
            error.column()
        ))
    })?;
    without_nulls(&mut value);
    let Value::Object(object) = &value else {
        return Err(Error::config(format!(
            "it is {}, expected an object",
            kind_of(&value)
        )));
    };
    let mut walk = Walk {
        root: schema,
        problems: Vec::new(),
        unknown_at_root: BTreeMap::new(),
    };
    walk.object("", schema, object);
    for (pointer, rule) in rules {
        walk.rule(pointer, *rule, &value);
    }
    let Walk {
        problems,
        unknown_at_root,
        ..
    } = walk;
    Ok(Checked {
        value,
        problems,
        unknown_at_root,
    })
}

/// Null is how a form says that a property is not set.
fn without_nulls(value: &mut Value) {
    if let Value::Object(object) = value {
        object.retain(|_, property| !property.is_null());
        object.values_mut().for_each(without_nulls);
    }
}

struct Walk<'a> {
    root: &'a Value,
    problems: Vec<String>,
    unknown_at_root: BTreeMap<String, String>,
}

impl Walk<'_> {
    fn object(&mut self, pointer: &str, schema: &Value, object: &Map<String, Value>) {
        for name in strings(&schema["required"]).filter(|name| !object.contains_key(*name)) {
            let expected = expected(&schema["properties"][name]);
            self.problems.push(format!(
                "`{pointer}/{name}` is missing, expected {expected}"
            ));
        }
        for (name, value) in object {
            let inner = format!("{pointer}/{}", name.replace('~', "~0").replace('/', "~1"));
            match schema["properties"].get(name) {
                Some(property) => self.property(&inner, property, value),
                None => self.unknown(pointer, name, &inner),
            }
        }
    }

    fn property(&mut self, pointer: &str, schema: &Value, value: &Value) {
        let problem = match (schema["type"].as_str(), value) {
            (Some("object"), Value::Object(object)) => return self.object(pointer, schema, object),
            (Some("string"), Value::String(text)) => text_problem(schema, text),
            (Some("integer"), Value::Number(number)) => number_problem(schema, number),
            (Some("boolean"), Value::Bool(_)) => None,
            _ => Some(format!(
                "is {}, expected {}",
                kind_of(value),
                expected(schema)
            )),
        };
        self.problems
            .extend(problem.map(|problem| format!("`{pointer}` {problem}")));
    }

    fn unknown(&mut self, pointer: &str, name: &str, inner: &str) {
        let hint = self.hint(pointer, name);
        let problem = format!("`{inner}` is not a known property ({hint})");
        if pointer.is_empty() {
            self.unknown_at_root.insert(name.to_owned(), problem);
        } else {
            self.problems.push(problem);
        }
    }

    /// What may have been meant by a name: one that is alike, wherever it belongs, or else those of
    /// the same object.
    fn hint(&self, pointer: &str, name: &str) -> String {
        let alike = |pointers: &[String]| {
            let pointers = pointers.iter().map(String::as_str);
            let found = nearest(name, pointers, last_token)?;
            (similarity(name, last_token(found)) >= ALIKE).then(|| found.to_owned())
        };
        let known = property_pointers("", self.root);
        if let Some(found) = alike(&known) {
            return format!("did you mean `{found}`?");
        }
        if let Some(found) = alike(&property_pointers("", &RESOURCE_SCHEMA)) {
            return format!("`{found}` is a property of each binding's resource");
        }
        let is_sibling = |known: &&String| {
            let parent = known.rsplit_once('/').map_or("", |(parent, _)| parent);
            parent == pointer
        };
        let siblings = known.iter().filter(is_sibling);
        let siblings: Vec<String> = siblings.map(|known| format!("`{known}`")).collect();
        format!("known are {}", siblings.join(", "))
    }

    /// Empty texts are left to the schema.
    fn rule(&mut self, pointer: &str, rule: fn(&str) -> Result<(), String>, value: &Value) {
        let text = value
            .pointer(pointer)
            .and_then(Value::as_str)
            .filter(|text| !text.is_empty());
        if let Some(Err(problem)) = text.map(rule) {
            self.problems.push(format!("`{pointer}` {problem}"));
        }
    }
}

fn text_problem(schema: &Value, text: &str) -> Option<String> {
    if text.is_empty() && schema["minLength"].as_u64() > Some(0) {
        return Some(format!("is empty, expected {}", expected(schema)));
    }
    let choices = || strings(&schema["enum"]);
    if schema.get("enum").is_none() || choices().any(|choice| choice == text) {
        return None;
    }
    let hint = nearest(text, choices(), |choice| choice)
        .filter(|choice| similarity(text, choice) >= ALIKE)
        .map(|choice| format!(" (did you mean `{choice}`?)"));
    Some(format!(
        "is `{}`, expected {}{}",
        text.escape_debug(),
        expected(schema),
        hint.unwrap_or_default()
    ))
}

/// A number that is neither an `i64` nor a `u64` is a fraction or out of all bounds.
fn number_problem(schema: &Value, number: &Number) -> Option<String> {
    let fits = number.as_i128().is_some_and(|number| {
        bound(schema, "minimum").is_none_or(|minimum| number >= minimum)
            && bound(schema, "maximum").is_none_or(|maximum| number <= maximum)
    });
    (!fits).then(|| format!("is {number}, expected {}", expected(schema)))
}

fn bound(schema: &Value, name: &str) -> Option<i128> {
    schema[name].as_number().and_then(Number::as_i128)
}

/// What a property should be, with its article.
fn expected(schema: &Value) -> String {
    let kind = schema["type"].as_str().unwrap_or("value");
    match (kind, bound(schema, "minimum"), bound(schema, "maximum")) {
        _ if schema.get("enum").is_some() => {
            let choices: Vec<String> = strings(&schema["enum"])
                .map(|choice| format!("`{choice}`"))
                .collect();
            format!("one of {}", choices.join(", "))
        }
        (_, Some(minimum), Some(maximum)) => format!("an integer from {minimum} to {maximum}"),
        (_, Some(minimum), None) => format!("an integer of {minimum} or more"),
        ("object", ..) => "an object".into(),
        ("integer", ..) => "an integer".into(),
        _ => format!("a {kind}"),
    }
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

fn strings(list: &Value) -> impl Iterator<Item = &str> {
    list.as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
}

/// The pointers of all properties that a schema knows, so that one in the wrong object is found
/// too.
fn property_pointers(pointer: &str, schema: &Value) -> Vec<String> {
    let properties = schema["properties"].as_object().into_iter().flatten();
    properties
        .flat_map(|(name, property)| {
            let inner = format!("{pointer}/{name}");
            let mut pointers = property_pointers(&inner, property);
            pointers.push(inner);
            pointers
        })
        .collect()
}

/// The candidate whose name is nearest to `wrong`.
fn nearest<'a>(
    wrong: &str,
    candidates: impl Iterator<Item = &'a str>,
    name: fn(&str) -> &str,
) -> Option<&'a str> {
    let closeness = |candidate: &str| similarity(wrong, name(candidate));
    candidates.max_by(|left, right| closeness(left).total_cmp(&closeness(right)))
}

/// How alike two names are, whatever their case: from 0 to 1.
fn similarity(left: &str, right: &str) -> f64 {
    strsim::jaro_winkler(&left.to_lowercase(), &right.to_lowercase())
}

fn last_token(pointer: &str) -> &str {
    pointer.rsplit('/').next().unwrap_or(pointer)
}
