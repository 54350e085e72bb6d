//! Documents made from a seed: as varied as the real ones, and the same on every machine.

mod text;
mod wikipedia;

pub use wikipedia::{Wikipedia, wikipedia};
