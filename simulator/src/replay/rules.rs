//! What may differ from a recording, as data: places in a response, and what stands there.

use std::fmt;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use super::error::{Error, Result};
use crate::transcript::Pattern;

/// The rules for the state of `materialize-s3-parquet`.
const BUILT_IN: &str = include_str!("rules.json");

/// What stands in a place that may differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Kind {
    /// Sixteen hex digits that name one thing, here and wherever else they turn up.
    Token,
    /// Any text that names one thing, here and wherever else it turns up.
    Id,
    /// Any text, and not always the same for the same thing.
    Text,
    /// A count, such as the bytes of an encoded file.
    Count,
    /// A time, RFC 3339.
    Time,
    /// Anything.
    Any,
}

impl Kind {
    /// Whether a value is of this kind.
    pub fn fits(self, value: &Value) -> bool {
        match (self, value) {
            (Kind::Any, _) => true,
            (Kind::Count, value) => value.is_u64(),
            (Kind::Token, Value::String(text)) => is_token(text),
            (Kind::Id | Kind::Text, Value::String(text)) => !text.is_empty(),
            (Kind::Time, Value::String(text)) => text.parse::<Timestamp>().is_ok(),
            _ => false,
        }
    }

    /// Whether it names one thing: two that differ never stand for the same.
    pub fn is_name(self) -> bool {
        matches!(self, Kind::Token | Kind::Id)
    }
}

fn is_token(text: &str) -> bool {
    text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// One place and what stands there: `{"at": "/opened/…", "is": "time"}` for a value, `{"names":
/// "/…", "are": "token"}` for the member names of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Where, as a JSON pointer into a response, `*` for any name or index.
    pub at: Pattern,
    /// Whether it is the names of the members there, and not the value itself.
    pub of_names: bool,
    /// What stands there.
    pub kind: Kind,
}

/// The form in which rules are written. It is no enum, so that an error names the member that is
/// wrong.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    at: Option<String>,
    is: Option<Kind>,
    names: Option<String>,
    are: Option<Kind>,
}

impl Written {
    fn rule(self) -> Result<Rule> {
        let (at, of_names, kind) = match (self.at, self.is, self.names, self.are) {
            (Some(at), Some(kind), None, None) => (at, false, kind),
            (None, None, Some(names), Some(kind)) => (names, true, kind),
            _ => {
                return Err(wrong(
                    "a rule has either `at` and `is`, or `names` and `are`",
                ));
            }
        };
        Ok(Rule {
            at: Pattern::parse(&at)?,
            of_names,
            kind,
        })
    }
}

fn wrong(what: impl fmt::Display) -> Error {
    Error::Rules(format!(
        "{what}; write [{{\"at\": \"/startedCommit/state/updated/id\", \"is\": \"id\"}}], with \
         token, id, text, count, time or any"
    ))
}

/// What may differ from a recording.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules(Vec<Rule>);

impl Default for Rules {
    fn default() -> Self {
        let mut rules = Self(Vec::new());
        rules
            .add(BUILT_IN)
            .expect("a test reads the rules that are built in");
        rules
    }
}

impl Rules {
    /// No rules: nothing may differ.
    pub fn none() -> Self {
        Self(Vec::new())
    }

    /// Adds rules in the form of a JSON array.
    pub fn add(&mut self, json: &str) -> Result<()> {
        let written: Vec<Written> = serde_json::from_str(json).map_err(wrong)?;
        for rule in written {
            self.0.push(rule.rule()?);
        }
        Ok(())
    }

    /// Adds a place that is not compared at all.
    pub fn ignore(&mut self, pointer: &str) -> Result<()> {
        let rule = Rule {
            at: Pattern::parse(pointer)?,
            of_names: false,
            kind: Kind::Any,
        };
        self.0.push(rule);
        Ok(())
    }

    /// What stands at a place; the rule that was added last decides.
    pub fn value(&self, place: &[String]) -> Option<Kind> {
        self.find(place, false)
    }

    /// What the names of the members at a place are.
    pub fn names(&self, place: &[String]) -> Option<Kind> {
        self.find(place, true)
    }

    fn find(&self, place: &[String], of_names: bool) -> Option<Kind> {
        let mut rules = self.0.iter().rev();
        rules
            .find(|rule| rule.of_names == of_names && rule.at.matches(place))
            .map(|rule| rule.kind)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn place(pointer: &str) -> Vec<String> {
        pointer.split('/').skip(1).map(str::to_owned).collect()
    }

    #[test]
    fn a_wrong_rule_is_told_by_what_is_wrong_with_it() {
        for (text, says) in [
            (
                r#"[{"at": "/a", "is": "nonsense"}]"#,
                "unknown variant `nonsense`",
            ),
            (r#"[{"at": "/a", "as": "id"}]"#, "unknown field `as`"),
            (
                r#"[{"at": "/a", "are": "id"}]"#,
                "either `at` and `is`, or `names` and `are`",
            ),
            ("[{}]", "either `at` and `is`, or `names` and `are`"),
            ("{}", "invalid type: map, expected a sequence"),
        ] {
            let error = Rules::none().add(text).unwrap_err().to_string();
            assert!(
                error.contains(says) && error.contains("write [{"),
                "{error}"
            );
            assert!(!error.contains("untagged"), "{error}");
        }
    }

    #[test]
    fn the_rules_that_are_built_in_hold_for_every_response_with_a_state() {
        let rules = Rules::default();
        for response in ["startedCommit", "acknowledged", "flushed", "applied"] {
            let staged = format!("/{response}/state/updated/bindings/a%2Fb.v1/00000000/staged");
            assert_eq!(rules.names(&place(&staged)), Some(Kind::Token));
            assert_eq!(rules.value(&place(&staged)), None);
            let time = format!("{staged}/0123456789abcdef/stagedAt");
            assert_eq!(rules.value(&place(&time)), Some(Kind::Time));
            let rows = format!("{staged}/0123456789abcdef/rows");
            assert_eq!(rules.value(&place(&rows)), None);
        }
    }

    #[test]
    fn rules_can_be_added() {
        let mut rules = Rules::default();
        rules
            .add(r#"[{"at": "/opened/nonce", "is": "id"}]"#)
            .unwrap();
        rules.ignore("/opened/nonce").unwrap();
        assert_eq!(rules.value(&place("/opened/nonce")), Some(Kind::Any));
        for wrong in [
            "{}",
            r#"[{"at": "/a", "is": "number"}]"#,
            r#"[{"at": "a", "is": "id"}]"#,
        ] {
            assert!(rules.add(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_kind_knows_its_own() {
        let table = [
            (Kind::Token, json!("0123456789abcdef"), true),
            (Kind::Token, json!("0123"), false),
            (Kind::Id, json!(""), false),
            (Kind::Count, json!(0), true),
            (Kind::Count, json!(-1), false),
            (Kind::Time, json!("2026-11-23T00:00:00Z"), true),
            (Kind::Time, json!("yesterday"), false),
            (Kind::Any, json!(null), true),
        ];
        for (kind, value, expected) in table {
            assert_eq!(kind.fits(&value), expected, "{kind:?} {value}");
        }
    }
}
