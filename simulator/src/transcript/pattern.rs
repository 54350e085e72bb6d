//! Places in JSON documents: JSON pointers in which `*` stands for any name or index.

use serde_json::Value;

use super::error::{Error, Result};

/// A JSON pointer in which `*` stands for any name or index.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pattern(Vec<String>);

impl Pattern {
    /// Reads one, such as `/credentials/*/password`.
    pub fn parse(text: &str) -> Result<Self> {
        match text.strip_prefix('/') {
            Some(rest) if !rest.is_empty() => {
                let unescape = |segment: &str| segment.replace("~1", "/").replace("~0", "~");
                Ok(Self(rest.split('/').map(unescape).collect()))
            }
            _ => Err(Error::Pointer(text.to_owned())),
        }
    }

    /// The place of `segments`.
    pub(crate) fn of(segments: &[String]) -> Self {
        Self(segments.to_vec())
    }

    /// Its segments, unescaped.
    pub fn segments(&self) -> &[String] {
        &self.0
    }

    /// Hands over every value of `document` that stands in such a place.
    pub fn visit(&self, document: &mut Value, visit: &mut dyn FnMut(&mut Value)) {
        descend(document, &self.0, visit);
    }

    /// Whether a place with these segments is such a place.
    pub fn matches(&self, place: &[String]) -> bool {
        self.0.len() == place.len()
            && self
                .0
                .iter()
                .zip(place)
                .all(|(own, other)| own == "*" || own == other)
    }
}

fn descend(value: &mut Value, segments: &[String], visit: &mut dyn FnMut(&mut Value)) {
    let Some((first, rest)) = segments.split_first() else {
        visit(value);
        return;
    };
    match value {
        Value::Object(members) if first == "*" => members
            .values_mut()
            .for_each(|member| descend(member, rest, visit)),
        Value::Array(elements) if first == "*" => elements
            .iter_mut()
            .for_each(|element| descend(element, rest, visit)),
        Value::Object(members) => {
            if let Some(member) = members.get_mut(first) {
                descend(member, rest, visit);
            }
        }
        Value::Array(elements) => {
            let element = first
                .parse()
                .ok()
                .and_then(|index: usize| elements.get_mut(index));
            if let Some(element) = element {
                descend(element, rest, visit);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_star_is_any_name_and_any_index() {
        let mut document = json!({"a": [{"b": 1, "c": 2}, {"b": 3}], "x": {"b": 4}});
        let mut found = Vec::new();
        let pattern = Pattern::parse("/*/*/b").unwrap();
        pattern.visit(&mut document, &mut |value| found.push(value.take()));
        assert_eq!(found, [json!(1), json!(3)]);
        let exact = Pattern::parse("/a/1").unwrap();
        exact.visit(&mut document, &mut |value| *value = json!("there"));
        assert_eq!(document["a"][1], "there");
    }

    #[test]
    fn escapes_are_those_of_json_pointers() {
        let pattern = Pattern::parse("/a~1b/c~0d").unwrap();
        assert_eq!(pattern.segments(), ["a/b", "c~d"]);
        assert!(pattern.matches(&["a/b".to_owned(), "c~d".to_owned()]));
    }

    #[test]
    fn what_is_no_pointer_is_refused_with_an_example() {
        for text in ["", "/", "password", "#/password"] {
            let error = Pattern::parse(text).unwrap_err().to_string();
            assert!(error.contains("/credentials/password"), "{error}");
        }
    }
}
