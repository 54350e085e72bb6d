//! The page of a torture: what it came to, a table of the seeds, and the runs that are worth a look
//! in all detail.

mod plan;
mod story;

use super::super::campaign::{Campaign, Promises, Run, Totals};
use super::super::markup::{Markup, classed, element, plain, table};
use super::{Figure, MOST_ROWS, Section, left_out, number, tiles, whole};
use crate::figures::{duration, grouped, plural};
use crate::torture::At;

/// The most problems that are listed in one place; the table and the JSON form have them all.
const MOST_PROBLEMS: usize = 10;

impl Campaign {
    /// The page, as one HTML file that needs nothing else.
    pub fn page(&self) -> String {
        let word = match self.verdict {
            Promises::Kept => "every promise was kept",
            Promises::Broken => "a promise was broken",
        };
        whole(
            &format!("Torture – {word}"),
            header(self),
            contents(self),
            &self.simulator,
        )
    }
}

fn header(campaign: &Campaign) -> Markup {
    let began = campaign.began.as_deref().unwrap_or_default();
    let began = began.replace('T', " · ").replace('Z', " UTC");
    let eyebrow = format!("flow-sim torture · {began}");
    classed(
        "header",
        "top",
        classed("p", "eyebrow", eyebrow.trim_end_matches([' ', '·']))
            .then(plain("h1", title(campaign)))
            .then(verdict(campaign))
            .then(figures(campaign)),
    )
}

/// The seeds.
fn title(campaign: &Campaign) -> String {
    match &campaign.runs[..] {
        [] => "No seed was played".to_owned(),
        [run] => format!("Seed {}", run.seed),
        [first, .., last] => format!("Seeds {} to {}", first.seed, last.seed),
    }
}

fn verdict(campaign: &Campaign) -> Markup {
    let (class, text) = match campaign.verdict {
        Promises::Kept => ("equal", "✓ Every promise was kept".to_owned()),
        Promises::Broken => {
            let seeds = plural(campaign.totals.failed, "seed");
            ("failed", format!("✗ {seeds} broke a promise"))
        }
    };
    let verdict = classed("p", &format!("verdict {class}"), text);
    if campaign.verdict == Promises::Kept {
        return verdict;
    }
    let failed = campaign.runs.iter();
    let problems = failed.filter_map(|run| {
        let first = run.findings.first()?;
        let text = format!("Seed {}: {}: {}", run.seed, first.promise, first.evidence);
        Some(Markup::text(&text))
    });
    verdict.then(listed(problems.collect(), "seed"))
}

/// Problems, the first few of them; `noun` is what each is of.
fn listed(problems: Vec<Markup>, noun: &str) -> Markup {
    let left = problems.len().saturating_sub(MOST_PROBLEMS);
    let more = (left > 0).then(|| {
        let text = format!("and {} more", plural(left as u64, noun));
        classed("li", "note", text)
    });
    let shown = problems.into_iter().take(MOST_PROBLEMS);
    let shown = shown.map(|problem| plain("li", problem));
    classed("ul", "problems", Markup::all(shown.chain(more)))
}

fn figures(campaign: &Campaign) -> Markup {
    let Totals { runs, numbers, .. } = &campaign.totals;
    let figure = |name, value, note: String| -> Figure { (name, grouped(value), note) };
    tiles(vec![
        figure("Runs", *runs, String::new()),
        figure("Sessions", numbers.sessions, processes(numbers.processes)),
        figure("Transactions", numbers.transactions, String::new()),
        figure("Rows", numbers.rows, plural(numbers.files, "file")),
        figure("Incidents", numbers.incidents, String::new()),
        figure(
            "Faults",
            numbers.faults,
            plural(numbers.requests, "request"),
        ),
        ("Took", duration(campaign.micros), String::new()),
    ])
}

fn processes(count: u64) -> String {
    match count {
        1 => "1 process".to_owned(),
        count => format!("{} processes", grouped(count)),
    }
}

