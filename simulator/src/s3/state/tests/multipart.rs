//! Multipart uploads.

use super::*;

#[test]
fn a_completed_upload_is_its_claimed_parts_in_order() {
    let mut store = store();
    let id = begin(&mut store, "k");
    let upload = upload_of("k", &id);
    let claims = [
        put(&mut store, upload, 2, b"two"),
        put(&mut store, upload, 5, b"five"),
    ];
    put(&mut store, upload, 9, b"not claimed");
    let completed = store
        .complete_upload(upload, &claims, false, at(4))
        .unwrap();
    let object = store.object(BUCKET, "k").unwrap();
    assert_eq!(object.payload.to_bytes(), "twofive");
    assert_eq!(object.etag, completed.etag);
    assert!(completed.etag.ends_with("-2"), "{}", completed.etag);
    assert_eq!(object.modified, at(4));
    assert_eq!(object.upload_id.as_deref(), Some(id.as_str()));
    assert_eq!(store.uploads(BUCKET).unwrap().count(), 0);
    assert_eq!(store.writes(BUCKET).unwrap()["k"], 1);
}

#[test]
fn the_etag_of_a_multipart_object_is_the_md5_of_its_parts_md5s() {
    let mut store = store();
    let id = begin(&mut store, "k");
    let upload = upload_of("k", &id);
    let claims = [
        put(&mut store, upload, 1, b"hello"),
        put(&mut store, upload, 2, b"world"),
    ];
    let completed = store
        .complete_upload(upload, &claims, false, at(4))
        .unwrap();
    // echo -n hello | md5sum, echo -n world | md5sum, and the md5 of both digests in binary.
    assert_eq!(claims[0].etag, "5d41402abc4b2a76b9719d911017c592");
    assert_eq!(claims[1].etag, "7d793037a0760186574b0282f2f435e7");
    assert_eq!(completed.etag, "065947336a2f2a95ba8899f3675c3be6-2");
}

#[test]
fn a_part_that_is_uploaded_again_replaces_the_one_before() {
    let mut store = store();
    let id = begin(&mut store, "k");
    let upload = upload_of("k", &id);
    let old = put(&mut store, upload, 1, b"old");
    let new = put(&mut store, upload, 1, b"new");
    let error = store
        .complete_upload(upload, &[old], false, at(4))
        .unwrap_err();
    assert_eq!(error, StoreError::InvalidPart { number: 1 });
    store.complete_upload(upload, &[new], false, at(4)).unwrap();
    assert_eq!(store.object(BUCKET, "k").unwrap().payload.to_bytes(), "new");
}

#[test]
fn completions_that_claim_too_much_are_refused_and_the_upload_stays() {
    let mut store = store();
    let id = begin(&mut store, "k");
    let upload = upload_of("k", &id);
    let one = put(&mut store, upload, 1, b"one");
    let two = put(&mut store, upload, 2, b"two");
    let missing = PartClaim {
        number: 3,
        ..two.clone()
    };
    let beyond = PartClaim {
        number: 10_001,
        ..two.clone()
    };
    let cases: [(&[PartClaim], StoreError); 5] = [
        (&[], StoreError::NoParts),
        (
            &[two.clone(), one.clone()],
            StoreError::InvalidPartOrder { number: 1 },
        ),
        (
            &[one.clone(), one.clone()],
            StoreError::InvalidPartOrder { number: 1 },
        ),
        (
            &[one.clone(), missing],
            StoreError::InvalidPart { number: 3 },
        ),
        (
            &[one.clone(), beyond],
            StoreError::PartNumber { number: 10_001 },
        ),
    ];
    for (claims, expected) in cases {
        let error = store
            .complete_upload(upload, claims, false, at(4))
            .unwrap_err();
        assert_eq!(error, expected);
    }
    assert!(
        store
            .complete_upload(upload, &[one, two], false, at(4))
            .is_ok()
    );
}

#[test]
fn every_part_but_the_last_needs_the_minimum() {
    let mut store = store_with(Rules {
        minimum_part_bytes: 4,
        ..Rules::default()
    });
    let id = begin(&mut store, "k");
    let upload = upload_of("k", &id);
    let claims = [
        put(&mut store, upload, 1, b"four"),
        put(&mut store, upload, 2, b"two"),
        put(&mut store, upload, 3, b"x"),
    ];
    let error = store
        .complete_upload(upload, &claims, false, at(4))
        .unwrap_err();
    let expected = StoreError::EntityTooSmall {
        number: 2,
        length: 3,
        minimum: 4,
    };
    assert_eq!(error, expected);
    assert!(
        store
            .complete_upload(upload, &claims[..2], false, at(4))
            .is_ok()
    );
}

