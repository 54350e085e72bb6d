//! What no JSON schema says about the texts of an endpoint configuration. `Err` tells what is wrong
//! and the right form; it follows the name of the property.

/// The least and the greatest length of a bucket's name in bytes; buckets from the time before the
/// limit of 63 have up to 255.
const BUCKET_BYTES: std::ops::RangeInclusive<usize> = 3..=255;

/// An access key or a secret: copied whole, and without the white space around it. Nothing of it is
/// shown.
pub(super) fn credential(text: &str) -> Result<(), String> {
    if text.contains(|character: char| character.is_whitespace() || character.is_control()) {
        return Err(
            "holds white space or control characters, probably from copying it: remove them".into(),
        );
    }
    Ok(())
}

/// A bare bucket name, loosely by S3's rules: the store has the last word.
pub(super) fn bucket(text: &str) -> Result<(), String> {
    let bare = text.split_once("://").map_or(text, |(_, rest)| rest);
    let name = bare
        .split('/')
        .find(|part| !part.is_empty())
        .unwrap_or("my-bucket");
    if text.contains('/') {
        return Err(format!(
            "is `{text}`, expected the bare name, `{name}`: folders go into the bindings' \
             `/pathPrefix`"
        ));
    }
    let plausible =
        |character: char| character.is_ascii_alphanumeric() || ".-_".contains(character);
    if !text.chars().all(plausible) || !BUCKET_BYTES.contains(&text.len()) {
        return Err(format!(
            "is `{}`, expected a name of 3 to 63 lower-case letters, digits, dots and hyphens",
            text.escape_default()
        ));
    }
    Ok(())
}

/// A region's code, as it stands in host names; other stores than AWS have their own.
pub(super) fn region(text: &str) -> Result<(), String> {
    if text
        .chars()
        .all(|character| character.is_ascii_alphanumeric() || ".-_".contains(character))
    {
        return Ok(());
    }
    Err(format!(
        "is `{}`, expected a region's code such as `us-east-1`",
        text.escape_default()
    ))
}

