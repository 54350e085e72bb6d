//! Servers in containers: they start, answer here and on the engine's network, come back after a
//! kill, or without a network for a while, on the same port and with what they had, and leave
//! nothing behind.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::time::Duration;

use flow_sim::container::{Container, Image};
use flow_sim::run::{Bucket, Location, Store};
use flow_sim::{ceph, minio, seaweedfs};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use crate::docker;

const IMAGES: [Image; 3] = [minio::IMAGE, ceph::IMAGE, seaweedfs::IMAGE];

/// No server may take longer to start.
const PATIENCE: Duration = Duration::from_secs(30);

#[tokio::test(flavor = "multi_thread")]
async fn a_server_answers_and_is_gone_after_a_stop() {
    if !docker::wanted("containers::a_server_answers_and_is_gone_after_a_stop") {
        return;
    }
    for image in IMAGES {
        let started = timeout(PATIENCE, Container::start(image)).await;
        let container = started.expect("it starts in time").unwrap();
        let id = container.id().to_owned();
        for endpoint in [&container.endpoint(), container.bridge_endpoint()] {
            assert_eq!(status(endpoint, image.ready), "HTTP/1.1 200 OK");
        }
        container.stop().await.unwrap();
        assert!(!exists(&id));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_is_gone_after_a_drop() {
    if !docker::wanted("containers::a_server_is_gone_after_a_drop") {
        return;
    }
    let container = minio::start().await.unwrap();
    let id = container.id().to_owned();
    assert!(exists(&id));
    drop(container);
    assert!(!exists(&id));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_was_killed_or_cut_off_comes_back_with_what_it_had() {
    if !docker::wanted(
        "containers::a_server_that_was_killed_or_cut_off_comes_back_with_what_it_had",
    ) {
        return;
    }
    for image in IMAGES {
        let container = Container::start(image).await.unwrap();
        let store = Store::At(Location::of(&container));
        let bucket = Bucket::open(&store, Some("kept"), 0).await.unwrap();
        let put = bucket.client().put_object().bucket("kept").key("file");
        put.body(b"rows".to_vec().into()).send().await.unwrap();

        container.kill().await.unwrap();
        assert!(TcpStream::connect(address(&container.endpoint())).is_err());
        container.start_again().await.unwrap();
        container.pause().await.unwrap();
        container.unpause().await.unwrap();
        container.disconnect().await.unwrap();
        assert!(!answers(&container.endpoint()).await);
        container.connect().await.unwrap();

        let get = bucket.client().get_object().bucket("kept").key("file");
        let body = get.send().await.unwrap().body.collect().await.unwrap();
        assert_eq!(body.into_bytes(), "rows", "{}", image.server);
        container.stop().await.unwrap();
    }
}

/// Whether a server answers at all.
async fn answers(endpoint: &str) -> bool {
    let answer = timeout(Duration::from_secs(2), async {
        let mut stream = tokio::net::TcpStream::connect(address(endpoint)).await?;
        stream.write_all(b"GET / HTTP/1.0\r\n\r\n").await?;
        stream.read_u8().await
    });
    matches!(answer.await, Ok(Ok(_)))
}

fn address(endpoint: &str) -> &str {
    endpoint.strip_prefix("http://").unwrap()
}

/// The status line of the health check behind an endpoint URL.
fn status(endpoint: &str, path: &str) -> String {
    let address = address(endpoint);
    let mut stream = TcpStream::connect(address).unwrap();
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer.lines().next().unwrap().to_owned()
}

/// Whether the engine knows a container of this id.
fn exists(id: &str) -> bool {
    Command::new("docker")
        .args(["inspect", id])
        .output()
        .unwrap()
        .status
        .success()
}
