//! The request to stop, which everything hears that waits for S3.

use tokio::sync::watch;

use crate::error::{Error, ErrorKind};

/// Asks for a stop.
#[derive(Clone, Debug)]
pub struct StopSender(watch::Sender<bool>);

/// Tells whether a stop was asked for.
#[derive(Clone, Debug)]
pub struct Stop(watch::Receiver<bool>);

/// Makes the two ends of a request to stop.
pub fn stop() -> (StopSender, Stop) {
    let (sender, receiver) = watch::channel(false);
    (StopSender(sender), Stop(receiver))
}

impl StopSender {
    /// Asks for a stop, once and for all.
    pub fn request(&self) {
        self.0.send_replace(true);
    }
}

impl Stop {
    /// A stop that nobody asks for.
    pub fn never() -> Self {
        stop().1
    }

    /// Waits until a stop is asked for; for ever, where nobody is left to ask.
    pub async fn requested(&self) {
        let mut receiver = self.0.clone();
        if receiver
            .wait_for(|is_requested| *is_requested)
            .await
            .is_err()
        {
            std::future::pending::<()>().await;
        }
    }

    /// Whether a stop was asked for.
    pub fn is_requested(&self) -> bool {
        *self.0.borrow()
    }
}

/// The error of a session that is asked to stop in the middle of a transaction.
pub fn stopped() -> Error {
    Error::new(
        ErrorKind::Unavailable,
        "the process was asked to stop in the middle of a transaction; nothing of it was \
         committed, and the next session will do it again",
    )
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_stop_is_heard_by_all_and_its_absence_is_waited_for() {
        let (sender, stop) = stop();
        let waited = tokio::time::timeout(Duration::from_mins(1), stop.requested()).await;
        assert!(waited.is_err() && !stop.is_requested());
        sender.request();
        for stop in [stop.clone(), stop] {
            stop.requested().await;
            assert!(stop.is_requested());
        }
    }
}
