//! The gate that every request passes, in and out: it keeps the journal, lets the faults happen,
//! and notices clients that go away.
//!
//! It stands outside `s3s`, so it can close connections, and it sees requests that are refused for
//! their signature.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::body::{Frame, Incoming, SizeHint};
use hyper::header::HeaderValue;
use hyper::{HeaderMap, Request, StatusCode};
use parking_lot::{Mutex, MutexGuard};
use s3s::service::S3Service;
use s3s::{Body, HttpResponse, S3Error, S3ErrorCode};

use super::client::{Client, Connection, DISCONNECTED};
use super::fault::{AttemptCounter, Effect, FaultPlan, Verdict};
use super::headers;
use super::journal::{Entry, Journal, Outcome, Timing};
use super::manners::Rules;
use super::request::{Operation, Target};
use super::slow::slow;
use super::state::{Store, UploadRef};

/// See the module.
pub(super) struct Gate {
    service: S3Service,
    store: Arc<Mutex<Store>>,
    rules: Rules,
    revoked: AtomicBool,
    log: Mutex<Log>,
}

#[derive(Default)]
struct Log {
    journal: Journal,
    attempts: AttemptCounter,
    faults: FaultPlan,
}

/// A request that the journal holds.
struct Admitted {
    target: Target,
    /// Its place in the journal.
    number: usize,
    attempt: u32,
    verdict: Verdict,
}

/// The request ends without an answer: the connection is closed.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoAnswer {
    #[error("a fault closed the connection")]
    Reset,
    #[error("the request could not be handled: {0}")]
    Failed(Box<dyn std::error::Error + Send + Sync>),
}

impl Gate {
    pub(super) fn new(service: S3Service, store: Arc<Mutex<Store>>, faults: FaultPlan) -> Self {
        let rules = store.lock().rules().clone();
        Self {
            service,
            store,
            rules,
            revoked: AtomicBool::new(false),
            log: Mutex::new(Log {
                faults,
                ..Log::default()
            }),
        }
    }

    pub(super) fn journal(&self) -> Vec<Entry> {
        self.log().journal.entries().to_vec()
    }

    pub(super) fn timed_journal(&self) -> Vec<(Entry, Timing)> {
        let log = self.log();
        let timings = log.journal.timings().iter().copied();
        log.journal.entries().iter().cloned().zip(timings).collect()
    }

    pub(super) fn set_faults(&self, faults: FaultPlan) {
        self.log().faults = faults;
    }

    pub(super) fn set_revoked(&self, revoked: bool) {
        self.revoked.store(revoked, Ordering::SeqCst);
    }

    /// Answers a request, or closes its connection. What was begun is brought to its end even if
    /// the client goes away meanwhile, as on a real server; but an operation can ask whether it
    /// has, since the future is dropped with the connection.
    pub(super) fn handle(
        self: Arc<Self>,
        mut request: Request<Incoming>,
    ) -> impl Future<Output = Result<HttpResponse, NoAnswer>> + Send + use<> {
        let admitted = self.admit(&request);
        let connection = Connection::new();
        let client = connection.client(admitted.attempt);
        request.extensions_mut().insert(client);
        let answer = tokio::spawn(self.pass(request, admitted));
        async move {
            let answer = answer.await;
            drop(connection);
            answer.unwrap_or_else(|error| Err(NoAnswer::Failed(error.into())))
        }
    }

    async fn pass(
        self: Arc<Self>,
        request: Request<Incoming>,
        admitted: Admitted,
    ) -> Result<HttpResponse, NoAnswer> {
        let Admitted {
            target,
            number,
            verdict,
            ..
        } = admitted;
        // Even a sleep of no time would wait for the timer's next millisecond.
        if !verdict.latency.is_zero() {
            tokio::time::sleep(verdict.latency).await;
        }
        let (parts, body) = request.into_parts();
        let body = SharedBody::new(body);
        let request = Request::from_parts(parts, body.clone());
        let late = match verdict.effect {
            Some(Effect::SlowBody { milliseconds }) => Some(Duration::from_millis(milliseconds)),
            _ => None,
        };
        let answer = self.answer(&target, request, verdict.effect).await;
        // A client that is still sending when the answer comes may lose it: take the rest first.
        body.drain().await;
        match answer {
            Ok(response) => {
                let response = self.finish(number, &target, response);
                Ok(match late {
                    Some(pause) => slow(response, pause),
                    None => response,
                })
            }
            Err(error) => {
                self.log().journal.close(number, Outcome::Reset, None);
                Err(error)
            }
        }
    }

