//! Plays the Flow runtime for a materialization connector: processes, sessions, transactions, the
//! recovery log.
//!
//! Downwards: [`Task`] plays whole sessions on a [`RecoveryLog`]; [`Session`] knows what may be
//! said when; [`Connector`] is one process, its pipes, logs and end. An [`Observer`] hears of every
//! [`Step`] and may have the connector killed there.

mod audience;
mod connector;
mod error;
mod feed;
mod launch;
mod link;
mod log;
mod member;
mod range;
mod recovery;
mod row;
mod session;
mod standard;
mod step;
mod task;
#[cfg(test)]
mod tests;
mod unary;

pub use audience::{Audience, Seat};
pub use connector::{Connector, Signal};
pub use error::{Error, Result};
pub use feed::Feed;
pub use launch::{Exit, Launch, LocalCommand, Process, SEED_VARIABLE, incarnation_seed};
pub use link::Link;
pub use log::{Level, Log};
pub use range::{KeyRange, key_hash};
pub use recovery::{RecoveryLog, merge, patches_json};
pub use row::{Row, Runtime, Transaction, Tuples};
pub use session::Session;
pub use standard::Reducer;
pub use step::{Observer, Step, Verdict};
pub use task::{Shard, Task};
pub use unary::Incarnations;
