//! What somebody asks of a run while it goes on: which events that makes, or why it makes none.

use std::collections::BTreeSet;

use crate::journal::{AskKind, EventKind, Request, RunPhase, RunState, StepPhase, StepState};
use crate::model::{ApprovedBy, StepId};
use crate::plan::{RecoveryGraph, StepKind};

/// The events that a request makes in this state; else why nothing is done. Pure.
pub(crate) fn settle(
    graph: &RecoveryGraph,
    state: &RunState,
    request: &Request,
) -> Result<Vec<EventKind>, String> {
    match state.phase {
        RunPhase::Running => {}
        RunPhase::Finished(outcome) => {
            return Err(format!("the run has ended: {}", outcome.name()));
        }
        RunPhase::New | RunPhase::Cancelling => return Err("the run is stopping".to_owned()),
    }
    let ask = request.ask();
    match (request.asked.kind, &request.asked.step) {
        (AskKind::Pause, _) => match &state.paused {
            None => Ok(vec![EventKind::RunPaused { ask }]),
            Some(pause) => {
                let since = crate::model::moment(pause.since);
                Err(format!("it is paused already, by {} since {since}", pause.ask.actor.principal))
            }
        },
        (AskKind::Continue, _) if state.paused.is_some() => {
            Ok(vec![EventKind::RunContinued { ask }])
        }
        (AskKind::Continue, _) => Err("it is not paused".to_owned()),
        (kind, None) => Err(format!("which step to {} was not said", kind.name())),
        (kind, Some(id)) => {
            let step = state.steps.get(id).ok_or_else(|| format!("there is no step {id}"))?;
            let step_id = id.clone();
            match kind {
                AskKind::Approve => {
                    may_approve(graph, state, step, request)?;
                    Ok(vec![EventKind::StepApproved { step: step_id, ask }])
                }
                AskKind::Skip => {
                    may_skip(graph, step)?;
                    Ok(vec![EventKind::StepSkipped { step: step_id, ask }])
                }
                _ => retried(graph, state, step, EventKind::StepRetried { step: step_id, ask }),
            }
        }
    }
}

fn may_approve(
    graph: &RecoveryGraph,
    state: &RunState,
    step: &StepState,
    request: &Request,
) -> Result<(), String> {
    let id = &step.seed.id;
    let Some(by) = step.seed.approve else { return Err(format!("{id} needs no approval")) };
    if let Some(approved) = &step.approved {
        return Err(format!("{id} is approved already, by {}", approved.actor.principal));
    }
    if !step.awaits_approval() {
        return Err(match step.phase {
            StepPhase::Pending => {
                format!("{id} does not wait for approval yet: {}", open(graph, state, id))
            }
            phase => format!("{id} waits no more: it is {}", phase.name()),
        });
    }
    let starter = state.info.as_ref().map(|info| info.request.actor.principal.as_str());
    let approver = request.asked.actor.principal.as_str();
    if by == ApprovedBy::Other && starter == Some(approver) {
        return Err(format!(
            "{approver} started the run, and somebody else has to approve {id} \
             (`approve: {{by: other}}` in the plan)"
        ));
    }
    Ok(())
}

/// What a step waits for still.
fn open(graph: &RecoveryGraph, state: &RunState, id: &StepId) -> String {
    let spec = graph.steps.iter().find(|spec| spec.id == *id);
    let ended = |other: &StepId| state.steps.get(other).is_some_and(|step| step.phase.is_ended());
    let waits = spec.into_iter().flat_map(|spec| &spec.after);
    let open: Vec<_> =
        waits.filter(|(other, _)| !ended(other)).map(|(id, _)| id.as_str()).collect();
    match open.as_slice() {
        [] => "it is next".to_owned(),
        [one] => format!("first {one} has to end"),
        [first, more @ ..] => format!("first {first} and {} more have to end", more.len()),
    }
}

fn may_skip(graph: &RecoveryGraph, step: &StepState) -> Result<(), String> {
    let id = &step.seed.id;
    let kind = graph.steps.iter().find(|spec| spec.id == *id).map(|spec| spec.kind);
    if let Some(why) = kind.and_then(never_skipped) {
        return Err(format!("{id} cannot be skipped: {why}"));
    }
    match step.phase {
        StepPhase::Pending | StepPhase::Failed => Ok(()),
        StepPhase::Running if step.waits_for_a_try() => Ok(()),
        StepPhase::Running => Err(format!(
            "{id} is running: wait until it ends or its next try is due, or stop the run"
        )),
        phase => Err(format!("{id} is {} already", phase.name())),
    }
}

/// Why a kind of step is never skipped.
fn never_skipped(kind: StepKind) -> Option<&'static str> {
    match kind {
        StepKind::Fence => Some("it keeps the run away from targets that are not its own"),
        StepKind::Gate => Some("what cannot be verified is blocked, never skipped"),
        StepKind::Decide => Some("nothing goes live without the decision; stop the run instead"),
        StepKind::Switch => Some("after the decision a run only goes forward; see rollback"),
        StepKind::ReadBack => Some("what is live must be known"),
        StepKind::Receipt => Some("a run that nobody can show afterwards did not happen"),
        StepKind::CleanUp => Some("it clears scratch; --keep leaves it"),
        StepKind::Command
        | StepKind::RestoreObjects
        | StepKind::RestoreLedger
        | StepKind::VerifyObjects
        | StepKind::VerifyVersion
        | StepKind::VerifyCatalog
        | StepKind::VerifyLedger
        | StepKind::Rebuild
        | StepKind::Prove
        | StepKind::DropFormer => None,
    }
}

/// Reopens a failed step and what it held back, or hurries one that waits for its next try.
fn retried(
    graph: &RecoveryGraph,
    state: &RunState,
    step: &StepState,
    event: EventKind,
) -> Result<Vec<EventKind>, String> {
    let id = &step.seed.id;
    if step.waits_for_a_try() {
        return Ok(vec![event]);
    }
    match step.phase {
        StepPhase::Failed => {}
        StepPhase::Running => {
            return Err(format!("{id} is running: it can be retried once it failed"));
        }
        StepPhase::Pending => return Err(format!("{id} has not started yet")),
        StepPhase::Blocked => {
            let because = step.because.as_ref().map(|id| format!(": retry {id}"));
            return Err(format!("{id} is blocked{}", because.unwrap_or_default()));
        }
        phase => return Err(format!("{id} is {}", phase.name())),
    }
    let mut events = vec![event];
    for other in below(graph, id) {
        let Some(held) = state.steps.get(other) else { continue };
        match held.phase {
            StepPhase::Blocked => events.push(EventKind::StepReopened { step: other.clone() }),
            StepPhase::Pending if held.awaits.is_some() => {
                events.push(EventKind::StepReopened { step: other.clone() });
            }
            StepPhase::Pending | StepPhase::Skipped => {}
            StepPhase::Running
            | StepPhase::Succeeded
            | StepPhase::Failed
            | StepPhase::Cancelled => {
                return Err(format!(
                    "{other} has gone on without {id}: when this run has ended, start another; \
                     what is proven already is not done again"
                ));
            }
        }
    }
    Ok(events)
}

/// All that comes after a step, however it waits for it, in the order of the graph.
fn below<'a>(graph: &'a RecoveryGraph, id: &StepId) -> Vec<&'a StepId> {
    let mut found: BTreeSet<&StepId> = BTreeSet::new();
    let mut ordered = Vec::new();
    for spec in &graph.steps {
        if spec.after.iter().any(|(other, _)| other == id || found.contains(other)) {
            found.insert(&spec.id);
            ordered.push(&spec.id);
        }
    }
    ordered
}
