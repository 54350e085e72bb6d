//! What an error of S3 means for the user: which kind it is, and what to do about it.
//!
//! [`Failure`] is what is known of it, apart from the SDK's many types; [`explain`] is the pure table of what it means.

use std::error::Error as StdError;
use std::fmt::Write as _;

use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};

use crate::checkpoint::Location;
use crate::error::{Error, ErrorKind};

/// What was asked of S3.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operation {
    CreateUpload,
    UploadPart,
    CompleteUpload,
    AbortUpload,
    HeadObject,
    ListUploads,
}

impl Operation {
    /// For the user, at the beginning of a sentence.
    fn doing(self) -> &'static str {
        match self {
            Operation::CreateUpload => "creating an upload",
            Operation::UploadPart => "uploading a part",
            Operation::CompleteUpload => "completing an upload",
            Operation::AbortUpload => "aborting an upload",
            Operation::HeadObject => "looking at an object",
            Operation::ListUploads => "listing uploads",
        }
    }

    /// The action that a policy must allow.
    fn action(self) -> &'static str {
        match self {
            Operation::CreateUpload | Operation::UploadPart | Operation::CompleteUpload => {
                "s3:PutObject"
            }
            Operation::AbortUpload => "s3:AbortMultipartUpload",
            Operation::HeadObject => "s3:GetObject",
            Operation::ListUploads => "s3:ListBucketMultipartUploads",
        }
    }
}

/// How a request failed without a proper answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Transport {
    /// The host name is not known.
    Name,
    /// Nothing listens there.
    Refused,
    /// The certificate, or TLS at all.
    Tls,
    /// No answer in time.
    Timeout,
    /// The connection broke.
    Broken,
    /// The answer is not S3's.
    Garbled,
    /// The request could not be made at all.
    Unbuildable,
}

/// What is known of a failed request.
#[derive(Clone, Debug, Default)]
pub(super) struct Failure {
    /// The HTTP status.
    pub(super) status: Option<u16>,
    /// S3's error code.
    pub(super) code: Option<String>,
    /// S3's message, or the causes where there was no answer.
    pub(super) message: Option<String>,
    /// The bucket's region, where the answer names it.
    pub(super) region: Option<String>,
    /// Set where there was no proper answer.
    pub(super) transport: Option<Transport>,
}

impl Failure {
    /// Whether S3 does not know the upload (any more).
    pub(super) fn is_no_such_upload(&self) -> bool {
        matches!(self.code.as_deref(), Some("NoSuchUpload" | "NoSuchKey"))
    }

    /// Whether S3 does not know a part of the upload (any more).
    pub(super) fn is_no_such_part(&self) -> bool {
        self.code.as_deref() == Some("InvalidPart")
    }

    /// Whether S3 says that something went wrong inside of it.
    pub(super) fn is_internal(&self) -> bool {
        self.code.as_deref() == Some("InternalError")
    }

    /// Whether S3 does not know the object. Answers to HEAD carry no code.
    pub(super) fn is_not_found(&self) -> bool {
        self.status == Some(404) && self.code.as_deref() != Some("NoSuchBucket")
    }

    /// `403 AccessDenied: Access Denied`
    fn answer(&self) -> String {
        let mut answer = self
            .status
            .map_or_else(|| "no answer".to_owned(), |status| status.to_string());
        if let Some(code) = &self.code {
            let _ = write!(answer, " {code}");
        }
        if let Some(message) = &self.message {
            let _ = write!(answer, ": {message}");
        }
        answer
    }
}

impl<E> From<SdkError<E, HttpResponse>> for Failure
where
    E: ProvideErrorMetadata + StdError + Send + Sync + 'static,
{
    fn from(error: SdkError<E, HttpResponse>) -> Self {
        let causes = causes(&error);
        let (transport, status) = match &error {
            SdkError::ServiceError(service) => {
                return Self::from_answer(service.err(), service.raw());
            }
            SdkError::TimeoutError(_) => (Transport::Timeout, None),
            SdkError::ResponseError(response) => {
                (Transport::Garbled, Some(response.raw().status().as_u16()))
            }
            SdkError::DispatchFailure(failure) if failure.is_timeout() => {
                (Transport::Timeout, None)
            }
            SdkError::DispatchFailure(_) => (Transport::from_causes(&causes), None),
            _ => (Transport::Unbuildable, None),
        };
        Self {
            transport: Some(transport),
            message: Some(causes),
            status,
            ..Self::default()
        }
    }
}

