//! DuckDB as the reader of Parquet files, inside this process.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use duckdb::Connection;
use duckdb::types::Value;
use serde_json::Map;

use super::cell::Cell;
use super::error::{Error, Result};

/// A DuckDB of our own, in memory.
pub struct Duck {
    connection: Connection,
}

/// A few rows as DuckDB shows them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Preview {
    /// The columns' names.
    pub columns: Vec<String>,
    /// The cells as text; none for null.
    pub rows: Vec<Vec<Option<String>>>,
}

impl Duck {
    /// Starts it. Rows come in the order in which they stand in a file, and times in UTC.
    pub fn start() -> Result<Self> {
        let failed = |source| Error::DuckDb {
            name: "its own settings".to_owned(),
            source,
        };
        let connection = Connection::open_in_memory().map_err(failed)?;
        connection
            .execute_batch("SET preserve_insertion_order = true; SET TimeZone = 'UTC'")
            .map_err(failed)?;
        Ok(Self { connection })
    }

    /// The columns of a file: their names as the file has them, and the types as DuckDB has them.
    pub fn describe(&self, path: &Path) -> Result<Vec<(String, String)>> {
        let file = quoted(path);
        let table = table(path);
        // DuckDB renames columns whose names differ only in case; the file's schema has them as
        // they are. Its first row is the schema itself.
        let names = self.texts(path, &format!("SELECT name FROM parquet_schema({file})"))?;
        let types = self.texts(
            path,
            &format!("SELECT column_type FROM (DESCRIBE SELECT * FROM {table})"),
        )?;
        Ok(names.into_iter().skip(1).zip(types).collect())
    }

    /// Every row of a file in order, as long as `visit` wants more.
    pub fn rows(
        &self,
        path: &Path,
        mut visit: impl FnMut(Vec<Cell>) -> ControlFlow<()>,
    ) -> Result<()> {
        let width = self.describe(path)?.len();
        let failed = |source| Error::DuckDb {
            name: path.display().to_string(),
            source,
        };
        let query = format!("SELECT * FROM {}", table(path));
        let mut statement = self.connection.prepare(&query).map_err(failed)?;
        let mut rows = statement.query([]).map_err(failed)?;
        while let Some(row) = rows.next().map_err(failed)? {
            let cells = (0..width).map(|column| row.get::<_, Value>(column).map(Cell::found));
            if visit(cells.collect::<Result<_, _>>().map_err(failed)?).is_break() {
                break;
            }
        }
        Ok(())
    }

    /// The first rows of files that are read as one table, with every column as text.
    pub fn preview(&self, paths: &[PathBuf], rows: usize) -> Result<Preview> {
        if paths.is_empty() {
            return Ok(Preview::default());
        }
        let files: Vec<String> = paths.iter().map(|path| quoted(path)).collect();
        self.show(&format!(
            "FROM read_parquet([{}], union_by_name = true, hive_partitioning = false) LIMIT {rows}",
            files.join(", ")
        ))
    }

    /// What a query gives, with every column as text.
    pub fn show(&self, query: &str) -> Result<Preview> {
        let name = Path::new("the files as one table");
        let columns = format!("SELECT column_name FROM (DESCRIBE {query})");
        let columns = self.texts(name, &columns)?;
        let failed = |source| Error::DuckDb {
            name: name.display().to_string(),
            source,
        };
        let query = format!("SELECT CAST(COLUMNS(*) AS VARCHAR) FROM ({query})");
        let mut statement = self.connection.prepare(&query).map_err(failed)?;
        let cells =
            |row: &duckdb::Row<'_>| (0..columns.len()).map(|column| row.get(column)).collect();
        let rows = statement
            .query_map([], cells)
            .map_err(failed)?
            .collect::<Result<_, _>>()
            .map_err(failed)?;
        Ok(Preview { columns, rows })
    }

    /// Counts the members of the JSON objects in a file's column by name; nothing where the file
    /// does not have it.
    pub fn count_members(
        &self,
        path: &Path,
        column: &str,
        counts: &mut BTreeMap<String, u64>,
    ) -> Result<()> {
        let columns = self.describe(path)?;
        let Some(index) = columns.iter().position(|(name, _)| name == column) else {
            return Ok(());
        };
        // By its place: DuckDB renames one whose name differs from another only in case.
        let table = table(path);
        let names = format!("SELECT column_name FROM (DESCRIBE SELECT * FROM {table})");
        let names = self.texts(path, &names)?;
        let name = names.get(index).map_or(column, String::as_str);
        let name = name.replace('"', "\"\"");
        let texts = format!("SELECT \"{name}\" FROM {table} WHERE \"{name}\" IS NOT NULL");
        for text in self.texts(path, &texts)? {
            // What is no object was found by the comparison.
            let members: Map<String, serde_json::Value> =
                serde_json::from_str(&text).unwrap_or_default();
            for (field, _) in members {
                *counts.entry(field).or_default() += 1;
            }
        }
        Ok(())
    }

    /// Runs a statement, for tests that write files.
    #[cfg(test)]
    pub(crate) fn execute(&self, statement: &str) {
        self.connection.execute_batch(statement).unwrap();
    }

    /// The first column of a query about `path`, as text.
    fn texts(&self, path: &Path, query: &str) -> Result<Vec<String>> {
        let failed = |source| Error::DuckDb {
            name: path.display().to_string(),
            source,
        };
        let mut statement = self.connection.prepare(query).map_err(failed)?;
        statement
            .query_map([], |row| row.get(0))
            .map_err(failed)?
            .collect::<Result<_, _>>()
            .map_err(failed)
    }
}

/// A file as a table: its own columns and nothing else, although its folders may be named like
/// Hive's partitions.
fn table(path: &Path) -> String {
    format!("read_parquet({}, hive_partitioning = false)", quoted(path))
}

/// A path as a literal of SQL.
fn quoted(path: &Path) -> String {
    format!("'{}'", path.display().to_string().replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_members_of_a_column_are_counted_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.parquet");
        let duck = Duck::start().unwrap();
        duck.execute(&format!(
            "COPY (SELECT * FROM (VALUES ('{{\"x\": 9}}', '{{\"a\": 1, \"b\": 2}}'), (NULL, \
             '{{\"a\": 3}}'), (NULL, NULL)) t(other, flow_exact)) TO {} (FORMAT parquet)",
            quoted(&path)
        ));
        let count = |column| {
            let mut counts = BTreeMap::new();
            duck.count_members(&path, column, &mut counts).unwrap();
            counts.into_iter().collect::<Vec<_>>()
        };
        let expected = [("a".to_owned(), 2), ("b".to_owned(), 1)];
        assert_eq!(count("flow_exact"), expected);
        assert!(count("flow_rescued").is_empty());
    }
}
