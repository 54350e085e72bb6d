//! The `reduce` annotation: how two values of one location become one.

use serde_json::{Map, Value};

use crate::suggest::nearest;

/// How two values of a location are combined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strategy {
    /// The right array's items after the left's.
    Append,
    /// The left value stays.
    FirstWriteWins,
    /// The right value takes its place: what happens without an annotation too.
    LastWriteWins,
    /// The greater value stays.
    Maximize,
    /// Objects property by property, arrays item by item.
    Merge,
    /// The smaller value stays.
    Minimize,
    /// `{add, intersect, remove}` as an update of a set.
    Set,
    /// The numbers' sum.
    Sum,
}

const STRATEGIES: [(&str, Strategy); 8] = [
    ("append", Strategy::Append),
    ("firstWriteWins", Strategy::FirstWriteWins),
    ("lastWriteWins", Strategy::LastWriteWins),
    ("maximize", Strategy::Maximize),
    ("merge", Strategy::Merge),
    ("minimize", Strategy::Minimize),
    ("set", Strategy::Set),
    ("sum", Strategy::Sum),
];

/// A schema's `reduce` annotation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reduce {
    /// How.
    pub strategy: Strategy,
    /// JSON pointers, relative to the location's items (`merge`, `set`) or to the location
    /// (`minimize`, `maximize`), by which values are ordered; empty = by the whole value.
    pub key: Vec<String>,
    /// `delete: true`: a document that carries this is a deletion.
    pub delete: bool,
}

/// Reads `reduce` from a schema's keywords. The error says what to write instead.
pub(super) fn parse_reduce(keywords: &Map<String, Value>) -> Result<Option<Reduce>, String> {
    let Some(annotation) = keywords.get("reduce") else {
        return Ok(None);
    };
    let Value::Object(members) = annotation else {
        return Err(format!(
            "`reduce` must be an object such as {{\"strategy\": \"merge\"}}, but is {annotation}"
        ));
    };
    Ok(Some(Reduce {
        strategy: strategy(members)?,
        key: key(members)?,
        delete: delete(members)?,
    }))
}

fn strategy(members: &Map<String, Value>) -> Result<Strategy, String> {
    let Some(Value::String(name)) = members.get("strategy") else {
        return Err(
            "`reduce` needs a `strategy`, such as \"merge\" or \"lastWriteWins\"".to_owned(),
        );
    };
    let found = STRATEGIES.iter().find(|(known, _)| known == name);
    found.map(|(_, strategy)| *strategy).ok_or_else(|| {
        let right =
            nearest(name, STRATEGIES.iter().map(|(known, _)| *known)).unwrap_or("lastWriteWins");
        format!("`{name}` is not a strategy this simulator has; did you mean `{right}`?")
    })
}

fn key(members: &Map<String, Value>) -> Result<Vec<String>, String> {
    let Some(key) = members.get("key") else {
        return Ok(Vec::new());
    };
    let pointers = key
        .as_array()
        .and_then(|items| items.iter().map(Value::as_str).collect::<Option<Vec<_>>>());
    let pointers =
        pointers.ok_or_else(|| format!("`key` must be a list of JSON pointers, but is {key}"))?;
    Ok(pointers.into_iter().map(str::to_owned).collect())
}

fn delete(members: &Map<String, Value>) -> Result<bool, String> {
    match members.get("delete") {
        None => Ok(false),
        Some(Value::Bool(delete)) => Ok(*delete),
        Some(other) => Err(format!("`delete` must be true or false, but is {other}")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parse(schema: &Value) -> Result<Option<Reduce>, String> {
        parse_reduce(schema.as_object().expect("an object"))
    }

    #[test]
    fn reads_strategy_key_and_delete() {
        let read = parse(&json!({"reduce": {"strategy": "merge", "key": ["/id"], "delete": true}}));
        let expected = Reduce {
            strategy: Strategy::Merge,
            key: vec!["/id".to_owned()],
            delete: true,
        };
        assert_eq!(read, Ok(Some(expected)));
        assert_eq!(parse(&json!({})), Ok(None));
    }

    #[test]
    fn an_unknown_strategy_names_the_nearest() {
        let error = parse(&json!({"reduce": {"strategy": "lastWriteWin"}})).expect_err("unknown");
        assert!(error.ends_with("did you mean `lastWriteWins`?"), "{error}");
    }
}
