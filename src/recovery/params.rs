//! Reading what a step needs to know.

use serde::de::DeserializeOwned;

use crate::engine::StepContext;
use crate::model::{Code, DecideOutput, Failure};
use crate::plan::{DecideParams, StepSpec};
use crate::projection::Change;

/// Reads the typed parameters of a step.
pub(crate) fn params<T: DeserializeOwned>(spec: &StepSpec) -> Result<T, Failure> {
    T::deserialize(&spec.params).map_err(|error| {
        Failure::permanent(Code::Internal, format!("failed to read the parameters of {}", spec.id))
            .because(&error)
            .hint("the run was compiled by another version of coppice; start it anew")
    })
}

/// The decided set, out of what the deciding step gave.
pub(crate) fn decided(params: &DecideParams, cx: &StepContext) -> Result<Vec<Change>, Failure> {
    let decision = cx.inputs.values().find_map(|output| output.read::<DecideOutput>().ok());
    let decision = decision.ok_or_else(|| {
        Failure::permanent(Code::Internal, format!("{} was given no decision", cx.unit.step))
    })?;
    let change = |change: crate::model::DecidedChange| {
        let candidate = params.jobs.iter().find(|candidate| candidate.job == change.job)?;
        Some(Change {
            job: change.job,
            sink: candidate.sink.clone(),
            from: change.from,
            to: change.to,
        })
    };
    Ok(decision.set.into_iter().filter_map(change).collect())
}
