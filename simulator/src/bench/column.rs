//! The columns of a shape: one table, of which the collection's schema and DuckDB's query are made.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

/// One location of the documents, and the column that both sides make of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Column {
    /// The field's name: the location's JSON pointer without its first slash.
    pub field: &'static str,
    /// What its values are. Any may be null or missing.
    pub kind: Kind,
}

/// What the values of a column are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `true` and `false`.
    Boolean,
    /// Whole numbers of 64 bits.
    Integer,
    /// Numbers, as doubles.
    Number,
    /// Text.
    String,
    /// Strings of the format `date-time`.
    DateTime,
}

impl Kind {
    fn schema(self) -> Value {
        match self {
            Self::Boolean => json!({"type": ["boolean", "null"]}),
            Self::Integer => json!({"type": ["integer", "null"]}),
            Self::Number => json!({"type": ["number", "null"]}),
            Self::String => json!({"type": ["string", "null"]}),
            Self::DateTime => json!({"type": ["string", "null"], "format": "date-time"}),
        }
    }

    fn duckdb(self) -> &'static str {
        match self {
            Self::Boolean => "BOOLEAN",
            Self::Integer => "BIGINT",
            Self::Number => "DOUBLE",
            Self::String => "VARCHAR",
            Self::DateTime => "TIMESTAMPTZ",
        }
    }
}

/// The JSON schema of documents with these columns. Key fields may not be null.
pub(super) fn schema(columns: &[Column], key: &str) -> Value {
    let mut schema = tree(columns).schema();
    schema["type"] = json!("object");
    let (mut place, mut pointer) = (&mut schema, key);
    while let Some((head, rest)) = pointer.split_once('/') {
        place["required"] = json!([head]);
        place = &mut place["properties"][head];
        place["type"] = json!("object");
        pointer = rest;
    }
    place["required"] = json!([pointer]);
    place["properties"][pointer]["type"] = json!("integer");
    schema
}

/// DuckDB's query that reads documents from a file of one on each line, and flattens them into the
/// columns.
pub(super) fn query(columns: &[Column], documents: &std::path::Path) -> String {
    let Node::Object(members) = tree(columns) else {
        unreachable!("the root is an object");
    };
    let types: Vec<String> = members
        .iter()
        .map(|(name, node)| format!("{}: {}", text(name), text(&node.duckdb())))
        .collect();
    let selected: Vec<String> = columns
        .iter()
        .map(|column| format!("{} AS {}", place(column.field), name(column.field)))
        .collect();
    format!(
        "SELECT {} FROM read_json({}, format = 'newline_delimited', columns = {{{}}})",
        selected.join(", "),
        text(&documents.display().to_string()),
        types.join(", ")
    )
}

/// A name in SQL.
pub(super) fn name(text: &str) -> String {
    format!("\"{}\"", text.replace('"', "\"\""))
}

/// A text in SQL.
pub(super) fn text(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// A location within nested structs.
fn place(field: &str) -> String {
    field.split('/').map(name).collect::<Vec<_>>().join(".")
}

/// The columns as they are nested.
enum Node {
    Leaf(Kind),
    Object(BTreeMap<&'static str, Node>),
}

fn tree(columns: &[Column]) -> Node {
    let mut root = Node::Object(BTreeMap::new());
    for column in columns {
        root.insert(column.field, column.kind);
    }
    root
}

impl Node {
    fn insert(&mut self, field: &'static str, kind: Kind) {
        let Self::Object(members) = self else {
            unreachable!("a location of a table is a value or an object, not both");
        };
        match field.split_once('/') {
            None => drop(members.insert(field, Self::Leaf(kind))),
            Some((head, rest)) => members
                .entry(head)
                .or_insert_with(|| Self::Object(BTreeMap::new()))
                .insert(rest, kind),
        }
    }

    fn schema(&self) -> Value {
        match self {
            Self::Leaf(kind) => kind.schema(),
            Self::Object(members) => {
                let properties: Map<String, Value> = members
                    .iter()
                    .map(|(name, node)| ((*name).to_owned(), node.schema()))
                    .collect();
                json!({"type": ["object", "null"], "properties": properties})
            }
        }
    }

    fn duckdb(&self) -> String {
        match self {
            Self::Leaf(kind) => kind.duckdb().to_owned(),
            Self::Object(members) => {
                let members: Vec<String> = members
                    .iter()
                    .map(|(member, node)| format!("{} {}", name(member), node.duckdb()))
                    .collect();
                format!("STRUCT({})", members.join(", "))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    const COLUMNS: [Column; 3] = [
        Column {
            field: "$id",
            kind: Kind::String,
        },
        Column {
            field: "meta/at",
            kind: Kind::DateTime,
        },
        Column {
            field: "meta/n",
            kind: Kind::Integer,
        },
    ];

    #[test]
    fn the_schema_is_nested_and_its_key_is_never_null() {
        assert_eq!(
            schema(&COLUMNS, "meta/n"),
            json!({
                "type": "object",
                "required": ["meta"],
                "properties": {
                    "$id": {"type": ["string", "null"]},
                    "meta": {
                        "type": "object",
                        "required": ["n"],
                        "properties": {
                            "at": {"type": ["string", "null"], "format": "date-time"},
                            "n": {"type": "integer"},
                        },
                    },
                },
            })
        );
    }

    #[test]
    fn the_query_names_every_type_and_flattens() {
        assert_eq!(
            query(&COLUMNS, Path::new("/it's/d.jsonl")),
            r#"SELECT "$id" AS "$id", "meta"."at" AS "meta/at", "meta"."n" AS "meta/n" FROM read_json('/it''s/d.jsonl', format = 'newline_delimited', columns = {'$id': 'VARCHAR', 'meta': 'STRUCT("at" TIMESTAMPTZ, "n" BIGINT)'})"#
        );
    }
}
