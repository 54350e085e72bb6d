//! Commands that read files with DuckDB, as they are printed to be copied.

use std::path::Path;

use flow_sim::readback::local_glob;

/// How many rows a command shows.
const ROWS: usize = 10;

/// A shell command that shows the first rows of the table whose files were fetched from below
/// `prefix` into `folder`.
pub(super) fn command(folder: &Path, prefix: &str) -> String {
    let folder = literal(&folder.display().to_string());
    let pattern = format!("{folder}/{}", local_glob(prefix)).replace('\'', "''");
    // A folder that is named like a partition of Hive's is no column of these files.
    quoted(&format!(
        "FROM read_parquet('{pattern}', union_by_name = true, hive_partitioning = false) LIMIT \
         {ROWS}"
    ))
}

/// A path within a pattern of DuckDB's.
fn literal(path: &str) -> String {
    let mut literal = String::new();
    for letter in path.trim_end_matches('/').chars() {
        match letter {
            '*' | '?' | '[' => literal.extend(['[', letter, ']']),
            // DuckDB would take it for a slash.
            '\\' => literal.push('?'),
            other => literal.push(other),
        }
    }
    literal
}

/// A statement as the argument of the `duckdb` command, for a POSIX shell: in double quotes where
/// they change nothing.
fn quoted(statement: &str) -> String {
    if statement.contains(['"', '$', '`', '\\', '!']) {
        return format!("duckdb -c '{}'", statement.replace('\'', r"'\''"));
    }
    format!("duckdb -c \"{statement}\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_for_a_shell_and_for_duckdb() {
        assert_eq!(
            command(Path::new("files/"), "a b/v0000000000/"),
            "duckdb -c \"FROM read_parquet('files/a b/v0000000000/*.parquet', union_by_name = \
             true, hive_partitioning = false) LIMIT 10\""
        );
        let hostile = command(Path::new("it's [$1]"), "x/v0000000000/");
        assert!(
            hostile.starts_with(r"duckdb -c 'FROM read_parquet('\''it'\'''\''s [[]$1]/x/"),
            "{hostile}"
        );
    }
}
