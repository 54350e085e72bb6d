//! The command line as one could type it again.

/// Our own command line, for a POSIX shell.
pub(super) fn line() -> String {
    quoted(std::env::args().skip(1))
}

fn quoted(arguments: impl Iterator<Item = String>) -> String {
    let words = arguments.map(|argument| quote(&argument));
    std::iter::once("flow-sim".to_owned())
        .chain(words)
        .collect::<Vec<_>>()
        .join(" ")
}

fn quote(word: &str) -> String {
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "-_./:=,@%+".contains(letter);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_where_a_shell_would_read_more_into_them() {
        let words = ["run", "a b/flow.yaml", "--name", "it's", ""];
        assert_eq!(
            quoted(words.iter().map(ToString::to_string)),
            r"flow-sim run 'a b/flow.yaml' --name 'it'\''s' ''"
        );
    }
}
