//! Every checker is content with good evidence, and objects to evidence that is bad in its own way.

use super::*;

const STREAM: Stream = Stream {
    lineage: 0,
    key_begin: 0,
    binding: 0,
    backfill: 0,
};

fn row(number: u64) -> Row {
    Row {
        id: RowId {
            generation: 0,
            number,
        },
        key: number as u32 % 2,
        digest: number * 31,
    }
}

fn file(key: &str, rows: &[u64], seen_at: u64) -> File {
    File {
        key: key.to_owned(),
        rows: Ok(rows.iter().copied().map(row).collect()),
        seen_at,
    }
}

/// Two transactions of three rows, each in two files.
fn good() -> Evidence {
    let commit = |number: u64, rows: [u64; 3], staged: [&str; 2]| Commit {
        number,
        stream: STREAM,
        rows: rows.map(row).into(),
        staged: vec![(staged[0].to_owned(), 2), (staged[1].to_owned(), 1)],
    };
    Evidence {
        commits: vec![
            commit(0, [0, 2, 1], ["a", "b"]),
            commit(1, [4, 3, 5], ["c", "d"]),
        ],
        files: vec![
            file("a", &[0, 2], 1),
            file("b", &[1], 1),
            file("c", &[4, 3], 2),
            file("d", &[5], 2),
        ],
        writes: ["a", "b", "c", "d"].map(|key| (key.to_owned(), 1)).into(),
        states: vec![StateSample {
            at: "then".to_owned(),
            staged: 0,
            bytes: 150,
            places: 1,
            writers: vec![1],
        }],
        ..Evidence::default()
    }
}

/// The promises that are broken.
fn broken(evidence: &Evidence) -> Vec<&'static str> {
    let mut promises: Vec<_> = judge(evidence)
        .into_iter()
        .map(|finding| finding.promise)
        .collect();
    promises.dedup();
    promises
}

fn only(checker: &dyn Checker, change: impl FnOnce(&mut Evidence)) {
    let mut evidence = good();
    change(&mut evidence);
    assert_eq!(broken(&evidence), [checker.promise()]);
}

#[test]
fn good_evidence_is_good() {
    assert_eq!(judge(&good()), []);
}

#[test]
fn a_row_that_is_missing_doubled_changed_or_not_committed_is_found() {
    only(&ExactlyOnce, |evidence| drop(evidence.files.pop()));
    only(&ExactlyOnce, |evidence| {
        evidence.files.push(file("z", &[9], 2));
    });
    only(&ExactlyOnce, |evidence| {
        evidence.files[3].rows.as_mut().unwrap()[0].digest = 0;
    });
    only(&ExactlyOnce, |evidence| {
        evidence.files[3].rows = Err("no footer".to_owned());
    });
    let mut doubled = good();
    doubled.files.push(file("e", &[5], 2));
    assert!(broken(&doubled).contains(&ExactlyOnce.promise()));
}

#[test]
fn a_row_whose_file_may_be_missing_may_be_so_but_not_its_neighbours() {
    let mut evidence = good();
    evidence.files.remove(2);
    evidence.may_be_missing.insert("c".to_owned());
    assert_eq!(judge(&evidence), []);
    evidence.files.pop();
    assert_eq!(broken(&evidence), [ExactlyOnce.promise()]);
}

#[test]
fn a_file_that_is_seen_before_its_commit_is_found() {
    only(&NothingEarly, |evidence| evidence.files[2].seen_at = 1);
    only(&NothingEarly, |evidence| evidence.files[0].seen_at = 0);
}

#[test]
fn a_key_that_is_written_twice_is_found() {
    only(&NeverOverwritten, |evidence| {
        let _ = evidence.writes.insert("a".to_owned(), 2);
        evidence.may_be_repeated.insert("b".to_owned());
    });
    let mut repeated = good();
    repeated.writes.insert("a".to_owned(), 2);
    repeated.may_be_repeated.insert("a".to_owned());
    assert_eq!(judge(&repeated), []);
}

#[test]
fn rows_out_of_order_are_found_within_a_file_and_between_files() {
    only(&InOrder, |evidence| {
        evidence.files[0].rows.as_mut().unwrap().swap(0, 1);
    });
    only(&InOrder, |evidence| {
        evidence.files[0].key = "b".to_owned();
        evidence.files[1].key = "a".to_owned();
    });
}

#[test]
fn rows_of_a_key_out_of_order_between_shards_are_found() {
    // Two shards, one after the other, each with a file of rows of the same key.
    let evidence = |counters: [u64; 2]| {
        let shards: [(u64, u32, u64); 2] = [(0, 0x8000_0000, 2), (1, 0, 4)];
        let commits = shards.map(|(number, key_begin, id)| Commit {
            number,
            stream: Stream {
                key_begin,
                ..STREAM
            },
            rows: vec![row(id)],
            staged: Vec::new(),
        });
        let files = shards.into_iter().zip(counters);
        let files = files.map(|((number, key_begin, id), counter)| {
            let key = format!("x/{key_begin:08x}-{counter:012}-w-t.parquet");
            file(&key, &[id], number + 1)
        });
        Evidence {
            commits: commits.into(),
            files: files.collect(),
            shards_share_a_log: true,
            ..Evidence::default()
        }
    };
    assert_eq!(judge(&evidence([0, 1])), []);
    assert_eq!(broken(&evidence([1, 0])), [InOrder.promise()]);
}

#[test]
fn a_state_that_keeps_files_or_writers_or_grows_is_found() {
    only(&StateBounded, |evidence| evidence.states[0].staged = 1);
    only(&StateBounded, |evidence| evidence.states[0].bytes = 272);
    only(&StateBounded, |evidence| {
        evidence.states[0].writers = vec![65];
    });
}

#[test]
fn what_is_left_behind_and_what_of_another_is_gone_are_found() {
    only(&NothingLeftBehind, |evidence| {
        evidence.left_behind.push("x".to_owned());
    });
    only(&NothingLeftBehind, |evidence| {
        evidence.bystanders_gone.push("x".to_owned());
    });
}

#[test]
fn a_failure_without_a_cause_is_found() {
    only(&NoFailureWithoutCause, |evidence| {
        evidence.surprises.push("it hangs".to_owned());
    });
}
