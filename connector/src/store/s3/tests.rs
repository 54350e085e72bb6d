//! What goes over the wire, and what is made of the answers: against a server that answers from a
//! script.

use std::sync::Mutex;

use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::config::EndpointConfig;
use crate::error::ErrorKind;
use crate::store::check::check_upload;
use crate::store::{Haste, Timeouts, Trial, Way, check};

pub(super) const SECRET: &str = "wJalrXUtnFEMIsecret";

/// A request as it came: its first line and headers in lower case, and its body.
#[derive(Clone, Debug)]
pub(super) struct Request {
    pub(super) head: String,
    pub(super) body: Vec<u8>,
}

/// Answers one request after the other from a script, and the last answer for ever.
pub(super) struct Server {
    pub(super) endpoint: String,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl Server {
    pub(super) async fn start(script: &[(u16, &str, &str)]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let requests: Arc<Mutex<Vec<Request>>> = Arc::default();
        let answers: Vec<String> = script
            .iter()
            .map(|(status, headers, body)| {
                let length = body.len();
                format!(
                    "HTTP/1.1 {status} x\r\nconnection: close\r\n{headers}content-length: \
                     {length}\r\n\r\n{body}"
                )
            })
            .collect();
        let seen = Arc::clone(&requests);
        tokio::spawn(async move {
            for index in 0.. {
                let (mut stream, _) = listener.accept().await.unwrap();
                let request = read(&mut stream).await;
                seen.lock().unwrap().push(request);
                let answer = &answers[index.min(answers.len() - 1)];
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
        });
        Self { endpoint, requests }
    }

    pub(super) fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }

    pub(super) fn store(&self, checksums: Checksums) -> S3Store {
        store(&self.endpoint, checksums)
    }
}

pub(super) async fn read(stream: &mut TcpStream) -> Request {
    let mut bytes = Vec::new();
    loop {
        stream.read_buf(&mut bytes).await.unwrap();
        let is_tls = bytes.first() == Some(&22);
        if is_tls {
            return Request {
                head: String::new(),
                body: bytes,
            };
        }
        let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else {
            continue;
        };
        let head = String::from_utf8_lossy(&bytes[..end]).to_lowercase();
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "));
        let length: usize = length.map_or(0, |length| length.parse().unwrap());
        if bytes.len() >= end + 4 + length {
            return Request {
                head,
                body: bytes.split_off(end + 4),
            };
        }
    }
}

pub(super) fn store(endpoint: &str, checksums: Checksums) -> S3Store {
    S3Store::new(S3Options {
        location: Location {
            bucket: "lake".into(),
            region: "eu-west-1".into(),
            endpoint: Some(endpoint.into()),
            path_style: true,
        },
        access_key_id: "AKIAEXAMPLE".into(),
        secret_access_key: SECRET.into(),
        checksums,
        attempts: CHECK_ATTEMPTS,
        haste: Haste::NONE,
        timeouts: Timeouts::default(),
        http_client: None,
    })
}

pub(super) fn pending() -> PendingUpload {
    PendingUpload {
        key: "a/1.parquet".into(),
        upload_id: "U1".into(),
    }
}

pub(super) const KEY: &str = "a/1.parquet";

pub(super) fn staged() -> StagedUpload {
    StagedUpload {
        upload_id: "U1".into(),
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
    }
}

pub(super) fn staged_object(key: &str, version: Option<&str>) -> StagedObject {
    StagedObject {
        key: key.into(),
        etag: "\"e1\"".into(),
        version: version.map(str::to_owned),
    }
}

pub(super) fn error_body(code: &str) -> String {
    format!(
        "<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>as S3 says</Message></Error>"
    )
}

/// A part as the encoder makes it: in several chunks.
pub(super) fn part(chunks: &[&'static [u8]]) -> PartBody {
    let chunks = chunks.iter().copied().map(Bytes::from_static);
    PartBody::new(chunks.collect(), None)
}

const CREATED: &str =
    "<InitiateMultipartUploadResult><UploadId>U1</UploadId></InitiateMultipartUploadResult>";
const COMPLETED: &str =
    "<CompleteMultipartUploadResult><ETag>\"e\"</ETag></CompleteMultipartUploadResult>";

fn completed() -> Completion {
    Completion::Completed(Written {
        etag: "\"e\"".into(),
        version: None,
    })
}

#[tokio::test]
async fn an_upload_is_created_with_type_and_checksum_algorithm() {
    let server = Server::start(&[(200, "", CREATED)]).await;
    let id = server
        .store(Checksums::Crc32)
        .create_upload(KEY)
        .await
        .unwrap();
    assert_eq!(id, "U1");
    let head = &server.requests()[0].head;
    for line in [
        "post /lake/a/1.parquet?uploads",
        "content-type: application/vnd.apache.parquet",
        "x-amz-checksum-algorithm: crc32",
        "/eu-west-1/s3/aws4_request",
    ] {
        assert!(head.contains(line), "{line} in {head}");
    }
}

#[tokio::test]
async fn a_part_carries_its_checksum_in_a_header_and_no_trailer() {
    let server = Server::start(&[(200, "etag: \"e7\"\r\n", "")]).await;
    let store = server.store(Checksums::Crc32);
    let part = store
        .upload_part(&pending(), 7, part(&[b"1234", b"567", b"89"]))
        .await
        .unwrap();
    assert_eq!(
        part,
        Part {
            etag: "\"e7\"".into(),
            crc32: Some("y/Q5Jg==".into())
        }
    );
    let Request { head, body } = &server.requests()[0];
    assert_eq!(body, b"123456789");
    for line in [
        "partnumber=7",
        "uploadid=u1",
        "x-amz-checksum-crc32: y/q5jg==",
        "unsigned-payload",
    ] {
        assert!(head.contains(line), "{line} in {head}");
    }
    for line in ["aws-chunked", "trailer", "transfer-encoding"] {
        assert!(!head.contains(line), "{line} in {head}");
    }
}

#[tokio::test]
async fn without_checksums_over_plain_http_the_payload_is_signed() {
    let server = Server::start(&[(200, "etag: \"e1\"\r\n", "")]).await;
    let store = server.store(Checksums::None);
    let part = store
        .upload_part(&pending(), 1, part(&[b"12", b"3"]))
        .await
        .unwrap();
    assert_eq!(part.crc32, None);
    let head = &server.requests()[0].head;
    assert!(
        !head.contains("unsigned-payload") && !head.contains("checksum"),
        "{head}"
    );
    assert!(head.contains("x-amz-content-sha256: a665a459"), "{head}");
}

#[tokio::test]
async fn a_completion_gives_the_checksums_again() {
    let server = Server::start(&[(200, "", COMPLETED)]).await;
    let completion = server
        .store(Checksums::None)
        .complete(KEY, &staged())
        .await
        .unwrap();
    assert_eq!(completion, completed());
    let body = String::from_utf8(server.requests()[0].body.clone()).unwrap();
    assert_eq!(body.matches("<Part>").count(), 2, "{body}");
    assert_eq!(
        body.matches("<ChecksumCRC32>AAAAAA==</ChecksumCRC32>")
            .count(),
        1,
        "{body}"
    );
}

#[tokio::test]
async fn an_error_in_the_body_of_a_completion_with_status_200_is_retried() {
    let body = error_body("InternalError");
    let server = Server::start(&[(200, "", &body), (200, "", COMPLETED)]).await;
    let completion = server
        .store(Checksums::Crc32)
        .complete(KEY, &staged())
        .await
        .unwrap();
    assert_eq!(completion, completed());
    assert_eq!(server.requests().len(), 2);
}

#[tokio::test]
async fn an_error_that_stays_in_the_body_of_a_completion_is_an_error() {
    let body = error_body("InternalError");
    let denied = error_body("AccessDenied");
    let mut script = vec![(200, "", body.as_str()); CHECK_ATTEMPTS as usize];
    script.push((403, "", &denied));
    let server = Server::start(&script).await;
    let error = server
        .store(Checksums::Crc32)
        .complete(KEY, &staged())
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    // The last request asks for the upload.
    assert_eq!(server.requests().len(), CHECK_ATTEMPTS as usize + 1);
}

#[tokio::test]
async fn a_completion_that_stays_in_trouble_is_looked_into_by_asking_for_its_upload() {
    let trouble = error_body("InternalError");
    let parts = "<ListPartsResult></ListPartsResult>".to_owned();
    let cases = [
        (
            404,
            error_body("NoSuchUpload"),
            Some(Completion::NoSuchUpload),
        ),
        (404, error_body("NoSuchKey"), Some(Completion::NoSuchUpload)),
        (404, error_body("NoSuchBucket"), None),
        (403, error_body("AccessDenied"), None),
        (200, parts, None),
    ];
    for (status, body, expected) in cases {
        let mut script = vec![(500, "", trouble.as_str()); CHECK_ATTEMPTS as usize];
        script.push((status, "", &body));
        let server = Server::start(&script).await;
        let completed = server
            .store(Checksums::Crc32)
            .complete(KEY, &staged())
            .await;
        let last = server.requests().pop().unwrap().head;
        assert!(last.starts_with("get /lake/a/1.parquet?"), "{last}");
        match (completed, expected) {
            (Ok(completion), Some(expected)) => assert_eq!(completion, expected),
            (Err(error), None) => assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}"),
            (completed, _) => panic!("{body}: {completed:?}"),
        }
    }
}

#[tokio::test]
async fn no_such_upload_is_told_apart() {
    let body = error_body("NoSuchUpload");
    let server = Server::start(&[(404, "", &body)]).await;
    let store = server.store(Checksums::Crc32);
    assert_eq!(
        store.complete(KEY, &staged()).await.unwrap(),
        Completion::NoSuchUpload
    );
    store.abort(&pending()).await.unwrap();
    assert_eq!(server.requests().len(), 2);
}

#[tokio::test]
async fn parts_that_are_no_longer_there_are_told_apart() {
    let body = error_body("InvalidPart");
    let server = Server::start(&[(400, "", &body)]).await;
    let completed = server
        .store(Checksums::Crc32)
        .complete(KEY, &staged())
        .await;
    assert_eq!(completed.unwrap(), Completion::NoSuchPart);
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_retried() {
    let server = Server::start(&[(503, "", ""), (200, "etag: \"e1\"\r\n", "")]).await;
    let store = server.store(Checksums::Crc32);
    store
        .upload_part(&pending(), 1, part(&[b"ro", b"ws"]))
        .await
        .unwrap();
    let bodies: Vec<_> = server
        .requests()
        .into_iter()
        .map(|request| request.body)
        .collect();
    assert_eq!(bodies, [b"rows", b"rows"]);
}

#[tokio::test]
async fn a_look_finds_size_and_version_or_nothing() {
    let found = (200, "etag: \"e1\"\r\nx-amz-version-id: v7\r\n", "rows");
    let unversioned = (200, "etag: \"e1\"\r\nx-amz-version-id: null\r\n", "rows");
    let server = Server::start(&[found, unversioned, (404, "", "")]).await;
    let store = server.store(Checksums::Crc32);
    for version in [Some("v7".to_owned()), None] {
        let written = Written {
            etag: "\"e1\"".into(),
            version,
        };
        let info = ObjectInfo { bytes: 4, written };
        assert_eq!(store.head(KEY).await.unwrap(), Some(info));
    }
    assert_eq!(store.head(KEY).await.unwrap(), None);
}

#[tokio::test]
async fn an_object_is_put_with_its_type_and_checksum() {
    let answer = (200, "etag: \"e1\"\r\nx-amz-version-id: v1\r\n", "");
    let server = Server::start(&[(503, "", ""), answer]).await;
    let store = server.store(Checksums::Crc32);
    let body = part(&[b"1234", b"567", b"89"]);
    let written = store.put(KEY, body, ContentType::Parquet).await.unwrap();
    assert_eq!(
        written,
        Written {
            etag: "\"e1\"".into(),
            version: Some("v1".into())
        }
    );
    for Request { head, body } in &server.requests() {
        assert_eq!(body, b"123456789");
        for line in [
            "put /lake/a/1.parquet",
            "content-type: application/vnd.apache.parquet",
            "x-amz-checksum-crc32: y/q5jg==",
            "unsigned-payload",
        ] {
            assert!(head.contains(line), "{line} in {head}");
        }
    }
}

const COPIED: &str = "<CopyObjectResult><ETag>\"e\"</ETag></CopyObjectResult>";

#[tokio::test]
async fn a_copy_names_its_source_by_encoded_key_version_and_etag_and_is_tried_once() {
    let server = Server::start(&[(200, "", COPIED), (503, "", "")]).await;
    let store = server.store(Checksums::Crc32);
    let from = staged_object("a b/ü+%/_staged/1.staged", Some("v/1"));
    assert_eq!(store.copy(&from, 4, KEY).await.unwrap(), Copied::Done);
    let head = &server.requests()[0].head;
    for line in [
        "put /lake/a/1.parquet",
        "x-amz-copy-source: lake/a%20b/%c3%bc%2b%25/_staged/1.staged?versionid=v/1",
        "x-amz-copy-source-if-match: \"e1\"",
        "x-amz-metadata-directive: replace",
        "content-type: application/vnd.apache.parquet",
    ] {
        assert!(head.contains(line), "{line} in {head}");
    }
    let error = store.copy(&from, 4, KEY).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert_eq!(server.requests().len(), 2);
}

#[tokio::test]
async fn a_copy_of_what_is_not_there_or_is_another_object_has_no_source() {
    let cases = [
        (404, error_body("NoSuchKey")),
        (404, error_body("NoSuchVersion")),
        (412, error_body("PreconditionFailed")),
    ];
    for (status, body) in cases {
        let server = Server::start(&[(status, "", &body)]).await;
        let from = staged_object("a/_staged/1", None);
        let copied = server.store(Checksums::Crc32).copy(&from, 4, KEY).await;
        assert_eq!(copied.unwrap(), Copied::NoSource, "{body}");
    }
}

#[tokio::test]
async fn an_error_in_the_body_of_a_copy_with_status_200_is_an_error() {
    let body = error_body("InternalError");
    let server = Server::start(&[(200, "", &body)]).await;
    let from = staged_object("a/_staged/1", None);
    let copied = server.store(Checksums::Crc32).copy(&from, 4, KEY).await;
    assert_eq!(copied.unwrap_err().kind(), ErrorKind::Unavailable);
}

#[tokio::test]
async fn a_deletion_names_its_version_and_what_is_gone_is_no_error() {
    let gone = error_body("NoSuchKey");
    let server = Server::start(&[(204, "", ""), (204, "", ""), (404, "", &gone)]).await;
    let store = server.store(Checksums::Crc32);
    store.delete(KEY, Some("v1")).await.unwrap();
    store.delete(KEY, None).await.unwrap();
    store.delete(KEY, None).await.unwrap();
    let requests = server.requests();
    assert!(requests[0].head.contains("versionid=v1"), "{requests:?}");
    assert!(!requests[1].head.contains("versionid"), "{requests:?}");
}

#[tokio::test]
async fn a_small_object_is_read_whole_or_is_not_there() {
    let gone = error_body("NoSuchKey");
    let server = Server::start(&[(200, "", "{}"), (404, "", &gone)]).await;
    let store = server.store(Checksums::Crc32);
    assert_eq!(store.get(KEY).await.unwrap().unwrap(), "{}");
    assert_eq!(store.get(KEY).await.unwrap(), None);
}

#[tokio::test]
async fn minio_is_known_by_what_it_says_of_itself_in_an_answer_of_s3s_form() {
    let id = "x-amz-request-id: 1\r\n";
    let minio = "server: MinIO\r\n";
    let missing = error_body("NoSuchKey");
    let page = "<html>default backend</html>".to_owned();
    let none = String::new();
    // The answer to HEAD, and that to GET where it is asked.
    for (status, headers, body, expected) in [
        (404, format!("{id}{minio}"), &none, Some(true)),
        (
            403,
            format!("{id}server: MinIO/RELEASE\r\n"),
            &none,
            Some(true),
        ),
        (
            404,
            format!("{id}x-minio-error-code: NoSuchKey\r\n"),
            &none,
            Some(true),
        ),
        (404, format!("{id}server: AmazonS3\r\n"), &none, Some(false)),
        (404, id.to_owned(), &none, Some(false)),
        (200, format!("{id}{minio}"), &none, Some(false)),
        (404, minio.to_owned(), &missing, Some(true)),
        (404, "server: other\r\n".to_owned(), &missing, Some(false)),
        (404, "server: nginx\r\n".to_owned(), &page, None),
        (404, "server: nginx\r\n".to_owned(), &none, None),
        (503, format!("{id}{minio}"), &none, None),
        (429, format!("{id}{minio}"), &none, None),
        (408, "server: nginx\r\n".to_owned(), &none, None),
    ] {
        let server = Server::start(&[(status, &headers, body)]).await;
        let store = S3Store::new(S3Options {
            haste: Haste::times(100),
            ..S3Options::clone(&server.store(Checksums::Crc32).options)
        });
        match (store.is_minio(KEY).await, expected) {
            (Ok(is_minio), Some(expected)) => assert_eq!(is_minio, expected, "{status} {headers}"),
            (Err(error), None) => assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}"),
            (answer, _) => panic!("{status} {headers} {body}: {answer:?}"),
        }
    }
}

/// What a proxy says while the store behind it starts again.
#[tokio::test]
async fn an_answer_that_is_not_s3s_does_not_say_that_something_is_gone() {
    let server = Server::start(&[(404, "", "<html>default backend</html>")]).await;
    let store = server.store(Checksums::Crc32);
    let from = staged_object("a/_staged/1", None);
    for error in [
        store.copy(&from, 4, KEY).await.unwrap_err(),
        store.get(KEY).await.unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    }
}

/// Connectors of version 0.1 prove by it that an upload made an object.
#[tokio::test]
async fn an_upload_carries_the_token_of_its_key_for_the_sake_of_older_connectors() {
    let server = Server::start(&[(200, "", CREATED)]).await;
    let key = "a/v0000000000/00000000-000000000000-00000007-0123456789abcdef.parquet";
    server
        .store(Checksums::Crc32)
        .create_upload(key)
        .await
        .unwrap();
    let head = &server.requests()[0].head;
    assert!(
        head.contains("x-amz-meta-token: 0123456789abcdef"),
        "{head}"
    );
}

#[tokio::test]
async fn a_refused_look_names_the_action() {
    let server = Server::start(&[(403, "", "")]).await;
    let error = server
        .store(Checksums::Crc32)
        .head("a/1.parquet")
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Auth);
    assert!(error.to_string().contains("s3:GetObject"), "{error}");
}

