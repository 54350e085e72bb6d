//! What became of each binding: its files, its fields, its first rows.

use super::super::document::{Binding, Document, Field, File, Verdict};
use super::super::markup::{Markup, classed, element, path, plain, table};
use super::{MOST_ROWS, left_out, number};
use crate::figures::{bytes, grouped, listed, plural, ratio};

pub(super) fn section(document: &Document) -> Markup {
    let bindings = document
        .bindings
        .iter()
        .map(|binding| of_binding(document, binding));
    Markup::all(bindings)
}

fn of_binding(document: &Document, binding: &Binding) -> Markup {
    let is_failed = document.verdict == Verdict::Failed && document.run.store != "none";
    let place = if binding.is_read_back || is_failed {
        format!("s3://{}/{}", document.run.bucket, binding.prefix)
    } else {
        binding.prefix.clone()
    };
    let difference = binding
        .difference
        .as_ref()
        .map(|difference| classed("p", "problem", format!("Different: {difference}")));
    classed(
        "article",
        "binding",
        plain("h3", path(&binding.collection))
            .then(classed("p", "place", path(&place)))
            .then(plain("p", summary(document, binding)))
            .then(outside(binding))
            .then(difference.unwrap_or_default())
            .then(files(binding))
            .then(fields(binding))
            .then(preview(binding)),
    )
}

fn summary(document: &Document, binding: &Binding) -> String {
    if document.verdict == Verdict::Failed {
        return "The run failed before its files were read back.".to_owned();
    }
    if !binding.is_read_back {
        let kind = if binding.is_delta {
            "delta updates"
        } else {
            "standard"
        };
        let loaded = if binding.is_delta {
            String::new()
        } else {
            let loaded = plural(binding.loaded, "document");
            format!(" {loaded} were loaded as they had been stored.")
        };
        return format!(
            "{} became {} ({kind}); its files were not read back.{loaded}",
            plural(binding.documents, "document"),
            plural(binding.rows, "row"),
        );
    }
    format!(
        "{} became {} in {}: {} of JSON, {} of Parquet.",
        plural(binding.documents, "document"),
        plural(binding.rows, "row"),
        plural(binding.files.len() as u64, "file"),
        bytes(binding.json_bytes),
        bytes(binding.file_bytes),
    )
}

/// Which values are not in a column of their own.
fn outside(binding: &Binding) -> Markup {
    let kinds = [
        ("Rescued into flow_rescued", &binding.rescued),
        ("Exact in flow_exact", &binding.exact),
        (
            "In no column, with the rows that have them",
            &binding.missing,
        ),
    ];
    let found = kinds.into_iter().filter(|(_, counts)| !counts.is_empty());
    let lines =
        found.map(|(title, counts)| classed("p", "note", format!("{title}: {}.", listed(counts))));
    Markup::all(lines)
}

fn files(binding: &Binding) -> Markup {
    if binding.files.is_empty() {
        return Markup::nothing();
    }
    let headings = [
        ("", "File"),
        ("number", "Rows"),
        ("number", "Size"),
        ("number", "Ratio"),
    ];
    let largest = binding.files.iter().map(|file| file.bytes).max();
    let rows = binding
        .files
        .iter()
        .take(MOST_ROWS)
        .map(|file| of_file(file, &binding.prefix, largest.unwrap_or_default()));
    let label = format!("Files of {}", binding.collection);
    table(&label, "files", &headings, rows).then(left_out(MOST_ROWS, binding.files.len()))
}

fn of_file(file: &File, prefix: &str, largest: u64) -> Markup {
    let name = file.key.strip_prefix(prefix).unwrap_or(&file.key);
    let share = format!(
        "--share: {:.1}%",
        100.0 * file.bytes as f64 / largest.max(1) as f64
    );
    let bar = element(
        "span",
        &[("class", "bar"), ("style", &share), ("aria-hidden", "true")],
        "",
    );
    let ratio = file.json_bytes.and_then(|json| ratio(json, file.bytes));
    let unknown = || "–".to_owned();
    plain(
        "tr",
        element("th", &[("scope", "row")], path(name))
            .then(number(file.rows.map_or_else(unknown, grouped)))
            .then(number(Markup::text(&bytes(file.bytes)).then(bar)))
            .then(number(ratio.unwrap_or_else(unknown))),
    )
}

