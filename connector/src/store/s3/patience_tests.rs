//! Servers that do not answer, or not as they should: what is waited for, how often it is tried,
//! and what is said in the end.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::time::timeout;

use super::tests::{
    KEY, SECRET, Server, error_body, part, pending as part_of, read, staged, staged_object, store,
};
use super::*;
use crate::error::ErrorKind;
use crate::store::check::check_upload as check;
use crate::store::http_client::tests::acceptor;
use crate::store::{Haste, PART_BYTES, Timeouts};

/// Long enough for an answer on a busy machine, short enough to wait for.
const SHORT: Duration = Duration::from_millis(300);

/// What a server does with a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Manner {
    /// It reads, and never answers.
    Silent,
    /// It takes a request's first bytes and closes the connection.
    Resets,
}

/// A server that never answers, and counts the connections.
struct BadServer {
    endpoint: String,
    connections: Arc<AtomicUsize>,
}

impl BadServer {
    async fn start(manner: Manner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let connections = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&connections);
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                count.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(async move {
                    let mut bytes = vec![0; 1 << 16];
                    while stream.read(&mut bytes).await.is_ok_and(|read| read > 0) {
                        if manner == Manner::Resets {
                            return;
                        }
                    }
                });
            }
        });
        Self {
            endpoint,
            connections,
        }
    }

    fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

/// Timeouts that a test can wait for.
fn short() -> Timeouts {
    let limit = Limit {
        attempt: SHORT,
        operation: Duration::from_mins(1),
    };
    Timeouts {
        connect: SHORT,
        request: limit,
        part: limit,
        completion: limit,
        copy: SHORT,
    }
}

/// A store that is tried `attempts` times, with short pauses in between.
fn hasty(endpoint: &str, attempts: u32, timeouts: Timeouts) -> S3Store {
    let options = S3Options::clone(&store(endpoint, Checksums::Crc32).options);
    S3Store::new(S3Options {
        attempts,
        timeouts,
        haste: Haste::times(100),
        ..options
    })
}

/// The error says that there was no answer, where, and what to look at.
fn is_timeout(error: &Error, endpoint: &str) {
    let text = error.to_string();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{text}");
    for part in [
        "did not answer in time",
        "retries did not help",
        endpoint,
        "`/advanced/endpoint`",
    ] {
        assert!(text.contains(part), "{part} is not in: {text}");
    }
}

#[tokio::test]
async fn a_server_that_never_answers_is_given_up_after_every_attempt_of_every_kind() {
    let server = BadServer::start(Manner::Silent).await;
    let store = hasty(&server.endpoint, 3, short());
    let body = Bytes::from_static(b"rows").into();
    let object = Bytes::from_static(b"rows").into();
    let upload = part_of();
    let mut expected = 0;
    for error in [
        store.create_upload("a/1").await.unwrap_err(),
        store.upload_part(&upload, 1, body).await.unwrap_err(),
        store.complete(KEY, &staged()).await.unwrap_err(),
        store.head("a/1").await.unwrap_err(),
        store.abort(&upload).await.unwrap_err(),
        store.list_uploads("a/", None).await.unwrap_err(),
        store.list_objects("a/", None).await.unwrap_err(),
        store.put(KEY, object, ContentType::Json).await.unwrap_err(),
        store.get(KEY).await.unwrap_err(),
        store.delete(KEY, None).await.unwrap_err(),
    ] {
        is_timeout(&error, &server.endpoint);
        expected += 3;
    }
    let copied = store.copy(&staged_object("a/2", None), 4, KEY).await;
    is_timeout(&copied.unwrap_err(), &server.endpoint);
    expected += 1;
    assert_eq!(server.connections(), expected);
}

#[tokio::test]
async fn an_operation_ends_even_if_there_are_attempts_left() {
    let server = BadServer::start(Manner::Silent).await;
    let mut timeouts = short();
    timeouts.request.operation = 2 * SHORT;
    let store = hasty(&server.endpoint, 1000, timeouts);
    let created = timeout(40 * SHORT, store.create_upload("a/1")).await;
    is_timeout(&created.expect("it ends").unwrap_err(), &server.endpoint);
    assert!(server.connections() <= 3, "{}", server.connections());
}

/// The SDK would give an attempt up once nothing of it has moved for six seconds, and so it would
/// every other one.
#[tokio::test]
async fn an_upload_that_stands_still_for_a_while_has_its_attempt_nonetheless() {
    static CHUNK: [u8; 1 << 20] = [7; 1 << 20];
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(1 << 16).unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1).unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        sleep(Duration::from_secs(8)).await;
        let request = read(&mut stream).await;
        let answer = b"HTTP/1.1 200 OK\r\netag: \"e1\"\r\ncontent-length: 0\r\n\r\n";
        stream.write_all(answer).await.unwrap();
        request.body.len()
    });
    let store = hasty(&endpoint, 1, Timeouts::default());
    let body = part(&[&CHUNK[..]; 32]);
    store.upload_part(&part_of(), 1, body).await.unwrap();
    assert_eq!(server.await.unwrap(), 32 << 20);
}

