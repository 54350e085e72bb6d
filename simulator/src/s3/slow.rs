//! An answer whose body comes late: the status and the headers are there at once, what they
//! announce is not.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Frame, SizeHint};
use s3s::{Body, HttpResponse, StdError};
use tokio::time::{Sleep, sleep};

/// Slows an answer's body down.
pub(super) fn slow(response: HttpResponse, pause: Duration) -> HttpResponse {
    response.map(|body| {
        Body::http_body_unsync(Late {
            body,
            pause: Some(Box::pin(sleep(pause))),
        })
    })
}

struct Late {
    body: Body,
    pause: Option<Pin<Box<Sleep>>>,
}

impl hyper::body::Body for Late {
    type Data = Bytes;
    type Error = StdError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, StdError>>> {
        if let Some(pause) = &mut self.pause {
            ready!(pause.as_mut().poll(context));
            self.pause = None;
        }
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.pause.is_none() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
