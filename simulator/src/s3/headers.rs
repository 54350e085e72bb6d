//! Manners that show in status lines and headers alone, whatever the operation.

use hyper::header::{
    CONTENT_LENGTH, CONTENT_TYPE, HeaderName, HeaderValue, SERVER, TRANSFER_ENCODING,
};
use hyper::{HeaderMap, Method, StatusCode};
use s3s::{Body, HttpResponse};

use super::manners::Rules;

/// What Google's front end answers, long before it comes to S3.
const LENGTH_REQUIRED: &str = "<!DOCTYPE html>\n<html lang=en>\n<title>Error 411 (Length \
                               Required)!!1</title>\n<p><b>411.</b> That’s an error.\n<p>POST \
                               requests require a <code>Content-length</code> header. That’s all \
                               we know.\n";

/// The answer to a request that does not say how long its body is, where the rules mind it.
pub(super) fn without_length(
    rules: &Rules,
    method: &Method,
    headers: &HeaderMap,
) -> Option<HttpResponse> {
    let says = headers.contains_key(CONTENT_LENGTH) || headers.contains_key(TRANSFER_ENCODING);
    if says || method != Method::POST || !rules.requires_length {
        return None;
    }
    let mut response = HttpResponse::new(Body::from(LENGTH_REQUIRED.to_owned()));
    *response.status_mut() = StatusCode::LENGTH_REQUIRED;
    let html = HeaderValue::from_static("text/html; charset=UTF-8");
    response.headers_mut().insert(CONTENT_TYPE, html);
    Some(response)
}

/// Adds the headers by which a server can be known. `error` is the code and the message of an
/// answer that has no body.
pub(super) fn sign(rules: &Rules, error: Option<(&str, &str)>, headers: &mut HeaderMap) {
    if let Some(server) = rules.server {
        headers.insert(SERVER, HeaderValue::from_static(server));
    }
    let (Some(prefix), Some((code, message))) = (rules.error_headers, error) else {
        return;
    };
    for (name, value) in [("code", code.to_owned()), ("desc", format!("{message:?}"))] {
        let name = HeaderName::try_from(format!("{prefix}-{name}"));
        let value = HeaderValue::try_from(value);
        if let (Ok(name), Ok(value)) = (name, value) {
            headers.insert(name, value);
        }
    }
}
