//! What an error of S3 means for the user: which kind it is, and what to do about it.
//!
//! [`Failure`] is what is known of it, apart from the SDK's many types; [`explain`] is the pure
//! table of what it means.

use std::error::Error as StdError;
use std::fmt::Write as _;

use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};

use super::PART_BYTES;
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
    PutObject,
    GetObject,
    CopyObject,
    DeleteObject,
    ListObjects,
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
            Operation::PutObject => "writing an object",
            Operation::GetObject => "reading an object",
            Operation::CopyObject => "copying a staged object",
            Operation::DeleteObject => "deleting a staged object",
            Operation::ListObjects => "listing objects",
        }
    }

    /// The permission that is missing where access is denied.
    fn permission(self, bucket: &str) -> String {
        let below = format!("on `{bucket}` below this key's prefix");
        let itself = format!("on the bucket `{bucket}` itself");
        match self {
            Operation::CreateUpload
            | Operation::UploadPart
            | Operation::CompleteUpload
            | Operation::PutObject => format!("`s3:PutObject` {below}"),
            Operation::AbortUpload => format!("`s3:AbortMultipartUpload` {below}"),
            Operation::GetObject => format!("`s3:GetObject` {below}"),
            Operation::HeadObject => format!(
                "`s3:ListBucket` {itself}, without which AWS says that access is denied where \
                 there is no such object, and `s3:GetObject` {below},"
            ),
            Operation::CopyObject => format!(
                "`s3:GetObject` (with versions `s3:GetObjectVersion`) on what is staged in \
                 `{bucket}`, and `s3:PutObject` {below},"
            ),
            Operation::DeleteObject => format!(
                "`s3:DeleteObject` (with versions `s3:DeleteObjectVersion`) on what is staged in \
                 `{bucket}`"
            ),
            Operation::ListUploads => format!("`s3:ListBucketMultipartUploads` {itself}"),
            Operation::ListObjects => format!("`s3:ListBucket` {itself}"),
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
    /// A proxy does not let the connection through.
    Proxy,
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
    /// Whether the answer has the id that S3 gives to every request.
    pub(super) has_request_id: bool,
    /// Whether the answer says that MinIO has given it.
    pub(super) is_of_minio: bool,
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

    /// Whether the same request may well succeed later: the store is busy or in trouble, or bytes
    /// were damaged on their way.
    pub(super) fn is_transient(&self) -> bool {
        if let Some(transport) = self.transport {
            return matches!(
                transport,
                Transport::Timeout
                    | Transport::Broken
                    | Transport::Refused
                    | Transport::Proxy
                    | Transport::Garbled
            );
        }
        match self.code.as_deref() {
            Some("RequestTimeTooSkewed") => false,
            Some(
                "SlowDown"
                | "TooManyRequests"
                | "InternalError"
                | "ServiceUnavailable"
                | "RequestTimeout"
                | "BadDigest"
                | "XAmzContentChecksumMismatch"
                | "OperationAborted",
            ) => true,
            _ => matches!(self.status, Some(408 | 429 | 500 | 502 | 503 | 504)),
        }
    }

    /// Whether S3 says that there is no object under the key. An answer without a code may be that
    /// of a proxy, and says nothing about S3.
    pub(super) fn is_no_such_key(&self) -> bool {
        matches!(self.code.as_deref(), Some("NoSuchKey" | "NoSuchVersion"))
    }

    /// Whether S3 says that the source of a copy is not there, or is another object.
    pub(super) fn is_no_source(&self) -> bool {
        self.is_no_such_key() || self.status == Some(412)
    }

    /// The same failure; where the answer should have S3's form and has not, something else answers
    /// in its place.
    pub(super) fn of_s3(mut self) -> Self {
        // For an answer without a code the SDK makes one up.
        let has_code = self.code.as_deref().is_some_and(|code| code != "NotFound");
        if self.status.is_some() && !has_code && self.transport.is_none() {
            self.transport = Some(Transport::Garbled);
        }
        self
    }

    /// An answer that did not come in time.
    pub(super) fn timeout() -> Self {
        Self {
            transport: Some(Transport::Timeout),
            ..Self::default()
        }
    }

    /// An answer that broke off in its body.
    pub(super) fn broken(error: &dyn StdError) -> Self {
        Self {
            transport: Some(Transport::Broken),
            message: Some(error.to_string()),
            ..Self::default()
        }
    }

    /// What an answer says whose operation is not known.
    pub(super) fn from_response(response: &HttpResponse) -> Self {
        let body = response.body().bytes().map(String::from_utf8_lossy);
        Self {
            status: Some(response.status().as_u16()),
            code: body.and_then(|body| between(&body, "<Code>", "</Code>")),
            ..Self::default()
        }
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
            has_request_id: response.headers().get("x-amz-request-id").is_some(),
            is_of_minio: says_minio(response),
        }
    }
}

