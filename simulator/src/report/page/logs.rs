//! What the connector logged.

use serde_json::Value;

use super::super::document::{Document, LogLine};
use super::super::markup::{Markup, classed, element, plain, table};
use super::{MOST_ROWS, left_out, number};
use crate::figures::duration;

pub(super) fn section(document: &Document) -> Markup {
    let logs = &document.logs;
    let rows = logs.iter().take(MOST_ROWS).map(row);
    let note = "The times are those of the runtime’s next step.";
    classed("p", "note", note)
        .then(table(
            "The connector’s log",
            "logs",
            &[("number", "At"), ("", "Level"), ("", "Message")],
            rows,
        ))
        .then(left_out(MOST_ROWS, logs.len()))
}

fn row(line: &LogLine) -> Markup {
    let level = classed("span", &format!("badge {}", line.level), line.level);
    let fields = line
        .fields
        .iter()
        .map(|(name, value)| plain("li", plain("code", format!("{name}={}", short(value)))));
    let fields = if line.fields.is_empty() {
        Markup::nothing()
    } else {
        classed("ul", "pairs", Markup::all(fields))
    };
    let message = classed("p", "message", line.message.as_str());
    element(
        "tr",
        &[("class", line.level)],
        number(duration(line.at_micros))
            .then(plain("td", level))
            .then(plain("td", message.then(fields))),
    )
}

fn short(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
