//! The page: the document as one HTML file, for people. It loads nothing and runs nothing, and says
//! so itself: its content security policy allows neither, whatever a value might hold.

mod bindings;
mod campaign;
mod drawing;
mod logs;
mod options;
mod phases;
mod requests;
mod scale;
mod timeline;
mod tracks;

use super::document::{Document, Verdict};
use super::markup::{Markup, classed, element, plain};
use crate::figures::{bytes, duration, grouped, plural, ratio};

const STYLE: &str = include_str!("page.css");

/// Nothing but the page's own styles.
const POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";

/// The most rows of a table; the rest is left to the JSON form.
const MOST_ROWS: usize = 1000;

impl Document {
    /// The page, as one HTML file that needs nothing else.
    pub fn page(&self) -> String {
        let title = format!("{} – {}", self.run.task, word(self.verdict));
        whole(&title, header(self), contents(self), &self.run.simulator)
    }
}

/// A section that has something to show: id, name, content.
type Section = (String, String, Markup);

/// A page of a header and sections.
fn whole(title: &str, header: Markup, contents: Vec<Section>, simulator: &str) -> String {
    let content = header
        .then(navigation(&contents))
        .then(plain("main", sections(contents)))
        .then(plain(
            "footer",
            plain("p", format!("Written by flow-sim {simulator}.")),
        ));
    let html = element(
        "html",
        &[("lang", "en")],
        head(title).then(plain("body", content)),
    );
    format!("<!doctype html>\n{}\n", html.into_string())
}

fn head(title: &str) -> Markup {
    let meta =
        |name: &str, content: &str| element("meta", &[("name", name), ("content", content)], "");
    let policy = [
        ("http-equiv", "Content-Security-Policy"),
        ("content", POLICY),
    ];
    plain(
        "head",
        element("meta", &[("charset", "utf-8")], "")
            .then(element("meta", &policy, ""))
            .then(meta("viewport", "width=device-width, initial-scale=1"))
            .then(meta("color-scheme", "light dark"))
            .then(plain("title", title))
            .then(plain("style", Markup::trusted(STYLE))),
    )
}

fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Equal => "all equal",
        Verdict::NotReadBack => "not read back",
        Verdict::NotAllPlayed => "not all played",
        Verdict::NothingCompared => "nothing compared",
        Verdict::NotAllReadBack => "not all read back",
        Verdict::NotInColumns => "not all in columns",
        Verdict::Different => "different",
        Verdict::Failed => "failed",
    }
}

fn header(document: &Document) -> Markup {
    let began = document.run.began.as_deref().unwrap_or_default();
    let began = began.replace('T', " · ").replace('Z', " UTC");
    let eyebrow = format!(
        "flow-sim run · runtime {} · seed {} · {began}",
        document.run.runtime, document.run.seed
    );
    classed(
        "header",
        "top",
        classed("p", "eyebrow", eyebrow.trim_end_matches([' ', '·']))
            .then(plain("h1", title(&document.run.task)))
            .then(verdict(document))
            .then(figures(document)),
    )
}

fn title(task: &str) -> &str {
    if task.is_empty() {
        "No task was found"
    } else {
        task
    }
}

fn verdict(document: &Document) -> Markup {
    let (class, text) = match document.verdict {
        Verdict::Equal => {
            let rows = document.bindings.iter().map(|binding| binding.equal_rows);
            let rows = plural(rows.sum(), "row");
            ("equal", format!("✓ {rows} compared, all equal"))
        }
        Verdict::NotReadBack => {
            let rows = plural(unread_rows(document), "row");
            let loaded = document.bindings.iter().map(|binding| binding.loaded);
            let loaded = plural(loaded.sum(), "document");
            (
                "equal",
                format!("✓ {rows} stored, {loaded} loaded as stored; no files were read back"),
            )
        }
        Verdict::NotAllPlayed => ("different", format!("✗ {}", document.run.unplayed)),
        Verdict::NothingCompared => {
            let why = match unread_rows(document) {
                0 => "no document became a row".to_owned(),
                rows => format!("{} stored and not read back", plural(rows, "row")),
            };
            ("different", format!("✗ Nothing was compared: {why}"))
        }
        Verdict::NotAllReadBack => {
            let rows = plural(unread_rows(document), "row");
            ("different", format!("✗ {rows} stored and not read back"))
        }
        Verdict::NotInColumns => (
            "different",
            "✗ All equal, but not every value is in a column of its own".to_owned(),
        ),
        Verdict::Different => ("different", "✗ What was read back differs".to_owned()),
        Verdict::Failed => ("failed", "✗ The run failed".to_owned()),
    };
    let problems = document
        .problems
        .iter()
        .map(|problem| plain("li", problem.as_str()));
    let problems = if document.problems.is_empty() {
        Markup::nothing()
    } else {
        classed("ul", "problems", Markup::all(problems))
    };
    classed("p", &format!("verdict {class}"), text).then(problems)
}

