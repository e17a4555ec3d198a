//! What can be shown afterwards? The receipt, folded over the events of a run.

mod fold;
mod objectives;
mod projections;
#[cfg(test)]
pub(crate) mod samples;
mod statement;
#[cfg(test)]
mod tests;

pub(crate) use fold::fold;
pub(crate) use statement::{
    Accepted, Drill, GateLine, Intervention, Moved, Objectives, Predicate, ProjectionLine,
    ProjectionOutcome, Receipt, StepFailure, StepLine, Subject,
};

/// The JSON Schema (2020-12) of receipts.
pub(crate) fn schema() -> serde_json::Value {
    schemars::schema_for!(Receipt).to_value()
}