#[tokio::test]
async fn a_listing_follows_its_pages_and_ends_where_they_stand_still() {
    let page = "<ListMultipartUploadsResult><IsTruncated>true</IsTruncated><NextKeyMarker>k</\
                NextKeyMarker><Upload><Key>a/1</Key><UploadId>U1</UploadId></Upload></\
                ListMultipartUploadsResult>";
    let server = Server::start(&[(200, "", page)]).await;
    let store = server.store(Checksums::Crc32);
    let first = store.list_uploads("a/", None).await.unwrap();
    assert_eq!(first.items.len(), 1);
    let second = store.list_uploads("a/", first.next).await.unwrap();
    assert_eq!(second.items.len(), 1);
    assert_eq!(second.next, None);
    assert!(server.requests()[1].head.contains("key-marker=k"));
}

#[tokio::test]
async fn objects_are_listed_page_by_page() {
    let page = |next: &str| {
        format!(
            "<ListBucketResult><IsTruncated>{}</IsTruncated>{next}<Contents><Key>a/1</Key></\
             Contents></ListBucketResult>",
            !next.is_empty()
        )
    };
    let (first, last) = (
        page("<NextContinuationToken>t=1</NextContinuationToken>"),
        page(""),
    );
    let server = Server::start(&[(200, "", &first), (200, "", &last)]).await;
    let store = server.store(Checksums::Crc32);
    let first = store.list_objects("a/", None).await.unwrap();
    let second = store.list_objects("a/", first.next).await.unwrap();
    assert_eq!(
        (first.items, second.items),
        (vec!["a/1".to_owned()], vec!["a/1".to_owned()])
    );
    assert_eq!(second.next, None);
    assert!(
        server.requests()[1]
            .head
            .contains("continuation-token=t%3d1")
    );
}

