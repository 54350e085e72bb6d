//! Takes secrets out of what is recorded.
//!
//! What is secret a connector says itself: the JSON schemas of its Spec response mark properties
//! with `secret: true`. Their values are replaced wherever a message carries a configuration, and
//! wherever else the same text turns up afterwards.

use std::collections::BTreeSet;

use materialize_s3_parquet::protocol::materialize::response;
use serde_json::Value;

use super::pattern::Pattern;

/// What stands for a secret.
pub const REDACTED: &str = "[redacted]";

/// A shorter secret is replaced in its own place only: its text would turn up everywhere.
const SHORTEST_SWEPT: usize = 6;

/// How deep schemas may be nested; `$ref` can lead in circles.
const DEEPEST: usize = 16;

/// Where a request carries the endpoint's configuration.
const ENDPOINT_PLACES: [&str; 7] = [
    "/spec/config",
    "/validate/config",
    "/validate/lastMaterialization/config",
    "/apply/materialization/config",
    "/apply/lastMaterialization/config",
    "/open/materialization/config",
    "/open/sealedConfig",
];

/// Where it carries a binding's.
const RESOURCE_PLACES: [&str; 8] = [
    "/validate/bindings/*/resourceConfig",
    "/validate/lastMaterialization/bindings/*/resourceConfig",
    "/apply/materialization/bindings/*/resourceConfig",
    "/apply/materialization/inactiveBindings/*/resourceConfig",
    "/apply/lastMaterialization/bindings/*/resourceConfig",
    "/apply/lastMaterialization/inactiveBindings/*/resourceConfig",
    "/open/materialization/bindings/*/resourceConfig",
    "/open/materialization/inactiveBindings/*/resourceConfig",
];

/// Where it carries the task's triggers: web hooks with secrets of their own, which no connector
/// reads.
const TRIGGERS: [&str; 4] = [
    "/validate/lastMaterialization/triggers",
    "/apply/materialization/triggers",
    "/apply/lastMaterialization/triggers",
    "/open/materialization/triggers",
];

/// Takes secrets out of messages. It has to be told of the Spec response before it knows what is
/// secret.
#[derive(Debug, Default)]
pub struct Redactor {
    /// What the user says is secret.
    named: Vec<Pattern>,
    /// What the connector says is secret, in the endpoint's configuration and in a binding's.
    marked: Option<(Vec<Pattern>, Vec<Pattern>)>,
    /// The secrets seen so far, as they stand in JSON text.
    secrets: BTreeSet<String>,
}

impl Redactor {
    /// With places in a configuration that are secret whatever the connector says.
    pub fn new(named: Vec<Pattern>) -> Self {
        Self {
            named,
            ..Self::default()
        }
    }

    /// Learns from the connector's schemas what is secret.
    pub fn learn(&mut self, spec: &response::Spec) {
        let marked = |schema: &[u8]| {
            serde_json::from_slice(schema)
                .map_or_else(|_| Vec::new(), |schema| secret_places(&schema))
        };
        self.marked = Some((
            marked(&spec.config_schema_json),
            marked(&spec.resource_config_schema_json),
        ));
    }

    /// Whether the connector has said what is secret.
    pub fn knows(&self) -> bool {
        self.marked.is_some()
    }

    /// Takes the secrets out of a request's configurations, and remembers them. Where the connector
    /// has not said what is secret, every value of a configuration is.
    pub fn redact(&mut self, request: &mut Value) {
        let (endpoint, resource) = match &self.marked {
            Some((endpoint, resource)) => (Some(endpoint.clone()), Some(resource.clone())),
            None => (None, None),
        };
        for place in ENDPOINT_PLACES {
            self.redact_at(place, endpoint.as_deref(), request);
        }
        for place in RESOURCE_PLACES {
            self.redact_at(place, resource.as_deref(), request);
        }
        for place in TRIGGERS {
            if let Some(triggers) = request.pointer_mut(place) {
                self.hide(triggers);
            }
        }
    }

    /// Replaces every secret seen so far in JSON text, or in any other.
    pub fn sweep(&self, text: &str) -> String {
        let mut secrets: Vec<&String> = self.secrets.iter().collect();
        // A secret that holds another one must not be left in pieces.
        secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        secrets.iter().fold(text.to_owned(), |text, secret| {
            text.replace(*secret, REDACTED)
        })
    }

    fn redact_at(&mut self, place: &str, marked: Option<&[Pattern]>, request: &mut Value) {
        let place = Pattern::parse(place).expect("a constant pointer");
        let patterns = marked.map(|marked| [marked, &self.named].concat());
        place.visit(request, &mut |config| match &patterns {
            Some(patterns) => {
                for pattern in patterns {
                    pattern.visit(config, &mut |secret| self.hide(secret));
                }
            }
            None => self.hide_scalars(config),
        });
    }

    fn hide_scalars(&mut self, value: &mut Value) {
        match value {
            Value::Object(members) => members
                .values_mut()
                .for_each(|member| self.hide_scalars(member)),
            Value::Array(elements) => elements
                .iter_mut()
                .for_each(|element| self.hide_scalars(element)),
            scalar => self.hide(scalar),
        }
    }

    fn hide(&mut self, value: &mut Value) {
        if !value.is_null() {
            self.remember(value);
            *value = REDACTED.into();
        }
    }

    fn remember(&mut self, value: &Value) {
        match value {
            Value::String(text) if text.len() >= SHORTEST_SWEPT && text != REDACTED => {
                let json = Value::from(text.as_str()).to_string();
                self.secrets.insert(json[1..json.len() - 1].to_owned());
                self.secrets.insert(text.clone());
            }
            Value::Object(members) => members.values().for_each(|member| self.remember(member)),
            Value::Array(elements) => elements.iter().for_each(|element| self.remember(element)),
            _ => {}
        }
    }
}