#[test]
fn r2_wants_equal_parts_and_a_last_one_that_is_no_longer() {
    let complete = |parts: &[&[u8]]| {
        let mut store = store_with(Rules {
            minimum_part_bytes: 0,
            equal_parts: true,
            ..Rules::default()
        });
        let id = begin(&mut store, "k");
        let upload = upload_of("k", &id);
        let numbered = (1..).zip(parts);
        let claims: Vec<PartClaim> = numbered
            .map(|(number, bytes)| put(&mut store, upload, number, bytes))
            .collect();
        store
            .complete_upload(upload, &claims, false, at(4))
            .map(drop)
    };
    let unequal = |number| Err(StoreError::UnequalParts { number });
    assert_eq!(complete(&[b"abc"]), Ok(()));
    assert_eq!(complete(&[b"abc", b"abc", b"a"]), Ok(()));
    assert_eq!(complete(&[b"abc", b"ab", b"a"]), unequal(2));
    assert_eq!(complete(&[b"abc", b"abcd"]), unequal(2));
}

#[test]
fn part_numbers_go_from_1_to_10000() {
    let mut store = store();
    let id = begin(&mut store, "k");
    let upload = upload_of("k", &id);
    for number in [-1, 0, 10_001] {
        let error = store
            .put_part(upload, number, Content::of("x"), at(2))
            .unwrap_err();
        assert_eq!(error, StoreError::PartNumber { number });
    }
    for number in [1, 10_000] {
        assert!(
            store
                .put_part(upload, number, Content::of("x"), at(2))
                .is_ok()
        );
    }
}

#[test]
fn uploads_that_are_gone_are_no_such_upload() {
    let mut store = store();
    let id = begin(&mut store, "k");
    let upload = upload_of("k", &id);
    let other_key = upload_of("other", &id);
    let gone =
        |error: StoreError| assert!(matches!(error, StoreError::NoSuchUpload { .. }), "{error}");
    gone(
        store
            .put_part(other_key, 1, Content::of("x"), at(2))
            .unwrap_err(),
    );
    gone(store.abort_upload(other_key).unwrap_err());
    store.abort_upload(upload).unwrap();
    gone(store.abort_upload(upload).unwrap_err());
    gone(
        store
            .put_part(upload, 1, Content::of("x"), at(2))
            .unwrap_err(),
    );
    gone(
        store
            .complete_upload(upload, &[], false, at(2))
            .unwrap_err(),
    );
}

#[test]
fn a_second_completion_is_answered_as_the_rules_say() {
    for recompletion in [
        Recompletion::NoSuchUpload,
        Recompletion::Accepted,
        Recompletion::WhileVisible,
    ] {
        let mut store = store_with(Rules {
            minimum_part_bytes: 0,
            recompletion,
            ..Rules::default()
        });
        let id = begin(&mut store, "k");
        let upload = upload_of("k", &id);
        let claims = [
            put(&mut store, upload, 1, b"one"),
            put(&mut store, upload, 2, b"two"),
        ];
        let first = store
            .complete_upload(upload, &claims, false, at(4))
            .unwrap();
        let second = store.complete_upload(upload, &claims, true, at(5));
        match recompletion {
            Recompletion::NoSuchUpload => assert!(second.is_err()),
            _ => assert_eq!(second.unwrap().etag, first.etag),
        }
        let other_parts = store.complete_upload(upload, &claims[..1], false, at(5));
        assert!(matches!(other_parts, Err(StoreError::NoSuchUpload { .. })));
        assert_eq!(store.writes(BUCKET).unwrap()["k"], 1);
        store.remove_object(BUCKET, "k").unwrap();
        let later = store.complete_upload(upload, &claims, false, at(6));
        assert_eq!(later.is_ok(), recompletion == Recompletion::Accepted);
    }
}