#[tokio::test]
async fn the_check_tells_what_is_wrong() {
    let region = "x-amz-bucket-region: us-west-2\r\n";
    let malformed = "<Error><Code>AuthorizationHeaderMalformed</Code><Message>the region \
                     'eu-west-1' is wrong; expecting 'us-west-2'</Message></Error>";
    let cases = [
        (404, "", error_body("NoSuchBucket"), "`lake`"),
        (403, "", error_body("AccessDenied"), "s3:PutObject"),
        (403, "", error_body("RequestTimeTooSkewed"), "clock"),
        (400, "", error_body("ExpiredToken"), "temporary"),
        (403, "", error_body("InvalidToken"), "temporary"),
        (403, "", error_body("InvalidAccessKeyId"), "/awsAccessKeyId"),
        (
            403,
            "",
            error_body("SignatureDoesNotMatch"),
            "/awsSecretAccessKey",
        ),
        (
            301,
            region,
            error_body("PermanentRedirect"),
            "set `/region` to `us-west-2`",
        ),
        (
            400,
            "",
            malformed.to_owned(),
            "set `/region` to `us-west-2`",
        ),
        (
            200,
            "",
            "<html>hello</html>".to_owned(),
            "/advanced/endpoint",
        ),
        (
            404,
            "",
            "<html>hello</html>".to_owned(),
            "/advanced/endpoint",
        ),
    ];
    for (status, headers, body, advice) in cases {
        let server = Server::start(&[(status, headers, &body)]).await;
        let error = check_upload(&server.store(Checksums::Crc32), "a/check")
            .await
            .unwrap_err();
        let text = error.to_string();
        assert!(text.contains(advice), "{advice} in {text}");
        assert!(
            !text.contains(SECRET) && !format!("{error:?}").contains(SECRET),
            "{text}"
        );
    }
}

