//! Faults as a client meets them.

use std::time::Duration;

use tokio::time::Instant;

use super::*;
use crate::s3::{Attempts, Effect, Fault, FaultPlan, KeyPattern};
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart};

fn with_fault(fault: Fault) -> Options {
    Options {
        faults: FaultPlan {
            seed: 0,
            faults: vec![fault],
        },
        ..options()
    }
}

fn first_put(effect: Effect) -> Fault {
    Fault {
        attempts: Attempts::only(1),
        ..Fault::on(Operation::PutObject, effect)
    }
}

async fn try_put(client: &Client, key: &str) -> Result<(), (u16, String)> {
    let body = ByteStream::from_static(b"hello");
    match client
        .put_object()
        .bucket(BUCKET)
        .key(key)
        .body(body)
        .send()
        .await
    {
        Ok(_) => Ok(()),
        Err(SdkError::DispatchFailure(_)) => Err(refused(0, "no answer")),
        Err(error) => Err(refusal::<(), _>(Err(error))),
    }
}

fn exists(server: &Server, key: &str) -> bool {
    server.with_store(|store| store.object(BUCKET, key).is_ok())
}

#[tokio::test]
async fn refusals_do_nothing_and_pass_with_the_attempt() {
    for (effect, expected) in [
        (Effect::InternalError, refused(500, "InternalError")),
        (Effect::SlowDown, refused(503, "SlowDown")),
        (Effect::AccessDenied, refused(403, "AccessDenied")),
        (Effect::ResetBefore, refused(0, "no answer")),
    ] {
        let (server, client) = start(with_fault(first_put(effect.clone()))).await;
        assert_eq!(try_put(&client, "k").await, Err(expected));
        assert!(!exists(&server, "k"));
        assert_eq!(try_put(&client, "k").await, Ok(()));
        let journal = server.journal();
        assert_eq!((journal[0].attempt, &journal[0].fault), (1, &Some(effect)));
        assert_eq!((journal[1].attempt, &journal[1].fault), (2, &None));
    }
}

#[tokio::test]
async fn a_lost_response_leaves_its_effect() {
    let (server, client) = start(with_fault(first_put(Effect::ResetAfter))).await;
    assert_eq!(try_put(&client, "k").await, Err(refused(0, "no answer")));
    assert!(exists(&server, "k"));
    assert_eq!(server.journal()[0].outcome, Outcome::Reset);
}