fn fields(binding: &Binding) -> Markup {
    let taken = binding
        .fields
        .iter()
        .filter(|field| field.role.is_some())
        .count();
    let summary = format!(
        "Fields: {taken} of {} taken",
        grouped(binding.fields.len() as u64)
    );
    let others = binding.other_columns.iter().map(other_column);
    let rows = binding.fields.iter().map(of_field).chain(others);
    let headings = [("", "Field"), ("", "Column"), ("", "Why")];
    let label = format!("Fields of {}", binding.collection);
    element(
        "details",
        &[("open", "")],
        plain("summary", summary).then(table(&label, "fields", &headings, rows)),
    )
}

fn of_field(field: &Field) -> Markup {
    let name = path(&field.visible_name()).then(classed("span", "note", schema(field)));
    let column = match (&field.column, field.role) {
        (Some(column), _) => plain("code", column.as_str()),
        (None, Some(_)) => Markup::text("no file yet"),
        (None, None) => Markup::text("–"),
    };
    let role = match field.role {
        Some("value") | None => Markup::nothing(),
        Some(role) => classed("span", "badge", role),
    };
    element(
        "tr",
        &[("class", field.verdict)],
        element("th", &[("scope", "row")], name)
            .then(plain("td", column.then(" ").then(role)))
            .then(plain("td", why(field))),
    )
}

/// What the schema says of it: its location, where the name does not tell, and its types.
fn schema(field: &Field) -> String {
    let pointer = field
        .pointer
        .as_ref()
        .filter(|pointer| **pointer != format!("/{}", field.field));
    let location = pointer.map(|pointer| match pointer.as_str() {
        "" => "the whole document".to_owned(),
        pointer => pointer.to_owned(),
    });
    let types = Some(field.types.join(", ")).filter(|types| !types.is_empty());
    location
        .into_iter()
        .chain(types)
        .collect::<Vec<_>>()
        .join(": ")
}

fn why(field: &Field) -> Markup {
    let verdict = match field.verdict {
        "selected" => "taken",
        "rejected" => "left",
        "incompatible" => "needs a backfill",
        other => other,
    };
    let constraint = field.constraint.as_ref().map(|constraint| {
        let reason = if field.reason.is_empty() {
            Markup::nothing()
        } else {
            Markup::text(&format!(": {}", field.reason))
        };
        classed("span", "note", path(constraint).then(reason))
    });
    classed("span", &format!("badge {}", field.verdict), verdict)
        .then(format!(" It {}.", field.why))
        .then(constraint.unwrap_or_default())
}

fn other_column((name, kind): &(String, String)) -> Markup {
    plain(
        "tr",
        element("th", &[("scope", "row")], path(name))
            .then(plain("td", plain("code", kind.as_str())))
            .then(plain("td", "The connector’s own column.")),
    )
}

fn preview(binding: &Binding) -> Markup {
    let preview = &binding.preview;
    if preview.rows.is_empty() {
        return Markup::nothing();
    }
    let summary = format!("The first {}", plural(preview.rows.len() as u64, "row"));
    let headings: Vec<(&str, &str)> = preview
        .columns
        .iter()
        .map(|column| ("", column.as_str()))
        .collect();
    let cell = |cell: &Option<String>| match cell {
        Some(text) => plain("td", classed("div", "cell", text.as_str())),
        None => classed("td", "null", "null"),
    };
    let rows = preview
        .rows
        .iter()
        .map(|row| plain("tr", Markup::all(row.iter().map(cell))));
    let label = format!("The first rows of {}", binding.collection);
    plain(
        "details",
        plain("summary", summary).then(table(&label, "preview", &headings, rows)),
    )
}