/// A listener whose queue is full drops what comes: the same as an address behind a firewall.
#[tokio::test]
async fn an_address_that_swallows_connections_is_given_up() {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    let mut queue = Vec::new();
    while let Ok(stream) = timeout(SHORT, TcpStream::connect(address)).await {
        queue.push(stream.unwrap());
    }
    let endpoint = format!("http://{address}");
    let error = check(&hasty(&endpoint, 2, short()), "a/check").await;
    is_timeout(&error.unwrap_err(), &endpoint);
}

#[tokio::test]
async fn every_trouble_is_retried_as_often_as_there_are_attempts_and_then_told() {
    for status in [429, 500, 502, 503, 504] {
        let server = Server::start(&[(status, "", "")]).await;
        let store = hasty(&server.endpoint, ATTEMPTS, short());
        let error = store.create_upload("a/1").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
        assert!(
            error.to_string().contains("retries did not help"),
            "{error}"
        );
        assert_eq!(server.requests().len(), ATTEMPTS as usize, "{status}");
    }
    let server = BadServer::start(Manner::Resets).await;
    let store = hasty(&server.endpoint, ATTEMPTS, short());
    let error = store.create_upload("a/1").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    assert!(
        error.to_string().contains("retries did not help"),
        "{error}"
    );
    assert_eq!(server.connections(), ATTEMPTS as usize);
}

/// Stores say these in passing, and the SDK takes some of them for good.
#[tokio::test]
async fn answers_that_pass_are_retried_for_every_kind_of_request() {
    for (status, code) in [
        (429, "TooManyRequests"),
        (400, "BadDigest"),
        (400, "XAmzContentChecksumMismatch"),
        (409, "OperationAborted"),
        (400, "RequestTimeout"),
        (503, "SlowDown"),
    ] {
        let server = Server::start(&[(status, "", &error_body(code))]).await;
        let store = hasty(&server.endpoint, 3, short());
        store.create_upload("a/1").await.unwrap_err();
        let body = Bytes::from_static(b"rows").into();
        store.upload_part(&part_of(), 1, body).await.unwrap_err();
        store.complete(KEY, &staged()).await.unwrap_err();
        assert_eq!(server.requests().len(), 9, "{code}");
    }
}

#[tokio::test]
async fn what_no_retry_mends_is_not_retried() {
    for (status, code) in [
        (403, "AccessDenied"),
        (404, "NoSuchBucket"),
        (400, "InvalidArgument"),
    ] {
        let server = Server::start(&[(status, "", &error_body(code))]).await;
        let store = hasty(&server.endpoint, ATTEMPTS, short());
        store.create_upload("a/1").await.unwrap_err();
        assert_eq!(server.requests().len(), 1, "{code}");
    }
}

/// The SDK's own budget of retries would leave the last ones with nothing.
#[tokio::test]
async fn many_operations_at_once_have_all_their_attempts_each() {
    let server = Server::start(&[(503, "", &error_body("SlowDown"))]).await;
    let store = hasty(&server.endpoint, ATTEMPTS, Timeouts::default());
    let mut running = tokio::task::JoinSet::new();
    for number in 0..40 {
        let store = store.clone();
        running.spawn(async move { store.create_upload(&format!("a/{number}")).await });
    }
    for created in running.join_all().await {
        created.unwrap_err();
    }
    assert_eq!(server.requests().len(), 40 * ATTEMPTS as usize);
}

/// Pauses double up to a limit, and each is a random part of that.
#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "real pauses are measured")]
async fn the_pauses_between_attempts_are_bounded_and_random() {
    let mut parts = Vec::new();
    for _ in 0..4 {
        let server = Server::start(&[(503, "", "")]).await;
        let store = S3Store::new(S3Options {
            haste: Haste::times(10),
            ..S3Options::clone(&hasty(&server.endpoint, 3, Timeouts::default()).options)
        });
        let began = Instant::now();
        store.create_upload("a/1").await.unwrap_err();
        parts.push(began.elapsed());
    }
    // 100 ms and 200 ms at most, and a busy machine.
    assert!(
        parts.iter().all(|pauses| *pauses < Duration::from_secs(2)),
        "{parts:?}"
    );
    let (least, most) = (parts.iter().min().unwrap(), parts.iter().max().unwrap());
    assert!(*most > *least + Duration::from_millis(2), "{parts:?}");
}

#[tokio::test]
async fn a_certificate_that_nobody_has_issued_is_named() {
    let acceptor = acceptor();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("https://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            // The client does not come as far as that.
            let _ = acceptor.accept(stream).await;
        }
    });
    let error = check(&hasty(&endpoint, 2, short()), "a/check")
        .await
        .unwrap_err();
    let text = error.to_string();
    assert_eq!(error.kind(), ErrorKind::Config, "{text}");
    for part in ["TLS", "certificate", "UnknownIssuer", &endpoint] {
        assert!(text.contains(part), "{part} is not in: {text}");
    }
    assert!(!text.contains(SECRET), "{text}");
}

