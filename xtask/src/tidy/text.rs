//! How a file begins, and how wide its lines are.

use super::Finding;
use super::sources::Source;

/// The columns that a line has at most. rustfmt holds code to it, and neither comments nor texts.
pub(super) const COLUMNS: usize = 100;

/// The lines of Rust that may be wider: JSON, certificates and diagrams, harder to read in two
/// pieces. The number may only fall.
pub(super) const MOST_LONG_LINES: usize = 105;

pub(super) fn findings(sources: &[Source]) -> Vec<Finding> {
    let unopened = sources.iter().filter(|source| !is_opened(source));
    let mut findings: Vec<_> = unopened
        .map(|source| Finding::new(&source.path, "begins without `//!`: what is this file for?"))
        .collect();
    let count = long_lines(sources);
    if count > MOST_LONG_LINES {
        let what = format!(
            "{count} lines are wider than {COLUMNS} columns, at most {MOST_LONG_LINES} may be"
        );
        findings.extend(sources.iter().flat_map(wide));
        findings.push(Finding::new("all files", what));
    }
    findings
}

/// Counts the lines of Rust that are too wide.
pub(super) fn long_lines(sources: &[Source]) -> usize {
    sources.iter().flat_map(wide).count()
}

fn wide(source: &Source) -> impl Iterator<Item = Finding> {
    let lines = source.text.lines().enumerate();
    let wide = lines.filter(|(_, line)| source.is_rust() && line.chars().count() > COLUMNS);
    wide.map(|(index, line)| {
        let place = format!("{}:{}", source.path, index + 1);
        Finding::new(place, format!("{} columns", line.chars().count()))
    })
}

/// Tells whether a file says at its top what it is for; what belongs to a module of tests need not.
fn is_opened(source: &Source) -> bool {
    !source.is_rust() || source.is_test() || source.text.starts_with("//!")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_says_what_it_is_for() {
        let places = |path: &str, text: &str| findings(&[Source::new(path, text)]).len();
        assert_eq!(places("a/b.rs", "use x;\n"), 1);
        assert_eq!(places("a/b.rs", "//! Does.\nuse x;\n"), 0);
        assert_eq!(places("a/b/tests.rs", "use x;\n"), 0);
        assert_eq!(places("README.md", "# Title\n"), 0);
    }

    #[test]
    fn wide_lines_are_counted_by_characters_and_named_once_they_are_too_many() {
        let wide = format!("//! {}\n", "é".repeat(COLUMNS));
        let fits = format!("//! {}\n", "é".repeat(COLUMNS - 4));
        assert_eq!(
            long_lines(&[Source::new("a.rs", &(wide.clone() + &fits))]),
            1
        );
        assert!(findings(&[Source::new("a.rs", &wide)]).is_empty());
        let many = findings(&[Source::new("a.rs", &wide.repeat(MOST_LONG_LINES + 1))]);
        assert_eq!(many.len(), MOST_LONG_LINES + 2);
        assert_eq!(many[1].place, "a.rs:2");
    }
}
