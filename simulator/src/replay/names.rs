//! Which name of this run stands for which of the recording: tokens, upload ids, the endpoint's
//! place.

use std::collections::BTreeMap;

/// Names of the recording and of this run, one to one.
#[derive(Clone, Debug, Default)]
pub(super) struct Names {
    to_recorded: BTreeMap<String, String>,
    to_ours: BTreeMap<String, String>,
}

impl Names {
    /// Makes two names stand for the same thing. False where one of them stands for another thing
    /// already.
    pub(super) fn bind(&mut self, recorded: &str, ours: &str) -> bool {
        match (self.to_ours.get(recorded), self.to_recorded.get(ours)) {
            (None, None) => {
                self.to_ours.insert(recorded.to_owned(), ours.to_owned());
                self.to_recorded
                    .insert(ours.to_owned(), recorded.to_owned());
                true
            }
            (known, other) => {
                known.is_some_and(|known| known == ours)
                    && other.is_some_and(|other| other == recorded)
            }
        }
    }

    /// The name of the recording that stands for one of ours.
    pub(super) fn recorded(&self, ours: &str) -> Option<&str> {
        self.to_recorded.get(ours).map(String::as_str)
    }

    /// Whether a name of the recording stands for one of ours.
    pub(super) fn is_bound(&self, recorded: &str) -> bool {
        self.to_ours.contains_key(recorded)
    }

    /// A text of ours in the recording's terms.
    pub(super) fn to_recorded(&self, text: &str) -> String {
        replace(text, &self.to_recorded)
    }

    /// A text of the recording in our terms.
    pub(super) fn to_ours(&self, text: &str) -> String {
        replace(text, &self.to_ours)
    }
}

/// Replaces every name that stands in `text` as a word of its own, in one pass: what was put in is
/// not looked at again.
fn replace(text: &str, names: &BTreeMap<String, String>) -> String {
    let mut replaced = String::new();
    let mut rest = text;
    let mut before = None;
    while let Some(letter) = rest.chars().next() {
        let found = names
            .iter()
            .filter(|(name, _)| stands_at_start(rest, name, before))
            .max_by_key(|(name, _)| name.len());
        let (taken, put) = match found {
            Some((name, other)) => (name.len(), other.as_str()),
            None => (letter.len_utf8(), &rest[..letter.len_utf8()]),
        };
        replaced.push_str(put);
        before = rest[..taken].chars().next_back();
        rest = &rest[taken..];
    }
    replaced
}

fn stands_at_start(text: &str, name: &str, before: Option<char>) -> bool {
    let is_word = |letter: Option<char>| letter.is_some_and(char::is_alphanumeric);
    !name.is_empty()
        && text
            .strip_prefix(name)
            .is_some_and(|rest| !is_word(before) && !is_word(rest.chars().next()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_stands_for_one_thing_only() {
        let mut names = Names::default();
        assert!(names.bind("a", "x"));
        assert!(names.bind("a", "x"));
        assert!(!names.bind("a", "y"));
        assert!(!names.bind("b", "x"));
        assert!(names.bind("b", "y"));
        assert_eq!(names.recorded("y"), Some("b"));
        assert!(names.is_bound("a") && !names.is_bound("x"));
    }

    #[test]
    fn names_are_replaced_as_words_and_all_at_once() {
        let mut names = Names::default();
        names.bind("1111", "2222");
        names.bind("2222", "1111");
        names.bind("http://a:1", "http://b:2");
        assert_eq!(
            names.to_ours("k/0-1111.parquet 2222 11112222"),
            "k/0-2222.parquet 1111 11112222"
        );
        assert_eq!(names.to_recorded("at http://b:2/x"), "at http://a:1/x");
        assert_eq!(names.to_recorded("at http://b:22"), "at http://b:22");
        assert_eq!(names.to_recorded("é2222é"), "é2222é");
    }
}
