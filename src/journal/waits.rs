//! What a run waits for, since when, and what would unblock it: folded from its state.

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::{RunPhase, RunState, ShardPhase, StepPhase, StepState};
use crate::model::{ApprovedBy, StepId};

/// Something that a run waits for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Wait {
    /// `pause`, `approval`, `readers` or `retry`.
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
    /// What ends it: a command, where one does.
    pub(crate) unblock: String,
}

/// All that a run waits for, what holds up most first.
pub(crate) fn waits(state: &RunState) -> Vec<Wait> {
    if matches!(state.phase, RunPhase::New | RunPhase::Finished(_)) {
        return Vec::new();
    }
    let mut all: Vec<Wait> = pause(state).into_iter().collect();
    all.extend(state.in_order().filter_map(|step| approval(state, step)));
    all.extend(state.in_order().filter_map(readers));
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

/// The step goes on, and waits for sessions that hold what it needs.
fn readers(step: &StepState) -> Option<Wait> {
    let held = step.held_up.as_ref().filter(|_| step.phase == StepPhase::Running)?;
    let id = &step.seed.id;
    Some(Wait {
        kind: "readers",
        step: Some(id.clone()),
        what: format!("{id} waits for who holds what is live: {}", held.by.by),
        since: held.since,
        until: None,
        unblock: held.by.unblock.clone(),
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::journal::samples::{events, fold, info, time};
    use crate::journal::{Event, EventKind, Holder};
    use crate::model::{Code, Failure, Holdup, Output, RunId};

    fn kinds(step: &StepId) -> Vec<EventKind> {
        let readers = |pid: u32| Holdup {
            by: format!("pid {pid} of kim"),
            unblock: format!("SELECT pg_terminate_backend({pid})"),
        };
        let step = || step.clone();
        vec![
            EventKind::RunStarted(Box::new(info(&[("a/b", "switch", 1)]))),
            EventKind::StepStarted { step: step() },
            EventKind::ShardStarted { step: step(), shard: 0, attempt: 1 },
            EventKind::ReadersAwaited { step: step(), readers: readers(7) },
            EventKind::ReadersAwaited { step: step(), readers: readers(8) },
        ]
    }

    #[test]
    fn a_step_waits_for_readers_since_the_first_and_names_the_last() {
        let (run, step) = (RunId::now(), "a/b".parse().unwrap());
        let all = waits(&fold(run, &events(kinds(&step))));
        assert_eq!(all.len(), 1, "{all:?}");
        assert_eq!((all[0].kind, &all[0].step, all[0].since), ("readers", &Some(step), time(3)));
        assert_eq!(all[0].what, "a/b waits for who holds what is live: pid 8 of kim");
        assert_eq!(all[0].unblock, "SELECT pg_terminate_backend(8)");
    }

    #[test]
    fn the_wait_for_readers_ends_with_them_and_with_the_try() {
        let (run, step): (_, StepId) = (RunId::now(), "a/b".parse().unwrap());
        let failure = Failure::transient(Code::Locked, "held");
        let retry_in = Some(Duration::from_secs(1));
        let (gone, shard) = (step.clone(), step.clone());
        let ends = [
            (EventKind::ReadersGone { step: gone }, 1, None),
            (EventKind::ShardFailed { step: shard, shard: 0, failure, retry_in }, 1, Some("retry")),
            (
                EventKind::ShardSucceeded {
                    step: step.clone(),
                    shard: 0,
                    output: Output::default(),
                },
                1,
                None,
            ),
            (EventKind::RunResumed { holder: Holder::this_process("kim") }, 2, None),
        ];
        for (kind, epoch, left) in ends {
            let mut state = fold(run, &events(kinds(&step)));
            let event = Event { seq: 6, at: time(5), epoch, kind };
            state.apply(&event).unwrap();
            assert_eq!(waits(&state).first().map(|wait| wait.kind), left, "{event:?}");
            let again =
                Event { seq: 7, kind: EventKind::ReadersGone { step: step.clone() }, ..event };
            assert!(state.apply(&again).is_err());
        }
    }
}
