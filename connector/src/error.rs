//! One error for the whole connector: its kind says what the user must do, its message is the whole
//! story.
//!
//! Flow shows the user the message of the last log line before the connector ends, and nothing
//! else. So an error's `Display` holds everything: what was being done, what was wrong, what can be
//! done about it, and the causes beneath. It never holds secrets, and of documents at most a key.

use std::error::Error as StdError;
use std::fmt;

/// What the user must do about an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// Fix the configuration of the endpoint or of a binding.
    Config,
    /// Fix the credentials, or what they are allowed to do.
    Auth,
    /// Try again later; nothing is wrong with the task itself.
    Unavailable,
    /// Fix this document or field, or allow it in the configuration.
    Data,
    /// The runtime sent what the protocol does not allow here.
    Protocol,
    /// A bug in the connector: report it.
    Internal,
}

impl ErrorKind {
    /// The kind's name in logs.
    pub fn as_str(self) -> &'static str {
        match self {
            ErrorKind::Config => "config",
            ErrorKind::Auth => "auth",
            ErrorKind::Unavailable => "unavailable",
            ErrorKind::Data => "data",
            ErrorKind::Protocol => "protocol",
            ErrorKind::Internal => "internal",
        }
    }
}

/// The connector's result.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong, where, and what the user can do about it.
#[derive(Debug)]
pub struct Error {
    kind: ErrorKind,
    message: String,
    source: Option<Box<dyn StdError + Send + Sync>>,
    is_silence: bool,
}

impl Error {
    /// An error of `kind` with a message that names what was wrong and what to do.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            source: None,
            is_silence: false,
        }
    }

    /// An error of [`ErrorKind::Config`].
    pub fn config(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Config, message)
    }

    /// An error of [`ErrorKind::Data`].
    pub fn data(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Data, message)
    }

    /// An error of [`ErrorKind::Protocol`].
    pub fn protocol(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Protocol, message)
    }

    /// An error of [`ErrorKind::Internal`].
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Internal, message)
    }

    /// The same error with its cause beneath.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// The same error, told as part of what was being done: `context: message`.
    #[must_use]
    pub fn context(mut self, context: impl fmt::Display) -> Self {
        self.message = format!("{context}: {}", self.message);
        self
    }

    /// The same error, of somebody who has given no answer at all.
    #[must_use]
    pub fn silent(mut self) -> Self {
        self.is_silence = true;
        self
    }

    /// Whether there was no answer at all, which says nothing about what would have been answered.
    pub fn is_silence(&self) -> bool {
        self.is_silence
    }

    /// What the user must do about it.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)?;
        let mut cause = self.source.as_deref().map(|source| source as &dyn StdError);
        while let Some(error) = cause {
            write!(formatter, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_deref().map(|source| source as &dyn StdError)
    }
}

/// Tells an error as part of what was being done.
pub trait Context<T> {
    /// Puts `context` before the error's message; called only where there is an error.
    fn context<C: fmt::Display>(self, context: impl FnOnce() -> C) -> Result<T>;
}

impl<T> Context<T> for Result<T> {
    fn context<C: fmt::Display>(self, context: impl FnOnce() -> C) -> Result<T> {
        self.map_err(|error| error.context(context()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn display_tells_context_message_and_causes_in_one_line() {
        let cause = std::io::Error::other("connection refused");
        let error = Error::new(ErrorKind::Unavailable, "the endpoint cannot be reached")
            .with_source(cause)
            .context("checking bucket `b`");
        assert_eq!(
            error.to_string(),
            "checking bucket `b`: the endpoint cannot be reached: connection refused"
        );
        assert_eq!(error.kind(), ErrorKind::Unavailable);
    }
}
