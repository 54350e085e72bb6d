//! JSON Schema, as Flow uses it: read once ([`Schema`]), inferred to what is known of each location
//! ([`Shape`]), turned into a collection's projections ([`project`]), and evaluated against
//! documents ([`Schema::evaluate`]).
//!
//! Inference is an upper bound: a document the schema allows never contradicts it. What cannot be
//! known is "anything".

mod evaluate;
mod exact;
mod infer;
mod keywords;
mod locate;
mod parse;
pub mod pointer;
mod project;
mod reduce;
mod shape;
mod types;

pub use evaluate::{Evaluation, Violation};
pub use locate::{Exists, Location};
pub use parse::{Schema, SchemaError};
pub use project::{ExplicitProjection, inference, project};
pub use reduce::{Reduce, Strategy};
pub use shape::{
    ArrayShape, NumericShape, ObjectShape, Pattern, Property, Reduction, Shape, StringShape,
};
pub use types::Types;
