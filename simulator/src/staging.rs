//! What of a bucket is not the table: connectors keep staged files and receipts in folders of their own beside it.

/// The folder's name. Readers that know Hive's conventions skip what begins with an underscore.
const FOLDER: &str = "_staged";

/// Whether a key, or a path on this machine, lies in a folder of staged files.
pub fn is_staged(key: &str) -> bool {
    key.rsplit_once('/')
        .is_some_and(|(folders, _)| folders.split('/').any(|folder| folder == FOLDER))
}

#[cfg(test)]
mod tests {
    use super::*;

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
