//! Why the program ends with a status other than 0.

use std::process::ExitCode;

use flow_sim::run;
use flow_sim::status::Status;

/// Why the program ends with a status other than 0.
pub(super) struct Failure {
    pub(super) message: String,
    pub(super) status: Status,
}

impl Failure {
    /// What came of it is not as it must be.
    pub(super) fn failed(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            status: Status::Failed,
        }
    }

    /// A mistake of the simulator's own, told on standard error already.
    pub(super) fn panicked() -> Self {
        Self::failed("this is a bug of the simulator's; please report it with the lines above")
    }

    /// What was asked for makes no sense.
    pub(super) fn usage(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            status: Status::Usage,
        }
    }

    /// What came of it could not be written to `place`.
    pub(super) fn not_written(place: impl std::fmt::Display, error: &std::io::Error) -> Self {
        Self {
            message: format!("{place} could not be written: {error}"),
            status: Status::NotWritten,
        }
    }
}

/// The exit code of a status.
pub(super) fn exit_code(status: Status) -> ExitCode {
    ExitCode::from(status.code())
}

impl From<run::Error> for Failure {
    fn from(error: run::Error) -> Self {
        Self {
            message: error.to_string(),
            status: error.status(),
        }
    }
}

impl From<flow_sim::bench::Error> for Failure {
    fn from(error: flow_sim::bench::Error) -> Self {
        Self::failed(error.to_string())
    }
}

impl From<flow_sim::s3::ServerError> for Failure {
    fn from(error: flow_sim::s3::ServerError) -> Self {
        Self::failed(error.to_string())
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::failed(error.to_string())
    }
}
