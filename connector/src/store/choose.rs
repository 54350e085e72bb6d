//! The choice between the two ways to commit.

use super::{ObjectStore, Way};
use crate::config::CommitMode;
use crate::error::{Context, Result};

/// The way in which a session commits, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Choice {
    /// The way.
    pub way: Way,
    /// The reason, for the log.
    pub reason: &'static str,
    /// Whether the store was asked and needs copies, so that later sessions need not ask.
    pub is_found: bool,
}

/// Chooses how to commit files at `store`. `key` is one under which nothing is, and `was_found`
/// says that an earlier session has found this endpoint to need copies.
///
/// MinIO forgets the parts of an upload whose completion loses its client, so files are copied
/// there. Fails where the store must be asked and does not answer.
pub async fn choose<S: ObjectStore>(
    store: &S,
    mode: CommitMode,
    key: &str,
    was_found: bool,
) -> Result<Choice> {
    let choice = |way, reason| Choice {
        way,
        reason,
        is_found: false,
    };
    Ok(match mode {
        CommitMode::Multipart => choice(Way::Multipart, "`/advanced/commit` says so"),
        CommitMode::Copy => choice(Way::Copy, "`/advanced/commit` says so"),
        CommitMode::Auto if store.location().endpoint.is_none() => {
            choice(Way::Multipart, "AWS carries every completion through")
        }
        CommitMode::Auto if was_found => {
            choice(Way::Copy, "an earlier session found MinIO at this endpoint")
        }
        CommitMode::Auto => {
            let is_minio = store
                .is_minio(key)
                .await
                .context(|| "asking the store which way to commit it needs")?;
            if is_minio {
                Choice {
                    way: Way::Copy,
                    reason: "MinIO answers at this endpoint",
                    is_found: true,
                }
            } else {
                choice(Way::Multipart, "the server is not MinIO")
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::super::fake::{Fake, Operation};
    use super::*;
    use crate::error::Error;

    const KEY: &str = "a/_staged/00000000.check";

    #[tokio::test]
    async fn auto_asks_an_endpoint_once_and_takes_copies_for_minio() {
        let store = Fake::new();
        let asked = choose(&store, CommitMode::Auto, KEY, false).await.unwrap();
        assert_eq!((asked.way, asked.is_found), (Way::Multipart, false));
        store.be_minio();
        let asked = choose(&store, CommitMode::Auto, KEY, false).await.unwrap();
        assert_eq!((asked.way, asked.is_found), (Way::Copy, true));
        let remembered = choose(&store, CommitMode::Auto, KEY, true).await.unwrap();
        assert_eq!((remembered.way, remembered.is_found), (Way::Copy, false));
        assert_eq!(store.operations(), [Operation::Probe; 2]);
    }

    #[tokio::test]
    async fn what_is_configured_and_aws_are_not_asked() {
        let store = Fake::new();
        store.be_minio();
        for (mode, way) in [
            (CommitMode::Multipart, Way::Multipart),
            (CommitMode::Copy, Way::Copy),
        ] {
            assert_eq!(choose(&store, mode, KEY, true).await.unwrap().way, way);
        }
        let mut aws = store.location().clone();
        aws.endpoint = None;
        let choice = choose(&store.at(&aws), CommitMode::Auto, KEY, false).await;
        assert_eq!(choice.unwrap().way, Way::Multipart);
        assert_eq!(store.operations(), []);
    }

    #[tokio::test]
    async fn a_store_that_does_not_say_is_an_error_because_the_wrong_way_loses_files() {
        let store = Fake::new();
        store.fail(Operation::Probe, || Error::internal("no answer"));
        let error = choose(&store, CommitMode::Auto, KEY, false)
            .await
            .unwrap_err();
        assert!(error.to_string().contains("which way to commit"), "{error}");
    }
}
