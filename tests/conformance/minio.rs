//! MinIO in a container: it starts, answers here and on the engine's network, and leaves nothing behind.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;

use flow_sim::minio::Minio;

use crate::docker;

#[tokio::test(flavor = "multi_thread")]
async fn minio_answers_and_is_gone_after_a_stop() {
    if !docker::wanted("minio::minio_answers_and_is_gone_after_a_stop") {
        return;
    }
    let minio = Minio::start().await.unwrap();
    let id = minio.container_id().to_owned();
    assert_eq!(status(minio.endpoint()), "HTTP/1.1 200 OK");
    assert_eq!(status(minio.bridge_endpoint()), "HTTP/1.1 200 OK");
    minio.stop().await.unwrap();
    assert!(!exists(&id));
}

#[tokio::test(flavor = "multi_thread")]
async fn minio_is_gone_after_a_drop() {
    if !docker::wanted("minio::minio_is_gone_after_a_drop") {
        return;
    }
    let minio = Minio::start().await.unwrap();
    let id = minio.container_id().to_owned();
    assert!(exists(&id));
    drop(minio);
    assert!(!exists(&id));
}

/// The status line of the health check behind an endpoint URL.
fn status(endpoint: &str) -> String {
    let address = endpoint.strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(address).unwrap();
    write!(
        stream,
        "GET /minio/health/ready HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n"
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
