//! Where `--report` writes its page: the whole of it, or nothing.

use std::path::Path;

use flow_sim::whole_file;

use super::failure::Failure;

/// Refuses a path that cannot be written to, before the run and not after it.
pub(super) fn require_folder(path: &Path) -> Result<(), Failure> {
    let folder = whole_file::folder(path);
    if path.is_dir() || path.file_name().is_none() {
        return Err(Failure::usage(format!(
            "--report {} is a folder; name a file in it, such as {}",
            path.display(),
            path.join("report.html").display()
        )));
    }
    if folder.is_dir() {
        return Ok(());
    }
    Err(Failure::usage(format!(
        "--report {}: there is no folder {}; make it first",
        path.display(),
        folder.display()
    )))
}

/// Writes the page beside its place first, and moves it there when it is whole.
pub(super) fn write(path: &Path, page: &str) -> Result<(), Failure> {
    whole_file::write(path, page.as_bytes())
        .map_err(|error| Failure::not_written(format!("--report {}", path.display()), &error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_replaces_the_one_before_and_leaves_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("report.html");
        for text in ["first", "second"] {
            write(&path, text).ok().unwrap();
            assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
        }
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_path_that_cannot_be_written_is_refused_with_its_cure() {
        let folder = tempfile::tempdir().unwrap();
        let refused = |path: &Path| require_folder(path).err().map(|failure| failure.message);
        assert!(refused(folder.path()).unwrap().contains("report.html"));
        assert!(
            refused(&folder.path().join("none/r.html"))
                .unwrap()
                .contains("make it first")
        );
        assert_eq!(refused(&folder.path().join("r.html")), None);
        assert_eq!(refused(Path::new("r.html")), None);
    }
}