impl Failure {
    fn from_answer(error: &impl ProvideErrorMetadata, response: &HttpResponse) -> Self {
        let body = response
            .body()
            .bytes()
            .map(String::from_utf8_lossy)
            .unwrap_or_default();
        let message = error.message().map(str::to_owned);
        let is_s3 = !response.status().is_success() || error.code().is_some();
        let region = response
            .headers()
            .get("x-amz-bucket-region")
            .map(str::to_owned);
        let region = region.or_else(|| between(&body, "<Region>", "</Region>"));
        let region = region.or_else(|| between(message.as_deref()?, "expecting '", "'"));
        Self {
            status: Some(response.status().as_u16()),
            code: error.code().map(str::to_owned),
            message,
            region,
            transport: (!is_s3).then_some(Transport::Garbled),
        }
    }
}

impl Transport {
    fn from_causes(causes: &str) -> Self {
        let causes = causes.to_lowercase();
        let mentions = |words: &[&str]| words.iter().any(|word| causes.contains(word));
        if mentions(&["dns error", "failed to lookup address"]) {
            Transport::Name
        } else if mentions(&["connection refused"]) {
            Transport::Refused
        } else if mentions(&["valid uri"]) {
            Transport::Unbuildable
        } else if mentions(&[
            "certificate",
            "tls",
            "corrupt message",
            "unknownissuer",
            "handshake",
        ]) {
            Transport::Tls
        } else {
            Transport::Broken
        }
    }
}

/// An error's causes in one line, the innermost last; one that repeats the next is left out.
fn causes(error: &dyn StdError) -> String {
    let mut texts: Vec<String> = Vec::new();
    let mut cause = error.source();
    while let Some(error) = cause {
        let text = error.to_string();
        match texts.last_mut() {
            Some(last) if last.contains(&text) => {}
            _ => texts.push(text),
        }
        cause = error.source();
    }
    texts.join(": ")
}

fn between(text: &str, before: &str, after: &str) -> Option<String> {
    let (_, rest) = text.split_once(before)?;
    let (found, _) = rest.split_once(after)?;
    (!found.is_empty()).then(|| found.to_owned())
}

/// What a failure of `operation` on `key` (or a prefix) means, and what to do.
pub(super) fn explain(
    operation: Operation,
    location: &Location,
    key: &str,
    failure: &Failure,
) -> Error {
    let (kind, advice) = match failure.transport {
        Some(transport) => explain_transport(transport, location),
        None => explain_code(location, key, failure)
            .unwrap_or_else(|| explain_status(operation, location, failure)),
    };
    let (doing, answer) = (operation.doing(), failure.answer());
    Error::new(
        kind,
        format!("{advice} ({doing} under `{key}` in {location}: {answer})"),
    )
}

type Advice = (ErrorKind, String);

fn config(advice: impl Into<String>) -> Advice {
    (ErrorKind::Config, advice.into())
}

fn auth(advice: impl Into<String>) -> Advice {
    (ErrorKind::Auth, advice.into())
}

fn unavailable(advice: impl Into<String>) -> Advice {
    (ErrorKind::Unavailable, advice.into())
}

fn explain_transport(transport: Transport, location: &Location) -> Advice {
    let Location {
        bucket,
        region,
        endpoint,
        path_style,
    } = location;
    let (place, property) = match endpoint {
        Some(endpoint) => (format!("the endpoint {endpoint}"), "`/advanced/endpoint`"),
        None => (format!("S3 in region `{region}`"), "`/region`"),
    };
    match transport {
        Transport::Name if endpoint.is_some() && !path_style => config(format!(
            "the host name of bucket `{bucket}` at {place} is not known: check {property}, or set \
             `/advanced/pathStyle` to true"
        )),
        Transport::Name => config(format!(
            "the host name of {place} is not known: check {property}"
        )),
        Transport::Refused => unavailable(format!(
            "{place} refuses connections: check {property} and that the server runs"
        )),
        Transport::Tls => config(format!(
            "no trusted TLS connection to {place}: its certificate must be valid for its host name and \
             issued by a known authority, and `https` must be what it speaks"
        )),
        Transport::Timeout => unavailable(format!(
            "{place} did not answer in time, and retries did not help: check {property} and the network, \
             or try again later"
        )),
        Transport::Broken => unavailable(format!(
            "the connection to {place} broke, and retries did not help: try again later"
        )),
        Transport::Garbled => unavailable(format!(
            "what {place} answered is not S3's protocol: check {property}, or try again later"
        )),
        Transport::Unbuildable => config(format!(
            "no request to {place} can be made: check {property} and `/bucket`"
        )),
    }
}

