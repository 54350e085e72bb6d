//! The server as a real client sees it: the AWS SDK, path style, no retries.

mod completion;
mod copies;
mod faults;
mod loss;
mod manners;
mod multipart;
mod objects;
mod signatures;
mod signer;
mod versions;
mod wire;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::{
    BehaviorVersion, Config, Credentials, Region, RequestChecksumCalculation,
};
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::primitives::ByteStream;
use jiff::Timestamp;

use super::{Operation, Options, Outcome, Rules, Server};

const BUCKET: &str = "bucket";

/// A server with a bucket, where parts may be small: tests of another minimum say so.
fn options() -> Options {
    Options {
        buckets: vec![BUCKET.to_owned()],
        rules: Rules {
            minimum_part_bytes: 8,
            ..Rules::default()
        },
        ..Options::default()
    }
}

async fn start(options: Options) -> (Server, Client) {
    let keys = (
        options.access_key_id.clone(),
        options.secret_access_key.clone(),
    );
    let server = Server::start(options).await.unwrap();
    let client = Client::from_conf(config(&server, &keys.0, &keys.1).build());
    (server, client)
}

fn config(server: &Server, access_key_id: &str, secret: &str) -> aws_sdk_s3::config::Builder {
    Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .endpoint_url(server.endpoint())
        .force_path_style(true)
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new(access_key_id, secret, None, None, "test"))
        .retry_config(RetryConfig::disabled())
}

/// A client that adds no checksum of its own.
fn without_checksums(server: &Server) -> Client {
    let keys = Options::default();
    let config = config(server, &keys.access_key_id, &keys.secret_access_key)
        .request_checksum_calculation(RequestChecksumCalculation::WhenRequired);
    Client::from_conf(config.build())
}

/// Status and code of a refusal. Panics if the request succeeded or never got an answer.
fn refusal<T: std::fmt::Debug, E: ProvideErrorMetadata + std::fmt::Debug>(
    result: Result<T, SdkError<E, HttpResponse>>,
) -> (u16, String) {
    let error = result.expect_err("the request must be refused");
    let status = error
        .raw_response()
        .map(|response| response.status().as_u16());
    let status = status.unwrap_or_else(|| panic!("no answer: {error:?}"));
    (status, error.code().unwrap_or_default().to_owned())
}

fn refused(status: u16, code: &str) -> (u16, String) {
    (status, code.to_owned())
}

async fn get(client: &Client, key: &str) -> Vec<u8> {
    let output = client
        .get_object()
        .bucket(BUCKET)
        .key(key)
        .send()
        .await
        .unwrap();
    output.body.collect().await.unwrap().to_vec()
}

async fn put(client: &Client, key: &str, bytes: &[u8]) {
    let body = ByteStream::from(bytes.to_vec());
    client
        .put_object()
        .bucket(BUCKET)
        .key(key)
        .body(body)
        .send()
        .await
        .unwrap();
}

/// The journal in short: operation and how it ended.
fn history(server: &Server) -> Vec<(Operation, Option<u16>)> {
    let short = |entry: super::Entry| {
        let status = match entry.outcome {
            Outcome::Answered { status, .. } => Some(status),
            Outcome::Open | Outcome::Reset | Outcome::Lost => None,
        };
        (entry.target.operation, status)
    };
    server.journal().into_iter().map(short).collect()
}

#[tokio::test]
async fn a_stopped_server_no_longer_answers() {
    let (server, client) = start(options()).await;
    client.head_bucket().bucket(BUCKET).send().await.unwrap();
    let address = server.address();
    server.stop().await;
    assert!(client.head_bucket().bucket(BUCKET).send().await.is_err());
    let again = Options {
        address,
        ..options()
    };
    let (server, client) = start(again).await;
    client.head_bucket().bucket(BUCKET).send().await.unwrap();
    drop(server);
    tokio::task::yield_now().await;
    assert!(client.head_bucket().bucket(BUCKET).send().await.is_err());
}

#[tokio::test]
async fn a_port_that_is_taken_is_named() {
    let (server, _) = start(options()).await;
    let second = Options {
        address: server.address(),
        ..options()
    };
    let error = Server::start(second).await.unwrap_err().to_string();
    assert!(error.contains(&server.address().to_string()), "{error}");
    assert!(error.contains("choose another port"), "{error}");
}

#[test]
fn debug_output_hides_the_secret() {
    let options = Options {
        secret_access_key: "tell-nobody".to_owned(),
        ..Options::default()
    };
    assert!(!format!("{options:?}").contains("tell-nobody"));
}

#[tokio::test]
async fn what_is_not_implemented_is_501_and_listed() {
    let (server, client) = start(options()).await;
    put(&client, "k", b"bytes").await;
    let tagging = client
        .get_object_tagging()
        .bucket(BUCKET)
        .key("k")
        .send()
        .await;
    assert_eq!(refusal(tagging), refused(501, "NotImplemented"));
    let copied_part = client
        .upload_part_copy()
        .bucket(BUCKET)
        .key("l")
        .upload_id("u")
        .part_number(1)
        .copy_source("bucket/k")
        .send()
        .await;
    assert_eq!(refusal(copied_part), refused(501, "NotImplemented"));
    let tagged = client
        .copy_object()
        .bucket(BUCKET)
        .key("l")
        .copy_source("bucket/k")
        .tagging("a=b")
        .send()
        .await;
    assert_eq!(refusal(tagged), refused(501, "NotImplemented"));
    assert_eq!(server.unsupported().len(), 3);
}

#[tokio::test]
async fn time_comes_from_the_clock() {
    let noon = Timestamp::from_second(1_700_000_000).unwrap();
    let options = Options {
        clock: std::sync::Arc::new(move || noon),
        ..options()
    };
    let (_server, client) = start(options).await;
    put(&client, "k", b"bytes").await;
    let head = client
        .head_object()
        .bucket(BUCKET)
        .key("k")
        .send()
        .await
        .unwrap();
    assert_eq!(head.last_modified().unwrap().secs(), 1_700_000_000);
}
