use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use crate::journal::{RunPhase, RunState, ShardPhase, StepPhase, StepState};
use crate::model::StepId;
use crate::plan::{Limits, Pool, RecoveryGraph, StepSpec, When};

/// Small decisions at once.
const CONTROL: u32 = 16;

/// What can happen next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Decision {
    /// A step will not start.
    Block {
        /// The step.
        step: StepId,
        /// What did not succeed.
        because: StepId,
    },
    /// A step's conditions hold, but nobody approved it yet.
    Await {
        /// The step.
        step: StepId,
    },
    /// A step's conditions hold.
    Start {
        /// The step.
        step: StepId,
    },
    /// A shard has a permit.
    StartShard {
        /// The step.
        step: StepId,
        /// The shard.
        shard: u32,
    },
    /// All shards of a step are done.
    Join {
        /// The step.
        step: StepId,
    },
    /// A shard failed for good and no other goes on.
    Fail {
        /// The step.
        step: StepId,
    },
    /// Every step ended.
    Finish,
}

/// Says all that can happen next. Pure: the same state gives the same decisions.
pub(crate) fn decide(graph: &RecoveryGraph, state: &RunState, now: DateTime<Utc>) -> Vec<Decision> {
    let runs = state.phase == RunPhase::Running;
    let starts = runs && state.paused.is_none();
    if runs && state.steps.values().all(|step| step.phase.is_ended()) {
        return vec![Decision::Finish];
    }
    let mut permits = Permits::of(graph, state);
    let mut decisions = Vec::new();
    for (spec, step) in in_order(graph, state) {
        match step.phase {
            StepPhase::Pending if starts => decisions.extend(wake(spec, step, state)),
            StepPhase::Running if runs && all_done(step) => {
                decisions.push(Decision::Join { step: spec.id.clone() });
            }
            StepPhase::Running => decisions.extend(go_on(spec, step, &mut permits, starts, now)),
            _ => {}
        }
    }
    decisions
}

/// Says when the next waiting try is due.
pub(crate) fn next_due(state: &RunState) -> Option<DateTime<Utc>> {
    if state.paused.is_some() {
        return None;
    }
    let running = state.steps.values().filter(|step| step.phase == StepPhase::Running);
    let waiting = running.filter(|step| !step.has_failed_shard()).flat_map(|step| &step.shards);
    let due = |shard: &crate::journal::ShardState| match shard.phase {
        ShardPhase::Waiting { until, .. } => Some(until),
        _ => None,
    };
    waiting.filter_map(due).min()
}

fn in_order<'a>(
    graph: &'a RecoveryGraph,
    state: &'a RunState,
) -> impl Iterator<Item = (&'a StepSpec, &'a StepState)> {
    graph.steps.iter().filter_map(|spec| Some((spec, state.steps.get(&spec.id)?)))
}

/// What becomes of a step that waits.
fn wake(spec: &StepSpec, step: &StepState, state: &RunState) -> Option<Decision> {
    let phase = |other: &StepId| state.steps.get(other).map(|step| step.phase);
    let failed = spec.after.iter().find(|(other, when)| {
        let ended = phase(other).filter(|phase| phase.is_ended());
        *when == When::Succeeded && ended.is_some_and(|phase| phase != StepPhase::Succeeded)
    });
    if let Some((because, _)) = failed {
        return Some(Decision::Block { step: spec.id.clone(), because: because.clone() });
    }
    let ready = spec.after.iter().all(|(other, _)| phase(other).is_some_and(StepPhase::is_ended));
    if !ready {
        return None;
    }
    let id = spec.id.clone();
    match (step.seed.approve, &step.approved) {
        (None, _) | (_, Some(_)) => Some(Decision::Start { step: id }),
        _ if step.awaits.is_none() => Some(Decision::Await { step: id }),
        _ => None,
    }
}

fn all_done(step: &StepState) -> bool {
    step.shards_done() == step.shards.len()
}

/// What becomes of a step that runs.
fn go_on(
    spec: &StepSpec,
    step: &StepState,
    permits: &mut Permits,
    starts: bool,
    now: DateTime<Utc>,
) -> Vec<Decision> {
    if step.has_failed_shard() {
        let fails = !step.has_running_shard();
        return fails.then(|| Decision::Fail { step: spec.id.clone() }).into_iter().collect();
    }
    if !starts {
        return Vec::new();
    }
    let due = (0..).zip(&step.shards).filter(|(_, shard)| match shard.phase {
        ShardPhase::Pending => true,
        ShardPhase::Waiting { until, .. } => until <= now,
        _ => false,
    });
    due.take_while(|_| permits.take(spec.pool))
        .map(|(shard, _)| Decision::StartShard { step: spec.id.clone(), shard })
        .collect()
}

/// What is left of each pool.
struct Permits(BTreeMap<Pool, u32>);

impl Permits {
    fn of(graph: &RecoveryGraph, state: &RunState) -> Self {
        let Limits { transfers, queries, .. } = graph.limits;
        let all = [(Pool::Transfer, transfers), (Pool::Query, queries), (Pool::Control, CONTROL)];
        let mut left: BTreeMap<Pool, u32> =
            all.into_iter().map(|(pool, permits)| (pool, permits.max(1))).collect();
        for (spec, step) in in_order(graph, state) {
            let running = step.shards.iter().filter(|shard| shard.phase == ShardPhase::Running);
            let taken = u32::try_from(running.count()).unwrap_or(u32::MAX);
            left.entry(spec.pool).and_modify(|left| *left = left.saturating_sub(taken));
        }
        Self(left)
    }

    fn take(&mut self, pool: Pool) -> bool {
        let left = self.0.entry(pool).or_default();
        let some = *left > 0;
        *left = left.saturating_sub(1);
        some
    }
}
