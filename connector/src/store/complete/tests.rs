use super::super::fake::{Fake, Operation, location};
use super::*;
use crate::checkpoint::Part;

const STAGED: &str = "2026-03-01T00:00:00Z";
const SOON: &str = "2026-03-01T23:59:59Z";
const LATE: &str = "2026-03-02T00:00:00Z";

fn options(now: &str, missing: MissingUploads) -> CompleteOptions {
    CompleteOptions {
        haste: Haste::NONE,
        now: now.parse().unwrap(),
        missing,
    }
}

fn active(upload: &StagedUpload) -> Vec<Entry> {
    vec![Entry {
        upload: upload.clone(),
        active: true,
    }]
}

async fn complete_one(store: &Fake, upload: &StagedUpload, now: &str) -> Result<Outcome> {
    let outcomes = complete_all(store, active(upload), options(now, MissingUploads::Fail)).await?;
    assert_eq!(outcomes.len(), 1);
    Ok(outcomes[0])
}

fn count(store: &Fake, operation: Operation) -> usize {
    store
        .operations()
        .iter()
        .filter(|asked| **asked == operation)
        .count()
}

#[tokio::test(start_paused = true)]
async fn a_staged_file_becomes_visible() {
    let store = Fake::new();
    let upload = store.stage("a/1", "t1", STAGED).await;
    assert_eq!(
        complete_one(&store, &upload, SOON).await.unwrap(),
        Outcome::Completed
    );
    assert_eq!(store.object("a/1"), b"rows");
    assert_eq!(
        count(&store, Operation::Head),
        0,
        "no permission to read is needed"
    );
}

#[tokio::test(start_paused = true)]
async fn completing_again_is_proven_by_the_object_as_on_minio() {
    let store = Fake::new();
    let upload = store.stage("a/1", "t1", STAGED).await;
    complete_one(&store, &upload, SOON).await.unwrap();
    let began = Instant::now();
    assert_eq!(
        complete_one(&store, &upload, LATE).await.unwrap(),
        Outcome::AlreadyCompleted
    );
    assert_eq!(began.elapsed(), Duration::ZERO, "nothing to wait for");
}

#[tokio::test(start_paused = true)]
async fn completing_again_is_accepted_as_on_aws() {
    let store = Fake::new();
    store.complete_again();
    let upload = store.stage("a/1", "t1", STAGED).await;
    complete_one(&store, &upload, SOON).await.unwrap();
    assert_eq!(
        complete_one(&store, &upload, LATE).await.unwrap(),
        Outcome::Completed
    );
}

#[tokio::test(start_paused = true)]
async fn a_file_that_a_loader_took_is_no_error_within_a_day() {
    let store = Fake::new();
    let upload = store.stage("a/1", "t1", STAGED).await;
    complete_one(&store, &upload, SOON).await.unwrap();
    store.remove("a/1");
    let began = Instant::now();
    assert_eq!(
        complete_one(&store, &upload, SOON).await.unwrap(),
        Outcome::Missing
    );
    assert_eq!(began.elapsed(), PATIENCE);
    assert!(Outcome::Missing.is_settled());
}

#[tokio::test(start_paused = true)]
async fn files_that_a_rule_removed_are_one_error_that_names_them_and_the_cure() {
    let store = Fake::new();
    let mut entries = Vec::new();
    for index in 0..7 {
        let upload = store.stage(&format!("a/{index}"), "t", STAGED).await;
        store.abort(&(&upload).into()).await.unwrap();
        entries.extend(active(&upload));
    }
    let error = complete_all(&store, entries.clone(), options(LATE, MissingUploads::Fail))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    let text = error.to_string();
    for part in [
        "7 committed file",
        "`a/0`",
        "`a/4`",
        "2 more",
        STAGED,
        "lifecycle rule",
        "backfill",
        "missingUploads",
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }
    let outcomes = complete_all(&store, entries, options(LATE, MissingUploads::Skip))
        .await
        .unwrap();
    assert_eq!(outcomes, [Outcome::Missing; 7]);
}

#[tokio::test(start_paused = true)]
async fn an_object_of_another_upload_is_no_proof() {
    for (token, bytes) in [("other", b"rows".to_vec()), ("t1", b"longer rows".to_vec())] {
        let store = Fake::new();
        let upload = store.stage("a/1", "t1", STAGED).await;
        store.abort(&(&upload).into()).await.unwrap();
        store.put("a/1", token, bytes);
        assert!(complete_one(&store, &upload, LATE).await.is_err());
    }
}

#[tokio::test(start_paused = true)]
async fn a_completion_that_is_still_running_on_the_server_is_waited_for() {
    let store = Fake::new();
    let upload = store.stage("a/1", "t1", STAGED).await;
    store.abort(&(&upload).into()).await.unwrap();
    let server = store.clone();
    tokio::spawn(async move {
        sleep(Duration::from_secs(100)).await;
        server.put("a/1", "t1", b"rows".to_vec());
    });
    assert_eq!(
        complete_one(&store, &upload, LATE).await.unwrap(),
        Outcome::AlreadyCompleted
    );
    assert!(count(&store, Operation::Head) < 12);
}

