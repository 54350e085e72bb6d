//! Buckets, objects and listings.

use super::*;

#[test]
fn buckets_are_made_once_and_removed_only_when_empty() {
    let mut store = store();
    let exists = store.create_bucket(BUCKET, at(1)).unwrap_err();
    assert!(matches!(exists, StoreError::BucketExists { .. }));
    write(&mut store, "k");
    let full = store.delete_bucket(BUCKET).unwrap_err();
    assert!(matches!(full, StoreError::BucketNotEmpty { .. }));
    assert_eq!(store.remove_object(BUCKET, "k"), Ok(true));
    assert_eq!(store.remove_object(BUCKET, "k"), Ok(false));
    store.delete_bucket(BUCKET).unwrap();
    let gone = store.object(BUCKET, "k").unwrap_err();
    assert!(matches!(gone, StoreError::NoSuchBucket { .. }));
}

#[test]
fn listings_page_through_keys_and_common_prefixes_exactly_once() {
    let mut store = store();
    for key in ["a", "b/1", "b/2", "b/x/3", "c", "d/1", "e"] {
        write(&mut store, key);
    }
    let page_by = |limit, prefix: &str, delimiter: Option<&str>| {
        let mut query = ObjectQuery {
            prefix: prefix.to_owned(),
            delimiter: delimiter.map(str::to_owned),
            after: None,
            limit,
        };
        let mut listed = Vec::new();
        loop {
            let page = store.list_objects(BUCKET, &query).unwrap();
            let keys = page.objects.iter().map(|(key, _)| (*key).to_owned());
            listed.extend(keys.chain(page.common_prefixes));
            query.after = page.next;
            if query.after.is_none() {
                listed.sort();
                return listed;
            }
        }
    };
    for limit in 1..9 {
        assert_eq!(
            page_by(limit, "", Some("/")),
            ["a", "b/", "c", "d/", "e"],
            "{limit}"
        );
        assert_eq!(
            page_by(limit, "b/", Some("/")),
            ["b/1", "b/2", "b/x/"],
            "{limit}"
        );
        assert_eq!(
            page_by(limit, "b/", None),
            ["b/1", "b/2", "b/x/3"],
            "{limit}"
        );
        assert_eq!(page_by(limit, "z", None), [""; 0], "{limit}");
    }
}

#[test]
fn uploads_are_listed_by_prefix_or_as_minio_does_by_exact_key() {
    let listed = |upload_listing, prefix: &str| {
        let mut store = store_with(Rules {
            upload_listing,
            ..Rules::default()
        });
        for key in ["a/1", "a/1", "a/2", "b"] {
            begin(&mut store, key);
        }
        let mut query = UploadQuery {
            prefix: prefix.to_owned(),
            after: None,
            limit: 1,
        };
        let mut keys = Vec::new();
        loop {
            let page = store.list_uploads(BUCKET, &query).unwrap();
            for (key, id, _) in &page.uploads {
                keys.push((*key).to_owned());
                query.after = Some(((*key).to_owned(), Some((*id).to_owned())));
            }
            if !page.truncated {
                return keys;
            }
        }
    };
    assert_eq!(listed(UploadListing::Prefix, "a/"), ["a/1", "a/1", "a/2"]);
    assert_eq!(listed(UploadListing::ExactKey, "a/"), [""; 0]);
    assert_eq!(listed(UploadListing::ExactKey, "a/1"), ["a/1", "a/1"]);
    assert_eq!(listed(UploadListing::ExactKey, "").len(), 4);
}

#[test]
fn payloads_are_sliced_across_their_buffers() {
    let mut payload = Payload::default();
    for chunk in ["abc", "", "de", "fghi"] {
        payload.push(chunk.into());
    }
    let whole = payload.to_bytes();
    assert_eq!(whole, "abcdefghi");
    for start in 0..=9 {
        for end in start..=9 {
            let slice = payload.slice(start..end);
            assert_eq!(slice.to_bytes(), whole.slice(start as usize..end as usize));
            assert_eq!(slice.length(), end - start);
        }
    }
}

#[test]
fn a_key_that_exists_can_be_protected() {
    let mut store = store();
    write(&mut store, "k");
    let exists = StoreError::Exists {
        key: "k".to_owned(),
    };
    let again = store.put_object(
        BUCKET,
        "k",
        Content::default(),
        Attributes::default(),
        true,
        at(4),
    );
    assert_eq!(again.unwrap_err(), exists);
    let id = begin(&mut store, "k");
    let upload = upload_of("k", &id);
    let claims = [put(&mut store, upload, 1, b"one")];
    let refused = store.complete_upload(upload, &claims, true, at(4));
    assert_eq!(refused.unwrap_err(), exists);
    store
        .complete_upload(upload, &claims, false, at(4))
        .unwrap();
    assert_eq!(store.writes(BUCKET).unwrap()["k"], 2);
}

#[test]
fn what_is_staged_is_told_from_the_table_and_no_loader_takes_it() {
    let mut store = store();
    let staged = "a/_staged/00000000-0a1b2c3d.receipt";
    write(&mut store, staged);
    write(&mut store, "a/x.parquet");
    let keys = |objects: Vec<(&str, &Object)>| -> Vec<String> {
        objects.iter().map(|(key, _)| (*key).to_owned()).collect()
    };
    assert_eq!(
        keys(store.table_objects(BUCKET).unwrap().collect()),
        ["a/x.parquet"]
    );
    assert_eq!(
        keys(store.staged_objects(BUCKET).unwrap().collect()),
        [staged]
    );
    store.load_at_once(BUCKET, true).unwrap();
    write(&mut store, staged);
    write(&mut store, "a/y.parquet");
    let loaded: Vec<&String> = store.loaded(BUCKET).unwrap().keys().collect();
    assert_eq!(loaded, ["a/y.parquet"]);
    assert_eq!(store.objects(BUCKET).unwrap().count(), 2);
}
