//! Crashes × S3 faults × shards: a few seeds, which must come out the same whenever they are
//! played. CI plays many more: `cargo sim torture --seeds 500`.

use flow_sim::s3::{Manners, UploadRef};
use flow_sim::torture::{
    self, At, Change, Commit, End, Incident, Options, Outcome, Plan, Session, What, campaign,
};

use crate::servers::connector;

/// Enough for every kind of incident, and few enough to wait for.
const SEEDS: u64 = 40;

/// The plans that are played twice.
const TWICE: u64 = 16;

async fn torture(connector: &str, seeds: std::ops::Range<u64>) -> Outcome {
    let options = Options {
        seeds,
        jobs: 2,
        connector: vec![connector.to_owned()],
        stops_early: true,
        shrinks: true,
        time: None,
    };
    campaign(&options, |_, _| {}).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn no_promise_is_broken_whatever_crashes() {
    let outcome = torture(&connector().display().to_string(), 0..SEEDS).await;
    assert!(outcome.failed.is_empty(), "{:#?}", outcome.failed);
    assert_eq!(outcome.tally.runs, SEEDS);
    assert!(outcome.tally.replays > 0 && outcome.tally.waits > 0);
    let kinds: Vec<&str> = outcome
        .tally
        .incidents
        .keys()
        .map(|(kind, _)| *kind)
        .collect();
    for kind in ["killed", "frozen", "access revoked"] {
        assert!(kinds.contains(&kind), "{kind}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_plan_gives_the_same_events_files_and_verdict() {
    let program = [connector().display().to_string()];
    let mut wholly = 0;
    for seed in SEEDS..SEEDS + TWICE {
        let plan = torture::generate(seed);
        let first = torture::play(&plan, &program).await.unwrap();
        let second = torture::play(&plan, &program).await.unwrap();
        assert_eq!(first.findings, second.findings, "seed {seed}");
        if !plan.leaves_to_chance() {
            assert_eq!(first.events, second.events, "seed {seed}");
            assert_eq!(first.files, second.files, "seed {seed}");
            wholly += 1;
        }
    }
    assert!(wholly >= TWICE / 2, "{wholly}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_is_no_connector_fails_and_its_plan_is_shrunk() {
    let outcome = torture("false", 1..2).await;
    let (smaller, report) = outcome.failed[0].smaller.as_ref().unwrap();
    assert!(smaller.sessions.is_empty(), "{smaller:?}");
    assert!(!report.findings.is_empty());
}

/// A session that ends after its commit, and one that must make visible what the first has staged.
fn two_sessions(commit: Commit) -> Plan {
    let first = Session {
        transactions: vec![torture::Transaction {
            documents: 8,
            payload_bytes: 0,
        }],
        end: End::Committed,
        ..Session::default()
    };
    let second = Session {
        changes: vec![Change::LoseReceipts],
        ..Session::default()
    };
    Plan {
        commit,
        staging_prefix: None,
        server: torture::Server::default(),
        sessions: vec![first, second],
        ..torture::generate(1)
    }
}

/// Takes away what the first session has staged: what a connector does that aborts its uploads at
/// the end of its input.
fn abort(session: u64, store: &mut flow_sim::s3::Store) {
    let bucket = "torture";
    if session > 0 {
        return;
    }
    let uploads = store.uploads(bucket).unwrap();
    let uploads = uploads.map(|(key, id, _)| (key.to_owned(), id.to_owned()));
    for (key, upload_id) in uploads.collect::<Vec<_>>() {
        let upload = UploadRef {
            bucket,
            key: &key,
            upload_id: &upload_id,
        };
        store.abort_upload(upload).unwrap();
    }
    let staged = store.staged_objects(bucket).unwrap();
    for key in staged.map(|(key, _)| key.to_owned()).collect::<Vec<_>>() {
        store.remove_object(bucket, &key).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_was_seen_to_take_is_missing_and_what_a_rule_took_is_not() {
    let program = [connector().display().to_string()];
    let promise = "every committed row exactly once, and nothing else";
    for commit in [Commit::Multipart, Commit::Copy] {
        let plan = two_sessions(commit);
        let kept = torture::play(&plan, &program).await.unwrap();
        assert_eq!(kept.findings, [], "{commit:?}");
        let aborted = torture::play_with(&plan, &program, abort).await.unwrap();
        let mut broken = aborted.findings.iter().map(|finding| finding.promise);
        assert!(broken.any(|broken| broken == promise), "{commit:?}");
        let mut expired = plan;
        expired.sessions[1].changes = vec![Change::Expire];
        let expired = torture::play(&expired, &program).await.unwrap();
        assert_eq!(expired.findings, [], "{commit:?}");
        let has_first = |report: &torture::Report| {
            let mut keys = report.files.keys();
            keys.any(|key| key.contains("/00000000-000000000000-"))
        };
        assert!(has_first(&kept) && !has_first(&expired), "{commit:?}");
    }
}

/// Sessions that are killed sooner and later while they make files visible, on a server that loses
/// completions whose client goes away.
fn killed_at_work(commit: Commit) -> Plan {
    let session = |after_milliseconds| Session {
        transactions: vec![torture::Transaction {
            documents: 20,
            payload_bytes: 0,
        }],
        incidents: vec![Incident {
            shard: 0,
            at: At::AcknowledgeSent,
            nth: 1,
            what: What::Kill { after_milliseconds },
        }],
        ..Session::default()
    };
    let generated = torture::generate(1);
    let binding = &generated.bindings[0];
    let bindings = ["a", "b", "c"].map(|prefix| torture::Binding {
        prefix: prefix.to_owned(),
        ..binding.clone()
    });
    Plan {
        commit,
        staging_prefix: None,
        bindings: bindings.into(),
        keys: 16,
        server: torture::Server {
            manners: Manners::Minio,
            ..torture::Server::default()
        },
        sessions: (1..=12).map(|step| session(5 * step)).collect(),
        ..generated
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_minio_loses_is_excused_where_it_was_to_complete_and_nothing_is_lost_where_it_copies()
{
    let program = [connector().display().to_string()];
    let play = async |commit| {
        torture::play(&killed_at_work(commit), &program)
            .await
            .unwrap()
    };
    let completed = play(Commit::Multipart).await;
    assert_eq!(completed.findings, []);
    assert!(completed.tally.lost > 0, "{:?}", completed.tally);
    for commit in [Commit::Auto, Commit::Copy] {
        let copied = play(commit).await;
        assert_eq!(
            (copied.findings, copied.tally.lost),
            (vec![], 0),
            "{commit:?}"
        );
        assert!(copied.tally.incidents.values().sum::<u64>() > 0);
    }
}
