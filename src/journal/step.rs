//! A step and its shards, folded from the events of a run.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};

use super::{Ask, Event, EventKind, RunInfo, StepSeed};
use crate::model::{Failure, Holdup, Output, StepId};

/// Where a step is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StepPhase {
    /// It waits.
    Pending,
    /// Its shards run.
    Running,
    /// It is done.
    Succeeded,
    /// It cannot be done.
    Failed,
    /// It will not start.
    Blocked,
    /// It was given up with the run.
    Cancelled,
    /// Somebody gave it up.
    Skipped,
}

impl StepPhase {
    /// Whether nothing follows.
    pub(crate) fn is_ended(self) -> bool {
        !matches!(self, Self::Pending | Self::Running)
    }

    /// The name as in receipts.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Running => "running",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Blocked => "blocked",
            Self::Cancelled => "cancelled",
            Self::Skipped => "skipped",
        }
    }
}

/// Where a shard is.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum ShardPhase {
    /// It waits for a permit, the first time or after an interruption.
    Pending,
    /// A try goes on.
    Running,
    /// The next try is due then.
    Waiting {
        /// Since when it waits.
        since: DateTime<Utc>,
        /// When.
        until: DateTime<Utc>,
    },
    /// It is done, and is not done again.
    Succeeded(Output),
    /// It cannot be done.
    Failed(Failure),
}

/// A shard, folded.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ShardState {
    /// Where it is.
    pub(crate) phase: ShardPhase,
    /// Tries begun, in all.
    pub(crate) attempts: u32,
    /// Tries begun since the run was last started or resumed: what the limit counts.
    pub(crate) tries: u32,
}

/// Whom a step waits for that goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HeldUp {
    /// Since when, by the first that were named.
    pub(crate) since: DateTime<Utc>,
    /// Who they are, and what ends the wait.
    pub(crate) by: Holdup,
}

/// A step, folded.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct StepState {
    /// What was known of it before.
    pub(crate) seed: StepSeed,
    /// Where it is.
    pub(crate) phase: StepPhase,
    /// Its shards.
    pub(crate) shards: Vec<ShardState>,
    /// When it started.
    pub(crate) started_at: Option<DateTime<Utc>>,
    /// When the first of its shards had a permit: until then it waited for others.
    pub(crate) worked_at: Option<DateTime<Utc>>,
    /// When it ended.
    pub(crate) finished_at: Option<DateTime<Utc>>,
    /// What it gave.
    pub(crate) output: Option<Output>,
    /// Why it failed.
    pub(crate) failure: Option<Failure>,
    /// What blocks it.
    pub(crate) because: Option<StepId>,
    /// Since when it could start, but for an approval.
    pub(crate) awaits: Option<DateTime<Utc>>,
    /// Who approved it.
    pub(crate) approved: Option<Ask>,
    /// Whom a try that goes on waits for.
    pub(crate) held_up: Option<HeldUp>,
}

impl StepState {
    /// How long it worked, without the wait for a permit of its pool.
    pub(crate) fn took(&self) -> Option<TimeDelta> {
        Some(self.finished_at? - self.worked_at.or(self.started_at)?)
    }

    /// How many of its shards are done.
    pub(crate) fn shards_done(&self) -> usize {
        let done = |shard: &&ShardState| matches!(shard.phase, ShardPhase::Succeeded(_));
        self.shards.iter().filter(done).count()
    }

    /// The tries of the shard that took most.
    pub(crate) fn attempts(&self) -> u32 {
        self.shards.iter().map(|shard| shard.attempts).max().unwrap_or_default()
    }

    /// Whether a shard failed for good.
    pub(crate) fn has_failed_shard(&self) -> bool {
        self.shards.iter().any(|shard| matches!(shard.phase, ShardPhase::Failed(_)))
    }

    /// Whether it waits for an approval.
    pub(crate) fn awaits_approval(&self) -> bool {
        self.phase == StepPhase::Pending && self.awaits.is_some() && self.approved.is_none()
    }

    /// Whether nothing of it goes on, and it waits for its next try.
    pub(crate) fn waits_for_a_try(&self) -> bool {
        let waits = |shard: &ShardState| matches!(shard.phase, ShardPhase::Waiting { .. });
        self.phase == StepPhase::Running
            && !self.has_running_shard()
            && !self.has_failed_shard()
            && self.shards.iter().any(waits)
    }

    /// Whether a try of a shard goes on.
    pub(crate) fn has_running_shard(&self) -> bool {
        self.shards.iter().any(|shard| shard.phase == ShardPhase::Running)
    }
}

