use super::super::fake::{Fake, Operation, location};
use super::*;
use crate::checkpoint::{Location, Part};
use crate::stop::{StopSender, stop};

const STAGED: &str = "2026-03-01T00:00:00Z";
const RECEIPT: &str = "_staged/a.receipt";

fn options(missing: MissingUploads) -> PublishOptions {
    with_stop(missing).0
}

fn with_stop(missing: MissingUploads) -> (PublishOptions, StopSender) {
    let (sender, stop) = stop();
    let options = PublishOptions {
        now: "2026-03-02T00:00:00Z".parse().unwrap(),
        missing,
        haste: Haste::NONE,
        stop,
    };
    (options, sender)
}

fn entry(file: &StagedFile, is_new: bool) -> Entry {
    Entry {
        file: file.clone(),
        active: true,
        is_new,
    }
}

async fn outcomes(
    store: &Fake,
    entries: Vec<Entry>,
    missing: MissingUploads,
) -> Result<Vec<Outcome>> {
    match publish(store, entries, options(missing)).await? {
        Published::Done(outcomes) => Ok(outcomes),
        Published::Stopped => panic!("nobody has asked for a stop"),
    }
}

/// Publishes a file that this session has staged.
async fn first_time(store: &Fake, file: &StagedFile) -> Result<Outcome> {
    let outcomes = outcomes(store, vec![entry(file, true)], MissingUploads::Fail).await?;
    Ok(outcomes[0])
}

/// Publishes a file that an earlier session may have asked for.
async fn again(store: &Fake, file: &StagedFile) -> Result<Outcome> {
    let outcomes = outcomes(store, vec![entry(file, false)], MissingUploads::Fail).await?;
    Ok(outcomes[0])
}

/// A file staged in each of the two ways, each in a store of its own.
async fn both_ways() -> [(Fake, StagedFile); 2] {
    let (one, other) = (Fake::new(), Fake::new());
    let upload = one.stage("a/1", "t1", STAGED).await;
    let object = other.stage_object("a/1", "t1", STAGED);
    [(one, upload), (other, object)]
}

/// The bucket no longer has what was staged.
async fn lose(store: &Fake, file: &StagedFile) {
    file.staged.discard(store, &file.key).await.unwrap();
}

fn count(store: &Fake, operation: Operation) -> usize {
    let operations = store.operations();
    operations
        .iter()
        .filter(|asked| **asked == operation)
        .count()
}

fn unavailable() -> Error {
    Error::new(ErrorKind::Unavailable, "503")
}

fn denied() -> Error {
    Error::new(ErrorKind::Auth, "403")
}