#[tokio::test]
async fn an_effect_can_come_after_its_connection_is_gone() {
    let fault = first_put(Effect::ResetThenDone { milliseconds: 50 });
    let (server, client) = start(with_fault(fault)).await;
    assert_eq!(try_put(&client, "k").await, Err(refused(0, "no answer")));
    assert!(!exists(&server, "k"));
    let deadline = Instant::now() + Duration::from_secs(10);
    while !exists(&server, "k") && Instant::now() < deadline {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(exists(&server, "k"));
}

#[tokio::test]
async fn latency_delays_the_answer() {
    let fault = first_put(Effect::Latency { milliseconds: 80 });
    let (_server, client) = start(with_fault(fault)).await;
    let begin = Instant::now();
    assert_eq!(try_put(&client, "k").await, Ok(()));
    assert!(begin.elapsed() >= Duration::from_millis(80));
}

#[tokio::test]
async fn only_the_named_keys_are_struck() {
    let fault = Fault {
        key: KeyPattern::Prefix("bad/".to_owned()),
        ..Fault::on(Operation::PutObject, Effect::SlowDown)
    };
    let (server, client) = start(with_fault(fault)).await;
    assert_eq!(try_put(&client, "good/k").await, Ok(()));
    assert_eq!(
        try_put(&client, "bad/k").await,
        Err(refused(503, "SlowDown"))
    );
    server.set_faults(FaultPlan::default());
    assert_eq!(try_put(&client, "bad/k").await, Ok(()));
}

/// Creates an upload with one part and tries to complete it.
async fn try_complete(client: &Client) -> (u16, String) {
    let created = client
        .create_multipart_upload()
        .bucket(BUCKET)
        .key("k")
        .send()
        .await
        .unwrap();
    let id = created.upload_id().unwrap();
    let part = client
        .upload_part()
        .bucket(BUCKET)
        .key("k")
        .upload_id(id)
        .part_number(1);
    let part = part
        .body(ByteStream::from_static(b"hello"))
        .send()
        .await
        .unwrap();
    let part = CompletedPart::builder()
        .part_number(1)
        .e_tag(part.e_tag().unwrap())
        .build();
    let parts = CompletedMultipartUpload::builder().parts(part).build();
    let complete = client
        .complete_multipart_upload()
        .bucket(BUCKET)
        .key("k")
        .upload_id(id);
    refusal(complete.multipart_upload(parts).send().await)
}

#[tokio::test]
async fn a_completion_can_fail_with_200() {
    let fault = Fault::on(Operation::CompleteMultipartUpload, Effect::ErrorInBody);
    let (server, client) = start(with_fault(fault)).await;
    assert_eq!(try_complete(&client).await, refused(200, "InternalError"));
    assert!(!exists(&server, "k"));
    assert_eq!(
        server.with_store(|store| store.uploads(BUCKET).unwrap().count()),
        1
    );
    let outcome = Outcome::Answered {
        status: 200,
        code: Some("InternalError".to_owned()),
    };
    assert_eq!(server.journal()[2].outcome, outcome);
}

#[tokio::test]
async fn an_upload_can_expire_just_before_its_completion() {
    let fault = Fault::on(Operation::CompleteMultipartUpload, Effect::ExpireUpload);
    let (server, client) = start(with_fault(fault)).await;
    assert_eq!(try_complete(&client).await, refused(404, "NoSuchUpload"));
    let expired = server.with_store(|store| store.expired_uploads(BUCKET).unwrap().clone());
    assert!(expired.into_iter().any(|(key, _)| key == "k"));
    assert_eq!(
        server.with_store(|store| store.uploads(BUCKET).unwrap().count()),
        0
    );
}

async fn try_copy(client: &Client, from: &str, to: &str) -> Result<(), (u16, String)> {
    let copy = client.copy_object().bucket(BUCKET).key(to);
    match copy.copy_source(format!("{BUCKET}/{from}")).send().await {
        Ok(_) => Ok(()),
        Err(SdkError::DispatchFailure(_)) => Err(refused(0, "no answer")),
        Err(error) => Err(refusal::<(), _>(Err(error))),
    }
}

/// Whatever cuts a copy off: the source is whole, and the copy is whole or absent.
#[tokio::test]
async fn faults_strike_copies_by_the_key_they_write() {
    for (effect, expected, is_done) in [
        (Effect::InternalError, refused(500, "InternalError"), false),
        (Effect::ErrorInBody, refused(200, "InternalError"), false),
        (Effect::AccessDenied, refused(403, "AccessDenied"), false),
        (Effect::ResetBefore, refused(0, "no answer"), false),
        (Effect::ResetAfter, refused(0, "no answer"), true),
    ] {
        let fault = Fault {
            key: KeyPattern::Exact("copy".to_owned()),
            attempts: Attempts::only(1),
            ..Fault::on(Operation::CopyObject, effect.clone())
        };
        let (server, client) = start(with_fault(fault)).await;
        put(&client, "source", b"rows").await;
        assert_eq!(try_copy(&client, "source", "other").await, Ok(()));
        assert_eq!(try_copy(&client, "source", "copy").await, Err(expected));
        assert_eq!(exists(&server, "copy"), is_done, "{effect:?}");
        assert_eq!(get(&client, "source").await, b"rows");
        assert_eq!(try_copy(&client, "source", "copy").await, Ok(()));
        assert_eq!(get(&client, "copy").await, b"rows");
    }
}

#[tokio::test]
async fn a_source_can_expire_just_before_its_copy() {
    let fault = Fault::on(Operation::CopyObject, Effect::ExpireSource);
    let (server, client) = start(with_fault(fault)).await;
    put(&client, "source", b"rows").await;
    let copied = try_copy(&client, "source", "copy").await;
    assert_eq!(copied, Err(refused(404, "NoSuchKey")));
    let expired = server.with_store(|store| store.expired_objects(BUCKET).unwrap().clone());
    assert!(expired.contains("source"));
}

#[tokio::test]
async fn a_fault_can_strike_one_part_of_an_upload() {
    let fault = Fault {
        part: Some(2),
        attempts: Attempts::only(1),
        ..Fault::on(Operation::UploadPart, Effect::SlowDown)
    };
    let (_server, client) = start(with_fault(fault)).await;
    let created = client
        .create_multipart_upload()
        .bucket(BUCKET)
        .key("k")
        .send()
        .await
        .unwrap();
    let id = created.upload_id().unwrap();
    let mut outcomes = Vec::new();
    for number in [1, 2, 2, 3] {
        let part = client
            .upload_part()
            .bucket(BUCKET)
            .key("k")
            .upload_id(id)
            .part_number(number);
        outcomes.push(
            part.body(ByteStream::from_static(b"hello"))
                .send()
                .await
                .is_ok(),
        );
    }
    assert_eq!(outcomes, [true, false, true, true]);
}

#[tokio::test]
async fn a_slow_body_comes_late_and_whole() {
    let fault = Fault::on(Operation::GetObject, Effect::SlowBody { milliseconds: 80 });
    let (_server, client) = start(with_fault(fault)).await;
    try_put(&client, "k").await.unwrap();
    let begin = Instant::now();
    let got = client.get_object().bucket(BUCKET).key("k").send().await;
    let body = got.unwrap().body.collect().await.unwrap().into_bytes();
    assert_eq!(&body[..], b"hello");
    assert!(begin.elapsed() >= Duration::from_millis(80));
}

#[tokio::test]
async fn what_is_done_can_be_seen_only_later_and_is_written_once() {
    let fault = first_put(Effect::ResetThenVisible { milliseconds: 80 });
    let (server, client) = start(with_fault(fault)).await;
    assert_eq!(try_put(&client, "k").await, Err(refused(0, "no answer")));
    assert!(!exists(&server, "k"));
    let deadline = Instant::now() + Duration::from_secs(10);
    while !exists(&server, "k") && Instant::now() < deadline {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(exists(&server, "k"));
    let writes = server.with_store(|store| store.writes(BUCKET).unwrap()["k"]);
    assert_eq!(writes, 1);
}

#[tokio::test]
async fn a_loader_takes_what_becomes_visible_until_it_stops() {
    let (server, client) = start(options()).await;
    for (key, loads) in [("a", true), ("b", false)] {
        server.with_store(|store| store.load_at_once(BUCKET, loads).unwrap());
        try_put(&client, key).await.unwrap();
        assert_eq!(exists(&server, key), !loads);
    }
    let loaded: Vec<String> =
        server.with_store(|store| store.loaded(BUCKET).unwrap().keys().cloned().collect());
    assert_eq!(loaded, ["a"]);
}