impl StepState {
    pub(super) fn apply(&mut self, event: &Event) -> Result<(), String> {
        match (self.phase, &event.kind) {
            (StepPhase::Pending, EventKind::StepStarted { .. })
                if self.seed.approve.is_none() || self.approved.is_some() =>
            {
                self.started_at = Some(event.at);
                self.phase = StepPhase::Running;
                return Ok(());
            }
            (StepPhase::Pending, EventKind::StepBlocked { because, .. }) => {
                self.because = Some(because.clone());
                self.phase = StepPhase::Blocked;
            }
            (StepPhase::Running, EventKind::StepSucceeded { output, .. })
                if self.shards_done() == self.shards.len() =>
            {
                self.output = Some(output.clone());
                self.phase = StepPhase::Succeeded;
            }
            (StepPhase::Running, EventKind::StepFailed { failure, .. })
                if !self.has_running_shard() =>
            {
                self.failure = Some(failure.clone());
                self.phase = StepPhase::Failed;
            }
            (StepPhase::Pending | StepPhase::Running, EventKind::StepCancelled { .. }) => {
                self.phase = StepPhase::Cancelled;
            }
            (StepPhase::Pending, EventKind::ApprovalAwaited { .. })
                if self.seed.approve.is_some() && self.awaits.is_none() =>
            {
                self.awaits = Some(event.at);
                return Ok(());
            }
            (StepPhase::Pending, EventKind::StepApproved { ask, .. }) if self.awaits_approval() => {
                self.approved = Some(ask.clone());
                return Ok(());
            }
            (StepPhase::Running, EventKind::ReadersAwaited { readers, .. })
                if self.has_running_shard() =>
            {
                let since = self.held_up.as_ref().map_or(event.at, |held| held.since);
                self.held_up = Some(HeldUp { since, by: readers.clone() });
                return Ok(());
            }
            (StepPhase::Running, EventKind::ReadersGone { .. }) if self.held_up.is_some() => {
                self.held_up = None;
                return Ok(());
            }
            // What it waits for is done again, so that it is approved anew.
            (StepPhase::Pending, EventKind::StepReopened { .. }) if self.awaits.is_some() => {
                (self.awaits, self.approved) = (None, None);
                return Ok(());
            }
            (phase, EventKind::StepReopened { .. })
                if phase.is_ended() && phase != StepPhase::Skipped =>
            {
                self.reopen();
                return Ok(());
            }
            (StepPhase::Failed, EventKind::StepRetried { .. }) => {
                self.reopen();
                self.shards.iter_mut().for_each(|shard| shard.tries = 0);
                return Ok(());
            }
            (StepPhase::Running, EventKind::StepRetried { .. }) if self.waits_for_a_try() => {
                self.shards.iter_mut().for_each(ShardState::hurry);
                return Ok(());
            }
            (StepPhase::Pending | StepPhase::Failed, EventKind::StepSkipped { .. }) => {
                self.phase = StepPhase::Skipped;
            }
            (StepPhase::Running, EventKind::StepSkipped { .. }) if self.waits_for_a_try() => {
                self.phase = StepPhase::Skipped;
            }
            (phase, kind) => return Err(format!("{kind:?} in a step that is {phase:?}")),
        }
        self.finished_at = Some(event.at);
        Ok(())
    }

    /// Back to the start, but for shards of a failed step that are done.
    pub(super) fn reopen(&mut self) {
        let all = self.phase == StepPhase::Succeeded;
        for shard in &mut self.shards {
            if all || !matches!(shard.phase, ShardPhase::Succeeded(_)) {
                shard.phase = ShardPhase::Pending;
            }
        }
        self.phase = StepPhase::Pending;
        (self.started_at, self.worked_at, self.finished_at) = (None, None, None);
        (self.output, self.failure, self.because) = (None, None, None);
    }
}

impl ShardState {
    /// Does not wait for its next try any longer.
    pub(super) fn hurry(&mut self) {
        if matches!(self.phase, ShardPhase::Waiting { .. }) {
            self.phase = ShardPhase::Pending;
        }
    }
}

pub(super) fn apply_to_shard(shard: &mut ShardState, event: &Event) -> Result<(), String> {
    let next = match (&shard.phase, &event.kind) {
        (
            ShardPhase::Pending | ShardPhase::Waiting { .. },
            EventKind::ShardStarted { attempt, .. },
        ) if *attempt == shard.attempts + 1 => {
            shard.attempts += 1;
            shard.tries += 1;
            ShardPhase::Running
        }
        (ShardPhase::Running, EventKind::ShardSucceeded { output, .. }) => {
            ShardPhase::Succeeded(output.clone())
        }
        (ShardPhase::Running, EventKind::ShardFailed { failure, retry_in: None, .. }) => {
            ShardPhase::Failed(failure.clone())
        }
        (ShardPhase::Running, EventKind::ShardFailed { retry_in: Some(wait), .. }) => {
            let until = chrono::TimeDelta::from_std(*wait).ok();
            let until = until.and_then(|wait| event.at.checked_add_signed(wait));
            ShardPhase::Waiting { since: event.at, until: until.ok_or("a wait without an end")? }
        }
        (phase, kind) => return Err(format!("{kind:?} in a shard that is {phase:?}")),
    };
    shard.phase = next;
    Ok(())
}

/// What a try left unfinished is to be done again; what failed for good stays so.
pub(super) fn interrupt(shard: &mut ShardState) {
    shard.tries = 0;
    if matches!(shard.phase, ShardPhase::Running | ShardPhase::Waiting { .. }) {
        shard.phase = ShardPhase::Pending;
    }
}

pub(super) fn seeded(info: &RunInfo) -> Result<BTreeMap<StepId, StepState>, String> {
    let mut steps = BTreeMap::new();
    for seed in &info.steps {
        let shard = ShardState { phase: ShardPhase::Pending, attempts: 0, tries: 0 };
        let step = StepState {
            seed: seed.clone(),
            phase: StepPhase::Pending,
            shards: vec![shard; seed.shards.max(1) as usize],
            started_at: None,
            worked_at: None,
            finished_at: None,
            output: None,
            failure: None,
            because: None,
            awaits: None,
            approved: None,
            held_up: None,
        };
        if steps.insert(seed.id.clone(), step).is_some() {
            return Err(format!("two steps are called {}", seed.id));
        }
    }
    Ok(steps)
}
