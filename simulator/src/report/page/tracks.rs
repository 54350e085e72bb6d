//! The requests to the S3 server, drawn below the sessions: side by side where they ran at the same
//! time.

use super::super::document::Request;
use super::super::markup::{Markup, element, plain};
use super::drawing::LABEL;
use super::scale::Scale;
use crate::figures::{duration, plural};

/// The height of a track in pixels.
const TRACK: usize = 8;

/// How many requests are drawn side by side, and how many at all.
const MOST_TRACKS: usize = 8;
const MOST_REQUESTS: usize = 2000;

/// The height of all tracks with their label, in pixels.
pub(super) fn height(tracks: &[usize]) -> usize {
    tracks
        .iter()
        .max()
        .map_or(0, |last| LABEL + (last + 1) * TRACK + 10)
}

/// The track that each request is drawn on: the first that is free when it comes.
pub(super) fn tracks(requests: &[&Request]) -> Vec<usize> {
    let mut free: Vec<u64> = Vec::new();
    let drawn = requests.iter().take(MOST_REQUESTS);
    let track = |request: &&Request| {
        let ended = request.ended_micros.unwrap_or(request.began_micros);
        let track = free
            .iter()
            .position(|until| *until <= request.began_micros)
            .unwrap_or_else(|| free.len().min(MOST_TRACKS - 1));
        match free.get_mut(track) {
            Some(until) => *until = ended.max(*until),
            None => free.push(ended),
        }
        track
    };
    drawn.map(track).collect()
}

/// Draws them, with a label.
pub(super) fn bundle(scale: Scale, top: usize, requests: &[&Request], tracks: &[usize]) -> Markup {
    if tracks.is_empty() {
        return Markup::nothing();
    }
    let y = (top + LABEL - 4).to_string();
    let label = [("class", "lane"), ("x", "0"), ("y", &y)];
    let name = format!("{} to S3", plural(requests.len() as u64, "request"));
    let drawn = requests
        .iter()
        .zip(tracks)
        .map(|(one, track)| request(scale, top + LABEL + track * TRACK, one));
    element("text", &label, name).then(Markup::all(drawn))
}

fn request(scale: Scale, top: usize, request: &Request) -> Markup {
    let ended = request.ended_micros.unwrap_or(request.began_micros);
    let took = ended.saturating_sub(request.began_micros);
    let class = match request.operation.as_str() {
        _ if request.is_error() => "request error",
        "UploadPart" => "request stage",
        "CompleteMultipartUpload" => "request complete",
        _ => "request",
    };
    let key = request.key.as_deref().unwrap_or_default();
    let title = format!("{} {key}, {}", request.operation, duration(took));
    let (x, y, width) = (
        scale.place(request.began_micros),
        top.to_string(),
        scale.width(took),
    );
    let height = (TRACK - 2).to_string();
    let place = [
        ("class", class),
        ("x", &*x),
        ("y", &y),
        ("width", &width),
        ("height", &height),
    ];
    element("rect", &place, plain("title", title))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_at_the_same_time_are_drawn_side_by_side() {
        let request = |began_micros, ended| Request {
            number: 0,
            operation: "UploadPart".to_owned(),
            key: None,
            upload_id: None,
            part: None,
            attempt: 1,
            bytes: 0,
            status: Some(200),
            code: None,
            fault: None,
            began_micros,
            ended_micros: Some(ended),
        };
        let requests = [
            request(0, 10),
            request(5, 9),
            request(9, 12),
            request(10, 11),
        ];
        assert_eq!(tracks(&requests.iter().collect::<Vec<_>>()), [0, 1, 1, 0]);
        let one = request(0, 1);
        let all = tracks(&[&one; 50]);
        assert_eq!(all.len(), 50);
        assert!(all.iter().all(|track| *track < MOST_TRACKS));
    }
}
