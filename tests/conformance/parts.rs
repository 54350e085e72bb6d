//! Parts as a server sees them: all equal but the last, several at a time, and taken where unequal
//! ones are refused.

use flow_sim::s3::{Effect, Entry, Fault, FaultPlan, Operation, Options, Rules, Server};
use materialize_s3_parquet::config::Checksums;
use materialize_s3_parquet::store::{Completion, ObjectStore, PART_BYTES};

use crate::servers::embedded_location;
use crate::stores::{PLACES, stage, store};

/// How long the server takes for a part.
const LATENCY: u64 = 400;

/// A server with R2's rule, slow enough for parts to meet.
fn options() -> Options {
    let effect = Effect::Latency {
        milliseconds: LATENCY,
    };
    Options {
        buckets: vec!["lake".to_owned()],
        rules: Rules {
            equal_parts: true,
            ..Rules::default()
        },
        faults: FaultPlan {
            seed: 0,
            faults: vec![Fault::on(Operation::UploadPart, effect)],
        },
        ..Options::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn parts_are_equal_and_as_many_on_their_way_as_have_a_place() {
    for checksums in [Checksums::Crc32, Checksums::None] {
        parts_are_sent(checksums).await;
    }
}

async fn parts_are_sent(checksums: Checksums) {
    let server = Server::start(options()).await.unwrap();
    let place = embedded_location(&server);
    let store = store(&place, "lake", checksums);
    let bytes = 4 * PART_BYTES + 7;
    let upload = stage(&store, "key", bytes).await;
    let parts: Vec<Entry> = server
        .journal()
        .into_iter()
        .filter(|entry| entry.target.operation == Operation::UploadPart)
        .collect();
    let mut sizes: Vec<u64> = parts.iter().map(|part| part.bytes).collect();
    sizes.sort_unstable_by(|one, other| other.cmp(one));
    let part = PART_BYTES as u64;
    assert_eq!(sizes, [part, part, part, part, 7]);
    assert_eq!(most_at_once(&server), PLACES, "{checksums:?}");
    let answer = store.complete("key", &upload).await.unwrap();
    assert!(matches!(answer, Completion::Completed(_)), "{answer:?}");
}

/// How many parts were on their way at once.
fn most_at_once(server: &Server) -> usize {
    let timed: Vec<_> = server
        .timed_journal()
        .into_iter()
        .filter(|(entry, _)| entry.target.operation == Operation::UploadPart)
        .map(|(_, timing)| timing)
        .collect();
    timed
        .iter()
        .map(|one| {
            timed
                .iter()
                .filter(|other| {
                    other.began <= one.began && other.ended.is_none_or(|end| end > one.began)
                })
                .count()
        })
        .max()
        .unwrap_or_default()
}