fn contents(campaign: &Campaign) -> Vec<Section> {
    let section = |id: &str, name: &str, content| (id.to_owned(), name.to_owned(), content);
    let mut all: Vec<Section> = campaign.stories.iter().map(story::section).collect();
    if campaign.runs.len() > 1 {
        all.push(section("seeds", "All seeds", seeds(campaign)));
    }
    if campaign.totals.numbers.incidents > 0 {
        all.push(section(
            "incidents",
            "Incidents",
            incidents(&campaign.totals),
        ));
    }
    if campaign.totals.numbers.faults > 0 {
        all.push(section("faults", "Faults", faults(&campaign.totals)));
    }
    all.push(section("repeat", "Repeat it", repeat(campaign)));
    all
}

/// Every seed, those that failed first.
fn seeds(campaign: &Campaign) -> Markup {
    let (kept, failed): (Vec<&Run>, Vec<&Run>) = campaign
        .runs
        .iter()
        .partition(|run| run.findings.is_empty());
    let headings = [
        ("number", "Seed"),
        ("", "Promises"),
        ("number", "Took"),
        ("number", "Sessions"),
        ("number", "Processes"),
        ("number", "Transactions"),
        ("number", "Rows"),
        ("number", "Files"),
        ("number", "Requests"),
        ("number", "Incidents"),
        ("number", "Faults"),
    ];
    let rows = failed.into_iter().chain(kept).take(MOST_ROWS).map(seed);
    table("All seeds", "", &headings, rows).then(left_out(MOST_ROWS, campaign.runs.len()))
}

fn seed(run: &Run) -> Markup {
    let numbers = &run.numbers;
    let counts = [
        numbers.sessions,
        numbers.processes,
        numbers.transactions,
        numbers.rows,
        numbers.files,
        numbers.requests,
        numbers.incidents,
        numbers.faults,
    ];
    let counts = counts.into_iter().map(|count| number(grouped(count)));
    let heading = [("scope", "row"), ("class", "number")];
    plain(
        "tr",
        element("th", &heading, run.seed.to_string())
            .then(plain("td", badge(run.findings.len())))
            .then(number(duration(run.micros)))
            .then(Markup::all(counts)),
    )
}

fn badge(findings: usize) -> Markup {
    match findings {
        0 => classed("span", "badge selected", "kept"),
        count => classed("span", "badge error", plural(count as u64, "finding")),
    }
}

/// How often each kind of incident came after each step.
fn incidents(totals: &Totals) -> Markup {
    let all = &totals.incidents_by_step;
    let mut kinds: Vec<&str> = all.iter().map(|one| one.kind).collect();
    kinds.sort_unstable();
    kinds.dedup();
    let mut headings = vec![("", "After")];
    headings.extend(kinds.iter().map(|kind| ("number", *kind)));
    let count = |kind: &str, at: At| {
        let own = all.iter().filter(|one| one.kind == kind && one.after == at);
        own.map(|one| one.count).sum::<u64>()
    };
    let steps = At::ALL
        .into_iter()
        .filter(|at| all.iter().any(|one| one.after == *at));
    let rows = steps.map(|at| {
        let counts = kinds.iter().map(|kind| number(shown(count(kind, at))));
        let step = element("th", &[("scope", "row")], format!("{at:?}"));
        plain("tr", step.then(Markup::all(counts)))
    });
    table("Incidents by step", "", &headings, rows)
}

/// How often each fault struck each operation.
fn faults(totals: &Totals) -> Markup {
    let headings = [("", "Effect"), ("", "Operation"), ("number", "Times")];
    let rows = totals.faults_by_operation.iter().map(|fault| {
        plain(
            "tr",
            element("th", &[("scope", "row")], fault.effect.as_str())
                .then(plain("td", plain("code", fault.operation.as_str())))
                .then(number(grouped(fault.count))),
        )
    });
    table("Faults by operation", "", &headings, rows)
}

fn shown(count: u64) -> String {
    match count {
        0 => "–".to_owned(),
        count => grouped(count),
    }
}

fn repeat(campaign: &Campaign) -> Markup {
    let command = plain("code", campaign.command.as_str());
    let connector = plain("dt", "Connector").then(plain("dd", campaign.connector.join(" ")));
    element("pre", &[("tabindex", "0")], command).then(classed("dl", "options", connector))
}
