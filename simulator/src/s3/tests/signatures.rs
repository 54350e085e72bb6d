//! Who is let in.

use super::*;

#[tokio::test]
async fn a_wrong_secret_is_signature_does_not_match() {
    let (server, _) = start(options()).await;
    let client = Client::from_conf(config(&server, "flow-sim", "wrong").build());
    let put = client
        .put_object()
        .bucket(BUCKET)
        .key("k")
        .body(ByteStream::from_static(b"x"));
    assert_eq!(
        refusal(put.send().await),
        refused(403, "SignatureDoesNotMatch")
    );
    assert!(server.with_store(|store| store.object(BUCKET, "k").is_err()));
}

#[tokio::test]
async fn a_wrong_secret_is_told_even_with_a_large_body() {
    let (server, _) = start(options()).await;
    let client = Client::from_conf(config(&server, "flow-sim", "wrong").build());
    let body = ByteStream::from(vec![7; 4 * 1024 * 1024]);
    let put = client
        .put_object()
        .bucket(BUCKET)
        .key("k")
        .body(body)
        .send()
        .await;
    assert_eq!(refusal(put), refused(403, "SignatureDoesNotMatch"));
}

#[tokio::test]
async fn an_unknown_key_is_invalid_access_key_id() {
    let (server, _) = start(options()).await;
    let client = Client::from_conf(config(&server, "nobody", "flow-sim-secret").build());
    let list = client.list_objects_v2().bucket(BUCKET).send().await;
    assert_eq!(refusal(list), refused(403, "InvalidAccessKeyId"));
    let entry = &server.journal()[0];
    assert_eq!(entry.target.operation, Operation::ListObjectsV2);
    let outcome = Outcome::Answered {
        status: 403,
        code: Some("InvalidAccessKeyId".to_owned()),
    };
    assert_eq!(entry.outcome, outcome);
}

#[tokio::test]
async fn anonymous_requests_are_denied() {
    let (server, _) = start(options()).await;
    let anonymous = Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .endpoint_url(server.endpoint())
        .force_path_style(true)
        .region(Region::new("us-east-1"))
        .allow_no_auth()
        .retry_config(RetryConfig::disabled());
    let client = Client::from_conf(anonymous.build());
    let list = client.list_objects_v2().bucket(BUCKET).send().await;
    assert_eq!(refusal(list), refused(403, "AccessDenied"));
}

#[tokio::test]
async fn another_region_is_refused_unless_any_will_do() {
    let elsewhere = |server: &Server| {
        let config = config(server, "flow-sim", "flow-sim-secret").region(Region::new("eu-west-3"));
        Client::from_conf(config.build())
    };
    let (server, _) = start(options()).await;
    let list = elsewhere(&server)
        .list_objects_v2()
        .bucket(BUCKET)
        .send()
        .await;
    let message = list
        .as_ref()
        .unwrap_err()
        .message()
        .unwrap_or_default()
        .to_owned();
    assert_eq!(refusal(list), refused(400, "AuthorizationHeaderMalformed"));
    assert!(message.contains("expecting 'us-east-1'"), "{message}");

    let any = Options {
        region: None,
        ..options()
    };
    let (server, _) = start(any).await;
    let list = elsewhere(&server)
        .list_objects_v2()
        .bucket(BUCKET)
        .send()
        .await;
    assert!(list.is_ok());
}

#[tokio::test]
async fn access_can_be_revoked_and_restored() {
    let (server, client) = start(options()).await;
    server.revoke_access();
    let put_denied = client
        .put_object()
        .bucket(BUCKET)
        .key("k")
        .body(ByteStream::from_static(b"x"));
    assert_eq!(
        refusal(put_denied.send().await),
        refused(403, "AccessDenied")
    );
    server.restore_access();
    put(&client, "k", b"x").await;
    assert_eq!(
        history(&server),
        [
            (Operation::PutObject, Some(403)),
            (Operation::PutObject, Some(200))
        ]
    );
}
