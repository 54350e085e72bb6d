//! What a run has made, as text for a person to read and for `snapshots/` to pin.

use std::fmt::Write as _;
use std::fs::File;
use std::path::{Path, PathBuf};

use flow_sim::readback::{Duck, Preview};
use flow_sim::run::BindingReport;
use parquet::file::metadata::ParquetMetaData;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::schema::printer::print_schema;

/// Where snapshots are, and what stands in them.
pub(crate) fn settings() -> insta::Settings {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("../../snapshots");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings
}

/// The footer of a file.
pub(crate) fn metadata(path: &Path) -> ParquetMetaData {
    let reader = SerializedFileReader::new(File::open(path).unwrap()).unwrap();
    reader.metadata().clone()
}

/// The schema of a file as Parquet writes it, then how its columns are stored.
pub(crate) fn footer(path: &Path) -> String {
    let metadata = metadata(path);
    let mut text = Vec::new();
    print_schema(&mut text, metadata.file_metadata().schema());
    let mut text = String::from_utf8(text).unwrap();
    for pair in metadata.file_metadata().key_value_metadata().unwrap() {
        let value = pair.value.as_deref().unwrap_or("null");
        writeln!(text, "{} = {value}", pair.key).unwrap();
    }
    let compression = metadata.row_group(0).column(0).compression();
    let created_by = metadata.file_metadata().created_by();
    writeln!(text, "created by {created_by:?}, {compression}").unwrap();
    text
}

/// The first rows, a field a line: a table of forty columns is for no one to read.
pub(crate) fn rows(preview: &Preview) -> String {
    let mut text = String::new();
    for (index, row) in preview.rows.iter().enumerate() {
        writeln!(text, "row {index}").unwrap();
        for (column, cell) in preview.columns.iter().zip(row) {
            writeln!(text, "  {column}: {}", cell.as_deref().unwrap_or("null")).unwrap();
        }
    }
    text
}

/// What a binding's files are: as DuckDB reads them, and what their footers say besides.
#[derive(Debug)]
pub(crate) struct Portrait {
    /// What identifies the binding: its collection and where its files are.
    pub(crate) title: String,
    /// Every column's name and SQL type.
    pub(crate) columns: Vec<(String, String)>,
    /// Every row's cells, as text that tells null from "null".
    pub(crate) rows: Vec<Vec<String>>,
    /// The files' names with their rows, row groups and codecs.
    files: Vec<String>,
    /// The first file's schema and metadata.
    footer: String,
}

impl Portrait {
    /// Of a binding whose files were kept below `folder`, and whose rows are all in the report.
    pub(crate) fn of(binding: &BindingReport, folder: &Path) -> Self {
        let kept = crate::runs::kept_files(folder);
        let paths: Vec<&PathBuf> = binding
            .files
            .iter()
            .map(|file| {
                let name = file_name(&file.key);
                kept.iter().find(|path| path.ends_with(name)).unwrap()
            })
            .collect();
        let columns = paths
            .first()
            .map(|path| Duck::start().unwrap().describe(path).unwrap())
            .unwrap_or_default();
        let row = |row: &Vec<Option<String>>| {
            let cells = columns.iter().zip(row);
            cells
                .map(|((_, sql), cell)| typed_text(sql, cell.as_deref()))
                .collect()
        };
        Self {
            title: format!("{} → {}", binding.collection, binding.prefix),
            rows: binding.preview.rows.iter().map(row).collect(),
            columns,
            files: paths.iter().map(|path| describe_file(path)).collect(),
            footer: paths.first().map(|path| footer(path)).unwrap_or_default(),
        }
    }

    /// The cells of a column, from the first row to the last.
    pub(crate) fn column(&self, name: &str) -> Option<Vec<&str>> {
        let index = self.columns.iter().position(|(other, _)| other == name)?;
        Some(self.rows.iter().map(|row| row[index].as_str()).collect())
    }

    /// All of it. `note` follows the columns.
    pub(crate) fn text(&self, note: &str) -> String {
        let mut text = format!("== {}\n", self.title);
        for (name, sql) in &self.columns {
            writeln!(text, "{name:?} {sql}").unwrap();
        }
        text.push_str(note);
        for row in &self.rows {
            let cells = self.columns.iter().zip(row);
            let cells: Vec<String> = cells
                .map(|((name, _), cell)| format!("{name}: {cell}"))
                .collect();
            writeln!(text, "- {}", cells.join(", ")).unwrap();
        }
        for file in &self.files {
            writeln!(text, "{file}").unwrap();
        }
        text.push_str(&self.footer);
        if self.files.is_empty() {
            text.push_str("no file\n");
        }
        text
    }
}

/// What stands after the last slash.
pub(crate) fn file_name(key: &str) -> &str {
    key.rsplit('/').next().unwrap_or(key)
}

fn typed_text(sql: &str, cell: Option<&str>) -> String {
    match (sql, cell) {
        (_, None) => "null".to_owned(),
        ("VARCHAR" | "JSON" | "BLOB", Some(text)) => serde_json::to_string(text).unwrap(),
        (_, Some(text)) => text.to_owned(),
    }
}

fn describe_file(path: &Path) -> String {
    let name = path.file_name().unwrap().to_string_lossy().into_owned();
    let metadata = metadata(path);
    let groups: Vec<String> = metadata
        .row_groups()
        .iter()
        .map(|group| group.num_rows().to_string())
        .collect();
    format!("file {name}: row groups of {} rows", groups.join(", "))
}
