//! One run of a torture in all detail.

use super::super::super::campaign::Story;
use super::super::super::markup::{Markup, classed, element, plain};
use super::super::Section;
use super::super::drawing::{Drawing, figure};
use super::super::timeline::kills;
use super::{listed, plan};
use crate::figures::{duration, grouped, plural};

pub(super) fn section(story: &Story) -> Section {
    let (id, name) = if story.is_shrunk {
        (
            format!("seed-{}-shrunk", story.seed),
            format!("Seed {}, shrunk", story.seed),
        )
    } else {
        (
            format!("seed-{}", story.seed),
            format!("Seed {}", story.seed),
        )
    };
    let drawing = Drawing {
        id: &format!("{id}-timeline"),
        micros: story.timeline.micros,
        lanes: &story.timeline.lanes,
        requests: &story.requests,
    };
    let content = findings(story)
        .then(note(story))
        .then(figure(&drawing))
        .then(kills(&story.timeline.lanes))
        .then(plan::sessions(&story.plan))
        .then(plan::faults(&story.plan))
        .then(plan::facts(&story.plan))
        .then(folded(
            "Everything that happened, in order",
            &story.events.join("\n"),
        ))
        .then(folded("The plan, for --plan", &plan::json(&story.plan)));
    (id, name, content)
}

fn findings(story: &Story) -> Markup {
    if story.findings.is_empty() {
        return plain(
            "p",
            classed("span", "badge selected", "every promise was kept"),
        );
    }
    let findings = story.findings.iter().map(|finding| {
        let promise = plain("b", finding.promise);
        promise.then(format!(": {}", finding.evidence))
    });
    listed(findings.collect(), "finding")
}

fn note(story: &Story) -> Markup {
    let numbers = &story.numbers;
    let shrunk = if story.is_shrunk {
        "The smallest plan that was found to fail in the same way. "
    } else {
        ""
    };
    let text = format!(
        "{shrunk}{} in {}: {} committed in {}, {}, {}. A lane is the session of one shard: its \
         recovery log, and where its keys begin. The plan’s sessions come first, then clean ones \
         that must bring everything to a good end.",
        plural(numbers.sessions, "session"),
        duration(story.timeline.micros),
        plural(numbers.rows, "row"),
        plural(numbers.transactions, "transaction"),
        plural(numbers.incidents, "incident"),
        match numbers.faults {
            0 => "no fault of the S3 server".to_owned(),
            1 => "1 fault of the S3 server".to_owned(),
            count => format!("{} faults of the S3 server", grouped(count)),
        },
    );
    classed("p", "note story", text)
}

fn folded(summary: &str, text: &str) -> Markup {
    let pre = element(
        "pre",
        &[("class", "long"), ("tabindex", "0")],
        plain("code", text),
    );
    plain("details", plain("summary", summary).then(pre))
}