#[tokio::test(start_paused = true)]
async fn a_lost_response_is_proven_by_the_object() {
    let store = Fake::new();
    let upload = store.stage("a/1", "t1", STAGED).await;
    complete_one(&store, &upload, SOON).await.unwrap();
    store.fail(Operation::Complete, || Error::internal("InvalidPart"));
    assert_eq!(
        complete_one(&store, &upload, SOON).await.unwrap(),
        Outcome::AlreadyCompleted
    );
}

/// An upload whose parts the store has lost.
async fn damaged(store: &Fake) -> StagedUpload {
    let mut upload = store.stage("a/1", "t1", STAGED).await;
    upload.parts.push(Part {
        etag: "\"lost\"".to_owned(),
        crc32: None,
    });
    upload
}

#[tokio::test(start_paused = true)]
async fn an_upload_that_has_lost_its_parts_is_named_whatever_its_age_and_can_be_skipped() {
    for now in [SOON, LATE] {
        let store = Fake::new();
        let upload = damaged(&store).await;
        let error = complete_one(&store, &upload, now).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        let text = error.to_string();
        for part in ["1 committed file", "`a/1`", "parts", "`skip`", "Backfill"] {
            assert!(text.contains(part), "{part} is not in: {text}");
        }
        let skip = options(now, MissingUploads::Skip);
        let skipped = complete_all(&store, active(&upload), skip).await.unwrap();
        assert_eq!(skipped, [Outcome::Missing]);
        // The next session's clean-up aborts it.
        assert_eq!(store.pending(), ["a/1"]);
    }
}

/// As on `MinIO`, which forgets the parts a moment before it makes the object.
#[tokio::test(start_paused = true)]
async fn an_upload_without_parts_whose_completion_is_still_running_is_waited_for() {
    let store = Fake::new();
    let upload = damaged(&store).await;
    let server = store.clone();
    tokio::spawn(async move {
        sleep(Duration::from_secs(100)).await;
        server.put("a/1", "t1", b"rows".to_vec());
    });
    assert_eq!(
        complete_one(&store, &upload, SOON).await.unwrap(),
        Outcome::AlreadyCompleted
    );
}

#[tokio::test(start_paused = true)]
async fn of_a_removed_binding_lost_parts_never_end_the_session() {
    let store = Fake::new();
    let inactive = vec![Entry {
        upload: damaged(&store).await,
        active: false,
    }];
    let fail = options(SOON, MissingUploads::Fail);
    let outcomes = complete_all(&store, inactive, fail).await.unwrap();
    assert_eq!(outcomes, [Outcome::Missing]);
}

