//! A run that never was, told: its clock stands still unless it is moved, so the document is the
//! same every time.

use std::collections::BTreeSet;
use std::time::Duration;

use materialize_s3_parquet::protocol::flow::{
    CollectionSpec, FieldSelection, MaterializationSpec, Projection, materialization_spec,
};
use materialize_s3_parquet::protocol::materialize::response::{Validated, validated};
use serde_json::Value;
use tokio::time::{Instant, advance};

use super::*;
use crate::catalog::BindingSelection;
use crate::run::{Error, Event, Options, Progress as _, Published};
use crate::runtime::{Log, Step};
use crate::s3;
use crate::selection::{self, Outcome, Reject, Select, Selection};

/// A name that wants to break out of wherever it stands.
const HOSTILE: &str =
    "</td></title></style><script>alert(1)</script><img src=x onerror=alert(1)>\"'&\u{202e}\u{0}";

fn published() -> Published {
    let outcome = |field: &str, select, reject, verdict| Outcome {
        field: field.to_owned(),
        select,
        reject,
        reason: format!("because {HOSTILE}"),
        verdict,
    };
    let selection = Selection {
        fields: FieldSelection {
            keys: vec!["id".to_owned()],
            values: vec![HOSTILE.to_owned()],
            ..FieldSelection::default()
        },
        outcomes: vec![
            outcome(
                HOSTILE,
                Some(Select::ConnectorRecommends),
                None,
                selection::Verdict::Selected,
            ),
            outcome(
                "gone",
                None,
                Some(Reject::ConnectorForbids),
                selection::Verdict::Rejected,
            ),
            outcome(
                "id",
                Some(Select::GroupByKey),
                None,
                selection::Verdict::Selected,
            ),
        ],
    };
    let projection = |field: &str| Projection {
        ptr: format!("/{field}"),
        field: field.to_owned(),
        ..Projection::default()
    };
    let binding = materialization_spec::Binding {
        resource_path: vec![HOSTILE.to_owned()],
        collection: Some(CollectionSpec {
            name: HOSTILE.to_owned(),
            projections: vec![projection("id"), projection(HOSTILE)],
            ..CollectionSpec::default()
        }),
        ..materialization_spec::Binding::default()
    };
    Published {
        command: vec!["connector".to_owned()],
        codec: "proto",
        validated: Validated {
            bindings: vec![validated::Binding {
                resource_path: vec![HOSTILE.to_owned()],
                ..validated::Binding::default()
            }],
        },
        built: MaterializationSpec {
            bindings: vec![binding],
            ..MaterializationSpec::default()
        },
        selections: vec![BindingSelection {
            binding: 0,
            resource_path: vec![HOSTILE.to_owned()],
            selection,
        }],
    }
}

/// A request that ran from and to these milliseconds after the run began.
fn request(
    origin: Instant,
    operation: s3::Operation,
    from: u64,
    to: u64,
) -> (s3::Entry, s3::Timing) {
    let at = |millis| origin + Duration::from_millis(millis);
    let entry = s3::Entry {
        number: 0,
        line: String::new(),
        target: s3::Target {
            operation,
            bucket: Some("b".to_owned()),
            key: Some(HOSTILE.to_owned()),
            upload_id: Some("u".to_owned()),
            part: None,
            version: None,
            copy_source: None,
        },
        attempt: 1,
        bytes: 8,
        fault: None,
        outcome: s3::Outcome::Answered {
            status: 200,
            code: None,
        },
    };
    let timing = s3::Timing {
        began: at(from),
        ended: Some(at(to)),
    };
    (entry, timing)
}

