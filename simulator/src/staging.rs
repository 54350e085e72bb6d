//! What of a bucket is not the table: connectors keep staged files and receipts in folders of their
//! own beside it.

/// The folder's name. Readers that know Hive's conventions skip what begins with an underscore.
const FOLDER: &str = "_staged";

/// Whether a key, or a path on this machine, lies in a folder of staged files.
pub fn is_staged(key: &str) -> bool {
    key.rsplit_once('/')
        .is_some_and(|(folders, _)| folders.split('/').any(|folder| folder == FOLDER))
}

/// What the name of a staged file has behind that of the file.
const SUFFIX: &str = ".staged";

/// The name of the file that a staged object is to become; none of other keys.
pub fn file_of(key: &str) -> Option<&str> {
    let name = key.rsplit('/').next()?;
    name.strip_suffix(SUFFIX).filter(|_| is_staged(key))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_staged_object_has_the_name_of_its_file() {
        assert_eq!(file_of("a/_staged/x.parquet.staged"), Some("x.parquet"));
        assert_eq!(file_of("_staged/x.staged"), Some("x"));
        for key in ["a/_staged/x.receipt", "a/x.parquet.staged", "a/x.parquet"] {
            assert_eq!(file_of(key), None, "{key}");
        }
    }

    #[test]
    fn what_lies_below_a_staging_folder_is_not_the_table() {
        let table = [
            ("_staged/00000000-0a1b2c3d.receipt", true),
            ("a/b/_staged/x.parquet.staged", true),
            ("a/_staged/deeper/x.parquet", true),
            ("a/v0000000000/x.parquet", false),
            ("a/_staged", false),
            ("a/my_staged/x.parquet", false),
            ("a/_staged.parquet", false),
            ("_staged2/x.parquet", false),
            ("", false),
        ];
        for (key, expected) in table {
            assert_eq!(is_staged(key), expected, "{key}");
        }
    }
}
