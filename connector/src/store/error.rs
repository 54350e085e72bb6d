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
mod tests {
    use super::*;

    fn aws() -> Location {
        Location {
            bucket: "lake".into(),
            region: "us-east-1".into(),
            endpoint: None,
            path_style: false,
        }
    }

    fn minio() -> Location {
        Location {
            endpoint: Some("https://minio.example:9000".into()),
            path_style: true,
            ..aws()
        }
    }

    fn answer(status: u16, code: &str) -> Failure {
        let code = (!code.is_empty()).then(|| code.to_owned());
        Failure {
            status: Some(status),
            code,
            message: Some("as S3 said".into()),
            ..Failure::default()
        }
    }

    #[test]
    fn every_answer_has_the_kind_and_the_advice_that_help() {
        let cases = [
            (404, "NoSuchBucket", ErrorKind::Config, "`/bucket`"),
            (400, "InvalidBucketName", ErrorKind::Config, "`/bucket`"),
            (403, "AccessDenied", ErrorKind::Auth, "`s3:PutObject`"),
            (403, "", ErrorKind::Auth, "`s3:PutObject`"),
            (
                403,
                "InvalidAccessKeyId",
                ErrorKind::Auth,
                "`/awsAccessKeyId`",
            ),
            (
                403,
                "SignatureDoesNotMatch",
                ErrorKind::Auth,
                "`/awsSecretAccessKey`",
            ),
            (400, "ExpiredToken", ErrorKind::Auth, "temporary"),
            (400, "InvalidToken", ErrorKind::Auth, "temporary"),
            (403, "RequestTimeTooSkewed", ErrorKind::Config, "clock"),
            (301, "PermanentRedirect", ErrorKind::Config, "`/region`"),
            (301, "", ErrorKind::Config, "`/region`"),
            (
                400,
                "IllegalLocationConstraintException",
                ErrorKind::Config,
                "`/region`",
            ),
            (
                400,
                "AuthorizationHeaderMalformed",
                ErrorKind::Auth,
                "`/awsAccessKeyId`",
            ),
            (404, "NoSuchUpload", ErrorKind::Unavailable, "removed"),
            (400, "InvalidPart", ErrorKind::Internal, "report"),
            (
                501,
                "NotImplemented",
                ErrorKind::Config,
                "`/advanced/checksums`",
            ),
            (503, "SlowDown", ErrorKind::Unavailable, "later"),
            (200, "InternalError", ErrorKind::Unavailable, "later"),
            (500, "", ErrorKind::Unavailable, "later"),
            (507, "XMinioStorageFull", ErrorKind::Unavailable, "later"),
            (429, "", ErrorKind::Unavailable, "later"),
            (400, "InvalidArgument", ErrorKind::Config, "says why"),
        ];
        for (status, code, kind, advice) in cases {
            let error = explain(
                Operation::UploadPart,
                &aws(),
                "orders/1.parquet",
                &answer(status, code),
            );
            let text = error.to_string();
            assert_eq!(error.kind(), kind, "{text}");
            for part in [
                advice,
                "uploading a part",
                "orders/1.parquet",
                "lake",
                &status.to_string(),
                code,
                "as S3 said",
            ] {
                assert!(text.contains(part), "{part} in {text}");
            }
        }
    }

    #[test]
    fn access_denied_names_the_action() {
        let cases = [
            (Operation::CreateUpload, "s3:PutObject"),
            (Operation::CompleteUpload, "s3:PutObject"),
            (Operation::AbortUpload, "s3:AbortMultipartUpload"),
            (Operation::HeadObject, "s3:GetObject"),
            (Operation::ListUploads, "s3:ListBucketMultipartUploads"),
        ];
        for (operation, action) in cases {
            let text =
                explain(operation, &aws(), "orders/", &answer(403, "AccessDenied")).to_string();
            assert!(text.contains(action), "{text}");
        }
    }

    #[test]
    fn the_right_region_is_named_where_s3_names_it() {
        let failure = Failure {
            region: Some("eu-west-1".into()),
            ..answer(400, "AuthorizationHeaderMalformed")
        };
        let error = explain(Operation::CreateUpload, &aws(), "orders/", &failure);
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(
            error.to_string().contains("set `/region` to `eu-west-1`"),
            "{error}"
        );
    }

    #[test]
    fn broken_transport_names_the_endpoint_and_its_property() {
        let cases = [
            (Transport::Name, ErrorKind::Config),
            (Transport::Refused, ErrorKind::Unavailable),
            (Transport::Tls, ErrorKind::Config),
            (Transport::Timeout, ErrorKind::Unavailable),
            (Transport::Broken, ErrorKind::Unavailable),
            (Transport::Garbled, ErrorKind::Unavailable),
            (Transport::Unbuildable, ErrorKind::Config),
        ];
        for (transport, kind) in cases {
            let failure = Failure {
                transport: Some(transport),
                message: Some("the cause".into()),
                ..Failure::default()
            };
            let error = explain(Operation::CreateUpload, &minio(), "orders/", &failure);
            assert_eq!(error.kind(), kind, "{error}");
            let text = error.to_string();
            assert!(
                text.contains("https://minio.example:9000") && text.contains("the cause"),
                "{text}"
            );
        }
        let failure = Failure {
            transport: Some(Transport::Name),
            ..Failure::default()
        };
        let hosted = Location {
            path_style: false,
            ..minio()
        };
        assert!(
            explain(Operation::CreateUpload, &hosted, "", &failure)
                .to_string()
                .contains("`/advanced/pathStyle`")
        );
        assert!(
            explain(Operation::CreateUpload, &aws(), "", &failure)
                .to_string()
                .contains("`/region`")
        );
    }

    #[test]
    fn what_the_causes_tell_of_the_transport() {
        let cases = [
            (
                "client error (Connect): dns error: failed to lookup address information: Name or service not known",
                Transport::Name,
            ),
            (
                "client error (Connect): tcp connect error: Connection refused (os error 111)",
                Transport::Refused,
            ),
            (
                "client error (Connect): invalid peer certificate: UnknownIssuer",
                Transport::Tls,
            ),
            (
                "client error (Connect): received corrupt message of type InvalidContentType",
                Transport::Tls,
            ),
            (
                "client error (SendRequest): connection reset by peer",
                Transport::Broken,
            ),
        ];
        for (causes, transport) in cases {
            assert_eq!(Transport::from_causes(causes), transport, "{causes}");
        }
    }

    #[test]
    fn what_stands_between_two_texts() {
        assert_eq!(
            between(
                "<Error><Region>eu-west-1</Region></Error>",
                "<Region>",
                "</Region>"
            )
            .as_deref(),
            Some("eu-west-1")
        );
        assert_eq!(
            between(
                "the region is wrong; expecting 'eu-west-1'",
                "expecting '",
                "'"
            )
            .as_deref(),
            Some("eu-west-1")
        );
        assert_eq!(between("nothing", "<Region>", "</Region>"), None);
    }
}
