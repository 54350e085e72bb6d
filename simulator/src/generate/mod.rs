//! Documents made from a seed: as varied as the real ones, and the same on every machine.

mod noise;
mod text;
mod wikipedia;

pub use noise::noise;
pub use wikipedia::{Wikipedia, wikipedia};