/// One session of one transaction, killed while it stores, begun again, and paced.
async fn recording() -> Recording {
    let mut next = ();
    let mut recorder = Recorder::new(&mut next);
    let origin = Instant::now();
    let wait = async |millis| advance(Duration::from_millis(millis)).await;
    recorder.event(Event::Loaded {
        task: HOSTILE.to_owned(),
        bindings: 1,
    });
    wait(5).await;
    recorder.step(0, Step::Started { incarnation: 0 });
    wait(5).await;
    recorder.event(Event::Built(Box::new(published())));
    wait(90).await;
    recorder.event(Event::Session {
        number: 1,
        transactions: Some(1),
    });
    let kill = Step::StoreSent { count: 7 };
    let begin = [
        (Step::Started { incarnation: 2 }, 10),
        (Step::Opened, 0),
        (Step::AcknowledgeSent, 5),
        (Step::Acknowledged, 0),
        (Step::FlushSent, 1),
        (Step::Flushed, 4),
    ];
    for (step, millis) in begin.into_iter().chain([(kill, 0)]) {
        recorder.step(0, step);
        wait(millis).await;
    }
    recorder.event(Event::Restarted {
        shard: None,
        step: kill,
    });
    recorder.event(Event::Log(Log::parse(&format!("error: {HOSTILE}"))));
    for (step, millis) in begin.into_iter().chain([(Step::StartCommitSent, 30)]) {
        recorder.step(0, step);
        wait(millis).await;
    }
    recorder.event(Event::Committed {
        shard: None,
        transaction: 0,
        rows: 9,
    });
    for (step, millis) in [
        (Step::Committed { transaction: 0 }, 0),
        (Step::AcknowledgeSent, 1000),
        (Step::InputClosed, 0),
        (Step::Acknowledged, 2),
        (Step::Ended, 0),
    ] {
        recorder.step(0, step);
        wait(millis).await;
    }
    recorder.event(Event::Requests(vec![
        request(origin, s3::Operation::HeadBucket, 0, 1),
        request(origin, s3::Operation::ListObjectsV2, 50, 51),
        request(origin, s3::Operation::CompleteMultipartUpload, 172, 180),
    ]));
    wait(3).await;
    recorder.finish()
}

fn document(recording: &Recording) -> Document {
    let context = Context {
        options: &Options::new(HOSTILE),
        command: HOSTILE,
        began: None,
    };
    let error = Error::Usage(format!("no {HOSTILE}"));
    Document::of(&context, recording, Err(&error))
}

#[tokio::test(start_paused = true)]
async fn phases_follow_one_another_and_a_held_acknowledgement_is_pacing() {
    let timeline = document(&recording().await).timeline;
    let names: Vec<&str> = timeline.lanes.iter().map(|lane| &*lane.name).collect();
    assert_eq!(names, ["Prepare", "Session 1"]);
    let session = &timeline.lanes[1];
    let spans: Vec<(Phase, u64, u64)> = session
        .spans
        .iter()
        .map(|span| {
            (
                span.phase,
                span.began_micros / 1000,
                span.ended_micros / 1000,
            )
        })
        .collect();
    assert_eq!(
        spans,
        [
            (Phase::Open, 100, 110),
            (Phase::Recover, 110, 115),
            (Phase::Flush, 115, 116),
            (Phase::Store, 116, 120),
            (Phase::Open, 120, 130),
            (Phase::Recover, 130, 135),
            (Phase::Flush, 135, 136),
            (Phase::Store, 136, 140),
            (Phase::Stage, 140, 170),
            (Phase::Complete, 170, 180),
            (Phase::Pace, 180, 1170),
            (Phase::Stop, 1170, 1172),
        ]
    );
    assert_eq!(session.kills[0].at_micros, 120_000);
    assert_eq!(session.kills[0].step, "killed after row 7 was sent");
    // The run failed in the end.
    assert_eq!(session.kills[1].at_micros, 1_175_000);
    let [transaction] = &timeline.transactions[..] else {
        panic!("{timeline:?}")
    };
    assert_eq!((transaction.attempts, transaction.rows), (2, 9));
    assert_eq!(transaction.committed_micros, Some(170_000));
    assert_eq!(transaction.phases[&Phase::Store], 8_000);
}

