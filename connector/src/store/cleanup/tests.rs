use bytes::Bytes;

use super::super::fake::{Fake, Operation};
use super::super::{ContentType, Written};
use super::*;
use crate::error::Error;

const OURS: &str = "0badcafe";
const UNUSED: &str = "a/_staged/0.check";

fn left_behind(named: &[&str]) -> LeftBehind {
    let ours = Author {
        key_begin: 0x8000_0000,
        writer: 0x0bad_cafe,
    };
    LeftBehind {
        authors: BTreeSet::from([ours]),
        named: named.iter().map(ToString::to_string).collect(),
    }
}

fn file(key_begin: &str, writer: &str, token: u64) -> String {
    format!("{key_begin}-000000000001-{writer}-{token:016x}.parquet")
}

fn prefixes(files: &[&str], staging: &[&str]) -> Prefixes {
    let owned = |texts: &[&str]| texts.iter().map(ToString::to_string).collect();
    Prefixes {
        files: owned(files),
        staging: owned(staging),
    }
}

async fn clean(store: &Fake, named: &[&str], prefixes: Prefixes) {
    clean_up(store.clone(), left_behind(named), prefixes, UNUSED.into()).await;
}

async fn put(store: &Fake, key: &str) -> Written {
    let body = Bytes::from_static(b"rows").into();
    ObjectStore::put(store, key, body, ContentType::Parquet)
        .await
        .unwrap()
}

#[tokio::test]
async fn uploads_and_objects_of_earlier_sessions_that_the_state_does_not_name_are_thrown_away() {
    let store = Fake::new();
    let upload = |token| format!("a/v0000000000/{}", file("80000000", OURS, token));
    store.create_upload(&upload(1)).await.unwrap();
    let named = store.create_upload(&upload(2)).await.unwrap();
    let staged = |token| format!("a/_staged/{}.staged", file("80000000", OURS, token));
    for token in 1..=5 {
        put(&store, &staged(token)).await;
    }
    put(&store, "a/_staged/80000000-0badcafe.receipt").await;
    clean(
        &store,
        &[&named, &staged(3)],
        prefixes(&["a/"], &["a/_staged/"]),
    )
    .await;
    assert_eq!(store.pending(), [upload(2)]);
    assert_eq!(store.staged_keys(), [staged(3)]);
}

#[tokio::test]
async fn nothing_of_anybody_else_is_ever_thrown_away() {
    let store = Fake::new();
    let others = [
        format!("a/v0000000000/{}", file("00000000", OURS, 1)),
        format!("a/v0000000000/{}", file("80000000", "0badcaff", 2)),
        format!("a/v0000000000/{}.bak", file("80000000", OURS, 3)),
        format!("b/v0000000000/{}", file("80000000", OURS, 4)),
        "a/notes.txt".to_owned(),
    ];
    for key in &others {
        store.create_upload(key).await.unwrap();
    }
    let objects = [
        format!("a/_staged/{}.staged", file("00000000", OURS, 1)),
        format!("a/_staged/{}.staged", file("80000000", "0badcaff", 2)),
        format!("a/_staged/{}.staged.bak", file("80000000", OURS, 3)),
        format!("a/_staged/x/{}", file("80000000", OURS, 4)),
        "a/_staged/80000000-0badcaff.receipt".to_owned(),
        "a/_staged/notes.txt".to_owned(),
        // A file of ours, which is no staged object, wherever it stands.
        format!("a/v0000000000/{}", file("80000000", OURS, 5)),
    ];
    for key in &objects {
        put(&store, key).await;
    }
    clean(&store, &[], prefixes(&["a/"], &["a/_staged/", "a/"])).await;
    assert_eq!(store.pending().len(), others.len());
    assert_eq!(
        store.keys().len() + store.staged_keys().len(),
        objects.len()
    );
}

#[tokio::test]
async fn an_upload_under_whose_key_an_object_stands_is_left_alone() {
    let store = Fake::new();
    let key = format!("a/v0000000000/{}", file("80000000", OURS, 1));
    store.create_upload(&key).await.unwrap();
    put(&store, &key).await;
    clean(&store, &[], prefixes(&["a/"], &[])).await;
    assert_eq!(store.pending(), std::slice::from_ref(&key));
    store.remove(&key);
    clean(&store, &[], prefixes(&["a/"], &[])).await;
    assert_eq!(store.pending(), Vec::<String>::new());
}