/// The rows of bindings that were not read back.
fn unread_rows(document: &Document) -> u64 {
    let unread = document.bindings.iter();
    let unread = unread.filter(|binding| !binding.is_read_back);
    unread.map(|binding| binding.rows).sum()
}

/// A number with its name and a note.
type Figure = (&'static str, String, String);

/// The run in numbers.
fn figures(document: &Document) -> Markup {
    let lanes = &document.timeline.lanes;
    let sessions = lanes.iter().filter(|lane| {
        lane.name.starts_with("Session") && lane.shard.is_none_or(|shard| shard == 1)
    });
    let mut sessions = plural(sessions.count() as u64, "session");
    if document.run.shards > 1 {
        let shards = plural(document.run.shards.into(), "shard");
        sessions = format!("{sessions}, {shards}");
    }
    let transactions = document.timeline.transactions.iter();
    let transactions = transactions.filter(|one| one.shard.is_none_or(|shard| shard == 1));
    let transactions = transactions.count() as u64;
    let count =
        |name, number: usize| (number > 0).then(|| (name, grouped(number as u64), String::new()));
    let kills = lanes.iter().map(|lane| lane.kills.len()).sum();
    let faults = document
        .requests
        .iter()
        .filter(|request| request.fault.is_some());
    let mut all = vec![("Documents", grouped(document.run.documents), String::new())];
    all.extend(outcome(document));
    all.push(("Transactions", grouped(transactions), sessions));
    all.push(("Took", duration(document.timeline.micros), String::new()));
    all.extend(count("Interruptions", kills));
    all.extend(count("Faults", faults.count()));
    tiles(all)
}

/// Figures side by side.
fn tiles(all: Vec<Figure>) -> Markup {
    let figure = |(name, value, note): Figure| {
        let value = plain("dd", plain("b", value).then(classed("span", "note", note)));
        plain("div", plain("dt", name).then(value))
    };
    classed("dl", "figures", Markup::all(all.into_iter().map(figure)))
}

/// What was read back; of a run that failed, what it had committed.
fn outcome(document: &Document) -> Vec<Figure> {
    if document.verdict == Verdict::Failed {
        let transactions = document.timeline.transactions.iter();
        let rows = transactions.map(|transaction| transaction.rows).sum();
        return vec![("Rows", grouped(rows), "committed".to_owned())];
    }
    let sum = |number: fn(&super::Binding) -> u64| document.bindings.iter().map(number).sum();
    let (json, parquet) = (
        sum(|binding| binding.json_bytes),
        sum(|binding| binding.file_bytes),
    );
    let ratio = ratio(json, parquet).map_or("–".to_owned(), |ratio| format!("{ratio} ×"));
    vec![
        (
            "Rows",
            grouped(sum(|binding| binding.rows)),
            plural(document.bindings.len() as u64, "binding"),
        ),
        (
            "Files",
            grouped(sum(|binding| binding.files.len() as u64)),
            bytes(parquet),
        ),
        ("Smaller by", ratio, format!("{} as JSON", bytes(json))),
    ]
}

fn navigation(contents: &[Section]) -> Markup {
    let links = contents.iter().map(|(id, name, _)| {
        let link = element("a", &[("href", &format!("#{id}"))], name.as_str());
        plain("li", link)
    });
    element(
        "nav",
        &[("aria-label", "Sections")],
        plain("ul", Markup::all(links)),
    )
}

fn sections(contents: Vec<Section>) -> Markup {
    let sections = contents.into_iter().map(|(id, name, content)| {
        let heading = format!("{id}-heading");
        element(
            "section",
            &[("id", &id), ("aria-labelledby", &heading)],
            element("h2", &[("id", &heading)], name).then(content),
        )
    });
    Markup::all(sections)
}

/// Every section that has something to show.
fn contents(document: &Document) -> Vec<Section> {
    let section = |id: &str, name: &str, content| (id.to_owned(), name.to_owned(), content);
    let mut all = vec![section("timeline", "Timeline", timeline::section(document))];
    if !document.bindings.is_empty() {
        all.push(section("bindings", "Bindings", bindings::section(document)));
    }
    if !document.requests.is_empty() {
        all.push(section("requests", "Requests", requests::section(document)));
    }
    if !document.logs.is_empty() {
        all.push(section("logs", "Connector’s log", logs::section(document)));
    }
    all.push(section("repeat", "Repeat it", options::section(document)));
    all
}

/// What is said where a table ends before its rows do.
fn left_out(shown: usize, all: usize) -> Markup {
    if shown >= all {
        return Markup::nothing();
    }
    let text = format!(
        "{} more are left out here; the JSON form (`--json`) has them all.",
        grouped((all - shown) as u64)
    );
    classed("p", "note", text)
}

/// The number of a cell, with its unit.
fn number(text: impl Into<Markup>) -> Markup {
    classed("td", "number", text)
}