#[tokio::test]
async fn endpoints_that_are_not_there_are_told_apart() {
    let silent = TcpListener::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap();
    let server = Server::start(&[(400, "", "")]).await;
    let tls = server.endpoint.replace("http://", "https://");
    let cases = [
        (
            format!("http://{silent}"),
            ErrorKind::Unavailable,
            "refuses connections",
        ),
        (
            "http://no-such-host.invalid".to_owned(),
            ErrorKind::Config,
            "is not known",
        ),
        (tls, ErrorKind::Config, "TLS"),
        ("not a url".to_owned(), ErrorKind::Config, "can be made"),
    ];
    for (endpoint, kind, advice) in cases {
        let error = check_upload(&store(&endpoint, Checksums::Crc32), "a/check")
            .await
            .unwrap_err();
        let text = error.to_string();
        assert!(text.contains(advice), "{advice} in {text}");
        assert_eq!(error.kind(), kind, "{text}");
    }
}

#[test]
fn debug_shows_no_secret() {
    let store = store("http://localhost:9000", Checksums::Crc32);
    for text in [format!("{store:?}"), format!("{:#?}", store.options)] {
        assert!(
            text.contains("lake") && !text.contains(SECRET) && !text.contains("AKIA"),
            "{text}"
        );
    }
}