/// The places that a JSON schema marks with `secret: true`.
fn secret_places(schema: &Value) -> Vec<Pattern> {
    let mut places = BTreeSet::new();
    collect(schema, schema, &mut Vec::new(), 0, &mut places);
    places.into_iter().collect()
}

fn collect(
    root: &Value,
    schema: &Value,
    place: &mut Vec<String>,
    depth: usize,
    places: &mut BTreeSet<Pattern>,
) {
    if depth > DEEPEST {
        return;
    }
    if schema.get("secret") == Some(&Value::Bool(true)) && !place.is_empty() {
        places.insert(Pattern::of(place));
    }
    for (segment, child) in children(root, schema) {
        if let Some(segment) = segment {
            place.push(segment);
            collect(root, child, place, depth + 1, places);
            place.pop();
        } else {
            collect(root, child, place, depth + 1, places);
        }
    }
}

/// The schemas within a schema, with the segment that leads from a value of the one to a value of
/// the other; none where both are of the same value.
fn children<'a>(root: &'a Value, schema: &'a Value) -> Vec<(Option<String>, &'a Value)> {
    let mut children = Vec::new();
    for (keyword, value) in schema.as_object().into_iter().flatten() {
        match (keyword.as_str(), value) {
            ("properties", Value::Object(properties)) => {
                let named = properties
                    .iter()
                    .map(|(name, child)| (Some(name.clone()), child));
                children.extend(named);
            }
            ("patternProperties", Value::Object(patterns)) => {
                children.extend(patterns.values().map(|child| (Some("*".to_owned()), child)));
            }
            ("additionalProperties" | "items" | "contains", child) => {
                children.push((Some("*".to_owned()), child));
            }
            ("prefixItems", Value::Array(elements)) => {
                children.extend(elements.iter().map(|child| (Some("*".to_owned()), child)));
            }
            ("allOf" | "anyOf" | "oneOf", Value::Array(alternatives)) => {
                children.extend(alternatives.iter().map(|child| (None, child)));
            }
            ("if" | "then" | "else", child) => children.push((None, child)),
            ("$ref", Value::String(reference)) => {
                let target = reference
                    .strip_prefix('#')
                    .and_then(|pointer| root.pointer(pointer));
                children.extend(target.map(|child| (None, child)));
            }
            _ => {}
        }
    }
    children
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn spec(schema: &Value) -> response::Spec {
        response::Spec {
            config_schema_json: schema.to_string().into(),
            ..response::Spec::default()
        }
    }

    #[test]
    fn what_a_schema_marks_is_found_wherever_it_stands() {
        let schema = json!({
            "properties": {
                "plain": {"type": "string"},
                "password": {"secret": true},
                "keys": {"items": {"properties": {"key": {"secret": true}}}},
                "tokens": {"additionalProperties": {"secret": true}},
                "auth": {"oneOf": [{"$ref": "#/$defs/basic"}, {"properties": {"pem": {"secret": true}}}]},
            },
            "$defs": {"basic": {"properties": {"pass/word": {"secret": true}, "self": {"$ref": "#/$defs/basic"}}}},
        });
        let places: Vec<String> = secret_places(&schema)
            .iter()
            .map(|place| place.segments().join("|"))
            .collect();
        for place in [
            "password",
            "keys|*|key",
            "tokens|*",
            "auth|pem",
            "auth|pass/word",
        ] {
            assert!(places.contains(&place.to_owned()), "{place} in {places:?}");
        }
        assert!(!places.contains(&"plain".to_owned()), "{places:?}");
    }

    #[test]
    fn secrets_leave_every_configuration_and_every_other_text() {
        let mut redactor = Redactor::new(vec![Pattern::parse("/user").unwrap()]);
        redactor.learn(&spec(
            &json!({"properties": {"password": {"secret": true}}}),
        ));
        let config = json!({"password": "hush \"hush\"", "user": "jane.doe", "bucket": "b"});
        let mut open =
            json!({"open": {"materialization": {"config": config, "triggers": {"t": "abc"}}}});
        redactor.redact(&mut open);
        let expected = json!({"password": REDACTED, "user": REDACTED, "bucket": "b"});
        assert_eq!(open["open"]["materialization"]["config"], expected);
        assert_eq!(open["open"]["materialization"]["triggers"], REDACTED);
        let json = json!({"doc": "it is hush \"hush\", jane.doe"}).to_string();
        assert_eq!(
            redactor.sweep(&json),
            r#"{"doc":"it is [redacted], [redacted]"}"#
        );
        assert_eq!(redactor.sweep("hush \"hush\"!"), "[redacted]!");
    }

    #[test]
    fn where_nothing_is_known_everything_is_secret() {
        let mut redactor = Redactor::default();
        let mut request = json!({"spec": {"config": {"a": {"b": ["secret!", 7]}, "c": null}}});
        redactor.redact(&mut request);
        let expected = json!({"a": {"b": [REDACTED, REDACTED]}, "c": null});
        assert_eq!(request["spec"]["config"], expected);
    }

    #[test]
    fn a_secret_is_hidden_in_bindings_too() {
        let mut redactor = Redactor::default();
        redactor.learn(&response::Spec {
            resource_config_schema_json: json!({"properties": {"sas": {"secret": true}}})
                .to_string()
                .into(),
            ..response::Spec::default()
        });
        let mut request =
            json!({"validate": {"bindings": [{"resourceConfig": {"sas": "x", "path": "p"}}]}});
        redactor.redact(&mut request);
        let config = &request["validate"]["bindings"][0]["resourceConfig"];
        assert_eq!(*config, json!({"sas": REDACTED, "path": "p"}));
    }
}