    /// Counts the request and notes it in the journal, in one step.
    fn admit(&self, request: &Request<Incoming>) -> Admitted {
        let target = Target::of(request.method(), request.uri(), request.headers());
        let line = format!("{} {}", request.method(), request.uri());
        let bytes = body_length(request.headers());
        let mut log = self.log();
        let attempt = log.attempts.count(&target);
        let verdict = log.faults.verdict(&target, attempt);
        let fault = verdict.effect.clone();
        let number = log
            .journal
            .open(line, target.clone(), attempt, bytes, fault);
        Admitted {
            target,
            number,
            attempt,
            verdict,
        }
    }

    async fn answer(
        self: &Arc<Self>,
        target: &Target,
        request: Request<SharedBody>,
        effect: Option<Effect>,
    ) -> Result<HttpResponse, NoAnswer> {
        if self.revoked.load(Ordering::SeqCst) {
            return Ok(refusal(S3ErrorCode::AccessDenied));
        }
        let refused = headers::without_length(&self.rules, request.method(), request.headers());
        if let Some(response) = refused {
            return Ok(response);
        }
        let request = request.map(Body::http_body);
        match effect {
            Some(Effect::InternalError) => Ok(refusal(S3ErrorCode::InternalError)),
            Some(Effect::SlowDown) => Ok(refusal(S3ErrorCode::SlowDown)),
            Some(Effect::AccessDenied) => Ok(refusal(S3ErrorCode::AccessDenied)),
            Some(Effect::ErrorInBody) => {
                let mut response = refusal(S3ErrorCode::InternalError);
                *response.status_mut() = StatusCode::OK;
                Ok(response)
            }
            Some(Effect::ResetBefore) => Err(NoAnswer::Reset),
            Some(Effect::ResetAfter) => {
                self.call(request).await?;
                Err(NoAnswer::Reset)
            }
            Some(Effect::ResetThenDone { milliseconds }) => {
                let delay = Duration::from_millis(milliseconds);
                self.call_later(request, delay).await?;
                Err(NoAnswer::Reset)
            }
            Some(Effect::ResetThenVisible { milliseconds }) => {
                self.call(request).await?;
                self.hide(target, Duration::from_millis(milliseconds));
                Err(NoAnswer::Reset)
            }
            Some(Effect::ExpireUpload) => {
                self.expire_upload(target);
                self.call(request).await
            }
            Some(Effect::ExpireSource) => {
                self.expire_source(target);
                self.call(request).await
            }
            Some(Effect::Latency { .. } | Effect::SlowBody { .. }) | None => {
                self.call(request).await
            }
        }
    }

    async fn call(&self, request: Request<Body>) -> Result<HttpResponse, NoAnswer> {
        let response = self.service.call(request).await;
        response.map_err(|error| NoAnswer::Failed(error.into()))
    }

    /// Takes the whole request now and does what it asks for later, whatever becomes of its
    /// connection.
    async fn call_later(
        self: &Arc<Self>,
        request: Request<Body>,
        delay: Duration,
    ) -> Result<(), NoAnswer> {
        let (mut parts, body) = request.into_parts();
        // It is a fault that ends its connection, not its client.
        parts.extensions.remove::<Client>();
        let body = body.collect().await.map_err(NoAnswer::Failed)?;
        let request = Request::from_parts(parts, Body::from(body.to_bytes()));
        let gate = Arc::clone(self);
        tokio::spawn(async move {
            tokio::time::sleep(delay).await;
            if let Err(error) = gate.call(request).await {
                tracing::error!(%error, "a delayed request failed");
            }
        });
        Ok(())
    }