#[tokio::test(start_paused = true)]
async fn shards_that_run_at_once_have_lanes_of_their_own() {
    let mut next = ();
    let mut recorder = Recorder::new(&mut next);
    let wait = async |millis| advance(Duration::from_millis(millis)).await;
    recorder.event(Event::Session {
        number: 1,
        transactions: Some(1),
    });
    for (shard, millis) in [(0, 1), (1, 2)] {
        recorder.step(shard, Step::Started { incarnation: 0 });
        wait(millis).await;
    }
    // The first shard is killed and begins anew, which the second does not notice.
    recorder.step(1, Step::FlushSent);
    recorder.event(Event::Restarted {
        shard: Some(0),
        step: Step::Opened,
    });
    wait(3).await;
    recorder.step(1, Step::Flushed);
    for (shard, rows) in [(1, 7), (0, 2)] {
        recorder.step(shard, Step::FlushSent);
        wait(1).await;
        recorder.step(shard, Step::StartCommitSent);
        wait(1).await;
        recorder.event(Event::Committed {
            shard: Some(shard),
            transaction: 0,
            rows,
        });
        recorder.step(shard, Step::Committed { transaction: 0 });
    }
    let document = document(&recorder.finish());
    let lanes = &document.timeline.lanes;
    let titles: Vec<String> = lanes.iter().map(Lane::title).collect();
    assert_eq!(
        titles,
        ["Prepare", "Session 1, shard 1", "Session 1, shard 2"]
    );
    // That, and the end of the run, which has failed.
    assert_eq!((lanes[1].kills.len(), lanes[2].kills.len()), (2, 1));
    let transactions = document.timeline.transactions.iter();
    let told: Vec<_> = transactions
        .map(|one| (one.number, one.shard, one.rows, one.committed_micros))
        .collect();
    assert_eq!(
        told,
        [(1, Some(1), 2, Some(10_000)), (1, Some(2), 7, Some(8_000))]
    );
    assert_eq!(document.page().matches("<line class=\"commit\"").count(), 2);
}

#[tokio::test(start_paused = true)]
async fn fields_come_with_their_reasons_in_the_order_of_the_columns() {
    let document = document(&recording().await);
    let fields = &document.bindings[0].fields;
    let told: Vec<(&str, Option<&str>, &str)> = fields
        .iter()
        .map(|field| (&*field.field, field.role, &*field.why))
        .collect();
    assert_eq!(
        told,
        [
            ("id", Some("key"), "is part of the key"),
            (HOSTILE, Some("value"), "is recommended by the connector"),
            ("gone", None, "cannot be taken by the connector"),
        ]
    );
    assert_eq!(document.verdict, Verdict::Failed);
    assert_eq!(document.problems, [format!("no {HOSTILE}")]);
}

#[tokio::test(start_paused = true)]
async fn requests_are_the_connectors_and_not_the_runs_own() {
    let document = document(&recording().await);
    let operations: Vec<&str> = document
        .requests
        .iter()
        .map(|request| &*request.operation)
        .collect();
    assert_eq!(operations, ["CompleteMultipartUpload"]);
}

#[tokio::test(start_paused = true)]
async fn only_a_commit_is_marked_as_one() {
    let recording = recording().await;
    let page = document(&recording).page();
    assert_eq!(page.matches("<line class=\"commit\"").count(), 1);
    assert_eq!(page.matches("<line class=\"kill\"").count(), 2);
    let mut uncommitted = recording.clone();
    uncommitted
        .heard
        .retain(|(_, heard)| !matches!(heard, recorder::Heard::Event(Event::Committed { .. })));
    let page = document(&uncommitted).page();
    assert_eq!(page.matches("<line class=\"commit\"").count(), 0);
}

