//! `--explain`: for each field why it was taken or left, and what the connector says of it.

use flow_sim::report::Field;

/// The widest that the fields' names are made alike.
const WIDEST_NAME: usize = 28;

/// The lines for one binding: first the fields that are taken, in the order of their columns, then
/// the others.
pub(super) fn lines(collection: &str, resource_path: &[String], fields: &[Field]) -> Vec<String> {
    let longest = fields
        .iter()
        .map(|field| field.visible_name().chars().count())
        .max();
    let width = longest.unwrap_or_default().min(WIDEST_NAME);
    let mut lines = vec![format!("`{collection}` → {}", resource_path.join("/"))];
    for (title, is_taken) in [("taken", true), ("left", false)] {
        let own: Vec<&Field> = fields
            .iter()
            .filter(|field| field.role.is_some() == is_taken)
            .collect();
        if own.is_empty() {
            continue;
        }
        lines.push(format!("  {title} ({} of {}):", own.len(), fields.len()));
        lines.extend(own.into_iter().flat_map(|field| of_field(field, width)));
    }
    lines
}

fn of_field(field: &Field, width: usize) -> Vec<String> {
    let types = if field.types.is_empty() {
        "no type".to_owned()
    } else {
        field.types.join(", ")
    };
    let name = field.visible_name();
    let first = format!("    {name:width$}  it {} ({types})", field.why);
    let connector = field.constraint.as_ref().map(|constraint| {
        let reason = if field.reason.is_empty() {
            String::new()
        } else {
            format!(": {}", field.reason)
        };
        format!("    {:width$}  {constraint}{reason}", "")
    });
    [first].into_iter().chain(connector).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(name: &str, role: Option<&'static str>, why: &str) -> Field {
        Field {
            field: name.to_owned(),
            pointer: Some(format!("/{name}")),
            types: vec!["integer".to_owned()],
            role,
            constraint: None,
            reason: String::new(),
            verdict: if role.is_some() {
                "selected"
            } else {
                "rejected"
            },
            why: why.to_owned(),
            column: None,
        }
    }

    #[test]
    fn every_field_has_its_reason_and_the_connectors() {
        let fields = [
            field("id", Some("key"), "is part of the key"),
            field(" ", Some("value"), "is recommended by the connector"),
            Field {
                constraint: Some("FIELD_FORBIDDEN".to_owned()),
                reason: "only null".to_owned(),
                types: Vec::new(),
                ..field("nothing", None, "cannot be taken by the connector")
            },
        ];
        assert_eq!(
            lines(
                "acmeCo/orders",
                &["lake".to_owned(), "orders".to_owned()],
                &fields
            )
            .join("\n"),
            "\
`acmeCo/orders` → lake/orders
  taken (2 of 3):
    id       it is part of the key (integer)
    \" \"      it is recommended by the connector (integer)
  left (1 of 3):
    nothing  it cannot be taken by the connector (no type)
             FIELD_FORBIDDEN: only null"
        );
    }
}