    /// Takes an object out of sight, and brings it back later.
    fn hide(&self, target: &Target, delay: Duration) {
        let (Some(bucket), Some(key)) = (target.bucket.clone(), target.key.clone()) else {
            return;
        };
        let hidden = self.store().hide_object(&bucket, &key);
        let Some(object) = hidden else { return };
        let store = Arc::clone(&self.store);
        tokio::spawn(async move {
            tokio::time::sleep(delay).await;
            let mut store = store.lock();
            store.show_object(&bucket, &key, object);
        });
    }

    fn expire_upload(&self, target: &Target) {
        let (Some(bucket), Some(key), Some(upload_id)) =
            (&target.bucket, &target.key, &target.upload_id)
        else {
            return;
        };
        let upload = UploadRef {
            bucket,
            key,
            upload_id,
        };
        // No such upload: then it has expired already.
        let _ = self.store().expire_upload(upload);
    }

    fn expire_source(&self, target: &Target) {
        if let Some(source) = &target.copy_source {
            // No such bucket: the copy finds out.
            let _ = self.store().expire_object(&source.bucket, &source.key);
        }
    }

    /// Notes the answer in the journal and gives it its number.
    fn finish(&self, number: usize, target: &Target, mut response: HttpResponse) -> HttpResponse {
        let status = response.status().as_u16();
        let text = response.body().bytes().unwrap_or_default();
        let failed = status >= 400 || element(&text, "Error").is_some();
        let code = failed.then(|| element(&text, "Code")).flatten();
        let upload_id = match target.operation {
            Operation::CreateMultipartUpload => element(&text, "UploadId"),
            _ => None,
        };
        if matches!(
            target.operation,
            Operation::HeadObject | Operation::HeadBucket
        ) {
            let message = element(&text, "Message").unwrap_or_default();
            let error = code.as_deref().map(|code| (code, message.as_str()));
            headers::sign(&self.rules, error, response.headers_mut());
        } else {
            headers::sign(&self.rules, None, response.headers_mut());
        }
        let outcome = match code {
            Some(code) if code == DISCONNECTED => Outcome::Lost,
            code => Outcome::Answered { status, code },
        };
        let mut log = self.log();
        log.journal.close(number, outcome, upload_id);
        let entry = &log.journal.entries()[number];
        if entry.is_unsupported() {
            let reason = element(&text, "Message");
            tracing::error!(
                request = entry.line,
                reason,
                "the embedded S3 server does not implement this"
            );
        }
        let id = HeaderValue::from_str(&format!("{number:016X}")).expect("digits are a header");
        response.headers_mut().insert("x-amz-request-id", id);
        response
    }

    fn store(&self) -> MutexGuard<'_, Store> {
        self.store.lock()
    }

    fn log(&self) -> MutexGuard<'_, Log> {
        self.log.lock()
    }
}

/// An error as `s3s` would answer it.
fn refusal(code: S3ErrorCode) -> HttpResponse {
    let error = S3Error::with_message(code, "this server was told to answer so");
    error
        .to_http_response()
        .expect("an error without a source is plain XML")
}

/// The body's length as the request declares it, without the framing of aws-chunked.
fn body_length(headers: &HeaderMap) -> u64 {
    let number = |name| headers.get(name)?.to_str().ok()?.parse().ok();
    let decoded = number("x-amz-decoded-content-length");
    decoded.or_else(|| number("content-length")).unwrap_or(0)
}

/// The text of the first XML element of that name. Good enough for the answers of `s3s`, which nest
/// no names.
fn element(xml: &[u8], name: &str) -> Option<String> {
    let text = str::from_utf8(xml).ok()?;
    let (_, rest) = text.split_once(&format!("<{name}>"))?;
    let (value, _) = rest.split_once(&format!("</{name}>"))?;
    Some(value.to_owned())
}

/// A request's body that two can hold: the service that reads it, and the gate that takes what was
/// left unread.
#[derive(Clone)]
struct SharedBody(Arc<Mutex<Incoming>>);

impl SharedBody {
    fn new(body: Incoming) -> Self {
        Self(Arc::new(Mutex::new(body)))
    }

    fn incoming(&self) -> MutexGuard<'_, Incoming> {
        self.0.lock()
    }

    async fn drain(mut self) {
        while let Some(Ok(_)) = self.frame().await {}
    }
}

impl hyper::body::Body for SharedBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        Pin::new(&mut *self.incoming()).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.incoming().is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming().size_hint()
    }
}
