//! The places at which a staged file is asked for: the current endpoint first, then the place where
//! the file was staged.

use std::collections::HashMap;

use super::ObjectStore;
use crate::checkpoint::Location;
use crate::error::{Error, ErrorKind};

/// The failures of a place in a row, none of them an answer, after which it is not tried again.
const MOST_SILENCES: usize = 16;

/// The stores of all places, so that their connections are shared, and how they have fared.
#[derive(Debug)]
pub(super) struct Places<S> {
    current: S,
    others: Vec<S>,
    health: HashMap<Location, Health>,
}

#[derive(Debug, Default)]
struct Health {
    silences: usize,
    /// The failure for which no further file is asked for there.
    failure: Option<(ErrorKind, String)>,
}

impl<S: ObjectStore> Places<S> {
    pub(super) fn new(current: &S) -> Self {
        Self {
            current: current.clone(),
            others: Vec::new(),
            health: HashMap::new(),
        }
    }

    /// The place that the configuration names.
    pub(super) fn current(&self) -> &Location {
        self.current.location()
    }

    /// The stores at which to ask for a file: the current endpoint with the bucket of old, which is
    /// the right one after the server got another name; then the place where it was staged.
    pub(super) fn of(&mut self, staged: &Location) -> Vec<S> {
        let renamed = Location {
            bucket: staged.bucket.clone(),
            ..self.current.location().clone()
        };
        let mut stores = vec![self.store(&renamed)];
        if renamed != *staged {
            stores.push(self.store(staged));
        }
        stores
    }

    fn store(&mut self, location: &Location) -> S {
        if self.current.location() == location {
            return self.current.clone();
        }
        if let Some(store) = self
            .others
            .iter()
            .find(|store| store.location() == location)
        {
            return store.clone();
        }
        let store = self.current.at(location);
        self.others.push(store.clone());
        store
    }

    /// The failure of a place at which nothing more is asked for.
    pub(super) fn failure(&self, location: &Location) -> Option<Error> {
        let (kind, message) = self.health.get(location)?.failure.as_ref()?;
        Some(Error::new(*kind, message.clone()))
    }

    /// Notes that a place has given an answer.
    pub(super) fn answered(&mut self, location: &Location) {
        self.health.entry(location.clone()).or_default().silences = 0;
    }

    /// Notes a failure. A place of old that refuses the credentials of today does so for every
    /// file; any other place is given up once it has been silent many times in a row.
    pub(super) fn failed(&mut self, location: &Location, error: &Error) {
        let is_old = self.current.location() != location;
        let health = self.health.entry(location.clone()).or_default();
        let refuses = match error.kind() {
            ErrorKind::Unavailable => {
                health.silences += 1;
                is_old || health.silences >= MOST_SILENCES
            }
            ErrorKind::Auth | ErrorKind::Config => is_old,
            _ => false,
        };
        if refuses {
            health
                .failure
                .get_or_insert_with(|| (error.kind(), error.to_string()));
        }
    }
}
