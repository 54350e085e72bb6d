//! A plan as people read it.

use super::super::super::markup::{Markup, classed, element, plain, table};
use crate::figures::{bytes, grouped, plural};
use crate::s3::{Attempts, Fault, KeyPattern};
use crate::torture::{Change, End, Incident, Plan, Session, What};

/// The sessions that the plan wants.
pub(super) fn sessions(plan: &Plan) -> Markup {
    if plan.sessions.is_empty() {
        return classed(
            "p",
            "note",
            "The plan has no session of its own: the clean ones are all there are.",
        );
    }
    let headings = [
        ("number", "Session"),
        ("", "Before it"),
        ("", "Transactions"),
        ("", "What shall happen in it"),
        ("", "The input ends"),
    ];
    let rows = plan.sessions.iter().enumerate().map(|(index, session)| {
        let heading = [("scope", "row"), ("class", "number")];
        plain(
            "tr",
            element("th", &heading, index.to_string())
                .then(plain("td", lines(session.changes.iter().map(change))))
                .then(plain("td", lines(transactions(session).into_iter())))
                .then(plain("td", lines(session.incidents.iter().map(incident))))
                .then(plain("td", end(session.end))),
        )
    });
    plain("h3", "The plan").then(table("The plan’s sessions", "", &headings, rows))
}

fn lines(lines: impl Iterator<Item = String>) -> Markup {
    let mut all: Vec<String> = lines.collect();
    if all.is_empty() {
        all.push("–".to_owned());
    }
    Markup::all(all.into_iter().map(|line| classed("div", "line", line)))
}

fn transactions(session: &Session) -> Vec<String> {
    let second = session.second_stack.map(|transaction| {
        let documents = plural(u64::from(transaction.documents), "document");
        format!("a second stack: {documents}")
    });
    own_transactions(session)
        .into_iter()
        .chain(second)
        .collect()
}

fn own_transactions(session: &Session) -> Option<String> {
    let documents = session.transactions.iter();
    let documents = documents.map(|transaction| u64::from(transaction.documents));
    let count = session.transactions.len() as u64;
    if count == 0 {
        return None;
    }
    let payload = session.transactions.iter();
    let payload = payload.map(|transaction| transaction.payload_bytes).max();
    let payload = match payload.unwrap_or_default() {
        0 => String::new(),
        most => format!(", of up to {}", bytes(u64::from(most))),
    };
    Some(format!(
        "{}: {}{payload}",
        plural(count, "transaction"),
        plural(documents.sum(), "document")
    ))
}

fn change(change: &Change) -> String {
    match change {
        Change::Split { shard } => format!("shard {shard} is split"),
        Change::Merge { shard } => format!("shard {shard} takes its right neighbour over"),
        Change::Remove { binding } => format!("binding {binding} is removed"),
        Change::Restore { binding } => format!("binding {binding} is there again"),
        Change::Backfill { binding } => format!("binding {binding} is backfilled"),
        Change::Remake { same_name: true } => "the task is made again".to_owned(),
        Change::Remake { same_name: false } => "the task is made again by another name".to_owned(),
        Change::Expire => "a rule of the bucket removes what is staged".to_owned(),
        Change::LoseReceipts => "every receipt is gone".to_owned(),
        Change::Commit { commit } => format!("advanced.commit is now {}", commit.name()),
        Change::Proxy { runs: true } => "the store has another address and other keys".to_owned(),
        Change::Proxy { runs: false } => "the store has its own address again".to_owned(),
        Change::Bucket { second: true } => "the task goes on in the second bucket".to_owned(),
        Change::Bucket { second: false } => "the task goes on in the first bucket".to_owned(),
        Change::Loader { runs: true } => "a loader takes files away from now on".to_owned(),
        Change::Loader { runs: false } => "the loader stops".to_owned(),
    }
}

