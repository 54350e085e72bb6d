//! Why the program ends with a status other than 0.

use flow_sim::run;

/// Why the program ends with a status other than 0: 1 for what came of it, 2 for what was asked for.
pub(super) struct Failure {
    pub(super) message: String,
    pub(super) exit_code: u8,
}

impl Failure {
    /// A mistake of the simulator's own, told on standard error already.
    pub(super) fn panicked() -> Self {
        Self {
            message: "this is a bug of the simulator's; please report it with the lines above"
                .to_owned(),
            exit_code: 1,
        }
    }

    /// What was asked for makes no sense.
    pub(super) fn usage(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            exit_code: 2,
        }
    }
}

impl From<run::Error> for Failure {
    fn from(error: run::Error) -> Self {
        Self {
            message: error.to_string(),
            exit_code: error.exit_code(),
        }
    }
}

impl From<flow_sim::bench::Error> for Failure {
    fn from(error: flow_sim::bench::Error) -> Self {
        Self {
            message: error.to_string(),
            exit_code: 1,
        }
    }
}

impl From<flow_sim::s3::ServerError> for Failure {
    fn from(error: flow_sim::s3::ServerError) -> Self {
        Self {
            message: error.to_string(),
            exit_code: 1,
        }
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self {
            message: error.to_string(),
            exit_code: 1,
        }
    }
}
