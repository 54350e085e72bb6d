//! Words of the command line that must have a form: commands, buckets, URLs.

use super::failure::Failure;

/// Splits a connector's command, which [`command`] has taken, into its words.
pub(super) fn words(command: &str) -> Vec<String> {
    shlex::split(command).unwrap_or_default()
}

/// Takes a connector's command, which names a program; its words are quoted as in a shell.
pub(super) fn command(text: &str) -> Result<String, String> {
    match shlex::split(text) {
        None => Err("a quote in it is never closed".to_owned()),
        Some(words) if words.is_empty() => {
            Err("write a program and its arguments, such as './my-connector --verbose'".to_owned())
        }
        Some(_) => Ok(text.to_owned()),
    }
}

/// The name of a bucket, by the rules of S3.
pub(super) fn bucket(text: &str) -> Result<String, String> {
    let is_of_a_name =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-".contains(&byte);
    let ends_well = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    let bytes = text.as_bytes();
    if (3..=63).contains(&bytes.len())
        && bytes.iter().copied().all(is_of_a_name)
        && ends_well(bytes.first())
        && ends_well(bytes.last())
    {
        return Ok(text.to_owned());
    }
    Err("write 3 to 63 lower-case letters, digits, dots or hyphens, such as acme-lake".to_owned())
}

/// The URL of a server, which `--s3` names.
pub(super) fn url(text: &str) -> Result<(), Failure> {
    let rest = text
        .strip_prefix("http://")
        .or_else(|| text.strip_prefix("https://"));
    let host = rest.and_then(|rest| rest.split(['/', '?', '#']).next());
    let is_word = |host: &str| !host.is_empty() && !host.contains(char::is_whitespace);
    if host.is_some_and(is_word) {
        return Ok(());
    }
    Err(Failure::usage(format!(
        "--s3 is `{text}`, which is no URL of a server; write one such as http://127.0.0.1:9000"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_named_as_s3_has_it() {
        for name in ["abc", "acme-lake.7", &"a".repeat(63)] {
            assert_eq!(bucket(name).as_deref(), Ok(name));
        }
        for name in ["", "ab", "Bad Name", "-abc", "abc.", "a_b", &"a".repeat(64)] {
            assert!(bucket(name).is_err(), "{name}");
        }
    }

    #[test]
    fn a_server_has_a_host() {
        for text in ["http://127.0.0.1:9000", "https://s3.example.com/path"] {
            assert!(url(text).is_ok(), "{text}");
        }
        for text in ["http://", "https:///x", "what", "ftp://x", "http://a b"] {
            let message = url(text).err().map(|failure| failure.message);
            assert!(message.unwrap_or_default().contains("no URL"), "{text}");
        }
    }

    #[test]
    fn a_command_has_a_word() {
        assert!(command(" ").is_err());
        assert_eq!(words(&command("./c -v").unwrap()), ["./c", "-v"]);
    }

    #[test]
    fn a_command_keeps_what_is_quoted_together() {
        let quoted = command(r#"a "b c" 'd "e"' f\ g"#).unwrap();
        assert_eq!(words(&quoted), ["a", "b c", r#"d "e""#, "f g"]);
        assert!(command("a \"b c").unwrap_err().contains("never closed"));
    }
}
