//! What an S3 server says when it refuses a request, in one line.

use std::error::Error;

use aws_sdk_s3::error::ProvideErrorMetadata;

/// The server's code and message; where there is none, because no answer came, every cause in turn.
pub(crate) fn explain<E: ProvideErrorMetadata + Error>(error: &E) -> String {
    match (error.code(), error.message()) {
        (Some(code), Some(message)) => format!("{code}: {message}"),
        (Some(code), None) => code.to_owned(),
        (None, _) => causes(error),
    }
}

/// The error and every cause beneath it.
pub(crate) fn causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
