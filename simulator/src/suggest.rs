//! "Did you mean …?": the nearest right name, for every error about a name nobody knows.

/// The name among `known` nearest to `wrong`; `None` when there is nothing to choose from.
pub fn nearest<'a>(wrong: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let wrong = wrong.to_lowercase();
    let closeness = |name: &str| (strsim::jaro_winkler(&wrong, &name.to_lowercase()) * 1e6) as u64;
    known.into_iter().max_by_key(|name| closeness(name))
}

/// The end of an error about an unknown name: ``; did you mean `x`?``, or nothing when there is nothing to choose from.
pub fn did_you_mean<'a>(wrong: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    nearest(wrong, known)
        .map(|name| format!("; did you mean `{name}`?"))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_nearest_name_whatever_its_case() {
        let known = ["source", "resource", "fields", "backfill"];
        assert_eq!(nearest("Resorce", known), Some("resource"));
        assert_eq!(nearest("feilds", known), Some("fields"));
        assert_eq!(did_you_mean("x", []), "");
    }
}
