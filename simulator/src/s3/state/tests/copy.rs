//! Copies.

use super::*;

fn copy(source: ObjectRef<'_>) -> CopyRequest<'_> {
    CopyRequest {
        source,
        if_match: None,
        attributes: None,
    }
}

fn text(name: &str) -> Attributes {
    Attributes {
        content_type: Some("text/plain".to_owned()),
        metadata: [("name".to_owned(), name.to_owned())].into(),
    }
}

#[test]
fn a_copy_carries_what_its_source_does_unless_that_is_replaced() {
    let mut store = store();
    let content = Content::of("rows");
    let source = store
        .put_object(BUCKET, "a", content, text("a"), false, at(1))
        .unwrap();
    let same = store.copy_object(copy(object("a", None)), BUCKET, "b", at(2));
    let same = same.unwrap();
    assert_eq!(same.etag, source.etag);
    assert_eq!(same.attributes, text("a"));
    assert_eq!(same.modified, at(2));
    let replaced = CopyRequest {
        attributes: Some(text("c")),
        ..copy(object("a", None))
    };
    store.copy_object(replaced, BUCKET, "c", at(3)).unwrap();
    let stored = store.object(BUCKET, "c").unwrap();
    assert_eq!(stored.attributes, text("c"));
    assert_eq!(stored.payload.to_bytes(), "rows");
    assert_eq!(store.object(BUCKET, "a").unwrap().modified, at(1));
    assert_eq!(store.writes(BUCKET).unwrap()["c"], 1);
}

#[test]
fn a_copy_of_a_multipart_object_is_in_one_piece() {
    let mut store = store();
    let declared = Algorithm::Crc32;
    let id = store
        .create_upload(BUCKET, "a", text("a"), Some(declared), at(1))
        .unwrap();
    let upload = upload_of("a", &id);
    let claims: Vec<PartClaim> = (1..)
        .zip(["two", "parts"])
        .map(|(number, bytes)| {
            let checksum = Some(Checksum::of(declared, bytes.as_bytes()));
            let content = Content {
                checksum: checksum.clone(),
                ..Content::of(bytes)
            };
            let part = store.put_part(upload, number, content, at(1)).unwrap();
            let etag = part.etag();
            PartClaim {
                number,
                etag,
                checksum,
            }
        })
        .collect();
    store
        .complete_upload(upload, &claims, false, at(2))
        .unwrap();
    let copied = store.copy_object(copy(object("a", None)), BUCKET, "b", at(3));
    let copied = copied.unwrap();
    let whole = write(&mut store, "twoparts");
    assert_eq!(copied.etag, whole.etag);
    assert_eq!(
        copied.checksum,
        Some(Checksum::of(Algorithm::Crc32, b"twoparts"))
    );
    assert_eq!(copied.upload_id, None);
}

#[test]
fn a_copy_is_refused_where_its_source_is_missing_or_another() {
    let mut store = store();
    let source = write(&mut store, "a");
    let missing = store.copy_object(copy(object("x", None)), BUCKET, "b", at(2));
    let expected = StoreError::NoSuchKey {
        key: "x".to_owned(),
    };
    assert_eq!(missing.unwrap_err(), expected);
    let other = CopyRequest {
        if_match: Some("0123"),
        ..copy(object("a", None))
    };
    let changed = store.copy_object(other, BUCKET, "b", at(2)).unwrap_err();
    assert!(matches!(changed, StoreError::SourceChanged { .. }));
    let bucket = store.copy_object(copy(object("a", None)), "nowhere", "b", at(2));
    let bucket = bucket.unwrap_err();
    assert!(
        matches!(bucket, StoreError::NoSuchBucket { .. }),
        "{bucket}"
    );
    assert!(store.object(BUCKET, "b").is_err());
    let same = CopyRequest {
        if_match: Some(&source.etag),
        ..copy(object("a", None))
    };
    assert!(store.copy_object(same, BUCKET, "b", at(2)).is_ok());
}

#[test]
fn a_copy_onto_itself_must_change_something() {
    let mut store = store();
    write(&mut store, "a");
    let same = store.copy_object(copy(object("a", None)), BUCKET, "a", at(2));
    let expected = StoreError::CopyOntoItself {
        key: "a".to_owned(),
    };
    assert_eq!(same.unwrap_err(), expected);
    let replaced = CopyRequest {
        attributes: Some(text("new")),
        ..copy(object("a", None))
    };
    assert!(store.copy_object(replaced, BUCKET, "a", at(2)).is_ok());
}

#[test]
fn metadata_are_dropped_where_the_rules_do_not_keep_them() {
    let mut store = store_with(Rules {
        keeps_metadata: false,
        ..Rules::default()
    });
    let content = Content::of("rows");
    store
        .put_object(BUCKET, "a", content, text("a"), false, at(1))
        .unwrap();
    let replaced = CopyRequest {
        attributes: Some(text("b")),
        ..copy(object("a", None))
    };
    store.copy_object(replaced, BUCKET, "b", at(2)).unwrap();
    for key in ["a", "b"] {
        let attributes = &store.object(BUCKET, key).unwrap().attributes;
        assert_eq!(attributes.content_type.as_deref(), Some("text/plain"));
        assert!(attributes.metadata.is_empty());
    }
}
