//! Bodies: receiving and verifying them without a copy, and sending them.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::vec;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::HeaderMap;
use hyper::body::{Frame, SizeHint};
use s3s::crypto::{Checksum as _, Md5};
use s3s::dto::StreamingBlob;
use s3s::{Body, S3Error, S3ErrorCode, S3Result, StdError, TrailingHeaders, s3_error};

use super::Service;
use crate::s3::state::{Algorithm, Checksum, Content, Digest, Payload};

/// What a request says of its body, to be held against what arrives.
pub(super) struct Expected {
    checksum: Option<Checksum>,
    trailer: Option<Algorithm>,
    md5: Option<[u8; 16]>,
    /// Whether a wrong checksum is refused. A wrong MD5 always is.
    verifies: bool,
}

impl Service {
    /// `checksum` is that of a header; `content_md5` the base64 text of its header.
    pub(super) fn expected(
        &self,
        checksum: Option<Checksum>,
        content_md5: Option<&str>,
        headers: &HeaderMap,
    ) -> S3Result<Expected> {
        Ok(Expected {
            checksum,
            trailer: declared_trailer(headers),
            md5: content_md5.map(parse_md5).transpose()?,
            verifies: self.store().rules().verifies_checksums,
        })
    }
}

/// The algorithm of the checksum that a request says it will send after its body.
fn declared_trailer(headers: &HeaderMap) -> Option<Algorithm> {
    let names = headers.get("x-amz-trailer")?.to_str().ok()?;
    let mut names = names.split(',').map(str::trim);
    names.find_map(trailer_algorithm)
}

fn trailer_algorithm(header: &str) -> Option<Algorithm> {
    Algorithm::from_name(header.strip_prefix("x-amz-checksum-")?)
}

fn parse_md5(text: &str) -> S3Result<[u8; 16]> {
    let digest = STANDARD.decode(text).ok();
    digest
        .and_then(|digest| digest.try_into().ok())
        .ok_or_else(|| {
            s3_error!(
                InvalidDigest,
                "the Content-MD5 {text:?} is not the base64 of 16 bytes"
            )
        })
}

/// Receives a body and verifies it. With `discard` only its length is kept, and what the client
/// says of it is believed.
pub(super) async fn receive(
    body: Option<StreamingBlob>,
    trailers: Option<&TrailingHeaders>,
    expected: Expected,
    discard: bool,
) -> S3Result<Content> {
    let mut body = body.map_or_else(Body::empty, Body::from);
    if discard {
        let payload = count(&mut body).await?;
        return Ok(Content {
            payload,
            checksum: claimed(&expected, trailers)?,
            ..Content::default()
        });
    }
    let algorithm = expected
        .checksum
        .as_ref()
        .map(|checksum| checksum.algorithm);
    let mut digest = algorithm.or(expected.trailer).map(Digest::new);
    let mut md5 = Md5::new();
    let mut payload = Payload::default();
    while let Some(chunk) = next_chunk(&mut body).await? {
        md5.update(&chunk);
        if let Some(digest) = &mut digest {
            digest.update(&chunk);
        }
        payload.push(chunk);
    }
    let content = Content {
        payload,
        md5: md5.finalize(),
        checksum: digest.map(Digest::finish),
    };
    verify(&content, &expected, trailers)?;
    Ok(content)
}

async fn count(body: &mut Body) -> S3Result<Payload> {
    let mut payload = Payload::discarding();
    while let Some(chunk) = next_chunk(body).await? {
        payload.push(chunk);
    }
    Ok(payload)
}

async fn next_chunk(body: &mut Body) -> S3Result<Option<Bytes>> {
    while let Some(frame) = body.frame().await {
        // What is no data is a trailer, which s3s keeps elsewhere.
        if let Ok(data) = frame.map_err(|error| broken_body(&error))?.into_data() {
            return Ok(Some(data));
        }
    }
    Ok(None)
}

/// The body ended early, or is not what was signed.
fn broken_body(error: &StdError) -> S3Error {
    let text = error.to_string();
    if text.contains("SignatureMismatch") {
        return S3Error::with_message(S3ErrorCode::SignatureDoesNotMatch, text);
    }
    if text.contains("Sha256Mismatch") {
        return mismatch("XAmzContentSHA256Mismatch", text);
    }
    S3Error::with_message(S3ErrorCode::IncompleteBody, text)
}

fn verify(
    content: &Content,
    expected: &Expected,
    trailers: Option<&TrailingHeaders>,
) -> S3Result<()> {
    if expected.md5.is_some_and(|md5| md5 != content.md5) {
        return Err(s3_error!(
            BadDigest,
            "the Content-MD5 is not that of the body"
        ));
    }
    if !expected.verifies {
        return Ok(());
    }
    let claimed = claimed(expected, trailers)?;
    if claimed == content.checksum {
        return Ok(());
    }
    let algorithm = claimed.map_or("checksum", |checksum| checksum.algorithm.name());
    Err(s3_error!(
        BadDigest,
        "the {algorithm} you specified is not that of the body"
    ))
}

/// The checksum that the client says the body has: in a header, or after the body.
fn claimed(expected: &Expected, trailers: Option<&TrailingHeaders>) -> S3Result<Option<Checksum>> {
    match expected.checksum.clone() {
        Some(checksum) => Ok(Some(checksum)),
        None => trailer_checksum(expected.trailer, trailers),
    }
}

fn trailer_checksum(
    declared: Option<Algorithm>,
    trailers: Option<&TrailingHeaders>,
) -> S3Result<Option<Checksum>> {
    let Some(algorithm) = declared else {
        return Ok(None);
    };
    let find = |headers: &HeaderMap| {
        let named = |(name, value): (&hyper::header::HeaderName, &hyper::header::HeaderValue)| {
            let value = value.to_str().ok()?.to_owned();
            (trailer_algorithm(name.as_str()) == Some(algorithm)).then_some(value)
        };
        headers.iter().find_map(named)
    };
    match trailers.and_then(|trailers| trailers.read(find)).flatten() {
        Some(value) => Ok(Some(Checksum { algorithm, value })),
        None => Err(mismatch(
            "MalformedTrailerError",
            format!("the trailer was to hold a {algorithm} checksum and does not"),
        )),
    }
}

/// An error of a code that `s3s` does not know: always 400.
fn mismatch(code: &'static str, message: String) -> S3Error {
    let mut error = S3Error::with_message(S3ErrorCode::Custom(code.into()), message);
    error.set_status_code(hyper::StatusCode::BAD_REQUEST);
    error
}

/// A payload on its way to the client.
pub(super) fn send(payload: &Payload) -> StreamingBlob {
    let body = PayloadBody {
        chunks: payload.chunks().to_vec().into_iter(),
        remaining: payload.length(),
    };
    StreamingBlob::from(Body::http_body(body))
}

struct PayloadBody {
    chunks: vec::IntoIter<Bytes>,
    remaining: u64,
}

impl hyper::body::Body for PayloadBody {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let chunk = self.chunks.next();
        self.remaining -= chunk.as_ref().map_or(0, |chunk| chunk.len() as u64);
        Poll::Ready(chunk.map(|chunk| Ok(Frame::data(chunk))))
    }

    fn is_end_stream(&self) -> bool {
        self.remaining == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.remaining)
    }
}
