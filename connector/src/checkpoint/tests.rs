use super::*;

fn upload(token: &str) -> StagedFile {
    let staged = Staged::Multipart(StagedUpload {
        upload_id: format!("upload-{token}"),
        parts: vec![
            Part {
                etag: "\"e1\"".into(),
                crc32: Some("AAAAAA==".into()),
            },
            Part {
                etag: "\"e2\"".into(),
                crc32: None,
            },
        ],
    });
    staged_file(token, staged)
}

fn object(token: &str) -> StagedFile {
    let staged = StagedObject {
        key: format!("orders/_staged/{token}.staged"),
        etag: "\"e1\"".into(),
        version: None,
    };
    staged_file(token, Staged::Copy { staged })
}

fn staged_file(token: &str, staged: Staged) -> StagedFile {
    StagedFile {
        location: Location {
            bucket: "lake".into(),
            region: "eu-west-1".into(),
            endpoint: None,
            path_style: false,
        },
        key: format!("orders/v0000000000/00000000-000000000000-5eed5eed-{token}.parquet"),
        token: token.into(),
        bytes: 8_388_609,
        rows: 12,
        staged_at: "2026-01-02T03:04:05Z".parse().unwrap(),
        receipt: None,
        failing_since: None,
        staged,
    }
}

fn read(state: &Value) -> State {
    State::from_json(&serde_json::to_vec(state).unwrap()).unwrap()
}

fn id(state_key: &str, key_begin: u32, token: &str) -> EntryId {
    EntryId {
        state_key: state_key.into(),
        key_begin,
        token: token.into(),
    }
}

fn ids(state: &State, range: RangeInclusive<u32>) -> Vec<EntryId> {
    state.staged_in(range).map(|(id, _)| id).collect()
}

#[test]
fn absent_null_and_empty_state_are_a_new_task() {
    for text in ["", " \n", "null", "{}", r#"{"bindings": null}"#] {
        let mut state = State::from_json(text.as_bytes()).unwrap();
        assert_eq!(ids(&state, 0..=u32::MAX), []);
        assert_eq!(state.take_patch(), None);
    }
}

