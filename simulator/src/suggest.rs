//! "Did you mean …?": the nearest right name, for every error about a name nobody knows.

/// How alike two names are at least where one may be a slip for the other.
const ALIKE: f64 = 0.8;

/// The most names that are listed.
const LISTED: usize = 12;

/// The name among `known` nearest to `wrong`; `None` when there is nothing to choose from.
pub fn nearest<'a>(wrong: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let wrong = wrong.to_lowercase();
    let closeness = |name: &str| (strsim::jaro_winkler(&wrong, &name.to_lowercase()) * 1e6) as u64;
    known.into_iter().max_by_key(|name| closeness(name))
}

/// The end of an error about an unknown name: ``; did you mean `x`?``, or what there is to choose
/// from where no name is alike.
pub fn did_you_mean<'a>(wrong: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let known: Vec<&str> = known.into_iter().collect();
    let lowercase = wrong.to_lowercase();
    let is_alike = |name: &&str| strsim::jaro_winkler(&lowercase, &name.to_lowercase()) >= ALIKE;
    if let Some(name) = nearest(wrong, known.iter().copied()).filter(is_alike) {
        return format!("; did you mean `{name}`?");
    }
    let mut listed: Vec<String> = known
        .iter()
        .take(LISTED)
        .map(|name| format!("`{name}`"))
        .collect();
    if known.len() > LISTED {
        listed.push("…".to_owned());
    }
    if listed.is_empty() {
        return String::new();
    }
    format!("; known are {}", listed.join(", "))
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
        assert_eq!(did_you_mean("feilds", known), "; did you mean `fields`?");
    }

    #[test]
    fn a_name_that_is_like_no_other_is_not_taken_for_a_slip() {
        assert_eq!(
            did_you_mean("prefix", ["region", "bucket"]),
            "; known are `region`, `bucket`"
        );
        let many: Vec<String> = (0..20).map(|n| format!("name-{n}")).collect();
        let listed = did_you_mean("zzz", many.iter().map(String::as_str));
        assert!(listed.ends_with("`name-11`, …"), "{listed}");
    }
}
