//! The timeline: what is drawn of it, and the tables.

use super::super::document::{Document, Lane, Phase, Transaction};
use super::super::markup::{Markup, classed, element, plain, table};
use super::drawing::figure;
use super::phases::{PHASES, Shown};
use super::{MOST_ROWS, left_out, number};
use crate::figures::{duration, grouped};

pub(super) fn section(document: &Document) -> Markup {
    around(document)
        .then(figure(document, drawn(document)))
        .then(kills(document))
        .then(transactions(document))
}

/// The sessions; all lanes, where it came to none.
fn drawn(document: &Document) -> &[Lane] {
    let lanes = &document.timeline.lanes;
    let is_session = |lane: &Lane| {
        lane.spans
            .iter()
            .any(|span| !matches!(span.phase, Phase::Prepare | Phase::ReadBack))
    };
    let first = lanes.iter().position(is_session);
    let last = lanes.iter().rposition(is_session);
    first
        .zip(last)
        .map_or(lanes, |(first, last)| &lanes[first..=last])
}

/// What is not drawn: how long it took to prepare, and to read back.
fn around(document: &Document) -> Markup {
    let lanes = drawn(document);
    let began = lanes.first().and_then(|lane| lane.spans.first());
    let ended = lanes.last().and_then(|lane| lane.spans.last());
    let (Some(began), Some(ended)) = (began, ended) else {
        return Markup::nothing();
    };
    let before = duration(began.began_micros);
    let after = duration(document.timeline.micros - ended.ended_micros);
    let text = format!(
        "The sessions are drawn. Before them, {before} went by to read the documents and ask the connector; after them, \
         {after} to read the files back. Times count from the beginning of the run."
    );
    classed("p", "note", text)
}

fn kills(document: &Document) -> Markup {
    let lanes = &document.timeline.lanes;
    let rows: Vec<Markup> = lanes
        .iter()
        .flat_map(|lane| lane.kills.iter().map(move |kill| (lane, kill)))
        .map(|(lane, kill)| {
            plain(
                "tr",
                number(duration(kill.at_micros))
                    .then(plain("td", lane.name.as_str()))
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
    let lane = match one.attempts {
        0 | 1 => one.lane.clone(),
        attempts => format!("{}, begun {attempts} times", one.lane),
    };
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