fn says_minio(response: &HttpResponse) -> bool {
    let headers = response.headers();
    let mut names = headers.iter().map(|(name, _)| name.to_ascii_lowercase());
    let server = headers.get("server").unwrap_or_default();
    server.starts_with("MinIO") || names.any(|name| name.starts_with("x-minio-"))
}

impl Transport {
    fn from_causes(causes: &str) -> Self {
        let causes = causes.to_lowercase();
        let mentions = |words: &[&str]| words.iter().any(|word| causes.contains(word));
        if mentions(&["tunnel error"]) {
            Transport::Proxy
        } else if mentions(&["dns error", "failed to lookup address"]) {
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
        None => explain_message(operation, failure)
            .or_else(|| explain_code(location, key, failure))
            .unwrap_or_else(|| explain_status(operation, location, failure)),
    };
    let (doing, answer) = (operation.doing(), failure.answer());
    let error = Error::new(
        kind,
        format!("{advice} ({doing} under `{key}` in {location}: {answer})"),
    );
    if failure.transport.is_some() {
        error.silent()
    } else {
        error
    }
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
            "{place} refuses connections: check {property}, that the server runs, and \
             `HTTP_PROXY` if there is a proxy"
        )),
        Transport::Proxy => unavailable(format!(
            "the proxy on the way to {place} does not let the connection through: check that it \
             runs, the user and password in the URL of `HTTPS_PROXY`, and whether the host \
             belongs into `NO_PROXY`"
        )),
        Transport::Tls => config(format!(
            "no trusted TLS connection to {place}: its certificate must be valid for its host \
             name and issued by a known authority (`AWS_CA_BUNDLE` names a file with others), and \
             `https` must be what it speaks"
        )),
        Transport::Timeout => unavailable(format!(
            "{place} did not answer in time, and retries did not help: check {property} and the \
             network, or try again later"
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

/// What only S3's message tells; `None` where it is none of the known ones.
fn explain_message(operation: Operation, failure: &Failure) -> Option<Advice> {
    let message = failure.message.as_deref()?;
    let lower = message.to_lowercase();
    let mentions = |words: &[&str]| words.iter().any(|word| lower.contains(word));
    let code = failure.code.as_deref().unwrap_or_default();
    let refused = ["InvalidArgument", "NotImplemented"].contains(&code)
        || mentions(&["unsupported", "not supported", "not implemented"]);
    if refused && mentions(&["x-amz-checksum", "x-amz-sdk-checksum"]) {
        return Some(config(
            "this store refuses the headers of checksums: set `/advanced/checksums` to `none`",
        ));
    }
    if operation == Operation::UploadPart && mentions(&["part number"]) {
        return Some(config(too_many_parts(message)));
    }
    let denied = failure.status == Some(403) || code == "AccessDenied";
    (denied && mentions(&["kms", "ciphertext"])).then(|| auth(kms_denial(message)))
}

/// `Part number must be an integer between 1 and 1000, inclusive`
fn too_many_parts(message: &str) -> String {
    let numbers = message.split(|character: char| !character.is_ascii_digit());
    let most = numbers
        .filter_map(|number| number.parse::<u64>().ok())
        .max();
    let limit = most.map_or_else(
        || "to less than the file would have had".to_owned(),
        // A tenth less, because a file ends a little beyond its limit.
        |parts| {
            let bytes = (parts - parts / 10).saturating_mul(PART_BYTES as u64);
            format!("to {bytes} or less, since it takes {parts} parts of 8 MiB")
        },
    );
    format!("this store takes no more parts of one file: set `/advanced/fileSizeLimit` {limit}")
}

/// `… is not authorized to perform: kms:GenerateDataKey on resource: arn:aws:kms:…`
fn kms_denial(message: &str) -> String {
    let words =
        message.split(|character: char| !character.is_ascii_alphanumeric() && character != ':');
    let action = words
        .filter_map(|word| word.strip_prefix("kms:"))
        .find(|action| {
            !action.is_empty() && action.chars().all(|letter| letter.is_ascii_alphabetic())
        });
    let needed = action.map_or_else(
        || "`kms:GenerateDataKey` and `kms:Decrypt`".to_owned(),
        |action| format!("`kms:{action}`"),
    );
    format!(
        "the KMS key that encrypts what is written may not be used: allow {needed} on that key to \
         the access key, by the key's own policy too where it is in another account (uploads need \
         `kms:GenerateDataKey` and `kms:Decrypt`)"
    )
}

/// What S3's error codes mean; `None` where the status says more.
fn explain_code(location: &Location, key: &str, failure: &Failure) -> Option<Advice> {
    let code = failure.code.as_deref()?;
    let or_endpoint = if location.endpoint.is_some() {
        " or `/advanced/endpoint`"
    } else {
        ""
    };
    explain_place(code, location, or_endpoint, failure)
        .or_else(|| explain_credentials(code, or_endpoint))
        .or_else(|| explain_object(code, key))
        .or_else(|| failure.is_transient().then(in_trouble))
}

/// The codes about the bucket and how it is reached.
fn explain_place(
    code: &str,
    location: &Location,
    or_endpoint: &str,
    failure: &Failure,
) -> Option<Advice> {
    let bucket = &location.bucket;
    Some(match code {
        "NoSuchBucket" => config(format!(
            "{location} does not exist: create it, or correct `/bucket`{or_endpoint}"
        )),
        "InvalidBucketName" => config(format!(
            "`{bucket}` is not the name of a bucket: correct `/bucket`"
        )),
        "SecondLevelDomainForbidden" => config(
            "this store wants the bucket in the host name: set `/advanced/pathStyle` to false",
        ),
        "RequestTimeTooSkewed" => config(
            "this machine's clock and S3's differ by more than 15 minutes: set the clock, for \
             instance with NTP",
        ),
        "AuthorizationHeaderMalformed" if failure.region.is_none() => {
            auth("S3 cannot read how requests are signed: check `/awsAccessKeyId` and `/region`")
        }
        "PermanentRedirect"
        | "TemporaryRedirect"
        | "AuthorizationHeaderMalformed"
        | "IllegalLocationConstraintException" => config(wrong_region(location, failure)),
        "MissingContentLength" => config(MISSING_LENGTH),
        _ => return None,
    })
}

/// The codes about who asks.
fn explain_credentials(code: &str, or_endpoint: &str) -> Option<Advice> {
    Some(match code {
        "InvalidAccessKeyId" => auth(format!(
            "S3 does not know the access key: check `/awsAccessKeyId`{or_endpoint}"
        )),
        "SignatureDoesNotMatch" => {
            auth("the secret does not belong to the access key: check `/awsSecretAccessKey`")
        }
        "ExpiredToken" | "TokenRefreshRequired" => auth(
            "the credentials are temporary ones and have expired: a role's are new when the task \
             restarts, and nothing is lost; otherwise set `/awsAccessKeyId` and \
             `/awsSecretAccessKey` to a lasting access key",
        ),
        "InvalidToken" => auth(
            "the credentials are temporary ones and not valid by themselves: set \
             `/awsAccessKeyId` and `/awsSecretAccessKey` to a lasting access key",
        ),
        _ => return None,
    })
}

/// The codes about an object, an upload or its parts, and those of a store in trouble.
fn explain_object(code: &str, key: &str) -> Option<Advice> {
    Some(match code {
        "NoSuchUpload" => unavailable(
            "the upload has been removed while it was being written, by a lifecycle rule or by \
             hand: it is begun anew when the task restarts",
        ),
        "InvalidPart" => unavailable(format!(
            "the store no longer has all parts of `{key}` that it took: what is not committed is \
             written anew when the task restarts. If this comes again, the store loses what it is \
             given, or something aborts uploads"
        )),
        "InvalidPartOrder" | "EntityTooSmall" => (
            ErrorKind::Internal,
            format!("the parts of `{key}` are not as S3 wants them: please report this"),
        ),
        "PreconditionFailed" => config(format!(
            "what is staged for `{key}` is not what the connector wrote: something else writes to \
             its staging folder, which must leave it alone"
        )),
        _ if code.starts_with("KMS.") => config(
            "the KMS key that encrypts what is written cannot be used: check that it is there, \
             enabled, and in the bucket's region",
        ),
        "BadDigest" | "XAmzContentChecksumMismatch" => unavailable(
            "what S3 received is not what was sent, by its checksum, and sending it again did not \
             help: something on the way changes it. Try again later, and look at proxies in \
             between",
        ),
        _ => return None,
    })
}

const MISSING_LENGTH: &str = "the store says that a request came without its length, which the \
                              connector always gives: look for a proxy in between that takes it \
                              away";

fn explain_status(operation: Operation, location: &Location, failure: &Failure) -> Advice {
    match failure.status.unwrap_or_default() {
        301 | 307 => config(wrong_region(location, failure)),
        401 | 403 => auth(format!(
            "access denied: allow {} to the access key, and look for rules that deny it",
            operation.permission(&location.bucket)
        )),
        407 => config(
            "the proxy asks for a user and a password: put them into the URL in `HTTPS_PROXY` or \
             `HTTP_PROXY`",
        ),
        411 => config(MISSING_LENGTH),
        501 => config(
            "this store does not implement what the connector asks for: if it is about checksums, \
             set `/advanced/checksums` to `none`",
        ),
        408 | 429 | 500.. => in_trouble(),
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
            "bucket `{bucket}` is in region `{right}` and not in `{region}`: set `/region` to \
             `{right}`"
        ),
        _ => format!(
            "bucket `{bucket}` is not in region `{region}`: set `/region` to the bucket's region"
        ),
    }
}

#[cfg(test)]
mod tests;
