//! The drawing of the timeline, for the eye; the tables have the same in numbers.

use super::super::document::{Lane, Phase, Request, Span};
use super::super::markup::{Markup, classed, element, plain};
use super::phases::{PHASES, of_phase};
use super::scale::{AXIS, Scale, axis};
use super::tracks::{bundle, height, tracks};
use crate::figures::duration;

/// Heights in pixels: a lane, its label, its bar.
const LANE: usize = 52;
pub(super) const LABEL: usize = 15;
const BAR: usize = 20;

/// A transaction that has room for its number, in percent.
const ROOM: f64 = 2.5;

/// What is drawn.
#[derive(Clone, Copy)]
pub(super) struct Drawing<'a> {
    /// Tells it from every other drawing of the page.
    pub(super) id: &'a str,
    /// How long all took, in microseconds.
    pub(super) micros: u64,
    pub(super) lanes: &'a [Lane],
    pub(super) requests: &'a [Request],
}

/// A drawing, with its legend.
pub(super) fn figure(drawing: &Drawing<'_>) -> Markup {
    let lanes = drawing.lanes;
    let scale = Scale::of(drawing.micros, lanes);
    let requests: Vec<&Request> = drawing
        .requests
        .iter()
        .filter(|request| scale.holds(request))
        .collect();
    let tracks = tracks(&requests);
    let height = lanes.len() * LANE + height(&tracks) + AXIS;
    let bars = lanes
        .iter()
        .enumerate()
        .map(|(index, one)| lane(scale, index * LANE, one));
    let content = title(drawing.id, lanes)
        .then(axis(scale, height))
        .then(Markup::all(bars))
        .then(bundle(scale, lanes.len() * LANE, &requests, &tracks));
    let labels = format!("{0}-title {0}-description", drawing.id);
    let place = [
        ("class", "timeline"),
        ("width", "100%"),
        ("height", &height.to_string()),
        ("role", "img"),
        ("aria-labelledby", &labels),
    ];
    plain(
        "figure",
        element("svg", &place, content).then(legend(lanes)),
    )
}

/// What the drawing shows, for those who do not see it.
fn title(id: &str, lanes: &[Lane]) -> Markup {
    let lanes = lanes.iter().map(|lane| {
        let (Some(first), Some(last)) = (lane.spans.first(), lane.spans.last()) else {
            return lane.title();
        };
        let (from, to) = (duration(first.began_micros), duration(last.ended_micros));
        format!("{}: {from} to {to}", lane.title())
    });
    let description = lanes.collect::<Vec<_>>().join("; ");
    element(
        "title",
        &[("id", &format!("{id}-title"))],
        "Timeline of the sessions",
    )
    .then(element(
        "desc",
        &[("id", &format!("{id}-description"))],
        format!("{description}. The tables below have the numbers."),
    ))
}

fn lane(scale: Scale, top: usize, lane: &Lane) -> Markup {
    let began = lane.spans.first().map(|span| span.began_micros);
    let at = began.unwrap_or_default();
    // A label near the right edge ends where its lane ends.
    let is_late = scale.percent(at) > 75.0;
    let anchor = if is_late { "end" } else { "start" };
    let x = if is_late {
        "100%".to_owned()
    } else {
        scale.place(at)
    };
    let y = (top + LABEL - 4).to_string();
    let label = [
        ("class", "lane"),
        ("x", &x),
        ("y", &y),
        ("text-anchor", anchor),
    ];
    let spans = lane.spans.iter().map(|one| span(scale, top + LABEL, one));
    let commits = lane.commits.iter().map(|at| {
        let text = format!("Committed at {}", duration(*at));
        mark(scale, top + LABEL, *at, "commit", &text)
    });
    let kills = lane.kills.iter().map(|kill| {
        let text = format!("{} at {}", kill.step, duration(kill.at_micros));
        mark(scale, top + LABEL, kill.at_micros, "kill", &text)
    });
    let mut numbers: Vec<u64> = lane
        .spans
        .iter()
        .filter_map(|span| span.transaction)
        .collect();
    numbers.dedup();
    let numbers = numbers
        .into_iter()
        .map(|number| transaction_number(scale, top + LABEL, number, &lane.spans));
    element("text", &label, lane.title())
        .then(Markup::all(spans))
        .then(Markup::all(commits))
        .then(Markup::all(numbers))
        .then(Markup::all(kills))
}

fn span(scale: Scale, top: usize, span: &Span) -> Markup {
    let (_, class, name, what) = of_phase(span.phase);
    let (x, width) = (scale.place(span.began_micros), scale.width(span.micros()));
    let transaction = span
        .transaction
        .map(|number| format!("Transaction {number}: "));
    let title = format!(
        "{}{name}, {} ({what})",
        transaction.unwrap_or_default(),
        duration(span.micros())
    );
    let (y, height) = (top.to_string(), BAR.to_string());
    let place = [
        ("class", class),
        ("x", &*x),
        ("y", &y),
        ("width", &width),
        ("height", &height),
    ];
    element("rect", &place, plain("title", title))
}

/// Its number below the middle of a transaction, where there is room.
fn transaction_number(scale: Scale, top: usize, number: u64, spans: &[Span]) -> Markup {
    let own = || {
        spans
            .iter()
            .filter(move |span| span.transaction == Some(number) && span.phase <= Phase::Stage)
    };
    let from = own()
        .map(|span| span.began_micros)
        .min()
        .unwrap_or_default();
    let to = own()
        .map(|span| span.ended_micros)
        .max()
        .unwrap_or_default();
    if scale.share(to - from) < ROOM {
        return Markup::nothing();
    }
    let x = scale.place(from + (to - from) / 2);
    let y = (top + BAR + 12).to_string();
    let place = [("x", &*x), ("y", &y), ("text-anchor", "middle")];
    element("text", &place, format!("#{number}"))
}

/// A line across a bar.
fn mark(scale: Scale, top: usize, at: u64, class: &str, title: &str) -> Markup {
    let x = scale.place(at);
    let (from, to) = ((top - 3).to_string(), (top + BAR + 3).to_string());
    let line = [
        ("class", class),
        ("x1", &*x),
        ("x2", &x),
        ("y1", &from),
        ("y2", &to),
    ];
    element("line", &line, plain("title", title))
}

/// The phases that occur, with their colours.
fn legend(lanes: &[Lane]) -> Markup {
    let spans = lanes.iter().flat_map(|lane| &lane.spans);
    let present: Vec<Phase> = spans.map(|span| span.phase).collect();
    let swatch = |class: &str| classed("i", class, "");
    let entries = PHASES
        .iter()
        .filter(|(phase, ..)| present.contains(phase))
        .map(|(_, class, name, what)| {
            let text = plain("b", *name).then(format!(" {what}"));
            plain("li", swatch(class).then(text))
        });
    let commit = present.contains(&Phase::Stage).then(|| {
        plain(
            "li",
            swatch("commit")
                .then(plain("b", "Commit"))
                .then(" the checkpoint is durable"),
        )
    });
    let is_killed = lanes.iter().any(|lane| !lane.kills.is_empty());
    let kill = is_killed.then(|| {
        plain(
            "li",
            swatch("kill")
                .then(plain("b", "Interruption"))
                .then(" killed, or failed"),
        )
    });
    classed(
        "ul",
        "legend",
        Markup::all(entries.chain(commit).chain(kill)),
    )
}
