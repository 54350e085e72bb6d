//! Lifecycle rules.

use super::*;

#[test]
fn old_uploads_expire_and_young_ones_stay() {
    let mut store = store();
    let old = begin(&mut store, "k");
    let young = store
        .create_upload(BUCKET, "k", Attributes::default(), None, at(100))
        .unwrap();
    assert_eq!(store.expire_uploads(BUCKET, at(100)), Ok(1));
    assert!(store.upload(upload_of("k", &old)).is_err());
    assert!(store.upload(upload_of("k", &young)).is_ok());
    store.expire_upload(upload_of("k", &young)).unwrap();
    let expired: Vec<&str> = store
        .expired_uploads(BUCKET)
        .unwrap()
        .iter()
        .map(|(_, id)| id.as_str())
        .collect();
    assert_eq!(expired, [old.as_str(), young.as_str()]);
}

#[test]
fn an_upload_that_was_aborted_has_not_expired() {
    let mut store = store();
    let id = begin(&mut store, "k");
    let upload = upload_of("k", &id);
    store.abort_upload(upload).unwrap();
    assert!(store.expire_upload(upload).is_err());
    assert!(store.expired_uploads(BUCKET).unwrap().is_empty());
}

#[test]
fn old_objects_below_the_prefix_of_a_rule_expire() {
    let mut store = store();
    for (key, second) in [("a/_staged/x", 1), ("a/_staged/y", 9), ("a/x", 1)] {
        let content = Content::of("rows");
        store
            .put_object(
                BUCKET,
                key,
                content,
                Attributes::default(),
                false,
                at(second),
            )
            .unwrap();
    }
    let expired = store.expire_objects(BUCKET, "a/_staged/", at(9)).unwrap();
    assert_eq!(expired, ["a/_staged/x"]);
    let left: Vec<&str> = store.objects(BUCKET).unwrap().map(|(key, _)| key).collect();
    assert_eq!(left, ["a/_staged/y", "a/x"]);
    assert_eq!(store.expire_object(BUCKET, "missing"), Ok(false));
    let recorded: Vec<&String> = store.expired_objects(BUCKET).unwrap().iter().collect();
    assert_eq!(recorded, ["a/_staged/x"]);
}
