//! What was asked of the embedded S3 server.

use std::collections::BTreeMap;

use serde_json::json;

use super::super::document::{Document, Request};
use super::super::markup::{Markup, classed, element, path, plain, table};
use super::{MOST_ROWS, left_out, number};
use crate::figures::{bytes, duration, grouped, plural};

pub(super) fn section(document: &Document) -> Markup {
    let requests = &document.requests;
    let unsupported = document.unsupported_requests.iter().map(|request| {
        let text = format!("The S3 server does not implement {request}");
        classed("p", "problem", text)
    });
    Markup::all(unsupported)
        .then(operations(requests))
        .then(plain("h3", "Uploads"))
        .then(uploads(requests))
        .then(errors(requests))
        .then(every(requests))
}

/// The operations, with what they came to.
fn operations(requests: &[Request]) -> Markup {
    let mut all: BTreeMap<&str, Vec<&Request>> = BTreeMap::new();
    for request in requests {
        all.entry(&request.operation).or_default().push(request);
    }
    let row = |(operation, requests): (&str, Vec<&Request>)| {
        let errors = requests.iter().filter(|request| request.is_error()).count();
        let body: u64 = requests.iter().map(|request| request.bytes).sum();
        let slowest = requests.iter().map(|request| micros(request)).max();
        plain(
            "tr",
            element("th", &[("scope", "row")], plain("code", operation))
                .then(number(grouped(requests.len() as u64)))
                .then(number(grouped(errors as u64)))
                .then(number(bytes(body)))
                .then(number(duration(slowest.unwrap_or_default()))),
        )
    };
    let headings = [
        ("", "Operation"),
        ("number", "Requests"),
        ("number", "Errors"),
        ("number", "Bytes sent"),
        ("number", "Slowest"),
    ];
    table(
        "Requests by operation",
        "operations",
        &headings,
        all.into_iter().map(row),
    )
}

/// One multipart upload.
#[derive(Default)]
struct Upload<'a> {
    key: &'a str,
    parts: Vec<&'a Request>,
    created: u64,
    completed: Option<&'a Request>,
    aborted: Option<&'a Request>,
}

fn uploads(requests: &[Request]) -> Markup {
    let mut order = Vec::new();
    let mut all: BTreeMap<&str, Upload<'_>> = BTreeMap::new();
    for request in requests {
        let (Some(id), Some(key)) = (&request.upload_id, &request.key) else {
            continue;
        };
        let upload = all.entry(id).or_insert_with(|| {
            order.push(id.as_str());
            Upload {
                key,
                created: request.began_micros,
                ..Upload::default()
            }
        });
        match request.operation.as_str() {
            "UploadPart" => upload.parts.push(request),
            "CompleteMultipartUpload" => upload.completed = Some(request),
            "AbortMultipartUpload" => upload.aborted = Some(request),
            _ => {}
        }
    }
    let headings = [
        ("", "Key"),
        ("number", "Parts"),
        ("number", "Bytes"),
        ("number", "Begun"),
        ("number", "Staged"),
        ("number", "Ended"),
    ];
    let rows = order.iter().take(MOST_ROWS).map(|id| upload(&all[id]));
    table("Uploads", "keys", &headings, rows).then(left_out(MOST_ROWS, order.len()))
}

fn upload(upload: &Upload<'_>) -> Markup {
    let body: u64 = upload.parts.iter().map(|part| part.bytes).sum();
    let staged = upload
        .parts
        .iter()
        .filter_map(|part| part.ended_micros)
        .max();
    let at = |micros: Option<u64>| micros.map_or("–".to_owned(), duration);
    let ended = |request: &Request, word: &str| format!("{word} {}", at(request.ended_micros));
    let ended = match (upload.completed, upload.aborted) {
        (Some(request), _) => ended(request, "completed"),
        (None, Some(request)) => ended(request, "aborted"),
        (None, None) => "left open".to_owned(),
    };
    plain(
        "tr",
        element(
            "th",
            &[("scope", "row"), ("class", "key")],
            path(upload.key),
        )
        .then(number(grouped(upload.parts.len() as u64)))
        .then(number(bytes(body)))
        .then(number(duration(upload.created)))
        .then(number(at(staged)))
        .then(number(ended)),
    )
}

/// Faults, and answers that hold an error.
fn errors(requests: &[Request]) -> Markup {
    let wrong: Vec<&Request> = requests
        .iter()
        .filter(|request| request.is_error() || request.fault.is_some())
        .collect();
    if wrong.is_empty() {
        return Markup::nothing();
    }
    plain("h3", "Faults and errors").then(listing("Faults and errors", &wrong))
}

fn every(requests: &[Request]) -> Markup {
    let all: Vec<&Request> = requests.iter().collect();
    let summary = plain(
        "summary",
        format!("All {}", plural(all.len() as u64, "request")),
    );
    plain("details", summary.then(listing("All requests", &all)))
}

fn listing(label: &str, requests: &[&Request]) -> Markup {
    let headings = [
        ("number", "#"),
        ("number", "At"),
        ("", "Request"),
        ("number", "Bytes"),
        ("number", "Took"),
        ("", "Answer"),
    ];
    let rows = requests.iter().take(MOST_ROWS).map(|request| row(request));
    table(label, "keys", &headings, rows).then(left_out(MOST_ROWS, requests.len()))
}

fn row(request: &Request) -> Markup {
    let part = request.part.map(|part| format!("part {part}"));
    let again = (request.attempt > 1).then(|| format!("attempt {}", request.attempt));
    let notes: Vec<String> = part.into_iter().chain(again).collect();
    let subject = plain("code", request.operation.as_str())
        .then(" ")
        .then(request.key.as_deref().map_or(Markup::nothing(), path))
        .then(classed("span", "note", format!(" {}", notes.join(", "))));
    let class = if request.is_error() { "error" } else { "" };
    element(
        "tr",
        &[("class", class)],
        number(request.number.to_string())
            .then(number(duration(request.began_micros)))
            .then(classed("td", "key", subject))
            .then(number(bytes(request.bytes)))
            .then(number(duration(micros(request))))
            .then(plain("td", answer(request))),
    )
}

fn answer(request: &Request) -> String {
    let status = match request.status {
        Some(status) => status.to_string(),
        None => "no answer".to_owned(),
    };
    let code = request.code.as_ref().map(|code| format!(" {code}"));
    let fault = request
        .fault
        .as_ref()
        .map(|fault| format!(", by the fault {}", json!(fault)));
    format!(
        "{status}{}{}",
        code.unwrap_or_default(),
        fault.unwrap_or_default()
    )
}

fn micros(request: &Request) -> u64 {
    let ended = request.ended_micros.unwrap_or(request.began_micros);
    ended.saturating_sub(request.began_micros)
}
