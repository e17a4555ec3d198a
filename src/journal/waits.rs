//! What a run waits for, since when, and what would unblock it: folded from its state.

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::{RunPhase, RunState, ShardPhase, StepState};
use crate::model::{ApprovedBy, StepId};

/// Something that a run waits for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Wait {
    /// `pause`, `approval` or `retry`.
    #[serde(rename = "for")]
    pub(crate) kind: &'static str,
    /// The step; null: the run.
    pub(crate) step: Option<StepId>,
    /// In words.
    pub(crate) what: String,
    /// Since when.
    pub(crate) since: DateTime<Utc>,
    /// When it ends by itself.
    pub(crate) until: Option<DateTime<Utc>>,
    /// The command that ends it.
    pub(crate) unblock: String,
}

/// All that a run waits for, what holds up most first.
pub(crate) fn waits(state: &RunState) -> Vec<Wait> {
    if matches!(state.phase, RunPhase::New | RunPhase::Finished(_)) {
        return Vec::new();
    }
    let mut all: Vec<Wait> = pause(state).into_iter().collect();
    all.extend(state.in_order().filter_map(|step| approval(state, step)));
    all.extend(state.in_order().filter_map(|step| next_try(state, step)));
    all
}

fn pause(state: &RunState) -> Option<Wait> {
    let pause = state.paused.as_ref()?;
    Some(Wait {
        kind: "pause",
        step: None,
        what: format!("paused by {}: {}", pause.ask.actor.principal, pause.ask.reason),
        since: pause.since,
        until: None,
        unblock: format!("coppice continue {} --reason TEXT", state.run),
    })
}

fn approval(state: &RunState, step: &StepState) -> Option<Wait> {
    let since = step.awaits.filter(|_| step.awaits_approval())?;
    let starter = state.info.as_ref().map(|info| info.request.actor.principal.as_str());
    let whose = match (step.seed.approve, starter) {
        (Some(ApprovedBy::Other), Some(starter)) => format!(" by another than {starter}"),
        _ => String::new(),
    };
    let id = &step.seed.id;
    Some(Wait {
        kind: "approval",
        step: Some(id.clone()),
        what: format!("{id} waits for approval{whose}"),
        since,
        until: None,
        unblock: format!("coppice approve {} {id} --reason TEXT", state.run),
    })
}

/// Only where nothing of the step goes on.
fn next_try(state: &RunState, step: &StepState) -> Option<Wait> {
    if !step.waits_for_a_try() {
        return None;
    }
    let waiting = step.shards.iter().filter_map(|shard| match shard.phase {
        ShardPhase::Waiting { since, until } => Some((until, since)),
        _ => None,
    });
    let (until, since) = waiting.min()?;
    let id = &step.seed.id;
    let tries = step.attempts();
    Some(Wait {
        kind: "retry",
        step: Some(id.clone()),
        what: format!("{id} waits for its next try, after {tries}"),
        since,
        until: Some(until),
        unblock: format!("coppice retry {} {id} --reason TEXT", state.run),
    })
}
