//! Versions of objects.

use super::*;

fn versioned() -> Store {
    store_with(Rules {
        minimum_part_bytes: 0,
        versioned: true,
        ..Rules::default()
    })
}

fn id(object: &Object) -> String {
    object.version.clone().unwrap()
}

#[test]
fn every_write_is_a_version_of_its_own() {
    let mut store = versioned();
    let first = write(&mut store, "k");
    let upload_id = begin(&mut store, "k");
    let upload = upload_of("k", &upload_id);
    let claims = [put(&mut store, upload, 1, b"second")];
    let second = store
        .complete_upload(upload, &claims, false, at(4))
        .unwrap();
    let copy = CopyRequest {
        source: object("k", first.version.as_deref()),
        if_match: None,
        attributes: None,
    };
    let third = store.copy_object(copy, BUCKET, "k", at(5)).unwrap();
    let visible = store.object(BUCKET, "k").unwrap();
    assert_eq!(visible.version, third.version);
    assert_eq!(visible.payload.to_bytes(), "k");
    let second = store
        .version(object("k", second.version.as_deref()))
        .unwrap();
    assert_eq!(second.payload.to_bytes(), "second");
    let older = store.older_versions(BUCKET, "k").unwrap();
    let older: Vec<Option<&str>> = older.iter().map(Version::id).collect();
    assert_eq!(older, [first.version.as_deref(), second.version.as_deref()]);
}

#[test]
fn a_deletion_leaves_a_marker_and_deleting_that_brings_the_object_back() {
    let mut store = versioned();
    let first = id(&write(&mut store, "k"));
    let deleted = store.delete(object("k", None)).unwrap();
    assert!(deleted.found && deleted.is_marker);
    assert!(store.object(BUCKET, "k").is_err());
    assert!(store.version(object("k", Some(&first))).is_ok());
    let marker = deleted.version.unwrap();
    let read = store.version(object("k", Some(&marker))).unwrap_err();
    assert!(matches!(read, StoreError::DeleteMarker { .. }), "{read}");
    let removed = store.delete(object("k", Some(&marker))).unwrap();
    assert!(removed.found && removed.is_marker);
    assert_eq!(id(store.object(BUCKET, "k").unwrap()), first);
}

#[test]
fn a_version_that_is_removed_is_gone_and_uncovers_the_one_below() {
    let mut store = versioned();
    let ids: Vec<String> = (0..3).map(|_| id(&write(&mut store, "k"))).collect();
    let visible = |store: &Store| store.object(BUCKET, "k").ok().map(id);
    let removed = store.delete(object("k", Some(&ids[1]))).unwrap();
    assert_eq!(
        removed,
        Deleted {
            found: true,
            version: Some(ids[1].clone()),
            is_marker: false
        }
    );
    assert_eq!(visible(&store), Some(ids[2].clone()));
    let gone = store.version(object("k", Some(&ids[1]))).unwrap_err();
    assert!(matches!(gone, StoreError::NoSuchVersion { .. }), "{gone}");
    store.delete(object("k", Some(&ids[2]))).unwrap();
    assert_eq!(visible(&store), Some(ids[0].clone()));
    assert!(store.delete_bucket(BUCKET).is_err());
    store.delete(object("k", Some(&ids[0]))).unwrap();
    assert_eq!(visible(&store), None);
    assert_eq!(
        store.delete(object("k", Some(&ids[0]))),
        Ok(Deleted::default())
    );
    store.delete_bucket(BUCKET).unwrap();
}

#[test]
fn a_bucket_with_nothing_but_hidden_versions_is_not_empty() {
    let mut store = versioned();
    write(&mut store, "k");
    store.remove_object(BUCKET, "k").unwrap();
    assert_eq!(store.objects(BUCKET).unwrap().count(), 0);
    assert!(store.delete_bucket(BUCKET).is_err());
}

#[test]
fn a_bucket_without_versions_has_only_the_one_that_is_called_null() {
    let mut store = store();
    assert_eq!(write(&mut store, "k").version, None);
    assert!(store.version(object("k", Some("null"))).is_ok());
    assert!(store.version(object("k", Some("1"))).is_err());
    assert!(!store.delete(object("k", Some("1"))).unwrap().found);
    assert_eq!(store.remove_object(BUCKET, "k"), Ok(true));
    assert_eq!(store.remove_object(BUCKET, "k"), Ok(false));
    assert!(store.older_versions(BUCKET, "k").unwrap().is_empty());
}
