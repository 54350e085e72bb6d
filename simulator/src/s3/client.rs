//! The client of a request, as far as an operation may have to know of it: whether it is still
//! there.

use tokio::sync::watch;

/// The error's code where a client did not wait for the end, and what was begun was lost by it.
/// MinIO calls it so.
pub(super) const DISCONNECTED: &str = "ClientDisconnected";

/// Holds a client's connection. Dropping it tells its [`Client`] that the connection is gone.
pub(super) struct Connection(watch::Sender<()>);

impl Connection {
    pub(super) fn new() -> Self {
        Self(watch::Sender::new(()))
    }

    /// The client at the other end; `attempt` is the number of its request among those that are the
    /// same.
    pub(super) fn client(&self, attempt: u32) -> Client {
        Client {
            connection: self.0.subscribe(),
            attempt,
        }
    }
}

/// See the module. It goes with the request, as an extension.
#[derive(Clone, Debug)]
pub(super) struct Client {
    connection: watch::Receiver<()>,
    /// The number of its request among those that are the same, 1 for the first.
    pub(super) attempt: u32,
}

impl Client {
    /// Whether its connection is closed.
    pub(super) fn is_gone(&self) -> bool {
        self.connection.has_changed().is_err()
    }
}
