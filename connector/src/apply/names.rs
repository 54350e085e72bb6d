//! Names that readers of the files take for something else.

use std::collections::{HashMap, HashSet};

use tracing::warn;

use super::selected;
use crate::error::{Error, Result};
use crate::mapping::{EXACT_FIELD, RESCUED_FIELD, selected_fields};
use crate::protocol::flow::{FieldSelection, MaterializationSpec, materialization_spec};

/// Checks the folders and fields of every binding.
///
/// Errors where a folder has the name of a field. Of a binding that `last` had already that is a
/// warning, because an upgrade of the connector must not stop it; and so are names that differ only
/// in case.
pub(super) fn check(
    materialization: &MaterializationSpec,
    last: Option<&MaterializationSpec>,
) -> Result<()> {
    let applied: HashSet<_> = last
        .iter()
        .flat_map(|last| &last.bindings)
        .map(|binding| &binding.resource_path)
        .collect();
    for binding in &materialization.bindings {
        let Some((collection, selection)) = selected(materialization, binding) else {
            continue;
        };
        if let Some(message) = folder_with_the_name_of_a_field(binding, selection) {
            let error = Error::config(format!(
                "the binding of collection `{}`: {message}",
                collection.name
            ));
            if !applied.contains(&binding.resource_path) {
                return Err(error);
            }
            warn!("{error}");
        }
        for (one, other) in names_that_differ_only_in_case(selection) {
            warn!(
                collection = collection.name,
                "the columns `{one}` and `{other}` differ only in case: DuckDB shows the second \
                 under another name, Spark refuses the files unless `spark.sql.caseSensitive` is \
                 set, and Athena, Trino and Hive show only one of them; project one under another \
                 name"
            );
        }
    }
    Ok(())
}

/// What is wrong with a folder `name=…` of the prefix where a field is selected that has its name
/// in any case.
fn folder_with_the_name_of_a_field(
    binding: &materialization_spec::Binding,
    selection: &FieldSelection,
) -> Option<String> {
    let path = super::path(binding);
    let mut folders = path
        .split('/')
        .filter_map(|folder| Some((folder, folder.split_once('=')?)));
    folders.find_map(|(folder, (name, rest))| {
        let field = selected_fields(selection).find(|field| is_same_name(field, name))?;
        let leave_out = if selection.keys.iter().any(|key| key == field) {
            ""
        } else {
            ", or leave the field out, under `fields.exclude` of the binding"
        };
        Some(format!(
            "the folder `{folder}` of `/pathPrefix` has the name of the field `{field}`, and \
             readers take such a folder for a column: DuckDB, Spark, polars and ClickHouse show \
             its value in place of the field's, and PyArrow fails. Rename the folder, such as \
             `{name}_part={rest}`{leave_out}"
        ))
    })
}

fn names_that_differ_only_in_case(selection: &FieldSelection) -> Vec<(&str, &str)> {
    let mut seen = HashMap::new();
    let names = selected_fields(selection).chain([RESCUED_FIELD, EXACT_FIELD]);
    names
        .filter_map(|name| {
            let earlier = *seen.entry(name.to_lowercase()).or_insert(name);
            (earlier != name).then_some((earlier, name))
        })
        .collect()
}

fn is_same_name(one: &str, other: &str) -> bool {
    one.to_lowercase() == other.to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::flow::CollectionSpec;

    fn selection(keys: &[&str], values: &[&str]) -> FieldSelection {
        let names = |fields: &[&str]| fields.iter().map(|&field| field.to_owned()).collect();
        FieldSelection {
            keys: names(keys),
            values: names(values),
            ..Default::default()
        }
    }

    fn task(path: &str, keys: &[&str], values: &[&str]) -> MaterializationSpec {
        let binding = materialization_spec::Binding {
            resource_path: vec![path.to_owned()],
            collection: Some(CollectionSpec {
                name: "acmeCo/events".to_owned(),
                ..Default::default()
            }),
            field_selection: Some(selection(keys, values)),
            ..Default::default()
        };
        MaterializationSpec {
            bindings: vec![binding],
            ..Default::default()
        }
    }

    #[test]
    fn a_folder_with_the_name_of_a_field_is_refused_with_both_cures() {
        for (path, field) in [
            ("events/date=%Y-%m-%d", "date"),
            ("Date=2026/events", "date"),
            ("events/größe=1", "Größe"),
            ("a=1/date=x/b=2", "DATE"),
        ] {
            let fields = [field, "other"];
            let error = check(&task(path, &["id"], &fields), None).unwrap_err();
            let error = error.to_string();
            for part in ["acmeCo/events", "_part=", "fields.exclude", "PyArrow"] {
                assert!(error.contains(part), "{error}");
            }
        }
    }

    #[test]
    fn a_key_cannot_be_left_out() {
        let error = check(&task("date=%Y", &["date"], &[]), None).unwrap_err();
        let error = error.to_string();
        assert!(error.contains("`date_part=%Y`"), "{error}");
        assert!(!error.contains("fields.exclude"), "{error}");
    }

    #[test]
    fn other_folders_are_fine() {
        for path in ["events", "events/day=%Y", "date", "=date", "dates=1/date"] {
            check(&task(path, &["id"], &["date"]), None).unwrap();
        }
    }

    #[test]
    fn a_binding_that_was_applied_already_is_only_warned() {
        let before = task("date=%Y", &["id"], &[]);
        let now = task("date=%Y", &["id"], &["date"]);
        check(&now, Some(&before)).unwrap();
        let elsewhere = task("events", &["id"], &["date"]);
        check(&now, Some(&elsewhere)).unwrap_err();
    }

    #[test]
    fn names_that_differ_only_in_case_are_found() {
        let selection = selection(&["id"], &["a", "ID", "größe", "GRÖßE", "Flow_Exact"]);
        assert_eq!(
            names_that_differ_only_in_case(&selection),
            [
                ("id", "ID"),
                ("größe", "GRÖßE"),
                ("Flow_Exact", "flow_exact")
            ]
        );
    }
}