#[test]
fn a_newer_version_is_refused_by_name() {
    let error = State::from_json(br#"{"version": 3, "bindings": {}}"#).unwrap_err();
    assert_eq!(error.kind(), crate::error::ErrorKind::Config);
    let text = error.to_string();
    assert!(
        text.contains("version 3") && text.contains("up to 2") && text.contains("newer"),
        "{text}"
    );
}

#[test]
fn what_is_no_state_of_ours_is_refused() {
    for text in [
        "[]",
        "7",
        "{",
        r#"{"version": 0}"#,
        r#"{"other": 1}"#,
        r#"{"version": 1, "bindings": {"a": {"xyz": {}}}}"#,
    ] {
        assert!(State::from_json(text.as_bytes()).is_err(), "{text}");
    }
}

#[test]
fn unknown_fields_are_ignored_and_left_alone() {
    let stored = json!({"version": 1, "note": "x", "bindings": {"a": {"00000000": {"counter": 1, "future": [1]}}}});
    let mut state = read(&stored);
    assert_eq!(state.take_patch(), None);
    assert_eq!(state.next_counter("a", 0), 1);
    let patch = state.take_patch().unwrap();
    assert_eq!(
        patch,
        json!({"version": 1, "bindings": {"a": {"00000000": {"counter": 2}}}})
    );
}

#[test]
fn the_patch_of_a_commit_names_counters_and_uploads_and_nothing_else() {
    let stored = json!({"version": 1, "bindings": {
        "a": {"00000000": {"counter": 4}, "80000000": {"counter": 9, "staged": {"77": upload("77")}}},
        "b": {"00000000": {"counter": 2}},
    }});
    let mut state = read(&stored);
    assert_eq!(state.next_counter("a", 0), 9);
    assert_eq!(state.next_counter("a", 0), 10);
    state.stage("a", 0, upload("11"));
    state.stage("a", 0, upload("22"));
    let expected = json!({"version": 1, "bindings": {"a": {"00000000": {
        "counter": 11,
        "staged": {"11": upload("11"), "22": upload("22")},
    }}}});
    assert_eq!(state.take_patch(), Some(expected));
    assert_eq!(state.take_patch(), None);
}

#[test]
fn the_patch_of_an_acknowledge_clears_entry_by_entry_and_keeps_the_counter() {
    let mut state = State::default();
    state.next_counter("a", 0);
    state.stage("a", 0, upload("11"));
    state.stage("a", 0, upload("22"));
    let mut stored = json!({});
    merge(&mut stored, &state.take_patch().unwrap());

    state.clear(&id("a", 0, "11"));
    let patch = state.take_patch().unwrap();
    assert_eq!(
        patch,
        json!({"version": 1, "bindings": {"a": {"00000000": {"staged": {"11": null}}}}})
    );
    merge(&mut stored, &patch);
    state.clear(&id("a", 0, "22"));
    merge(&mut stored, &state.take_patch().unwrap());

    let mut again = read(&stored);
    assert_eq!(ids(&again, 0..=u32::MAX), []);
    assert_eq!(again.next_counter("a", 0), 1);
}

#[test]
fn clearing_what_is_not_there_changes_nothing() {
    let mut state = State::default();
    state.clear(&id("a", 0, "11"));
    assert_eq!(state.take_patch(), None);
}

#[test]
fn entries_come_in_order_and_only_from_shards_in_the_range() {
    let mut state = State::default();
    for (state_key, key_begin, token) in [
        ("b", 0, "1"),
        ("a", 0x8000_0000, "3"),
        ("a", 0, "2"),
        ("a", 0, "1"),
        ("a", 0x4000_0000, "9"),
    ] {
        state.stage(state_key, key_begin, upload(token));
    }
    let expected = [
        id("a", 0, "1"),
        id("a", 0, "2"),
        id("a", 0x4000_0000, "9"),
        id("b", 0, "1"),
    ];
    assert_eq!(ids(&state, 0..=0x7fff_ffff), expected);
    assert_eq!(
        ids(&state, 0x8000_0000..=u32::MAX),
        [id("a", 0x8000_0000, "3")]
    );
}

#[test]
fn the_shape_of_the_state_is_fixed() {
    let mut state = State::default();
    state.next_counter("acme/orders.v1", 0x4000_0000);
    let mut staged = upload("00000000000000aa");
    staged.location.endpoint = Some("http://localhost:9000".into());
    staged.location.path_style = true;
    state.stage("acme/orders.v1", 0x4000_0000, staged);
    state.note_forms("acme/orders.v1", 0x4000_0000, "columns".to_owned());
    insta::assert_json_snapshot!(state.take_patch(), @r#"
    {
      "bindings": {
        "acme/orders.v1": {
          "40000000": {
            "counter": 1,
            "forms": "columns",
            "mapping": 2,
            "staged": {
              "00000000000000aa": {
                "bucket": "lake",
                "bytes": 8388609,
                "endpoint": "http://localhost:9000",
                "key": "orders/v0000000000/00000000-000000000000-5eed5eed-00000000000000aa.parquet",
                "parts": [
                  {
                    "crc32": "AAAAAA==",
                    "etag": "\"e1\""
                  },
                  {
                    "etag": "\"e2\""
                  }
                ],
                "pathStyle": true,
                "region": "eu-west-1",
                "rows": 12,
                "stagedAt": "2026-01-02T03:04:05Z",
                "token": "00000000000000aa",
                "uploadId": "upload-00000000000000aa"
              }
            }
          }
        }
      },
      "version": 1
    }
    "#);
}

#[test]
fn the_forms_of_columns_are_a_shards_own_or_else_anothers() {
    let mut state = State::default();
    assert_eq!(state.forms("a", 0), None);
    state.note_forms("a", 0x4000_0000, "theirs".to_owned());
    state.next_counter("a", 0);
    assert_eq!(state.forms("a", 0), Some("theirs"));
    state.note_forms("a", 0, "ours".to_owned());
    let json = serde_json::to_vec(&state.take_patch()).unwrap();
    let state = State::from_json(&json).unwrap();
    assert_eq!(state.forms("a", 0), Some("ours"));
    assert_eq!(state.forms("a", 0x4000_0000), Some("theirs"));
    assert_eq!(state.forms("b", 0), None);
}

#[test]
fn another_shards_patch_is_seen_and_not_repeated() {
    let mut ours = State::default();
    let mut theirs = State::default();
    theirs.stage("a", 0x8000_0000, upload("11"));
    ours.apply(&theirs.take_patch().unwrap()).unwrap();
    assert_eq!(ids(&ours, 0..=u32::MAX), [id("a", 0x8000_0000, "11")]);
    assert_eq!(ours.take_patch(), None);
}

/// Two shards share one document, restart at random, and stage and clear at random: the document
/// always equals what both have done, and neither ever touches the other's entries.
#[test]
fn patches_of_two_shards_add_up_to_what_both_did() {
    for seed in 0..200 {
        let mut rng = fastrand::Rng::with_seed(seed);
        let mut stored = json!({});
        let mut shards = [(0, State::default()), (0x8000_0000, State::default())];
        let mut expected = std::collections::BTreeSet::new();
        for step in 0..30 {
            let (key_begin, state) = &mut shards[rng.usize(0..2)];
            let own = *key_begin..=*key_begin + 0x7fff_ffff;
            if rng.u8(0..5) == 0 {
                *state = read(&stored);
            }
            let state_key = rng.choice(["a", "b"]).unwrap();
            let staged: Vec<_> = ids(state, own).into_iter().collect();
            match rng.choice(&staged) {
                Some(entry) if rng.bool() => {
                    state.clear(entry);
                    expected.remove(entry);
                }
                _ => {
                    let token = format!("{step:016x}");
                    state.next_counter(state_key, *key_begin);
                    state.stage(state_key, *key_begin, upload(&token));
                    expected.insert(id(state_key, *key_begin, &token));
                }
            }
            merge(&mut stored, &state.take_patch().unwrap());
            assert_eq!(
                ids(&read(&stored), 0..=u32::MAX),
                expected.iter().cloned().collect::<Vec<_>>(),
                "seed {seed}"
            );
        }
    }
}

#[test]
fn a_shard_is_named_to_the_letter() {
    let state = json!({"version": 1, "bindings": {"a": {"ABCDEF01": {"counter": 1}}}});
    let error = State::from_json(&serde_json::to_vec(&state).unwrap()).unwrap_err();
    assert!(error.to_string().contains("`ABCDEF01`"), "{error}");
}

#[test]
fn the_last_counter_is_no_crash() {
    let mut state =
        read(&json!({"version": 1, "bindings": {"a": {"00000000": {"counter": u64::MAX}}}}));
    assert_eq!(state.next_counter("a", 0), u64::MAX);
    assert_eq!(state.next_counter("a", 0), u64::MAX);
}

/// A state that the connector of version 0.1 has written, before there were two ways to commit.
#[test]
fn a_state_without_ways_receipts_and_writers_is_read_as_multipart() {
    let mut entry = json!(upload("11"));
    let fields = entry.as_object_mut().unwrap();
    assert!(!fields.contains_key("receipt") && !fields.contains_key("failingSince"));
    let stored = json!({"version": 1, "bindings": {"a": {"00000000": {
        "counter": 4, "staged": {"11": entry},
    }}}});
    let mut state = read(&stored);
    let (_, file) = state.staged_in(0..=0).next().unwrap();
    assert_eq!(*file, upload("11"));
    assert_eq!(state.writers(0).count(), 0);
    assert_eq!(state.take_patch(), None);
}

#[test]
fn an_object_that_is_staged_for_a_copy_raises_the_version_for_as_long_as_it_waits() {
    let mut state = State::default();
    state.stage("a", 0, upload("11"));
    assert_eq!(state.take_patch().unwrap()["version"], 1);
    state.stage("a", 0, object("22"));
    let patch = state.take_patch().unwrap();
    assert_eq!(patch["version"], 2);
    let entry = &patch["bindings"]["a"]["00000000"]["staged"]["22"];
    assert_eq!(entry["staged"]["key"], "orders/_staged/22.staged");
    assert_eq!(
        entry.get("uploadId"),
        None,
        "an older connector cannot read it"
    );
    let read = read(&patch);
    let (_, file) = read.staged_in(0..=0).next().unwrap();
    assert_eq!(*file, object("22"));
    state.clear(&id("a", 0, "22"));
    assert_eq!(state.take_patch().unwrap()["version"], 1);
}

#[test]
fn the_version_only_goes_up_while_other_shards_may_need_it() {
    let mut stored = json!({"version": 1, "bindings": {}});
    let mut ours = read(&stored);
    ours.share();
    let mut theirs = read(&stored);
    theirs.share();
    theirs.stage("a", 0x8000_0000, object("22"));
    merge(&mut stored, &theirs.take_patch().unwrap());
    // It has not seen that, and says nothing against it.
    ours.add_writer(0, 7);
    merge(&mut stored, &ours.take_patch().unwrap());
    assert_eq!(stored["version"], 2);
    theirs.clear(&id("a", 0x8000_0000, "22"));
    merge(&mut stored, &theirs.take_patch().unwrap());
    assert_eq!(stored["version"], 2);
    let mut all = read(&stored);
    all.next_counter("a", 0);
    merge(&mut stored, &all.take_patch().unwrap());
    assert_eq!(stored["version"], 1, "a session that has all keys sees all");

    let mut new = State::default();
    new.share();
    new.add_writer(0, 7);
    assert_eq!(new.take_patch().unwrap()["version"], 1);
}

#[test]
fn a_writer_is_told_with_every_patch_until_it_is_durable() {
    let mut state = read(&json!({"version": 1, "bindings": {}, "shards": {
        "00000000": {"writers": ["00000001"]}, "80000000": {"writers": ["00000009"]},
    }}));
    state.add_writer(0, 2);
    let told = json!({"version": 1, "shards": {"00000000": {"writers": ["00000001", "00000002"]}}});
    assert_eq!(state.take_patch(), Some(told.clone()));
    assert_eq!(state.take_patch(), Some(told));
    state.next_counter("a", 0);
    assert!(state.take_patch().unwrap()["shards"].is_object());
    state.confirm_writer();
    assert_eq!(state.take_patch(), None);
    assert_eq!(state.writers(0).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(state.key_begins().collect::<Vec<_>>(), [0, 0x8000_0000]);
}

#[test]
fn the_last_sixty_four_writers_are_kept() {
    let mut state = State::default();
    for writer in 0..100 {
        state.add_writer(7, writer);
    }
    let kept: Vec<_> = state.writers(7).collect();
    assert_eq!(kept, (36..100).collect::<Vec<_>>());
}

#[test]
fn an_endpoint_that_needs_copies_is_remembered_by_its_url() {
    let mut state = State::default();
    state.note_copies_at(0, "http://minio:9000");
    let state = read(&state.take_patch().unwrap());
    assert!(state.copies_at(0, "http://minio:9000"));
    assert!(!state.copies_at(0, "http://ceph:9000"));
    assert!(!state.copies_at(1, "http://minio:9000"));
}

#[test]
fn a_counter_is_above_those_of_all_key_begins() {
    let mut state = read(&json!({"version": 1, "bindings": {"a": {
        "00000000": {"counter": 7}, "40000000": {"counter": 9},
    }}}));
    assert_eq!(state.counter("a"), 9);
    assert_eq!(state.next_counter("a", 0x8000_0000), 9);
    assert_eq!(state.next_counter("a", 0x8000_0000), 10);
    assert_eq!(state.next_counter("a", 0), 11, "also after a merge");
    assert_eq!(state.counter("b"), 0);
}

#[test]
fn a_backfill_keeps_the_mapping_that_it_began_with() {
    let mut state = read(&json!({"version": 1, "bindings": {
        "old": {"00000000": {"counter": 7}}, "newer": {"00000000": {"counter": 1, "mapping": 1}},
    }}));
    for (state_key, key_begin, expected) in [
        ("old", 0, json!(null)),
        ("old", 1, json!(null)),
        ("newer", 1, json!(1)),
        ("new", 0, json!(MAPPING_VERSION)),
    ] {
        state.next_counter(state_key, key_begin);
        let patch = state.take_patch().unwrap();
        let files = &patch["bindings"][state_key][HexNumber(key_begin).to_string()];
        let noted = files.get("mapping").cloned().unwrap_or_default();
        let is_unchanged = key_begin == 0 && state_key != "new";
        assert_eq!(noted, if is_unchanged { json!(null) } else { expected });
    }
}

#[test]
fn forms_of_bindings_that_are_no_longer_active_are_removed_once_nothing_of_them_waits() {
    let files = json!({"counter": 7, "forms": "AAAAAQ"});
    let mut state = read(&json!({"version": 1, "bindings": {
        "active": {"00000000": files},
        "old": {"00000000": files, "40000000": files, "80000000": files},
        "waits": {"00000000": files},
        "without": {"00000000": {"counter": 7}},
    }}));
    state.stage("waits", 0, upload("a"));
    state.take_patch();
    let mut forget = || {
        state.forget_forms(0..=0x7fff_ffff, |state_key| state_key == "active");
        state.clear(&id("waits", 0, "a"));
        state.take_patch().map(|patch| patch["bindings"].clone())
    };
    let no_forms = json!({"forms": null});
    assert_eq!(
        forget(),
        Some(json!({
            "old": {"00000000": no_forms, "40000000": no_forms},
            "waits": {"00000000": {"staged": null}},
        })),
        "neither another shard's, nor a counter"
    );
    assert_eq!(forget(), Some(json!({"waits": {"00000000": no_forms}})));
    assert_eq!(forget(), None);
}