#[test]
fn a_declared_checksum_must_be_given_with_every_part_and_again_at_completion() {
    let mut store = store();
    let declared = Algorithm::Crc32;
    let id = store
        .create_upload(BUCKET, "k", Attributes::default(), Some(declared), at(1))
        .unwrap();
    let upload = upload_of("k", &id);
    let missing = StoreError::ChecksumMissing {
        number: 1,
        declared,
    };
    let refused = store.put_part(upload, 1, Content::of("one"), at(2));
    assert_eq!(refused.unwrap_err(), missing);

    let checksum = Checksum::of(declared, b"one");
    let content = Content {
        checksum: Some(checksum.clone()),
        ..Content::of("one")
    };
    let part = store.put_part(upload, 1, content, at(2)).unwrap();
    let claim = PartClaim {
        number: 1,
        etag: part.etag(),
        checksum: Some(checksum),
    };
    let without = PartClaim {
        checksum: None,
        ..claim.clone()
    };
    let other = PartClaim {
        checksum: Some(Checksum::of(declared, b"two")),
        ..claim.clone()
    };
    let complete = |store: &mut Store, claim| store.complete_upload(upload, &[claim], false, at(3));
    assert_eq!(complete(&mut store, without).unwrap_err(), missing);
    assert_eq!(
        complete(&mut store, other).unwrap_err(),
        StoreError::InvalidPart { number: 1 }
    );
    let completed = complete(&mut store, claim).unwrap();
    let composite = completed.checksum.unwrap();
    assert!(composite.is_composite());
    assert_eq!(composite.algorithm, declared);
}

#[test]
fn upload_ids_come_from_seed_and_counter_alone() {
    let ids = |seed| {
        let mut store = Store::new(Rules::default(), seed);
        store.create_bucket(BUCKET, at(0)).unwrap();
        [begin(&mut store, "a"), begin(&mut store, "a")]
    };
    assert_eq!(ids(1), ids(1));
    assert_ne!(ids(1), ids(2));
    let [first, second] = ids(1);
    assert!(first < second);
}

#[test]
fn a_completion_of_an_upload_that_is_gone_may_be_an_internal_error() {
    let mut store = store_with(Rules {
        unknown_completion: UnknownCompletion::InternalError,
        ..Rules::default()
    });
    let id = begin(&mut store, "k");
    let upload = upload_of("k", &id);
    store.abort_upload(upload).unwrap();
    let completed = store.complete_upload(upload, &[], false, at(2));
    let expected = StoreError::AlreadyCompleting { upload_id: id };
    assert_eq!(completed.unwrap_err(), expected);
}

#[test]
fn a_lost_upload_is_there_without_its_parts_and_is_recorded() {
    let mut store = store();
    let id = begin(&mut store, "k");
    let upload = upload_of("k", &id);
    let claims = [put(&mut store, upload, 1, b"one")];
    let wrong = PartClaim {
        number: 2,
        ..claims[0].clone()
    };
    let refused = store.lose_upload(upload, &[wrong], false).unwrap_err();
    assert_eq!(refused, StoreError::InvalidPart { number: 2 });
    assert!(store.lost_uploads(BUCKET).unwrap().is_empty());

    store.lose_upload(upload, &claims, false).unwrap();
    let lost = store.lost_uploads(BUCKET).unwrap();
    assert!(lost.contains(&("k".to_owned(), id.clone())));
    let completed = store.complete_upload(upload, &claims, false, at(4));
    let missing = StoreError::InvalidPart { number: 1 };
    assert_eq!(completed.unwrap_err(), missing);
    assert!(store.upload(upload).is_ok());
    assert!(store.object(BUCKET, "k").is_err());
}

#[test]
fn which_completions_are_lost_hangs_on_seed_key_and_attempt_alone() {
    let lost = |seed, attempt| -> Vec<bool> {
        let mut rules = Rules::default();
        rules.completing.lost_per_mille = 500;
        let store = Store::new(rules, seed);
        let keys = (0..100).map(|number| format!("k{number}"));
        keys.map(|key| store.loses(upload_of(&key, "any"), attempt))
            .collect()
    };
    assert_eq!(lost(1, 1), lost(1, 1));
    assert_ne!(lost(1, 1), lost(2, 1));
    assert_ne!(lost(1, 1), lost(1, 2));
    let count = lost(1, 1).into_iter().filter(|lost| *lost).count();
    assert!((30..70).contains(&count), "{count}");
}

#[test]
fn wrong_and_missing_checksums_pass_where_the_rules_do_not_look() {
    let mut store = store_with(Rules {
        verifies_checksums: false,
        ..Rules::default()
    });
    let id = store
        .create_upload(
            BUCKET,
            "k",
            Attributes::default(),
            Some(Algorithm::Crc32),
            at(1),
        )
        .unwrap();
    let upload = upload_of("k", &id);
    let claim = PartClaim {
        checksum: Some(Checksum::of(Algorithm::Crc32, b"another")),
        ..put(&mut store, upload, 1, b"one")
    };
    assert!(
        store
            .complete_upload(upload, &[claim], false, at(2))
            .is_ok()
    );
}