#[tokio::test(start_paused = true)]
async fn a_staged_file_becomes_visible_and_nothing_of_it_stays_staged() {
    for (store, file) in both_ways().await {
        assert_eq!(first_time(&store, &file).await.unwrap(), Outcome::Visible);
        assert_eq!(store.object("a/1"), b"rows");
        assert_eq!(store.pending(), Vec::<String>::new());
        assert_eq!(store.staged_keys(), [RECEIPT]);
        assert_eq!(
            count(&store, Operation::Head),
            0,
            "there is nothing to look for"
        );
        assert_eq!(count(&store, Operation::Get), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn the_receipt_names_what_is_visible() {
    for (store, file) in both_ways().await {
        first_time(&store, &file).await.unwrap();
        assert_eq!(store.object(RECEIPT), br#"{"tokens":["t1"]}"#);
    }
}

#[tokio::test(start_paused = true)]
async fn a_visible_file_is_proven_by_its_key_and_size_and_not_asked_for_again() {
    for (store, file) in both_ways().await {
        first_time(&store, &file).await.unwrap();
        let asked = store.operations().len();
        let began = Instant::now();
        assert_eq!(again(&store, &file).await.unwrap(), Outcome::Visible);
        assert_eq!(began.elapsed(), Duration::ZERO, "nothing to wait for");
        assert_eq!(store.operations()[asked], Operation::Head);
        assert_eq!(
            count(&store, Operation::Complete) + count(&store, Operation::Copy),
            1
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_file_that_was_taken_is_proven_by_its_receipt() {
    for (store, file) in both_ways().await {
        first_time(&store, &file).await.unwrap();
        store.remove("a/1");
        let began = Instant::now();
        assert_eq!(again(&store, &file).await.unwrap(), Outcome::Delivered);
        assert_eq!(began.elapsed(), Duration::ZERO, "nothing to wait for");
        assert_eq!(store.keys(), Vec::<String>::new(), "it is not made again");
    }
}

#[tokio::test(start_paused = true)]
async fn completing_again_is_accepted_as_on_aws() {
    let store = Fake::new();
    store.complete_again();
    let file = store.stage("a/1", "t1", STAGED).await;
    first_time(&store, &file).await.unwrap();
    assert_eq!(first_time(&store, &file).await.unwrap(), Outcome::Visible);
}

#[tokio::test(start_paused = true)]
async fn a_receipt_that_is_lost_refused_or_anothers_proves_nothing() {
    for (store, file) in both_ways().await {
        first_time(&store, &file).await.unwrap();
        store.remove("a/1");
        store.place(RECEIPT, br#"{"tokens":["t2"]}"#.to_vec());
        assert!(again(&store, &file).await.is_err());
        store.place(RECEIPT, b"<html>".to_vec());
        assert!(again(&store, &file).await.is_err());
        store.remove(RECEIPT);
        assert!(again(&store, &file).await.is_err());
        store.fail(Operation::Get, denied);
        assert!(again(&store, &file).await.is_err());
    }
}

#[tokio::test(start_paused = true)]
async fn a_receipt_that_cannot_be_written_ends_nothing() {
    for (store, file) in both_ways().await {
        store.fail(Operation::Put, denied);
        assert_eq!(first_time(&store, &file).await.unwrap(), Outcome::Visible);
    }
}

#[tokio::test(start_paused = true)]
async fn files_that_are_gone_are_one_error_that_names_them_both_causes_and_the_cures() {
    let store = Fake::new();
    let mut entries = Vec::new();
    for index in 0..7 {
        let file = store.stage(&format!("a/{index}"), "t", STAGED).await;
        lose(&store, &file).await;
        entries.push(entry(&file, false));
    }
    let began = Instant::now();
    let failed = outcomes(&store, entries.clone(), MissingUploads::Fail).await;
    assert_eq!(began.elapsed(), PATIENCE, "all are waited for together");
    let error = failed.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    let text = error.to_string();
    for part in [
        "7 committed file",
        "`a/0`",
        "`a/4`",
        "2 more",
        STAGED,
        "lifecycle rule",
        "took them as soon as they were visible",
        "backfill",
        "twice",
        "missingUploads",
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }
    let skipped = outcomes(&store, entries, MissingUploads::Skip).await;
    assert_eq!(skipped.unwrap(), [Outcome::Skipped; 7]);
}

#[tokio::test(start_paused = true)]
async fn sixty_four_files_that_are_gone_are_waited_for_as_long_as_one() {
    let store = Fake::new();
    let mut entries = Vec::new();
    for index in 0..64 {
        let file = store.stage(&format!("a/{index}"), "t", STAGED).await;
        lose(&store, &file).await;
        entries.push(entry(&file, false));
    }
    let began = Instant::now();
    assert!(
        outcomes(&store, entries, MissingUploads::Fail)
            .await
            .is_err()
    );
    assert_eq!(began.elapsed(), PATIENCE);
}

#[tokio::test(start_paused = true)]
async fn a_staged_object_that_was_exchanged_is_not_ours() {
    let store = Fake::new();
    let file = store.stage_object("a/1", "t1", STAGED);
    store.place("_staged/a/1.staged", b"other rows".to_vec());
    assert!(first_time(&store, &file).await.is_err());
    assert_eq!(store.keys(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn an_object_of_another_size_is_no_proof() {
    let [(store, file), _] = both_ways().await;
    lose(&store, &file).await;
    store.place("a/1", b"longer rows".to_vec());
    let text = again(&store, &file).await.unwrap_err().to_string();
    assert!(
        text.contains("11 bytes") && text.contains("4 were"),
        "{text}"
    );

    let [_, (store, file)] = both_ways().await;
    store.place("a/1", b"half of a copy".to_vec());
    assert_eq!(again(&store, &file).await.unwrap(), Outcome::Visible);
    assert_eq!(store.object("a/1"), b"rows", "it is copied again");
}

#[tokio::test(start_paused = true)]
async fn a_completion_that_is_still_running_on_the_server_is_waited_for() {
    for (store, file) in both_ways().await {
        lose(&store, &file).await;
        let server = store.clone();
        tokio::spawn(async move {
            sleep(Duration::from_secs(100)).await;
            server.place("a/1", b"rows".to_vec());
        });
        assert_eq!(again(&store, &file).await.unwrap(), Outcome::Visible);
        assert!(count(&store, Operation::Head) < 14);
    }
}

#[tokio::test(start_paused = true)]
async fn who_waits_holds_up_nobody() {
    let store = Fake::new();
    let mut entries = Vec::new();
    for index in 0..40 {
        let file = store.stage(&format!("a/{index:02}"), "t", STAGED).await;
        if index < 20 {
            lose(&store, &file).await;
        }
        entries.push(entry(&file, false));
    }
    let (asked, visible) = (store.clone(), store.clone());
    tokio::spawn(async move { outcomes(&asked, entries, MissingUploads::Fail).await });
    sleep(Duration::from_secs(1)).await;
    assert_eq!(visible.keys().len(), 20);
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_is_proven_by_the_object() {
    let store = Fake::new();
    let file = store.stage("a/1", "t1", STAGED).await;
    first_time(&store, &file).await.unwrap();
    store.fail(Operation::Complete, || Error::internal("InvalidPart"));
    assert_eq!(first_time(&store, &file).await.unwrap(), Outcome::Visible);
}

#[tokio::test(start_paused = true)]
async fn a_copy_is_tried_again_only_after_a_look() {
    let store = Fake::new();
    let file = store.stage_object("a/1", "t1", STAGED);
    store.fail(Operation::Copy, unavailable);
    let healer = store.clone();
    tokio::spawn(async move {
        sleep(Duration::from_secs(3)).await;
        healer.heal(Operation::Copy);
    });
    assert_eq!(first_time(&store, &file).await.unwrap(), Outcome::Visible);
    let operations = store.operations();
    let copies = count(&store, Operation::Copy);
    assert!(copies > 1);
    assert_eq!(count(&store, Operation::Head), copies - 1);
    let pairs = operations.windows(2);
    assert!(
        pairs.into_iter().all(|pair| pair != [Operation::Copy; 2]),
        "{operations:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_copy_whose_answer_was_lost_is_not_made_again() {
    let store = Fake::new();
    let file = store.stage_object("a/1", "t1", STAGED);
    store.place("a/1", b"rows".to_vec());
    store.fail(Operation::Copy, unavailable);
    assert_eq!(first_time(&store, &file).await.unwrap(), Outcome::Visible);
    assert_eq!(count(&store, Operation::Copy), 1);
    assert_eq!(store.staged_keys(), [RECEIPT], "and its twin is gone");
}

#[tokio::test(start_paused = true)]
async fn the_staged_object_is_deleted_after_its_own_copy_by_its_version() {
    let store = Fake::new();
    store.keep_versions();
    let file = store.stage_object("a/1", "t1", STAGED);
    let Staged::Copy { staged } = &file.staged else {
        panic!("it is an object");
    };
    first_time(&store, &file).await.unwrap();
    assert_eq!(
        store.deletions(),
        [(staged.key.clone(), staged.version.clone())]
    );
    let operations = store.operations();
    assert_eq!(operations[..2], [Operation::Copy, Operation::Delete]);
}

#[tokio::test(start_paused = true)]
async fn a_deletion_that_fails_ends_nothing() {
    let store = Fake::new();
    let file = store.stage_object("a/1", "t1", STAGED);
    store.fail(Operation::Delete, denied);
    assert_eq!(first_time(&store, &file).await.unwrap(), Outcome::Visible);
}

/// An upload whose parts the store has lost.
async fn damaged(store: &Fake) -> StagedFile {
    let mut file = store.stage("a/1", "t1", STAGED).await;
    if let Staged::Multipart(upload) = &mut file.staged {
        upload.parts.push(Part {
            etag: "\"lost\"".to_owned(),
            crc32: None,
        });
    }
    file
}

#[tokio::test(start_paused = true)]
async fn an_upload_that_has_lost_its_parts_is_named_with_the_cure_and_can_be_skipped() {
    let store = Fake::new();
    let file = damaged(&store).await;
    let error = first_time(&store, &file).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    let text = error.to_string();
    for part in [
        "1 committed file",
        "`a/1`",
        "parts",
        "`skip`",
        "`/advanced/commit`",
    ] {
        assert!(text.contains(part), "{part} is not in: {text}");
    }
    let skipped = outcomes(&store, vec![entry(&file, false)], MissingUploads::Skip).await;
    assert_eq!(skipped.unwrap(), [Outcome::Skipped]);
    assert_eq!(store.pending(), ["a/1"], "a later clean-up aborts it");
}

/// As on `MinIO`, which forgets the parts a moment before it makes the object.
#[tokio::test(start_paused = true)]
async fn an_upload_without_parts_whose_completion_is_still_running_is_waited_for() {
    let store = Fake::new();
    let file = damaged(&store).await;
    let server = store.clone();
    tokio::spawn(async move {
        sleep(Duration::from_secs(100)).await;
        server.place("a/1", b"rows".to_vec());
    });
    assert_eq!(first_time(&store, &file).await.unwrap(), Outcome::Visible);
}

fn of_a_removed_binding(file: &StagedFile) -> Vec<Entry> {
    vec![Entry {
        active: false,
        ..entry(file, false)
    }]
}

#[tokio::test(start_paused = true)]
async fn files_of_removed_bindings_are_made_visible_and_never_end_or_hold_up_the_session() {
    for (store, file) in both_ways().await {
        for operation in [Operation::Complete, Operation::Copy] {
            store.fail(operation, || Error::internal("denied"));
        }
        let entries = of_a_removed_binding(&file);
        let waits = outcomes(&store, entries.clone(), MissingUploads::Fail).await;
        assert_eq!(waits.unwrap(), [Outcome::Waits]);
        assert!(!Outcome::Waits.is_settled());
        for operation in [Operation::Complete, Operation::Copy] {
            store.heal(operation);
        }
        let visible = outcomes(&store, entries.clone(), MissingUploads::Fail).await;
        assert_eq!(visible.unwrap(), [Outcome::Visible]);
        store.remove("a/1");
        store.remove(RECEIPT);
        let began = Instant::now();
        let waits = outcomes(&store, entries, MissingUploads::Fail).await;
        assert_eq!(waits.unwrap(), [Outcome::Waits]);
        assert_eq!(began.elapsed(), Duration::ZERO);
    }
}

#[tokio::test(start_paused = true)]
async fn a_file_of_a_removed_binding_is_given_up_a_week_after_its_first_failure() {
    for (since, expected) in [
        ("2026-02-23T00:00:01Z", Outcome::Waits),
        ("2026-02-23T00:00:00Z", Outcome::Skipped),
    ] {
        let store = Fake::new();
        let mut file = store.stage("a/1", "t1", STAGED).await;
        lose(&store, &file).await;
        file.failing_since = Some(since.parse().unwrap());
        let entries = of_a_removed_binding(&file);
        let given_up = outcomes(&store, entries, MissingUploads::Fail).await;
        assert_eq!(given_up.unwrap(), [expected], "{since}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_error_ends_it_and_what_is_staged_stays() {
    for error in [|| Error::internal("200 with an error body"), unavailable] as [fn() -> Error; 2] {
        for (store, file) in both_ways().await {
            for operation in [Operation::Complete, Operation::Copy] {
                store.fail(operation, error);
            }
            let text = first_time(&store, &file).await.unwrap_err().to_string();
            assert!(text.contains("a/1"), "{text}");
            assert_eq!(store.pending().len() + store.staged_keys().len(), 1);
            for operation in [Operation::Complete, Operation::Copy] {
                store.heal(operation);
            }
            assert_eq!(again(&store, &file).await.unwrap(), Outcome::Visible);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_refused_look_proves_nothing_and_its_cure_is_named() {
    for (store, file) in both_ways().await {
        lose(&store, &file).await;
        store.fail(Operation::Head, denied);
        let text = again(&store, &file).await.unwrap_err().to_string();
        for part in ["s3:ListBucket", "s3:GetObject"] {
            assert!(text.contains(part), "{part} is not in: {text}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn without_permission_to_look_staged_files_become_visible_all_the_same() {
    for (store, file) in both_ways().await {
        store.fail(Operation::Head, denied);
        store.fail(Operation::Get, denied);
        assert_eq!(again(&store, &file).await.unwrap(), Outcome::Visible);
    }
}

#[tokio::test(start_paused = true)]
async fn a_look_that_fails_otherwise_is_an_error() {
    for (store, file) in both_ways().await {
        lose(&store, &file).await;
        store.fail(Operation::Head, unavailable);
        let error = again(&store, &file).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable);
    }
}

#[tokio::test(start_paused = true)]
async fn after_the_endpoint_got_another_name_files_become_visible_at_the_new_one() {
    let store = Fake::new();
    let mut file = store.stage("a/1", "t1", STAGED).await;
    file.location = location("http://gone");
    store.cut_off(&file.location);
    assert_eq!(again(&store, &file).await.unwrap(), Outcome::Visible);
    assert_eq!(store.keys(), ["a/1"]);
    assert_eq!(
        store.staged_keys(),
        [RECEIPT],
        "its receipt stands there too"
    );
}

#[tokio::test(start_paused = true)]
async fn after_bucket_or_endpoint_changed_files_become_visible_where_they_were_staged() {
    let old = Fake::new();
    let bucket = Location {
        bucket: "new".into(),
        ..old.location().clone()
    };
    for (token, current) in [("t1", bucket), ("t2", location("http://new"))] {
        let file = old.stage(&format!("a/{token}"), token, STAGED).await;
        let outcome = again(&old.at(&current), &file).await.unwrap();
        assert_eq!(outcome, Outcome::Visible);
        assert_eq!(old.object(&file.key), b"rows");
        assert_eq!(old.at(&current).keys(), Vec::<String>::new());
    }
}

#[tokio::test(start_paused = true)]
async fn a_place_of_old_that_fails_is_named_with_its_cure_asked_once_and_can_be_skipped() {
    let old = Fake::new();
    let mut entries = Vec::new();
    for index in 0..40 {
        let file = old.stage(&format!("a/{index}"), "t1", STAGED).await;
        entries.push(entry(&file, false));
    }
    old.cut_off(old.location());
    let current = old.at(&location("http://new"));
    let asked = old.operations().len();
    let failed = outcomes(&current, entries.clone(), MissingUploads::Fail).await;
    let error = failed.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    let text = error.to_string();
    for part in ["http://fake", "credentials", "40 committed files"] {
        assert!(text.contains(part), "{part} is not in: {text}");
    }
    // Today's place is asked for every file, and of the place of old those that were on their way
    // when the first of them failed; the receipt is read once.
    let most = 40 * 3 + 1 + 16;
    let asked = old.operations().len() - asked;
    assert!(asked <= most, "{asked} requests");
    let skipped = outcomes(&current, entries, MissingUploads::Skip).await;
    assert_eq!(skipped.unwrap(), [Outcome::Skipped; 40]);
}

#[tokio::test(start_paused = true)]
async fn a_place_of_old_does_not_decide_while_the_current_one_cannot_be_reached() {
    let current = Fake::new();
    let mut file = current.stage("a/1", "t1", STAGED).await;
    // The name of old now leads to a server that knows nothing, and the right one is down.
    file.location = location("http://repointed");
    current.cut_off(current.location());
    for missing in [MissingUploads::Fail, MissingUploads::Skip] {
        let error = outcomes(&current, vec![entry(&file, false)], missing).await;
        assert_eq!(error.unwrap_err().kind(), ErrorKind::Unavailable);
    }
}

#[tokio::test(start_paused = true)]
async fn sixteen_are_asked_for_at_once_and_outcomes_keep_their_order() {
    let store = Fake::new();
    let mut entries = Vec::new();
    for index in 0..40 {
        let token = format!("t{index}");
        let file = store.stage(&format!("a/{index}"), &token, STAGED).await;
        let is_taken = index == 27;
        if is_taken {
            first_time(&store, &file).await.unwrap();
            store.remove(&file.key);
        }
        entries.push(entry(&file, !is_taken));
    }
    let became = outcomes(&store, entries, MissingUploads::Fail).await;
    let mut expected = [Outcome::Visible; 40];
    expected[27] = Outcome::Delivered;
    assert_eq!(became.unwrap(), expected);
    assert_eq!(store.most_running(), AT_ONCE);
    let receipt = String::from_utf8(store.object(RECEIPT)).unwrap();
    assert!(
        receipt.contains("\"t27\"") && receipt.contains("\"t39\""),
        "{receipt}"
    );
}

#[tokio::test(start_paused = true)]
async fn all_are_tried_and_told_in_the_receipt_before_one_of_them_ends_the_session() {
    for is_new in [true, false] {
        let store = Fake::new();
        let mut entries = Vec::new();
        for index in 0..40 {
            let token = format!("t{index}");
            let mut file = store.stage(&format!("a/{index:02}"), &token, STAGED).await;
            if index == 3 {
                file.key = "a/03, and no upload has this key".to_owned();
            }
            entries.push(entry(&file, is_new));
        }
        let error = outcomes(&store, entries, MissingUploads::Fail).await;
        let text = error.unwrap_err().to_string();
        assert!(text.contains("a/03"), "{text}");
        assert_eq!(store.keys().len(), 39);
        let receipt = String::from_utf8(store.object(RECEIPT)).unwrap();
        assert_eq!(
            receipt.matches("\"t").count(),
            40,
            "39 and `tokens`: {receipt}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_round_that_fails_keeps_what_the_receipt_says_already() {
    let store = Fake::new();
    let taken = store.stage("a/1", "t1", STAGED).await;
    first_time(&store, &taken).await.unwrap();
    store.remove("a/1");
    let (visible, lost) = (
        store.stage("a/2", "t2", STAGED).await,
        store.stage("a/3", "t3", STAGED).await,
    );
    lose(&store, &lost).await;
    let entries = [&taken, &visible, &lost].map(|file| entry(file, false));
    assert!(
        outcomes(&store, entries.to_vec(), MissingUploads::Fail)
            .await
            .is_err()
    );
    assert_eq!(store.object(RECEIPT), br#"{"tokens":["t1","t2"]}"#);
}

#[tokio::test(start_paused = true)]
async fn after_a_request_to_stop_nothing_is_begun_and_what_is_on_its_way_has_ten_seconds() {
    for operation in [Operation::Complete, Operation::Copy] {
        let store = Fake::new();
        let mut entries = Vec::new();
        for index in 0..40 {
            let key = format!("a/{index}");
            entries.push(match operation {
                Operation::Copy => entry(&store.stage_object(&key, "t", STAGED), true),
                _ => entry(&store.stage(&key, "t", STAGED).await, true),
            });
        }
        store.hang(operation);
        let (options, sender) = with_stop(MissingUploads::Fail);
        let began = Instant::now();
        let asking = tokio::spawn({
            let store = store.clone();
            async move { publish(&store, entries, options).await }
        });
        sleep(Duration::from_secs(1)).await;
        sender.request();
        assert_eq!(asking.await.unwrap().unwrap(), Published::Stopped);
        assert_eq!(began.elapsed(), Duration::from_secs(1) + GRACE);
        assert_eq!(count(&store, operation), AT_ONCE);
    }
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_a_file_hears_the_request_to_stop() {
    for (store, file) in both_ways().await {
        lose(&store, &file).await;
        let (options, sender) = with_stop(MissingUploads::Fail);
        let entries = vec![entry(&file, false)];
        let waiting = tokio::spawn(async move { publish(&store, entries, options).await });
        sleep(Duration::from_secs(20)).await;
        let began = Instant::now();
        sender.request();
        assert_eq!(waiting.await.unwrap().unwrap(), Published::Stopped);
        assert_eq!(began.elapsed(), Duration::ZERO);
    }
}

#[tokio::test]
async fn nothing_to_make_visible_is_nothing() {
    let store = Fake::new();
    let nothing = outcomes(&store, Vec::new(), MissingUploads::Fail).await;
    assert_eq!(nothing.unwrap(), []);
    assert_eq!(store.operations(), [], "and has no receipt");
}

/// A server that got another name: the old one leads nowhere, and one of its files is missing.
#[tokio::test(start_paused = true)]
async fn a_dead_name_of_old_keeps_no_file_from_being_asked_for_at_the_new_one() {
    let store = Fake::new();
    let mut entries = Vec::new();
    for index in 0..40 {
        let token = format!("t{index}");
        let mut file = store.stage(&format!("a/{index:02}"), &token, STAGED).await;
        if index == 3 {
            lose(&store, &file).await;
        }
        file.location = location("http://gone");
        entries.push(entry(&file, false));
    }
    store.cut_off(&location("http://gone"));
    let failed = outcomes(&store, entries.clone(), MissingUploads::Fail).await;
    assert!(failed.unwrap_err().to_string().contains("http://gone"));
    assert_eq!(store.keys().len(), 39);
    let skipped = outcomes(&store, entries, MissingUploads::Skip)
        .await
        .unwrap();
    assert_eq!(
        skipped
            .iter()
            .filter(|outcome| **outcome == Outcome::Skipped)
            .count(),
        1
    );
}

#[tokio::test(start_paused = true)]
async fn a_place_of_old_does_not_decide_while_the_current_one_is_silent_for_whatever_reason() {
    let current = Fake::new();
    let mut file = current.stage("a/1", "t1", STAGED).await;
    file.location = location("http://repointed");
    // A name that is not known, or a certificate that has expired.
    current.fail_at(current.location(), || {
        Error::config("the host name is not known").silent()
    });
    for missing in [MissingUploads::Fail, MissingUploads::Skip] {
        let failed = outcomes(&current, vec![entry(&file, false)], missing).await;
        assert!(
            failed.unwrap_err().to_string().contains("host name"),
            "{missing:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_bucket_of_old_that_refuses_the_key_of_today_can_be_skipped_and_its_cure_is_named() {
    let old = Fake::new();
    let file = old.stage("a/1", "t1", STAGED).await;
    let bucket = Location {
        bucket: "new".into(),
        ..old.location().clone()
    };
    let current = old.at(&bucket);
    old.fail_at(old.location(), denied);
    let entries = vec![entry(&file, false)];
    let failed = outcomes(&current, entries.clone(), MissingUploads::Fail).await;
    let text = failed.unwrap_err().to_string();
    for part in ["bucket `lake`", "credentials", "`skip`"] {
        assert!(text.contains(part), "{part} is not in: {text}");
    }
    let skipped = outcomes(&current, entries, MissingUploads::Skip).await;
    assert_eq!(skipped.unwrap(), [Outcome::Skipped]);
}

#[tokio::test(start_paused = true)]
async fn a_receipt_that_cannot_be_read_now_is_not_one_that_says_no_and_is_never_overwritten() {
    let store = Fake::new();
    let (taken, staged) = (
        store.stage_object("a/1", "t1", STAGED),
        store.stage_object("a/2", "t2", STAGED),
    );
    // Its twin could not be deleted before a loader took the file.
    store.fail(Operation::Delete, denied);
    first_time(&store, &taken).await.unwrap();
    store.heal(Operation::Delete);
    store.remove("a/1");
    let before = store.object(RECEIPT);

    store.fail(Operation::Get, unavailable);
    let entries = vec![entry(&taken, false), entry(&staged, true)];
    let failed = outcomes(&store, entries.clone(), MissingUploads::Skip).await;
    assert_eq!(failed.unwrap_err().kind(), ErrorKind::Unavailable);
    assert_eq!(
        store.keys(),
        ["a/2"],
        "and the one that was taken does not come again"
    );
    assert_eq!(store.object(RECEIPT), before);

    store.heal(Operation::Get);
    let settled = outcomes(&store, entries, MissingUploads::Fail).await;
    assert_eq!(settled.unwrap(), [Outcome::Delivered, Outcome::Visible]);
    assert_eq!(
        store.staged_keys(),
        [RECEIPT],
        "the twin of the one that was taken is gone"
    );
}

#[tokio::test(start_paused = true)]
async fn a_look_that_is_refused_does_not_hide_why_a_copy_failed() {
    let store = Fake::new();
    let file = store.stage_object("a/1", "t1", STAGED);
    store.fail(Operation::Copy, unavailable);
    store.fail(Operation::Head, denied);
    let error = first_time(&store, &file).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_receipt_that_hangs_does_not_hold_up_a_stop() {
    let store = Fake::new();
    let (one, other) = (
        store.stage("a/1", "t1", STAGED).await,
        store.stage_object("a/2", "t2", STAGED),
    );
    store.hang(Operation::Put);
    store.hang(Operation::Copy);
    let (options, sender) = with_stop(MissingUploads::Fail);
    let entries = vec![entry(&one, true), entry(&other, true)];
    let asking = tokio::spawn(async move { publish(&store, entries, options).await });
    sleep(Duration::from_secs(1)).await;
    sender.request();
    let began = Instant::now();
    assert_eq!(asking.await.unwrap().unwrap(), Published::Stopped);
    assert_eq!(began.elapsed(), 2 * GRACE);
}