/// Every operation that is denied names the action to allow.
#[tokio::test]
async fn what_is_denied_is_named_by_its_action() {
    let server = Server::start(&[(403, "", &error_body("AccessDenied"))]).await;
    let store = hasty(&server.endpoint, 1, short());
    let body = Bytes::from_static(b"rows").into();
    for (error, action) in [
        (
            store.create_upload("a/1").await.unwrap_err(),
            "`s3:PutObject`",
        ),
        (
            store.upload_part(&part_of(), 1, body).await.unwrap_err(),
            "`s3:PutObject`",
        ),
        (
            store.complete(KEY, &staged()).await.unwrap_err(),
            "`s3:PutObject`",
        ),
        (
            store.abort(&part_of()).await.unwrap_err(),
            "`s3:AbortMultipartUpload`",
        ),
        (store.head("a/1").await.unwrap_err(), "`s3:GetObject`"),
        (
            store.list_uploads("a/", None).await.unwrap_err(),
            "`s3:ListBucketMultipartUploads`",
        ),
    ] {
        let text = error.to_string();
        assert_eq!(error.kind(), ErrorKind::Auth, "{text}");
        assert!(text.contains(action), "{action} is not in: {text}");
    }
}

/// Where the bucket stands in the host's name, a plain host is not found: the error names the way
/// out.
#[tokio::test]
async fn a_bucket_is_a_host_name_unless_path_style_is_on() {
    let place = |path_style| {
        let options = S3Options::clone(&hasty("http://no-such-host.invalid", 2, short()).options);
        let location = Location {
            path_style,
            ..options.location.clone()
        };
        S3Store::new(S3Options {
            location,
            ..options
        })
    };
    let error = check(&place(false), "a/check").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config, "{error}");
    assert!(
        error.to_string().contains("`/advanced/pathStyle`"),
        "{error}"
    );
    let error = check(&place(true), "a/check").await.unwrap_err();
    assert!(!error.to_string().contains("pathStyle"), "{error}");
    // And at AWS itself, where no endpoint is set.
    for (path_style, expected) in [
        (false, "https://lake.s3.eu-west-1.amazonaws.com/a/1"),
        (true, "https://s3.eu-west-1.amazonaws.com/lake/a/1"),
    ] {
        assert_eq!(address(path_style).await, expected);
    }
}

/// Where an object of AWS is asked for, without asking.
async fn address(path_style: bool) -> String {
    let options = S3Options::clone(&store("", Checksums::Crc32).options);
    let location = Location {
        endpoint: None,
        path_style,
        ..options.location.clone()
    };
    let store = S3Store::new(S3Options {
        location,
        ..options
    });
    let expires = aws_sdk_s3::presigning::PresigningConfig::expires_in(SHORT).unwrap();
    let request = store.client.get_object().bucket("lake").key("a/1");
    let request = request.presigned(expires).await.unwrap();
    let (address, _query) = request.uri().split_once('?').unwrap();
    address.to_owned()
}

/// A server that reads all its connections together at `bytes_per_second`, and counts them.
fn slow_line(bytes_per_second: u64) -> (String, Arc<AtomicUsize>) {
    const CHUNK: usize = 1 << 16;
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(1 << 16).unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(16).unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let connections = Arc::new(AtomicUsize::new(0));
    let line = Arc::new(tokio::sync::Mutex::new(()));
    let count = Arc::clone(&connections);
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            count.fetch_add(1, Ordering::SeqCst);
            let line = Arc::clone(&line);
            tokio::spawn(async move {
                let mut left = PART_BYTES;
                let mut bytes = vec![0; CHUNK];
                while left > 0 {
                    let turn = line.lock().await;
                    let Ok(read @ 1..) = stream.read(&mut bytes).await else {
                        return;
                    };
                    sleep(Duration::from_secs(read as u64) / bytes_per_second as u32).await;
                    drop(turn);
                    left = left.saturating_sub(read);
                }
                let answer = b"HTTP/1.1 200 OK\r\netag: \"e1\"\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
                // One that was given up is not there to hear it.
                let _ = stream.write_all(answer).await;
            });
        }
    });
    (endpoint, connections)
}

/// 150 KB/s in life: the line is a hundred times faster, and so is the patience with it.
#[tokio::test]
async fn six_parts_at_once_get_through_a_slow_line_without_a_second_attempt() {
    static PART: [u8; PART_BYTES] = [7; PART_BYTES];
    let (endpoint, connections) = slow_line(100 * 150_000);
    let store = hasty(&endpoint, ATTEMPTS, short());
    let mut running = tokio::task::JoinSet::new();
    for number in 1..=6 {
        let store = store.clone();
        running.spawn(async move { store.upload_part(&part_of(), number, part(&[&PART])).await });
    }
    for uploaded in running.join_all().await {
        uploaded.unwrap();
    }
    assert_eq!(
        connections.load(Ordering::SeqCst),
        6,
        "each at its first attempt"
    );
}
