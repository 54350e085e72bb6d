//! How the run was played, and the command that repeats it.

use super::super::document::Document;
use super::super::markup::{Markup, classed, element, plain};
use crate::figures::{self, grouped};

pub(super) fn section(document: &Document) -> Markup {
    let run = &document.run;
    let sessions = match &run.sessions {
        None => "as the fixture says".to_owned(),
        Some(lengths) => lengths
            .iter()
            .map(i64::to_string)
            .collect::<Vec<_>>()
            .join(", "),
    };
    let interval = match run.interval {
        None => "as the catalog says".to_owned(),
        Some(seconds) => format!("{seconds} s"),
    };
    let replaced = match run.replaced.as_slice() {
        [] => "nothing".to_owned(),
        all => all
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join("; "),
    };
    let not_played = if !run.unplayed.is_empty() {
        run.unplayed.to_string()
    } else if run.unplayed.more_may_come {
        "what comes after the last session".to_owned()
    } else {
        "nothing".to_owned()
    };
    let without_binding = match figures::listed(&run.without_binding) {
        none if none.is_empty() => "none".to_owned(),
        some => some,
    };
    let all = [
        ("Catalog", run.catalog.clone()),
        (
            "Documents",
            format!("{}, {} of them", run.fixture, grouped(run.documents)),
        ),
        ("Not played", not_played),
        ("Documents that no binding reads", without_binding),
        ("Connector", run.connector.join(" ")),
        (
            "Runtime and codec",
            format!("{}, {}", run.runtime, run.codec),
        ),
        ("Seed", run.seed.to_string()),
        ("Transactions of each session", sessions),
        ("Shards", run.shards.to_string()),
        ("Upload interval", interval),
        ("In place of the catalog’s", replaced),
        (
            "Store",
            match run.store.as_str() {
                "none" => "the connector’s own".to_owned(),
                store => format!("{store}: {} at {}", run.bucket, run.endpoint),
            },
        ),
    ];
    let option = |(name, value): (&str, String)| plain("dt", name).then(plain("dd", value));
    let command = element(
        "pre",
        &[("tabindex", "0")],
        plain("code", run.command.as_str()),
    );
    command.then(classed(
        "dl",
        "options",
        Markup::all(all.into_iter().map(option)),
    ))
}
