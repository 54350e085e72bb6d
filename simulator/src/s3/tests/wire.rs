//! What only the bytes on the wire can show: damage on the way, and clients that die.

use super::signer::{crc32, put_by_hand, sha256};
use super::*;
use crate::s3::{Effect, Entry, Fault, FaultPlan};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// Stands between a client and the server and replaces `from` by `to` in what the client sends.
/// Returns its URL, and everything that was sent through its first connection.
async fn meddler(
    server: &Server,
    from: &'static [u8],
    to: &'static [u8],
) -> (String, tokio::task::JoinHandle<Vec<u8>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let address = server.address();
    let task = tokio::spawn(async move {
        let (client, _) = listener.accept().await.unwrap();
        let server = TcpStream::connect(address).await.unwrap();
        let (mut from_client, mut to_client) = client.into_split();
        let (mut from_server, mut to_server) = server.into_split();
        tokio::spawn(async move { tokio::io::copy(&mut from_server, &mut to_client).await });
        let mut sent = Vec::new();
        let mut buffer = vec![0; 1 << 16];
        loop {
            let count = from_client.read(&mut buffer).await.unwrap_or(0);
            if count == 0 {
                return sent;
            }
            let bytes = &mut buffer[..count];
            sent.extend_from_slice(bytes);
            if let Some(at) = bytes.windows(from.len()).position(|window| window == from) {
                bytes[at..at + to.len()].copy_from_slice(to);
            }
            to_server.write_all(bytes).await.unwrap();
        }
    });
    (url, task)
}

fn answered(status: u16, code: Option<&str>) -> Outcome {
    Outcome::Answered {
        status,
        code: code.map(str::to_owned),
    }
}

/// The first request that has ended, once it has.
async fn first_entry(server: &Server) -> Entry {
    for _ in 0..1000 {
        let ended = |entry: &Entry| entry.outcome != Outcome::Open;
        if let Some(entry) = server.journal().into_iter().find(ended) {
            return entry;
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    panic!("the journal never closed a request: {:?}", server.journal());
}

fn is_stored(server: &Server) -> bool {
    server.with_store(|store| store.object(BUCKET, "k").is_ok())
}

/// Streamed bodies come as aws-chunked with a signature for each chunk, and with the checksum in a
/// trailer.
#[tokio::test]
async fn a_signed_chunk_that_was_damaged_is_refused() {
    for (damage, expected) in [
        (b"hello", Ok(())),
        (b"jello", Err(refused(403, "SignatureDoesNotMatch"))),
    ] {
        let (server, _) = start(options()).await;
        let (url, sent) = meddler(&server, b"hello", damage).await;
        let config = config(&server, "flow-sim", "flow-sim-secret").endpoint_url(url);
        let client = Client::from_conf(config.build());
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), b"hello, said the streamed body").unwrap();
        let body = ByteStream::from_path(file.path()).await.unwrap();
        let put = client
            .put_object()
            .bucket(BUCKET)
            .key("k")
            .body(body)
            .send()
            .await;
        let outcome = if put.is_ok() {
            Ok(())
        } else {
            Err(refusal(put))
        };
        assert_eq!(outcome, expected);
        assert_eq!(is_stored(&server), expected.is_ok());
        drop(client);
        let sent = sent.await.unwrap();
        let sent = String::from_utf8_lossy(&sent).to_ascii_lowercase();
        assert!(
            sent.contains("x-amz-trailer: x-amz-checksum-crc32"),
            "{sent}"
        );
    }
}

#[tokio::test]
async fn a_trailer_is_verified_and_must_be_there_if_it_was_announced() {
    let hello = crc32(b"hello");
    for (trailer, status, code) in [
        (format!("x-amz-checksum-crc32:{hello}\r\n"), 200, ""),
        (
            "x-amz-checksum-crc32:AAAAAA==\r\n".to_owned(),
            400,
            "BadDigest",
        ),
        (String::new(), 400, "MalformedTrailerError"),
    ] {
        let (server, _) = start(options()).await;
        let headers = [
            ("content-encoding", "aws-chunked"),
            ("x-amz-decoded-content-length", "5"),
            ("x-amz-trailer", "x-amz-checksum-crc32"),
        ];
        let body = format!("5\r\nhello\r\n0\r\n{trailer}\r\n");
        let payload = "STREAMING-UNSIGNED-PAYLOAD-TRAILER";
        let (got, answer) = put_by_hand(&server, payload, &headers, &body, None).await;
        assert_eq!(got, status, "{answer}");
        assert!(answer.contains(code), "{answer}");
        assert_eq!(is_stored(&server), status == 200);
        assert_eq!(server.journal()[0].bytes, 5);
    }
}

#[tokio::test]
async fn a_body_that_is_not_the_signed_one_is_refused() {
    let (server, _) = start(options()).await;
    let signed = sha256(b"hello");
    let (status, answer) = put_by_hand(&server, &signed, &[], "jello", None).await;
    assert_eq!(status, 400, "{answer}");
    assert!(answer.contains("XAmzContentSHA256Mismatch"), "{answer}");
    assert!(!is_stored(&server));
    let (status, answer) = put_by_hand(&server, &signed, &[], "hello", None).await;
    assert_eq!(status, 200, "{answer}");
    assert!(is_stored(&server));
}

#[tokio::test]
async fn a_client_that_dies_within_a_body_leaves_nothing() {
    let (server, _) = start(options()).await;
    put_by_hand(&server, "UNSIGNED-PAYLOAD", &[], "hello", Some(3)).await;
    let entry = first_entry(&server).await;
    assert_eq!(entry.outcome, answered(400, Some("IncompleteBody")));
    assert!(!is_stored(&server));
}

#[tokio::test]
async fn what_was_begun_is_brought_to_its_end_without_its_client() {
    let options = Options {
        faults: FaultPlan {
            seed: 0,
            faults: vec![Fault::on(
                Operation::PutObject,
                Effect::Latency { milliseconds: 50 },
            )],
        },
        ..options()
    };
    let (server, _) = start(options).await;
    put_by_hand(&server, "UNSIGNED-PAYLOAD", &[], "hello", Some(5)).await;
    assert_eq!(first_entry(&server).await.outcome, answered(200, None));
    assert!(is_stored(&server));
}

#[tokio::test]
async fn an_early_answer_reaches_a_client_that_sends_all_before_it_reads() {
    let (server, _) = start(options()).await;
    server.revoke_access();
    let large = "x".repeat(16 << 20);
    let (status, _) = put_by_hand(&server, "UNSIGNED-PAYLOAD", &[], &large, None).await;
    assert_eq!(status, 403);
}