#[tokio::test]
async fn prefixes_that_another_covers_are_listed_once() {
    let store = Fake::new();
    let covered = prefixes(&["a/b/", "a/", "c/", "a/"], &["a/_staged/"]);
    clean(&store, &[], covered).await;
    let lists = store.operations();
    let count = |operation| lists.iter().filter(|asked| **asked == operation).count();
    assert_eq!(
        (count(Operation::List), count(Operation::ListObjects)),
        (2, 1)
    );
}

#[tokio::test]
async fn on_minio_the_whole_bucket_is_listed_once() {
    let store = Fake::new();
    store.be_minio();
    let key = format!("a/v0000000000/{}", file("80000000", OURS, 1));
    store.create_upload(&key).await.unwrap();
    clean(&store, &[], prefixes(&["a/", "c/"], &[])).await;
    assert_eq!(store.pending(), Vec::<String>::new());
    let lists = store.operations().into_iter();
    assert_eq!(lists.filter(|asked| *asked == Operation::List).count(), 1);
}

#[tokio::test]
async fn where_no_session_was_before_nothing_is_asked() {
    let store = Fake::new();
    let nobody = LeftBehind::default();
    clean_up(
        store.clone(),
        nobody,
        prefixes(&["a/"], &["a/"]),
        UNUSED.into(),
    )
    .await;
    assert_eq!(store.operations(), []);
}

#[tokio::test]
async fn a_store_that_cannot_list_or_abort_is_no_error() {
    for operation in [
        Operation::Probe,
        Operation::List,
        Operation::ListObjects,
        Operation::Abort,
        Operation::Delete,
    ] {
        let store = Fake::new();
        let name = file("80000000", OURS, 1);
        store.create_upload(&format!("a/{name}")).await.unwrap();
        put(&store, &format!("a/_staged/{name}.staged")).await;
        store.fail(operation, || Error::new(ErrorKind::Auth, "denied"));
        clean(&store, &[], prefixes(&["a/"], &["a/_staged/"])).await;
    }
}

#[tokio::test(start_paused = true)]
async fn four_hundred_slow_prefixes_are_listed_side_by_side_and_aborted_meanwhile() {
    let store = Fake::new();
    store.slow_down(Operation::List, Duration::from_millis(100));
    let prefix = |index| format!("p{index:03}/");
    let files: Vec<String> = (0..400).map(prefix).collect();
    let key = format!("p000/{}", file("80000000", OURS, 1));
    store.create_upload(&key).await.unwrap();
    let began = tokio::time::Instant::now();
    let everywhere = Prefixes {
        files,
        staging: Vec::new(),
    };
    let cleaning = tokio::spawn(clean_up(
        store.clone(),
        left_behind(&[]),
        everywhere,
        UNUSED.into(),
    ));
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(
        store.pending(),
        Vec::<String>::new(),
        "it is aborted at once"
    );
    cleaning.await.unwrap();
    assert!(began.elapsed() <= Duration::from_secs(400 / 10 / AT_ONCE as u64 + 1));
}

#[tokio::test]
async fn the_version_of_what_is_deleted_is_named() {
    let store = Fake::new();
    store.keep_versions();
    let key = format!("a/_staged/{}.staged", file("80000000", OURS, 1));
    let Written { version, .. } = put(&store, &key).await;
    clean(&store, &[], prefixes(&[], &["a/_staged/"])).await;
    assert_eq!(store.deletions(), [(key, version)]);
}

#[tokio::test]
async fn a_receipt_that_was_written_several_times_is_hidden_with_all_its_versions() {
    let store = Fake::new();
    store.keep_versions();
    let key = "a/_staged/80000000-0badcafe.receipt";
    put(&store, key).await;
    put(&store, key).await;
    clean(&store, &[], prefixes(&["a/"], &["a/_staged/"])).await;
    assert_eq!(store.deletions(), [(key.to_owned(), None)]);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_hangs_does_not_hide_the_error_at_the_end() {
    let store = Fake::new();
    let files = [
        store.stage("a/1", "t", "2026-03-01T00:00:00Z").await,
        store.stage("a/2", "t", "2026-03-01T00:00:00Z").await,
    ];
    store.hang(Operation::Abort);
    let began = tokio::time::Instant::now();
    discard_all(&store, files).await;
    assert_eq!(began.elapsed(), PATIENCE);
}
