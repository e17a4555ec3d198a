//! What of a halted run is done again: the cutover from the decision on, and what follows it. The
//! decision itself stands; what was blocked before it stays so.

use std::collections::BTreeSet;

use crate::journal::{RunState, StepPhase};
use crate::model::{Code, Failure, StepId};
use crate::plan::{RecoveryGraph, StepKind};

/// The steps to be done again, in the order of the graph.
pub(crate) fn steps(graph: &RecoveryGraph, state: &RunState) -> Result<Vec<StepId>, Failure> {
    let (mut decided, mut again) = (BTreeSet::new(), BTreeSet::new());
    let mut ordered = Vec::new();
    for spec in &graph.steps {
        let after = |set: &BTreeSet<&StepId>| spec.after.iter().any(|(id, _)| set.contains(id));
        let phase = state.steps.get(&spec.id).map(|step| step.phase);
        let (below, follows) = (after(&decided), after(&again));
        if below || spec.kind == StepKind::Decide {
            decided.insert(&spec.id);
        }
        let failed = below && phase != Some(StepPhase::Succeeded);
        if !(follows || failed) {
            continue;
        }
        if spec.kind == StepKind::CleanUp && phase != Some(StepPhase::Pending) {
            let message = format!("run {} halted, and its scratch was cleared", state.run);
            return Err(Failure::permanent(Code::Usage, message).hint("rehearse anew"));
        }
        again.insert(&spec.id);
        ordered.push(spec.id.clone());
    }
    Ok(ordered)
}
