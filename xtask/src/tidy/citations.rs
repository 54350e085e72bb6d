//! Documents that comments and documents point to: each must be there.

use std::path::Path;

use super::Finding;
use super::sources::Source;

pub(super) fn findings(root: &Path, sources: &[Source]) -> Vec<Finding> {
    let found = |from: &Source, cited: &str| {
        let beside = Path::new(&from.path).parent().unwrap_or(Path::new(""));
        [Path::new(""), beside, Path::new("docs")]
            .iter()
            .any(|folder| root.join(folder).join(cited).exists())
    };
    let mut findings = Vec::new();
    for source in sources {
        for (index, line) in source.text.lines().enumerate() {
            for cited in cited(source, line) {
                if !found(source, cited) {
                    let place = format!("{}:{}", source.path, index + 1);
                    findings.push(Finding::new(place, format!("`{cited}` is not there")));
                }
            }
        }
    }
    findings
}

/// The paths that a line points to: of Rust what its comments name, of Markdown the targets of
/// links within the repository.
fn cited<'a>(source: &Source, line: &'a str) -> Vec<&'a str> {
    if source.is_rust() {
        let comment = line.trim_start().strip_prefix("//").unwrap_or_default();
        let words = comment.split(|letter: char| !is_of_a_path(letter));
        words.filter(|word| is_document(word)).collect()
    } else {
        let links = line.split("](").skip(1);
        links
            .filter_map(|link| link.split([')', '#', ' ']).next())
            .filter(|target| !target.is_empty() && !target.contains(':'))
            .collect()
    }
}

fn is_of_a_path(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || "/._-".contains(letter)
}

fn is_document(word: &str) -> bool {
    word.strip_suffix(".md")
        .is_some_and(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cited_in(path: &str, line: &str) -> Vec<String> {
        let source = Source::new(path, "");
        let cited = cited(&source, line);
        cited.into_iter().map(str::to_owned).collect()
    }

    #[test]
    fn comments_cite_documents_and_code_does_not() {
        let cited = cited_in(
            "a.rs",
            "    /// See `docs/protocol.md` §2, and (tests/README.md).",
        );
        assert_eq!(cited, ["docs/protocol.md", "tests/README.md"]);
        assert!(cited_in("a.rs", "let path = \"nowhere.md\";").is_empty());
        assert!(cited_in("a.rs", "// The extension .md means Markdown.").is_empty());
    }

    #[test]
    fn documents_link_within_the_repository_and_beyond() {
        let line = "[map](ARCHITECTURE.md#rooms), ![page](docs/img/run.png) and [elsewhere](https://a.org/b.md)";
        assert_eq!(
            cited_in("README.md", line),
            ["ARCHITECTURE.md", "docs/img/run.png"]
        );
        assert!(cited_in("README.md", "[here](#guarantees)").is_empty());
    }
}