#[tokio::test]
async fn a_store_at_another_place_keeps_its_credentials() {
    let server = Server::start(&[(200, "", CREATED)]).await;
    let elsewhere = store("http://127.0.0.1:1", Checksums::Crc32);
    let mut location = elsewhere.location().clone();
    location.endpoint = Some(server.endpoint.clone());
    location.region = "us-east-2".into();
    let store = elsewhere.at(&location);
    assert_eq!(store.location(), &location);
    store.create_upload("a/1").await.unwrap();
    let head = &server.requests()[0].head;
    assert!(
        head.contains("akiaexample/") && head.contains("/us-east-2/s3/"),
        "{head}"
    );
}

#[tokio::test]
async fn an_endpoint_with_a_path_is_joined_with_the_bucket_by_one_slash() {
    for (path, asked) in [
        ("", "/lake/a"),
        ("/", "/lake/a"),
        ("/s3", "/s3/lake/a"),
        ("/s3/", "/s3/lake/a"),
    ] {
        let server = Server::start(&[(204, "", "")]).await;
        let config = serde_json::json!({
            "awsAccessKeyId": "AKIAEXAMPLE",
            "awsSecretAccessKey": SECRET,
            "bucket": "lake",
            "region": "eu-west-1",
            "uploadIntervalInSeconds": 0,
            "advanced": {"endpoint": format!("{}{path}", server.endpoint)},
        });
        let parsed = EndpointConfig::from_json(config.to_string().as_bytes()).unwrap();
        let endpoint = parsed.config.advanced.endpoint.unwrap();
        store(&endpoint, Checksums::Crc32)
            .abort(&pending())
            .await
            .unwrap();
        let head = &server.requests()[0].head;
        assert!(
            head.starts_with(&format!("delete {asked}/1.parquet?")),
            "{head}"
        );
    }
}

#[tokio::test]
async fn a_check_of_copies_names_what_is_denied_of_them() {
    let denied = error_body("AccessDenied");
    let copied = "<CopyObjectResult><ETag>\"e\"</ETag></CopyObjectResult>";
    let etag = "etag: \"e\"\r\n";
    let script = [
        (200, etag, ""),
        (404, "", ""),
        (200, "", copied),
        (200, etag, ""),
        (204, "", ""),
    ];
    let trial = Trial::new(Way::Copy, "tmp", "a", 1);
    for (allowed, permission) in [
        (0, "`s3:PutObject`"),
        (2, "`s3:PutObject`"),
        (4, "`s3:DeleteObject`"),
    ] {
        let mut script = script[..allowed].to_vec();
        script.push((403, "", &denied));
        let server = Server::start(&script).await;
        let error = check(&server.store(Checksums::Crc32), &trial)
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Auth, "{error}");
        assert!(error.to_string().contains(permission), "{error}");
    }
    let server = Server::start(&script).await;
    check(&server.store(Checksums::Crc32), &trial)
        .await
        .unwrap();
}