/// What S3's error codes mean; `None` where the status says more.
fn explain_code(location: &Location, key: &str, failure: &Failure) -> Option<Advice> {
    let bucket = &location.bucket;
    let or_endpoint = if location.endpoint.is_some() {
        " or `/advanced/endpoint`"
    } else {
        ""
    };
    Some(match failure.code.as_deref()? {
        "NoSuchBucket" => config(format!(
            "{location} does not exist: create it, or correct `/bucket`{or_endpoint}"
        )),
        "InvalidBucketName" => config(format!(
            "`{bucket}` is not the name of a bucket: correct `/bucket`"
        )),
        "InvalidAccessKeyId" => auth(format!(
            "S3 does not know the access key: check `/awsAccessKeyId`{or_endpoint}"
        )),
        "SignatureDoesNotMatch" => {
            auth("the secret does not belong to the access key: check `/awsSecretAccessKey`")
        }
        "ExpiredToken" | "InvalidToken" | "TokenRefreshRequired" => auth(
            "the credentials are temporary ones, and no longer (or not by themselves) valid: set \
             `/awsAccessKeyId` and `/awsSecretAccessKey` to a lasting access key",
        ),
        "RequestTimeTooSkewed" => config(
            "this machine's clock and S3's differ by more than 15 minutes: set the clock, for instance \
             with NTP",
        ),
        "AuthorizationHeaderMalformed" if failure.region.is_none() => {
            auth("S3 cannot read how requests are signed: check `/awsAccessKeyId` and `/region`")
        }
        "PermanentRedirect"
        | "TemporaryRedirect"
        | "AuthorizationHeaderMalformed"
        | "IllegalLocationConstraintException" => config(wrong_region(location, failure)),
        "NoSuchUpload" => unavailable(
            "the upload has been removed while it was being written, by a lifecycle rule or by a newer \
             session of this task: it is begun anew when the task restarts",
        ),
        "InvalidPart" | "InvalidPartOrder" | "EntityTooSmall" => (
            ErrorKind::Internal,
            format!("S3 does not have the parts of `{key}` that were uploaded: please report this"),
        ),
        "SlowDown" | "InternalError" | "ServiceUnavailable" | "RequestTimeout" | "BadDigest"
        | "OperationAborted" => in_trouble(),
        _ => return None,
    })
}

fn explain_status(operation: Operation, location: &Location, failure: &Failure) -> Advice {
    let bucket = &location.bucket;
    match failure.status.unwrap_or_default() {
        301 | 307 => config(wrong_region(location, failure)),
        401 | 403 => auth(format!(
            "access denied: allow `{}` on `{bucket}` below this key's prefix to the access key, and \
             look for rules that deny it",
            operation.action()
        )),
        501 => config(
            "this store does not implement what the connector asks for: if it is about checksums, set \
             `/advanced/checksums` to `none`",
        ),
        429 | 500.. => in_trouble(),
        _ if failure.code.is_some() => {
            config("S3 does not accept the request: what it answered says why")
        }
        _ => config(
            "what answers is not S3, or does not say why: check `/bucket`, `/region` and \
             `/advanced/endpoint`",
        ),
    }
}

fn in_trouble() -> Advice {
    unavailable("S3 is overloaded or in trouble, and retries did not help: try again later")
}

fn wrong_region(location: &Location, failure: &Failure) -> String {
    let Location { bucket, region, .. } = location;
    match &failure.region {
        Some(right) if right != region => format!(
            "bucket `{bucket}` is in region `{right}` and not in `{region}`: set `/region` to `{right}`"
        ),
        _ => format!(
            "bucket `{bucket}` is not in region `{region}`: set `/region` to the bucket's region"
        ),
    }
}

#[cfg(test)]
mod tests;
