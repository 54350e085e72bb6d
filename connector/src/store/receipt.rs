//! Receipts: small objects that name the files that were visible when an Acknowledge ended.
//!
//! A runtime may forget that files were acknowledged, and a loader may take them as soon as they
//! are visible. The receipt tells then that nothing is missing.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tokio::sync::OnceCell;
use tracing::{info, warn};

use super::{ContentType, ObjectStore};
use crate::checkpoint::{Location, StagedFile};
use crate::error::{ErrorKind, Result};

/// The content of a receipt.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Receipt {
    /// The tokens of the files.
    tokens: BTreeSet<String>,
}

type Tokens = Arc<OnceCell<BTreeSet<String>>>;

/// The receipts of one Acknowledge: each is read at most once.
#[derive(Clone, Debug, Default)]
pub(super) struct Receipts {
    read: Arc<Mutex<HashMap<(Location, String), Tokens>>>,
}

impl Receipts {
    /// Whether a receipt at `store` says that the file was visible once. Fails where the store is
    /// in trouble: a receipt that it may have is not one that says no.
    pub(super) async fn names<S: ObjectStore>(&self, store: &S, file: &StagedFile) -> Result<bool> {
        match &file.receipt {
            Some(key) => Ok(self.tokens(store, key).await?.contains(&file.token)),
            None => Ok(false),
        }
    }

    async fn tokens<S: ObjectStore>(&self, store: &S, key: &str) -> Result<BTreeSet<String>> {
        let cell = {
            let mut read = self.read.lock();
            let id = (store.location().clone(), key.to_owned());
            Arc::clone(read.entry(id).or_default())
        };
        cell.get_or_try_init(|| read(store, key)).await.cloned()
    }

    /// Writes the receipts that `visible` files name, one for each place. With `adds`, files that
    /// receipts name already stay in them.
    pub(super) async fn write<S: ObjectStore>(&self, visible: &[(S, &StagedFile)], adds: bool) {
        let mut receipts: BTreeMap<&str, Vec<(&S, Receipt)>> = BTreeMap::new();
        for (store, file) in visible {
            let Some(key) = file.receipt.as_deref() else {
                continue;
            };
            let places = receipts.entry(key).or_default();
            let same = |(other, _): &(&S, Receipt)| other.location() == store.location();
            let index = places.iter().position(same).unwrap_or_else(|| {
                places.push((store, Receipt::default()));
                places.len() - 1
            });
            places[index].1.tokens.insert(file.token.clone());
        }
        for (key, places) in receipts {
            for (store, mut receipt) in places {
                if adds {
                    match self.tokens(store, key).await {
                        Ok(tokens) => receipt.tokens.extend(tokens),
                        Err(error) => {
                            warn!(key, %error, "a receipt cannot be read, so nothing is added to it");
                            continue;
                        }
                    }
                }
                write(store, key, &receipt).await;
            }
        }
    }
}

async fn read<S: ObjectStore>(store: &S, key: &str) -> Result<BTreeSet<String>> {
    let bytes = match store.get(key).await {
        Ok(bytes) => bytes.unwrap_or_default(),
        Err(error) if error.kind() == ErrorKind::Unavailable => return Err(error),
        Err(error) => {
            info!(key, %error, "a receipt cannot be read, so it proves nothing");
            Bytes::new()
        }
    };
    if bytes.is_empty() {
        return Ok(BTreeSet::new());
    }
    let receipt: Receipt = serde_json::from_slice(&bytes).unwrap_or_else(|error| {
        warn!(key, %error, "this is not a receipt, so it proves nothing");
        Receipt::default()
    });
    Ok(receipt.tokens)
}

async fn write<S: ObjectStore>(store: &S, key: &str, receipt: &Receipt) {
    let body = serde_json::to_vec(receipt).expect("a set of texts is JSON");
    let body = Bytes::from(body).into();
    if let Err(error) = store.put(key, body, ContentType::Json).await {
        warn!(
            key,
            %error,
            "the receipt for files that are visible could not be written: if this session ends before \
             its state is durable and a loader takes them, the next one cannot tell that they were \
             delivered"
        );
    }
}
