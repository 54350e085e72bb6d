//! Fields whose columns change from one file to the next, because the schema or a configuration has
//! changed.

use std::collections::HashMap;
use std::fmt;

use super::column::{ColumnType, applied_column_type, column_type, projections_by_field};
use crate::error::Result;
use crate::protocol::flow;

/// A change of what stands in the column of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    /// What stands in it before.
    pub from: ColumnType,
    /// What stands in it afterwards.
    pub to: ColumnType,
}

impl Change {
    /// Compares two column types of a field; none where values stand in both in the same way.
    pub fn between(from: ColumnType, to: ColumnType) -> Option<Self> {
        (!from.has_form_of(to)).then_some(Self { from, to })
    }

    /// What becomes of queries over files of both forms, as a sentence.
    pub fn consequence(self) -> &'static str {
        if self.from.data_type() == self.to.data_type() {
            "Every reader takes both for one column of text, and compares them as text: queries \
             have to expect both."
        } else {
            "DuckDB with `union_by_name` finds a common type; Spark, PyArrow, polars and \
             DataFusion refuse to read files of both types as one table. A backfill of the binding \
             writes all of it anew, in one type."
        }
    }
}

impl fmt::Display for Change {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { from, to } = self;
        write!(formatter, "from {from} to {to}")?;
        if from.data_type() == to.data_type() {
            let (before, after) = match to {
                ColumnType::Json => ("abc", "\"abc\""),
                _ => ("\"abc\"", "abc"),
            };
            write!(formatter, " (`{before}` becomes `{after}`)")?;
        }
        Ok(())
    }
}

/// A collection, and what is selected of it.
pub type Selected<'a> = (&'a flow::CollectionSpec, &'a flow::FieldSelection);

/// Lists the fields that are selected before and afterwards, and whose columns change; in the order
/// of the selection afterwards.
///
/// Errors where a field's configuration afterwards is not known.
pub fn changes<'a>(before: Selected<'_>, after: Selected<'a>) -> Result<Vec<(&'a str, Change)>> {
    let (before, mut changes) = (column_types(before), Vec::new());
    let (collection, selection) = after;
    let projections = projections_by_field(collection);
    for field in selected_fields(selection) {
        let from = before.get(field).copied();
        let to = match projections.get(field) {
            Some(projection) => column_type(projection, &selection.field_config_json_map)?,
            None => None,
        };
        if let Some(change) = from
            .zip(to)
            .and_then(|(from, to)| Change::between(from, to))
        {
            changes.push((field, change));
        }
    }
    Ok(changes)
}

fn column_types((collection, selection): Selected<'_>) -> HashMap<&str, ColumnType> {
    let projections = projections_by_field(collection);
    let columns = selected_fields(selection).filter_map(|field| {
        let projection = projections.get(field)?;
        Some((field, applied_column_type(projection, selection)?))
    });
    columns.collect()
}

/// Lists the fields of a selection: keys, values, document.
pub fn selected_fields(selection: &flow::FieldSelection) -> impl Iterator<Item = &str> {
    let document = Some(&selection.document).filter(|document| !document.is_empty());
    let fields = selection.keys.iter().chain(&selection.values);
    fields.chain(document).map(String::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_says_from_what_to_what_and_who_refuses_it() {
        let change = Change::between(ColumnType::String, ColumnType::Json).unwrap();
        assert_eq!(
            change.to_string(),
            r#"from STRING to JSON text (`abc` becomes `"abc"`)"#
        );
        assert!(change.consequence().contains("expect both"));
        let back = Change::between(ColumnType::Json, ColumnType::CastToString).unwrap();
        assert_eq!(
            back.to_string(),
            r#"from JSON text to STRING (`"abc"` becomes `abc`)"#
        );
        let integer = ColumnType::Integer { strings: false };
        let change = Change::between(integer, ColumnType::String).unwrap();
        assert_eq!(change.to_string(), "from INT64 to STRING");
        for reader in ["DuckDB", "Spark", "PyArrow", "polars", "DataFusion"] {
            assert!(change.consequence().contains(reader), "{reader}");
        }
        let strings = ColumnType::Integer { strings: true };
        assert_eq!(Change::between(integer, strings), None);
    }
}
