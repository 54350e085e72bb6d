//! The timeline: a drawing for the eye, and the same in numbers as a table.
//!
//! Places along the time are percentages, so that the drawing is as wide as the page, and its text as large as other text.

use super::super::document::{Document, Lane, Phase, Request, Span, Transaction};
use super::super::markup::{Markup, classed, element, plain, table};
use super::{MOST_ROWS, left_out, number};
use crate::figures::{duration, grouped, plural};

/// A phase as it is shown: its class, its name, and what it is.
type Shown = (Phase, &'static str, &'static str, &'static str);

/// Every phase, in the order of a session.
const PHASES: [Shown; 10] = [
    (
        Phase::Prepare,
        "prepare",
        "Prepare",
        "read, ask for Spec and Validate, combine",
    ),
    (Phase::Open, "open", "Open", "start, Apply, Open"),
    (
        Phase::Recover,
        "recover",
        "Recover",
        "complete what was committed before",
    ),
    (Phase::Flush, "flush", "Flush", "until Flushed"),
    (Phase::Store, "store", "Store", "rows are sent"),
    (
        Phase::Stage,
        "stage",
        "Stage",
        "StartCommit until the commit",
    ),
    (
        Phase::Complete,
        "complete",
        "Complete",
        "Acknowledge until Acknowledged",
    ),
    (
        Phase::Pace,
        "pace",
        "Pace",
        "the connector holds Acknowledged back",
    ),
    (
        Phase::Stop,
        "stop",
        "Stop",
        "end of input until the end of the process",
    ),
    (
        Phase::ReadBack,
        "read-back",
        "Read back",
        "fetch and compare",
    ),
];

/// Heights in pixels.
const LANE: usize = 52;
const LABEL: usize = 15;
const BAR: usize = 20;
const REQUEST: usize = 8;
const AXIS: usize = 26;

/// How many requests are drawn side by side, and how many at all.
const MOST_TRACKS: usize = 8;
const MOST_REQUESTS: usize = 2000;

/// The narrowest that anything is drawn, and a span that has room for a number, in percent.
const NARROWEST: f64 = 0.15;
const ROOM: f64 = 2.5;

pub(super) fn section(document: &Document) -> Markup {
    around(document)
        .then(figure(document))
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

fn figure(document: &Document) -> Markup {
    let lanes = drawn(document);
    let scale = Scale::of(document, lanes);
    let requests: Vec<&Request> = document
        .requests
        .iter()
        .filter(|request| scale.holds(request))
        .collect();
    let tracks = tracks(&requests);
    let requests_height = match tracks.iter().max() {
        None => 0,
        Some(last) => LABEL + (last + 1) * REQUEST + 10,
    };
    let height = lanes.len() * LANE + requests_height + AXIS;
    let bars = lanes
        .iter()
        .enumerate()
        .map(|(index, one)| lane(scale, index * LANE, one));
    let content = title(lanes)
        .then(axis(scale, height))
        .then(Markup::all(bars))
        .then(bundle(scale, lanes.len() * LANE, &requests, &tracks));
    let drawing = [
        ("class", "timeline"),
        ("width", "100%"),
        ("height", &height.to_string()),
        ("role", "img"),
        ("aria-labelledby", "timeline-title timeline-description"),
    ];
    plain(
        "figure",
        element("svg", &drawing, content).then(legend(lanes)),
    )
}

/// What the drawing shows, for those who do not see it.
fn title(lanes: &[Lane]) -> Markup {
    let lanes = lanes.iter().map(|lane| {
        let (Some(first), Some(last)) = (lane.spans.first(), lane.spans.last()) else {
            return lane.name.clone();
        };
        let (from, to) = (duration(first.began_micros), duration(last.ended_micros));
        format!("{}: {from} to {to}", lane.name)
    });
    let description = lanes.collect::<Vec<_>>().join("; ");
    element(
        "title",
        &[("id", "timeline-title")],
        "Timeline of the sessions",
    )
    .then(element(
        "desc",
        &[("id", "timeline-description")],
        format!("{description}. The tables below have the numbers."),
    ))
}

/// From microseconds since the beginning of the run to percent of what is drawn.
#[derive(Clone, Copy)]
struct Scale {
    from: u64,
    to: u64,
}

impl Scale {
    fn of(document: &Document, lanes: &[Lane]) -> Self {
        let spans = || lanes.iter().flat_map(|lane| &lane.spans);
        let from = spans().map(|span| span.began_micros).min();
        let to = spans().map(|span| span.ended_micros).max();
        let from = from.unwrap_or_default();
        Self {
            from,
            to: to.unwrap_or(document.timeline.micros).max(from + 1),
        }
    }

    fn holds(self, request: &Request) -> bool {
        (self.from..=self.to).contains(&request.began_micros)
    }

    fn share(self, micros: u64) -> f64 {
        100.0 * micros as f64 / (self.to - self.from) as f64
    }

    fn percent(self, at: u64) -> f64 {
        self.share(at.saturating_sub(self.from)).min(100.0)
    }

    fn place(self, at: u64) -> String {
        format!("{:.3}%", self.percent(at))
    }

    fn width(self, micros: u64) -> String {
        format!("{:.3}%", self.share(micros).max(NARROWEST))
    }
}

/// The time axis, with about six ticks at round times.
fn axis(scale: Scale, height: usize) -> Markup {
    let step = step(scale.to - scale.from);
    let bottom = height - AXIS + 4;
    let tick = |index: u64| {
        let at = index * step;
        let (x, place) = (scale.place(at), scale.percent(at));
        let anchor = match place {
            place if place < 4.0 => "start",
            place if place > 92.0 => "end",
            _ => "middle",
        };
        let class = if index % 2 == 1 { "tick minor" } else { "tick" };
        let (bottom, below) = (bottom.to_string(), (bottom + 16).to_string());
        let line = [("x1", &*x), ("x2", &x), ("y1", "0"), ("y2", &bottom)];
        let text = [("x", &*x), ("y", &below), ("text-anchor", anchor)];
        let label = element("text", &text, tick_label(at));
        classed("g", class, element("line", &line, "").then(label))
    };
    Markup::all((scale.from.div_ceil(step)..=scale.to / step).map(tick))
}

fn tick_label(micros: u64) -> String {
    let seconds = micros as f64 / 1e6;
    match micros {
        0 => "0".to_owned(),
        micros if micros.is_multiple_of(1_000_000) => format!("{seconds:.0} s"),
        micros if micros.is_multiple_of(100_000) => format!("{seconds:.1} s"),
        _ => format!("{seconds:.2} s"),
    }
}

/// A round time of which about six fill `total`.
fn step(total: u64) -> u64 {
    let mut step = 10_000;
    let mut factors = [2, 5, 10].iter().cycle();
    let mut decade = 10_000;
    while total / step > 6 {
        let factor = *factors.next().unwrap_or(&10);
        step = decade * factor;
        if factor == 10 {
            decade = step;
        }
    }
    step
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
    element("text", &label, lane.name.as_str())
        .then(Markup::all(spans))
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
    let bar = element("rect", &place, plain("title", title));
    bar.then(commit(scale, top, span))
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

fn commit(scale: Scale, top: usize, span: &Span) -> Markup {
    match span.transaction {
        Some(number) if span.phase == Phase::Stage => {
            let text = format!("Transaction {number} at {}", duration(span.ended_micros));
            mark(scale, top, span.ended_micros, "commit", &text)
        }
        _ => Markup::nothing(),
    }
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

/// The track that each request is drawn on: the first that is free when it comes.
fn tracks(requests: &[&Request]) -> Vec<usize> {
    let mut free: Vec<u64> = Vec::new();
    let drawn = requests.iter().take(MOST_REQUESTS);
    let track = |request: &&Request| {
        let ended = request.ended_micros.unwrap_or(request.began_micros);
        let track = free
            .iter()
            .position(|until| *until <= request.began_micros)
            .unwrap_or_else(|| free.len().min(MOST_TRACKS - 1));
        match free.get_mut(track) {
            Some(until) => *until = ended.max(*until),
            None => free.push(ended),
        }
        track
    };
    drawn.map(track).collect()
}

fn bundle(scale: Scale, top: usize, requests: &[&Request], tracks: &[usize]) -> Markup {
    if tracks.is_empty() {
        return Markup::nothing();
    }
    let y = (top + LABEL - 4).to_string();
    let label = [("class", "lane"), ("x", "0"), ("y", &y)];
    let name = format!("{} to S3", plural(requests.len() as u64, "request"));
    let drawn = requests
        .iter()
        .zip(tracks)
        .map(|(one, track)| request(scale, top + LABEL + track * REQUEST, one));
    element("text", &label, name).then(Markup::all(drawn))
}

fn request(scale: Scale, top: usize, request: &Request) -> Markup {
    let ended = request.ended_micros.unwrap_or(request.began_micros);
    let took = ended.saturating_sub(request.began_micros);
    let class = match request.operation.as_str() {
        _ if request.is_error() => "request error",
        "UploadPart" => "request stage",
        "CompleteMultipartUpload" => "request complete",
        _ => "request",
    };
    let key = request.key.as_deref().unwrap_or_default();
    let title = format!("{} {key}, {}", request.operation, duration(took));
    let (x, y, width) = (
        scale.place(request.began_micros),
        top.to_string(),
        scale.width(took),
    );
    let height = (REQUEST - 2).to_string();
    let place = [
        ("class", class),
        ("x", &*x),
        ("y", &y),
        ("width", &width),
        ("height", &height),
    ];
    element("rect", &place, plain("title", title))
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

fn of_phase(phase: Phase) -> Shown {
    PHASES
        .into_iter()
        .find(|(other, ..)| *other == phase)
        .unwrap_or(PHASES[0])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_axis_has_a_few_round_ticks() {
        for (total, expected) in [
            (5_000, 10_000),
            (50_000, 10_000),
            (2_600_000, 500_000),
            (3_246_000, 1_000_000),
            (90_000_000, 20_000_000),
        ] {
            assert_eq!(step(total), expected, "{total}");
        }
    }

    #[test]
    fn requests_at_the_same_time_are_drawn_side_by_side() {
        let request = |began_micros, ended| Request {
            number: 0,
            operation: "UploadPart".to_owned(),
            key: None,
            upload_id: None,
            part: None,
            attempt: 1,
            bytes: 0,
            status: Some(200),
            code: None,
            fault: None,
            began_micros,
            ended_micros: Some(ended),
        };
        let requests = [
            request(0, 10),
            request(5, 9),
            request(9, 12),
            request(10, 11),
        ];
        assert_eq!(tracks(&requests.iter().collect::<Vec<_>>()), [0, 1, 1, 0]);
        let one = request(0, 1);
        assert!(tracks(&[&one; 50]).iter().all(|track| *track < MOST_TRACKS));
    }
}
