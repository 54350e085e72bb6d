//! The timeline: what is drawn of it, and the tables.

use super::super::document::{Document, Lane, Phase, Span, Transaction};
use super::super::markup::{Markup, classed, element, plain, table};
use super::drawing::{Drawing, figure};
use super::phases::{PHASES, Shown};
use super::{MOST_ROWS, left_out, number};
use crate::figures::{duration, grouped};

pub(super) fn section(document: &Document) -> Markup {
    let drawing = Drawing {
        id: "timeline",
        micros: document.timeline.micros,
        lanes: drawn(document),
        requests: &document.requests,
    };
    around(document)
        .then(figure(&drawing))
        .then(kills(&document.timeline.lanes))
        .then(transactions(document))
}

fn is_session(lane: &Lane) -> bool {
    let is_around = |span: &Span| matches!(span.phase, Phase::Prepare | Phase::ReadBack);
    lane.spans.iter().any(|span| !is_around(span))
}

/// The sessions; all lanes, where it came to none.
fn drawn(document: &Document) -> &[Lane] {
    let lanes = &document.timeline.lanes;
    let first = lanes.iter().position(is_session);
    let last = lanes.iter().rposition(is_session);
    first
        .zip(last)
        .map_or(lanes, |(first, last)| &lanes[first..=last])
}

/// What is not drawn: how long it took to prepare, and to read back.
fn around(document: &Document) -> Markup {
    let lanes = &document.timeline.lanes;
    if !lanes.iter().any(is_session) {
        return Markup::nothing();
    }
    let took = |phase: Phase| {
        let spans = lanes.iter().flat_map(|lane| &lane.spans);
        let span = spans.into_iter().find(|span| span.phase == phase);
        span.map(|span| duration(span.micros()))
    };
    let before = took(Phase::Prepare).map(|time| {
        format!(" Before them, {time} went by to read the documents and ask the connector.")
    });
    let after = took(Phase::ReadBack)
        .map(|time| format!(" After them, it took {time} to read the files back."));
    let text = format!(
        "The sessions are drawn.{}{} Times count from the beginning of the run.",
        before.unwrap_or_default(),
        after.unwrap_or_default()
    );
    classed("p", "note", text)
}

/// What has interrupted sessions, as a table.
pub(super) fn kills(lanes: &[Lane]) -> Markup {
    let rows: Vec<Markup> = lanes
        .iter()
        .flat_map(|lane| lane.kills.iter().map(move |kill| (lane, kill)))
        .map(|(lane, kill)| {
            plain(
                "tr",
                number(duration(kill.at_micros))
                    .then(classed("td", "brief", lane.title()))
                    .then(plain("td", kill.step.as_str())),
            )
        })
        .collect();
    if rows.is_empty() {
        return Markup::nothing();
    }
    let headings = [("number", "At"), ("", "In"), ("", "What happened")];
    plain("h3", "Interruptions").then(table("Interruptions", "", &headings, rows))
}

fn transactions(document: &Document) -> Markup {
    let all = &document.timeline.transactions;
    if all.is_empty() {
        return Markup::nothing();
    }
    let phases: Vec<&Shown> = PHASES
        .iter()
        .filter(|(phase, ..)| all.iter().any(|one| one.phases.contains_key(phase)))
        .collect();
    let mut headings = vec![("number", "#"), ("", "In"), ("number", "Rows")];
    headings.extend(phases.iter().map(|(_, _, name, _)| ("number", *name)));
    headings.push(("number", "Committed at"));
    let rows = all
        .iter()
        .take(MOST_ROWS)
        .map(|one| transaction(one, &phases));
    plain("h3", "Transactions")
        .then(table("Transactions", "", &headings, rows))
        .then(left_out(MOST_ROWS, all.len()))
}

fn transaction(one: &Transaction, phases: &[&Shown]) -> Markup {
    let took = phases.iter().map(|(phase, ..)| {
        let took = one.phases.get(phase);
        number(took.map_or("–".to_owned(), |micros| duration(*micros)))
    });
    let mut lane = one.lane.clone();
    if let Some(shard) = one.shard {
        lane = format!("{lane}, shard {shard}");
    }
    if one.attempts > 1 {
        lane = format!("{lane}, begun {} times", one.attempts);
    }
    let committed = one
        .committed_micros
        .map_or("not committed".to_owned(), duration);
    plain(
        "tr",
        element(
            "th",
            &[("scope", "row"), ("class", "number")],
            one.number.to_string(),
        )
        .then(classed("td", "brief", lane))
        .then(number(grouped(one.rows)))
        .then(Markup::all(took))
        .then(number(committed)),
    )
}