#[tokio::test(start_paused = true)]
async fn nothing_that_is_told_can_break_out_of_its_place() {
    let page = document(&recording().await).page();
    assert!(page.contains("&lt;script&gt;alert(1)"), "{page}");
    assert!(
        !page.contains("<script") && !page.contains("<img"),
        "{page}"
    );
    assert!(!page.contains(['\u{202e}', '\u{0}']), "{page}");
    let open = tags(&page);
    assert_eq!(open, Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn the_page_loads_nothing() {
    let page = document(&recording().await).page();
    for word in [
        "src=", "url(", "@import", "http://", "https://", "<link", "<iframe",
    ] {
        let escaped = page.replace("&lt;img src=x", "");
        assert!(!escaped.contains(word), "{word}");
    }
    assert!(page.contains("default-src &#39;none&#39;"));
}

/// The tags that are left open at the end; every end tag must end the last of them.
fn tags(page: &str) -> Vec<String> {
    let mut open: Vec<String> = Vec::new();
    for tag in page.split('<').skip(1) {
        let name: String = tag
            .chars()
            .take_while(|letter| !letter.is_whitespace() && *letter != '>')
            .collect();
        if let Some(name) = name.strip_prefix('/') {
            assert_eq!(open.pop().as_deref(), Some(name), "{tag}");
        } else if !["!doctype", "meta", "wbr", "br"].contains(&&*name) {
            open.push(name);
        }
    }
    open
}

#[tokio::test(start_paused = true)]
async fn the_shape_of_the_json_is_pinned() {
    let mut paths = BTreeSet::new();
    collect(
        "",
        &serde_json::to_value(document(&recording().await)).unwrap(),
        &mut paths,
    );
    // Whoever changes one of these, and not only adds to them, advances `VERSION`.
    let expected = "\
bindings bindings.collection bindings.difference bindings.documents bindings.equalRows \
         bindings.exact bindings.fields bindings.fields.column bindings.fields.constraint \
         bindings.fields.field bindings.fields.pointer bindings.fields.reason \
         bindings.fields.role bindings.fields.types bindings.fields.verdict bindings.fields.why \
         bindings.fileBytes bindings.files bindings.isDelta bindings.isReadBack \
         bindings.jsonBytes bindings.loaded bindings.missing bindings.otherColumns \
         bindings.prefix bindings.preview bindings.preview.columns bindings.preview.rows \
         bindings.rescued bindings.rows logs logs.atMicros logs.fields logs.level logs.message \
         problems requests requests.attempt requests.beganMicros requests.bytes requests.code \
         requests.endedMicros requests.fault requests.key requests.number requests.operation \
         requests.part requests.status requests.uploadId run run.began run.bucket run.catalog \
         run.codec run.command run.connector run.documents run.endpoint run.fixture run.interval \
         run.replaced run.runtime run.seed run.sessions run.shards run.simulator run.store \
         run.task run.unplayed run.unplayed.documents run.unplayed.moreMayCome run.unplayed.transactions \
         run.withoutBinding timeline timeline.lanes timeline.lanes.commits timeline.lanes.kills \
         timeline.lanes.kills.atMicros timeline.lanes.kills.step timeline.lanes.name \
         timeline.lanes.shard timeline.lanes.spans timeline.lanes.spans.beganMicros \
         timeline.lanes.spans.endedMicros timeline.lanes.spans.phase \
         timeline.lanes.spans.transaction timeline.micros timeline.transactions \
         timeline.transactions.attempts timeline.transactions.committedMicros \
         timeline.transactions.lane timeline.transactions.number timeline.transactions.phases \
         timeline.transactions.phases.complete timeline.transactions.phases.flush \
         timeline.transactions.phases.pace timeline.transactions.phases.stage \
         timeline.transactions.phases.store timeline.transactions.rows \
         timeline.transactions.shard unsupportedRequests verdict version";
    assert_eq!(paths.into_iter().collect::<Vec<_>>().join(" "), expected);
}

fn collect(path: &str, value: &Value, paths: &mut BTreeSet<String>) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                let path = format!("{path}.{name}");
                paths.insert(path[1..].to_owned());
                collect(&path, member, paths);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| collect(path, item, paths)),
        _ => {}
    }
}
