//! Crashes × S3 faults × shards, from seeds: nothing may be lost, doubled or overwritten, and no
//! task may be stuck.
//!
//! Downwards: a campaign plays many plans and shrinks those that fail; [`generate`] makes a
//! [`Plan`] of a seed; [`play`] plays one with the real connector and the S3 server in this
//! process; [`check`] judges what came of it. The plan decides, the run only executes.
//!
//! The same plan gives the same events, the same files and the same verdict, whatever the machine
//! is doing. A connector that is killed while it works has done more or less of that work by then;
//! what must be true afterwards does not depend on it. Where a loader, a rule or the server takes
//! what was not done in time, events and files do: [`Plan::leaves_to_chance`]. The verdict never
//! does.
//!
//! A row may be missing only where the cause was recorded, by whoever took it: never because it is
//! old or not there.

mod bystanders;
mod campaign;
mod causes;
pub mod check;
mod commit;
mod documents;
mod files;
mod generate;
mod group;
mod late;
mod leave;
mod leftovers;
mod names;
mod plan;
mod play;
mod report;
mod script;
mod servers;
mod session;
mod shrink;
mod spec;
mod staged;
mod story;
mod task;
mod world;

pub use campaign::{Error, Failed, Options, Outcome, campaign};
pub use generate::generate;
pub use plan::{
    At, Binding, Change, Codec, Commit, End, Incident, Plan, Server, Session, Transaction, What,
};
pub use play::{play, play_with};
pub use report::{Report, Tally};
pub use story::{Happening, Place, Story, Told};
