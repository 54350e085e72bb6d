//! Replays recorded sessions: sends what the runtime said then to a connector of now, and compares
//! what that answers.
//!
//! A replay is no repetition to the letter. The place of the files and the credentials are this
//! run's ([`Options`]). The state that a connector is handed is rebuilt from what this run's
//! connectors returned (`states`). And what must differ from run to run is told by [`Rules`], which
//! are data, and matched one to one (`names`): where a token stood that the recording knows, the
//! token must stand that took its place. Whatever else differs is a [`Difference`].

mod difference;
mod error;
mod names;
mod options;
mod play;
mod process;
mod requests;
mod rules;
mod states;
mod translate;

pub use difference::Difference;
pub use error::{Error, Result};
pub use options::Options;
pub use play::{Outcome, replay};
pub use rules::{Kind, Rule, Rules};
