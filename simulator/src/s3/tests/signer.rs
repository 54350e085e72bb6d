//! Requests signed by hand, for what the SDK would never send.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use s3s::crypto::{Checksum as _, Crc32, Sha256};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::*;

/// Puts `bucket/k` with this body, as [`send_by_hand`] does.
pub(super) async fn put_by_hand(
    server: &Server,
    payload: &str,
    further: &[(&str, &str)],
    body: &str,
    length: Option<usize>,
) -> (u16, String) {
    let resource = ("PUT", format!("/{BUCKET}/k"), "");
    send_by_hand(server, &resource, payload, further, body, length).await
}

/// Method, path and query (in the form that is signed) of a request.
pub(super) type Resource<'a> = (&'a str, String, &'a str);

/// Sends a request with this body, the given `x-amz-content-sha256` and further headers (names in
/// lower case), and returns the status and the body of the answer. Sends only `length` bytes of the
/// body if told so, and hangs up.
pub(super) async fn send_by_hand(
    server: &Server,
    resource: &Resource<'_>,
    payload: &str,
    further: &[(&str, &str)],
    body: &str,
    length: Option<usize>,
) -> (u16, String) {
    let (method, path, query) = resource;
    let host = server.address().to_string();
    let date = now().strftime("%Y%m%dT%H%M%SZ").to_string();
    let mut headers = vec![
        ("host", host.as_str()),
        ("x-amz-content-sha256", payload),
        ("x-amz-date", date.as_str()),
    ];
    headers.extend(further);
    headers.sort_unstable();
    let authorization = authorization(resource, &headers, payload, &date);
    let line = |(name, value): &(&str, &str)| format!("{name}: {value}\r\n");
    let lines = headers.iter().map(line).collect::<Vec<_>>().concat();
    let request = format!(
        "{method} {path}?{query} HTTP/1.1\r\n{lines}authorization: {authorization}\r\nconnection: \
         close\r\ncontent-length: {}\r\n\r\n{}",
        body.len(),
        &body[..length.unwrap_or(body.len())]
    );
    let mut stream = TcpStream::connect(server.address()).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    if length.is_none() {
        stream.read_to_string(&mut answer).await.unwrap();
    }
    let status = answer
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok());
    (status.unwrap_or(0), answer)
}

#[expect(
    clippy::disallowed_methods,
    reason = "signatures are checked against the real time"
)]
fn now() -> Timestamp {
    Timestamp::now()
}

fn authorization(
    (method, path, query): &Resource<'_>,
    headers: &[(&str, &str)],
    payload: &str,
    date: &str,
) -> String {
    let names: Vec<&str> = headers.iter().map(|(name, _)| *name).collect();
    let names = names.join(";");
    let line = |(name, value): &(&str, &str)| format!("{name}:{value}\n");
    let lines = headers.iter().map(line).collect::<Vec<_>>().concat();
    let canonical = format!("{method}\n{path}\n{query}\n{lines}\n{names}\n{payload}");
    let day = &date[..8];
    let scope = format!("{day}/us-east-1/s3/aws4_request");
    let to_sign = format!(
        "AWS4-HMAC-SHA256\n{date}\n{scope}\n{}",
        sha256(canonical.as_bytes())
    );
    let secret = Options::default().secret_access_key;
    let key = [day, "us-east-1", "s3", "aws4_request"]
        .iter()
        .fold(format!("AWS4{secret}").into_bytes(), |key, text| {
            hmac(&key, text.as_bytes())
        });
    let signature = hex(&hmac(&key, to_sign.as_bytes()));
    let access_key_id = Options::default().access_key_id;
    format!(
        "AWS4-HMAC-SHA256 Credential={access_key_id}/{scope}, SignedHeaders={names}, \
         Signature={signature}"
    )
}

fn hmac(key: &[u8], text: &[u8]) -> Vec<u8> {
    let padded = |pad: u8| -> Vec<u8> {
        (0..64)
            .map(|at| key.get(at).copied().unwrap_or(0) ^ pad)
            .collect()
    };
    let inner = Sha256::checksum(&[&padded(0x36), text].concat());
    Sha256::checksum(&[padded(0x5c).as_slice(), inner.as_ref()].concat()).to_vec()
}

pub(super) fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::checksum(bytes))
}

pub(super) fn crc32(bytes: &[u8]) -> String {
    STANDARD.encode(Crc32::checksum(bytes))
}

fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect::<Vec<_>>()
        .concat()
}
