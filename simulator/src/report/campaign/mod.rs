//! A torture, told: what [`super::Document`] is for a run, for one plan or for many.

mod document;
mod make;
#[cfg(test)]
mod tests;
mod timeline;

pub use document::{
    CAMPAIGN_VERSION, Campaign, FaultCount, IncidentCount, Numbers, Promises, Run, Story, Totals,
};
pub use make::{Chronicle, Title};
