//! What can go wrong between the runtime and a connector, told for the person who runs the
//! simulator.

use std::time::Duration;

use super::step::Step;

/// The runtime's result.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong between the runtime and a connector.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The connector's program did not start.
    #[error(
        "cannot start the connector `{command}`: {source}; name the right program with --connector"
    )]
    Spawn {
        /// The command as it was tried.
        command: String,
        /// Why it did not start.
        source: std::io::Error,
    },
    /// The connector ended where the protocol goes on, or with a status other than 0.
    #[error("the connector failed while the runtime waited for {awaited} ({status}): {message}")]
    Failed {
        /// What the runtime waited for.
        awaited: &'static str,
        /// The exit status in words.
        status: String,
        /// The message of the connector's last log: what Flow shows its user.
        message: String,
    },
    /// The connector sent what the protocol does not allow there.
    #[error("the connector broke the protocol: {0}")]
    Violation(String),
    /// A message could not be written or read.
    #[error("a message between runtime and connector: {0}")]
    Codec(#[from] materialize_s3_parquet::error::Error),
    /// The connector did not answer within the runtime's patience.
    #[error("the connector did not send {awaited} within {} s; its last log was: {message}", patience.as_secs())]
    Silent {
        /// What the runtime waited for.
        awaited: &'static str,
        /// How long it waited.
        patience: Duration,
        /// The message of the connector's last log.
        message: String,
    },
    /// An observer had the connector killed.
    #[error("the connector was killed at {0:?}, as the observer asked")]
    Killed(Step),
    /// An observer had the runtime turn away from the connector.
    #[error("the runtime turned away from the connector at {0:?}, as the observer asked")]
    Left(Step),
    /// Waiting for the connector's process failed.
    #[error("waiting for the connector's process: {0}")]
    Wait(std::io::Error),
}

impl Error {
    /// A violation of the protocol in words.
    pub(crate) fn violation(what: impl Into<String>) -> Self {
        Self::Violation(what.into())
    }
}
