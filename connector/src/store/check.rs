//! The check before a task runs: does this bucket take uploads under this prefix?

use super::{ObjectStore, PendingUpload};
use crate::error::Result;

/// Creates a multipart upload of `key` and aborts it: all that the task will need, and nothing that anybody can see. The error
/// says what is wrong: no such bucket, which action is denied, which region is right.
pub async fn check<S: ObjectStore>(store: &S, key: &str) -> Result<()> {
    let upload_id = store.create_upload(key).await?;
    store
        .abort(&PendingUpload {
            key: key.to_owned(),
            upload_id,
        })
        .await
}

#[cfg(test)]
mod tests {
    use super::super::fake::{Fake, Operation};
    use super::*;
    use crate::error::{Error, ErrorKind};

    #[tokio::test]
    async fn the_check_leaves_nothing_behind() {
        let store = Fake::new();
        check(&store, "orders/check.parquet").await.unwrap();
        assert_eq!(store.operations(), [Operation::Create, Operation::Abort]);
        assert_eq!(store.pending(), Vec::<String>::new());
        assert_eq!(store.keys(), Vec::<String>::new());
    }

    #[tokio::test]
    async fn what_is_denied_is_told_whether_at_the_beginning_or_at_the_abort() {
        for operation in [Operation::Create, Operation::Abort] {
            let store = Fake::new();
            store.fail(operation, || Error::new(ErrorKind::Auth, "denied"));
            assert_eq!(
                check(&store, "orders/check.parquet")
                    .await
                    .unwrap_err()
                    .kind(),
                ErrorKind::Auth
            );
        }
    }
}