/// The URL of an S3-compatible API: scheme, host, port if any, and a path if any. Credentials in it
/// are not shown.
pub(super) fn endpoint(text: &str) -> Result<(), String> {
    let Some(rest) = text
        .strip_prefix("https://")
        .or_else(|| text.strip_prefix("http://"))
    else {
        return Err(format!(
            "does not begin with `https://` or `http://`, expected a URL such as `https://{}`",
            bare_host(text)
        ));
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    // Wherever it stands: a secret may hold a slash, and would then look like a port and a path.
    if rest.contains('@') {
        return Err(
            "holds credentials: they go into `/awsAccessKeyId` and `/awsSecretAccessKey`".into(),
        );
    }
    if rest.contains(|character: char| {
        "?#\\".contains(character) || character.is_whitespace() || character.is_control()
    }) {
        return Err("holds a query, a fragment, a backslash, white space or a control character: expected only scheme, \
             host, port and path, such as `https://s3.example.com`"
            .into());
    }
    host_and_port(authority)
}

/// The endpoint in the form in which the SDK puts exactly one slash between its path, if any, and
/// the bucket: without a slash at the end of a bare host, and with one at the end of a path.
pub(super) fn normalised_endpoint(text: &str) -> String {
    let trimmed = text.trim_end_matches('/');
    let has_path = trimmed
        .split_once("://")
        .is_some_and(|(_, rest)| rest.contains('/'));
    if has_path {
        format!("{trimmed}/")
    } else {
        trimmed.to_owned()
    }
}

/// The same endpoint without `bucket`, where that is in it, as in the URLs of buckets that
/// providers show: at the beginning of its host or at the end of its path.
pub(super) fn endpoint_without_bucket(endpoint: &str, bucket: &str) -> Option<String> {
    let (scheme, rest) = endpoint.trim_end_matches('/').split_once("://")?;
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let (first, host) = authority.split_at_checked(bucket.len()).unwrap_or_default();
    let host = host.strip_prefix('.').filter(|host| !host.is_empty());
    if let (Some(host), true) = (host, first.eq_ignore_ascii_case(bucket)) {
        let slash = if path.is_empty() { "" } else { "/" };
        return Some(format!("{scheme}://{host}{slash}{path}"));
    }
    let (parents, last) = path.rsplit_once('/').unwrap_or(("", path));
    let slash = if parents.is_empty() { "" } else { "/" };
    (last == bucket).then(|| format!("{scheme}://{authority}{slash}{parents}"))
}

fn host_and_port(authority: &str) -> Result<(), String> {
    // The colons inside the brackets of an IPv6 address are no ports.
    let port_colon = authority
        .rfind(':')
        .filter(|colon| authority.rfind(']').is_none_or(|bracket| bracket < *colon));
    let (host, port) = port_colon.map_or((authority, None), |colon| {
        (&authority[..colon], Some(&authority[colon + 1..]))
    });
    if host.is_empty() {
        return Err("has no host, expected a URL such as `https://s3.example.com`".into());
    }
    match port {
        Some(port) if port.parse::<u16>().is_err() => Err(format!(
            "has the port `{port}`, expected 1 to 65535 or none"
        )),
        _ => Ok(()),
    }
}

/// A text without scheme and credentials.
fn bare_host(text: &str) -> String {
    let public = text.rsplit('@').next().unwrap_or_default();
    public
        .rsplit('/')
        .find(|part| !part.is_empty())
        .unwrap_or("s3.example.com")
        .trim()
        .escape_default()
        .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_buckets_are_bare() {
        for right in ["my-bucket", "a.b.c", "abc", "Old_Style"] {
            assert_eq!(bucket(right), Ok(()), "{right}");
        }
        for wrong in [
            "s3://my-bucket/data",
            "/my-bucket",
            "my-bucket/",
            "https://my-bucket/x",
        ] {
            assert!(
                bucket(wrong)
                    .unwrap_err()
                    .contains("bare name, `my-bucket`"),
                "{wrong}"
            );
        }
        for wrong in ["ab", "my bucket", "bücket", "a\nbc", "arn:aws:s3"] {
            assert!(bucket(wrong).unwrap_err().contains("3 to 63"), "{wrong}");
        }
    }

    #[test]
    fn regions_are_codes() {
        for right in ["us-east-1", "auto", "nyc3", "my_region"] {
            assert_eq!(region(right), Ok(()), "{right}");
        }
        for wrong in ["US East (Ohio)", "us-east-1 ", "eu/west"] {
            assert!(
                region(wrong).unwrap_err().contains("`us-east-1`"),
                "{wrong}"
            );
        }
    }

    #[test]
    fn endpoints_are_urls_with_a_host() {
        for right in [
            "https://s3.example.com",
            "http://127.0.0.1:9000/",
            "http://[::1]",
            "http://[::1]:9000",
            "https://x.example/storage/v1/s3",
        ] {
            assert_eq!(endpoint(right), Ok(()), "{right}");
        }
        let cases = [
            ("s3.example.com", "`https://s3.example.com`"),
            ("//s3.example.com", "`https://s3.example.com`"),
            ("s3://host", "`https://host`"),
            ("HTTPS://host", "`https://host`"),
            ("https://", "no host"),
            ("http://:9000", "no host"),
            ("https://host:port", "the port `port`"),
            ("https://host:", "the port ``"),
            ("https://host:99999", "the port `99999`"),
            ("https://host/?x=1", "a query"),
            ("https://host ", "white space"),
        ];
        for (wrong, reason) in cases {
            let message = endpoint(wrong).unwrap_err();
            assert!(message.contains(reason), "{wrong}: {message}");
        }
    }

    #[test]
    fn endpoints_end_so_that_one_slash_follows() {
        let cases = [
            ("https://host", "https://host"),
            ("https://host/", "https://host"),
            ("https://host:9000//", "https://host:9000"),
            ("https://host/storage/v1/s3", "https://host/storage/v1/s3/"),
            ("https://host/storage/v1/s3/", "https://host/storage/v1/s3/"),
            ("https://host/a//", "https://host/a/"),
        ];
        for (text, normalised) in cases {
            assert_eq!(normalised_endpoint(text), normalised, "{text}");
            assert_eq!(normalised_endpoint(normalised), normalised);
        }
    }

    #[test]
    fn a_bucket_in_an_endpoint_is_found_and_taken_out() {
        let cases = [
            (
                "https://acme.nyc3.example.com",
                Some("https://nyc3.example.com"),
            ),
            (
                "https://ACME.nyc3.example.com/",
                Some("https://nyc3.example.com"),
            ),
            ("http://acme.host:9000/s3", Some("http://host:9000/s3")),
            ("https://host/acme", Some("https://host")),
            ("https://host:9000/s3/acme/", Some("https://host:9000/s3")),
            ("https://acme", None),
            ("http://acme:9000", None),
            ("https://acme.", None),
            ("https://acmeco.example.com", None),
            ("https://host/acme/s3", None),
            ("https://host/not-acme", None),
            ("https://größe.example.com", None),
            ("https://s3.example.com", None),
        ];
        for (endpoint, without) in cases {
            assert_eq!(
                endpoint_without_bucket(endpoint, "acme").as_deref(),
                without,
                "{endpoint}"
            );
        }
    }

    #[test]
    fn credentials_in_an_endpoint_are_not_shown() {
        for wrong in [
            "https://key:hunter2@host",
            "key:hunter2@host",
            "http://key:hunter2@host/x?y",
            "http://key:hunter2/x@host",
            "key:hunter2@",
            "s3://key:hunter2@/",
        ] {
            assert!(!endpoint(wrong).unwrap_err().contains("hunter2"), "{wrong}");
        }
    }

    #[test]
    fn credentials_are_copied_whole() {
        assert_eq!(credential("AKIA/+=x"), Ok(()));
        for wrong in ["AKIA ", "\nAKIA", "AK\tIA", "AK\u{0}IA"] {
            assert!(
                credential(wrong).unwrap_err().contains("white space"),
                "{wrong:?}"
            );
        }
    }
}