#[tokio::test(start_paused = true)]
async fn an_error_ends_it_and_the_upload_stays() {
    for error in [
        || Error::internal("200 with an error body"),
        || Error::new(ErrorKind::Unavailable, "503"),
    ] as [fn() -> Error; 2]
    {
        let store = Fake::new();
        let upload = store.stage("a/1", "t1", STAGED).await;
        store.fail(Operation::Complete, error);
        let text = complete_one(&store, &upload, SOON)
            .await
            .unwrap_err()
            .to_string();
        assert!(text.contains("a/1"), "{text}");
        assert_eq!(store.pending(), ["a/1"]);
        assert_eq!(count(&store, Operation::Abort), 0);
        store.heal(Operation::Complete);
        assert_eq!(
            complete_one(&store, &upload, SOON).await.unwrap(),
            Outcome::Completed
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_refused_look_counts_as_not_there() {
    let store = Fake::new();
    let upload = store.stage("a/1", "t1", STAGED).await;
    complete_one(&store, &upload, SOON).await.unwrap();
    store.fail(Operation::Head, || Error::new(ErrorKind::Auth, "403"));
    assert_eq!(
        complete_one(&store, &upload, SOON).await.unwrap(),
        Outcome::Missing
    );
    assert!(complete_one(&store, &upload, LATE).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_look_that_fails_otherwise_is_an_error() {
    let store = Fake::new();
    let upload = store.stage("a/1", "t1", STAGED).await;
    store.abort(&(&upload).into()).await.unwrap();
    store.fail(Operation::Head, || {
        Error::new(ErrorKind::Unavailable, "503")
    });
    assert_eq!(
        complete_one(&store, &upload, SOON)
            .await
            .unwrap_err()
            .kind(),
        ErrorKind::Unavailable
    );
}

#[tokio::test(start_paused = true)]
async fn after_the_endpoint_got_another_name_files_are_completed_at_the_new_one() {
    let store = Fake::new();
    let mut upload = store.stage("a/1", "t1", STAGED).await;
    upload.location = location("http://gone");
    store.cut_off(&upload.location);
    assert_eq!(
        complete_one(&store, &upload, SOON).await.unwrap(),
        Outcome::Completed
    );
    assert_eq!(store.keys(), ["a/1"]);
}

#[tokio::test(start_paused = true)]
async fn after_bucket_or_endpoint_changed_files_are_completed_where_they_were_staged() {
    let old = Fake::new();
    let bucket = Location {
        bucket: "new".into(),
        ..old.location().clone()
    };
    for current in [bucket, location("http://new")] {
        let upload = old.stage(&format!("a/{current}"), "t1", STAGED).await;
        assert_eq!(
            complete_one(&old.at(&current), &upload, SOON)
                .await
                .unwrap(),
            Outcome::Completed
        );
        assert_eq!(old.object(&upload.key), b"rows");
        assert_eq!(old.at(&current).keys(), Vec::<String>::new());
    }
}

#[tokio::test(start_paused = true)]
async fn where_it_was_staged_decides_when_that_cannot_be_reached() {
    let old = Fake::new();
    let upload = old.stage("a/1", "t1", STAGED).await;
    old.cut_off(&upload.location);
    let current = old.at(&location("http://new"));
    let error = complete_one(&current, &upload, SOON).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(error.to_string().contains("http://fake"), "{error}");
    let skipped = complete_all(
        &current,
        active(&upload),
        options(LATE, MissingUploads::Skip),
    )
    .await
    .unwrap();
    assert_eq!(skipped, [Outcome::Missing]);
}

#[tokio::test(start_paused = true)]
async fn where_it_was_staged_does_not_decide_while_the_current_place_cannot_be_reached() {
    let current = Fake::new();
    let mut upload = current.stage("a/1", "t1", STAGED).await;
    // The name of old now leads to a server that knows nothing, and the right one is down.
    upload.location = location("http://repointed");
    current.cut_off(current.location());
    for missing in [MissingUploads::Fail, MissingUploads::Skip] {
        let error = complete_all(&current, active(&upload), options(SOON, missing))
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable);
    }
}

#[tokio::test(start_paused = true)]
async fn files_of_removed_bindings_are_completed_and_never_end_the_session() {
    let store = Fake::new();
    let upload = store.stage("a/1", "t1", STAGED).await;
    let inactive = vec![Entry {
        upload: upload.clone(),
        active: false,
    }];
    store.fail(Operation::Complete, || Error::internal("denied"));
    let outcomes = complete_all(
        &store,
        inactive.clone(),
        options(LATE, MissingUploads::Fail),
    )
    .await
    .unwrap();
    assert_eq!(outcomes, [Outcome::Failed]);
    assert!(!outcomes[0].is_settled());
    store.heal(Operation::Complete);
    let outcomes = complete_all(
        &store,
        inactive.clone(),
        options(LATE, MissingUploads::Fail),
    )
    .await
    .unwrap();
    assert_eq!(outcomes, [Outcome::Completed]);
    store.remove("a/1");
    let outcomes = complete_all(&store, inactive, options(LATE, MissingUploads::Fail))
        .await
        .unwrap();
    assert_eq!(outcomes, [Outcome::Missing]);
}

#[tokio::test(start_paused = true)]
async fn sixteen_are_completed_at_once_and_outcomes_keep_their_order() {
    let store = Fake::new();
    let mut entries = Vec::new();
    for index in 0..40 {
        let upload = store.stage(&format!("a/{index}"), "t1", STAGED).await;
        if index == 7 {
            store.complete(&upload).await.unwrap();
        }
        entries.extend(active(&upload));
    }
    let outcomes = complete_all(&store, entries, options(SOON, MissingUploads::Fail))
        .await
        .unwrap();
    let mut expected = [Outcome::Completed; 40];
    expected[7] = Outcome::AlreadyCompleted;
    assert_eq!(outcomes, expected);
    assert_eq!(store.most_running(), AT_ONCE);
}

#[tokio::test(start_paused = true)]
async fn after_an_error_no_further_completion_is_begun() {
    let store = Fake::new();
    let mut entries = Vec::new();
    for index in 0..60 {
        let mut upload = store.stage(&format!("a/{index:02}"), "t1", STAGED).await;
        if index == 3 {
            upload.key = "a/03, and no upload has this key".to_owned();
        }
        entries.extend(active(&upload));
    }
    let error = complete_all(&store, entries, options(SOON, MissingUploads::Fail))
        .await
        .unwrap_err();
    assert!(error.to_string().contains("a/03"), "{error}");
    assert!(store.keys().len() < 40, "{}", store.keys().len());
}

#[tokio::test]
async fn nothing_to_complete_is_nothing() {
    let outcomes = complete_all(
        &Fake::new(),
        Vec::new(),
        options(SOON, MissingUploads::Fail),
    )
    .await
    .unwrap();
    assert_eq!(outcomes, []);
}