fn incident(incident: &Incident) -> String {
    let Incident {
        shard,
        at,
        nth,
        what,
    } = incident;
    let what = match what {
        What::Kill { after_milliseconds } => format!("killed{}", later(*after_milliseconds)),
        What::Freeze {
            after_milliseconds,
            until,
        } => format!(
            "stopped{} until {until:?} of a successor",
            later(*after_milliseconds)
        ),
        What::CloseInput => "its input ends".to_owned(),
        What::Terminate => "asked to stop".to_owned(),
        What::RevokeAccess => "its credentials are revoked".to_owned(),
    };
    let nth = match nth {
        0 => String::new(),
        nth => format!(" number {}", nth + 1),
    };
    format!("shard {shard}, after {at:?}{nth}: {what}")
}

fn later(milliseconds: u64) -> String {
    match milliseconds {
        0 => String::new(),
        milliseconds => format!(" {milliseconds} ms later"),
    }
}

fn end(end: End) -> &'static str {
    match end {
        End::Committed => "after the last commit",
        End::AcknowledgeSent => "right after Acknowledge",
        End::Waiting => "while it waits for the end of the upload interval",
        End::Acknowledged => "when all is acknowledged",
    }
}

/// The faults that the server has in store.
pub(super) fn faults(plan: &Plan) -> Markup {
    let faults = &plan.server.faults;
    if faults.is_empty() {
        return Markup::nothing();
    }
    let headings = [
        ("", "Effect"),
        ("", "Operation"),
        ("", "Keys"),
        ("", "Attempts"),
        ("number", "Share"),
    ];
    plain("h3", "Faults in store").then(table(
        "Faults in store",
        "",
        &headings,
        faults.iter().map(fault),
    ))
}

fn fault(fault: &Fault) -> Markup {
    let operation = fault
        .operation
        .map_or("any".to_owned(), |operation| operation.to_string());
    let keys = match &fault.key {
        KeyPattern::Any => "any".to_owned(),
        KeyPattern::Exact(text) => text.clone(),
        KeyPattern::Prefix(text) => format!("{text}…"),
        KeyPattern::Contains(text) => format!("…{text}…"),
    };
    let part = fault.part.map(|part| format!(", part {part}"));
    let attempts = match fault.attempts {
        Attempts::ALL => "all".to_owned(),
        Attempts { first, last } if first == last => first.to_string(),
        Attempts { first, last } => format!("{first} to {last}"),
    };
    let effect = serde_json::to_string(&fault.effect).unwrap_or_default();
    let share = format!("{} ‰", grouped(u64::from(fault.per_mille)));
    plain(
        "tr",
        element(
            "th",
            &[("scope", "row")],
            plain("code", effect.trim_matches('"')),
        )
        .then(plain("td", plain("code", operation)))
        .then(plain("td", format!("{keys}{}", part.unwrap_or_default())))
        .then(plain("td", attempts))
        .then(classed("td", "number", share)),
    )
}

/// What the plan says of the task and the server.
pub(super) fn facts(plan: &Plan) -> Markup {
    let bindings = plan.bindings.iter().map(|binding| {
        let document = if binding.document { ", document" } else { "" };
        format!("{} ({}{document})", binding.prefix, binding.compression)
    });
    let codec = match plan.codec {
        crate::torture::Codec::Proto => "proto",
        crate::torture::Codec::Json => "json",
    };
    let versions = if plan.server.versioned {
        ", keeps versions"
    } else {
        ""
    };
    let all = [
        (
            "Runtime and codec",
            format!("{}, {codec}", plan.runtime.name()),
        ),
        ("Bindings", bindings.collect::<Vec<_>>().join(", ")),
        ("Keys", grouped(u64::from(plan.keys))),
        ("Files end after", bytes(plan.file_size_limit)),
        (
            "The S3 server",
            format!(
                "has the manners of {}{versions}",
                plan.server.manners.name()
            ),
        ),
        ("advanced.commit", plan.commit.name().to_owned()),
    ];
    let fact = |(name, value): (&str, String)| plain("dt", name).then(plain("dd", value));
    classed("dl", "options", Markup::all(all.into_iter().map(fact)))
}

/// The plan as `--plan` reads it.
pub(super) fn json(plan: &Plan) -> String {
    serde_json::to_string_pretty(plan).unwrap_or_default()
}
