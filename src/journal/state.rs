use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use super::{Ask, AskKind, Event, EventKind, RunInfo, StepSeed};
use crate::model::{Failure, Finding, Outcome, Output, RunId, StepId};

/// Says that an event cannot follow those before it: a bug, or a damaged journal.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("event {seq} cannot follow: {what}")]
pub(crate) struct IllegalTransition {
    pub(super) seq: u64,
    pub(super) what: String,
}

/// Where a run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RunPhase {
    /// Nothing happened yet.
    New,
    /// Steps start and end.
    Running,
    /// Somebody asked it to stop; nothing starts until it is resumed.
    Cancelling,
    /// It ended.
    Finished(Outcome),
}

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
}

impl StepState {
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

/// Since when nothing more starts.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Pause {
    /// When it was asked for.
    pub(crate) since: DateTime<Utc>,
    /// By whom, and why.
    pub(crate) ask: Ask,
}

/// Something that somebody asked for while the run went on, and that was done.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Asked {
    /// When it was done.
    pub(crate) at: DateTime<Utc>,
    /// What.
    pub(crate) kind: AskKind,
    /// To which step; `None`: to the run.
    pub(crate) step: Option<StepId>,
    /// By whom, and why.
    pub(crate) ask: Ask,
}

/// A run, folded from its events. Live state equals replayed state.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct RunState {
    /// The run.
    pub(crate) run: RunId,
    /// The number of the last event; 0 before the first.
    pub(crate) last_seq: u64,
    /// The newest fencing token.
    pub(crate) epoch: u64,
    /// Where it is.
    pub(crate) phase: RunPhase,
    /// What it is; known from the first event on.
    pub(crate) info: Option<Box<RunInfo>>,
    /// When it started.
    pub(crate) started_at: Option<DateTime<Utc>>,
    /// When it ended.
    pub(crate) finished_at: Option<DateTime<Utc>>,
    /// How often it was resumed.
    pub(crate) resumes: u32,
    /// Its steps.
    pub(crate) steps: BTreeMap<StepId, StepState>,
    /// Whether somebody paused it.
    pub(crate) paused: Option<Pause>,
    /// What was asked for and done while it went on.
    pub(crate) asked: Vec<Asked>,
    /// Kinds of events that a later version wrote; such a run is shown, not resumed.
    pub(crate) unknown: Vec<String>,
}

impl RunState {
    /// A run of which nothing is known.
    pub(crate) fn new(run: RunId) -> Self {
        Self {
            run,
            last_seq: 0,
            epoch: 0,
            phase: RunPhase::New,
            info: None,
            started_at: None,
            finished_at: None,
            resumes: 0,
            steps: BTreeMap::new(),
            paused: None,
            asked: Vec::new(),
            unknown: Vec::new(),
        }
    }

    /// Takes the next event. An illegal one changes nothing.
    pub(crate) fn apply(&mut self, event: &Event) -> Result<(), IllegalTransition> {
        let illegal = |what: String| IllegalTransition { seq: event.seq, what };
        if event.seq != self.last_seq + 1 {
            return Err(illegal(format!("event {} is missing", self.last_seq + 1)));
        }
        self.check_epoch(event).map_err(illegal)?;
        match &event.kind {
            EventKind::Unknown { kind, .. } => self.unknown.push(kind.clone()),
            kind => match kind.step() {
                None => self.apply_to_run(event),
                Some(step) => self.apply_to_step(step, event),
            }
            .map_err(illegal)?,
        }
        if let Some((kind, ask)) = event.kind.asked() {
            let (step, ask) = (event.kind.step().cloned(), ask.clone());
            self.asked.push(Asked { at: event.at, kind, step, ask });
        }
        self.last_seq = event.seq;
        self.epoch = event.epoch;
        Ok(())
    }

    /// The steps in the order of the plan.
    pub(crate) fn in_order(&self) -> impl Iterator<Item = &StepState> {
        let seeds = self.info.iter().flat_map(|info| &info.steps);
        seeds.filter_map(|seed| self.steps.get(&seed.id))
    }

    /// How a run with these steps ends. Steps that have not ended, such as the one that writes
    /// the receipt, do not count.
    pub(crate) fn outcome(&self) -> Outcome {
        if let RunPhase::Finished(outcome) = self.phase {
            return outcome;
        }
        let mut outcome = Outcome::Recovered;
        for step in self.steps.values() {
            match step.phase {
                StepPhase::Failed if step.seed.kind == "switch" => return Outcome::Halted,
                StepPhase::Failed | StepPhase::Blocked | StepPhase::Skipped => {
                    outcome = Outcome::Partial;
                }
                StepPhase::Cancelled => return Outcome::Cancelled,
                StepPhase::Pending | StepPhase::Running | StepPhase::Succeeded => {}
            }
            let findings = step.output.iter().flat_map(|output| &output.findings);
            if findings.into_iter().any(Finding::blocks) {
                outcome = Outcome::Partial;
            }
        }
        outcome
    }

    /// A new holder has a higher epoch; everybody else has the newest.
    fn check_epoch(&self, event: &Event) -> Result<(), String> {
        let takes = matches!(event.kind, EventKind::RunStarted(_) | EventKind::RunResumed { .. });
        let good = if takes { event.epoch > self.epoch } else { event.epoch == self.epoch };
        if good { Ok(()) } else { Err(format!("epoch {} after {}", event.epoch, self.epoch)) }
    }

    fn apply_to_run(&mut self, event: &Event) -> Result<(), String> {
        match (self.phase, &event.kind) {
            (RunPhase::New, EventKind::RunStarted(info)) => {
                self.steps = seeded(info)?;
                self.info = Some(info.clone());
                self.started_at = Some(event.at);
                self.phase = RunPhase::Running;
            }
            (
                RunPhase::Running | RunPhase::Cancelling | RunPhase::Finished(Outcome::Halted),
                EventKind::RunResumed { .. },
            ) => {
                self.finished_at = None;
                self.steps.values_mut().flat_map(|step| &mut step.shards).for_each(interrupt);
                self.resumes += 1;
                self.phase = RunPhase::Running;
            }
            (RunPhase::Running, EventKind::RunPaused { ask }) if self.paused.is_none() => {
                self.paused = Some(Pause { since: event.at, ask: ask.clone() });
            }
            (RunPhase::Running, EventKind::RunContinued { .. }) if self.paused.is_some() => {
                self.paused = None;
            }
            (RunPhase::Running, EventKind::CancelRequested {}) => self.phase = RunPhase::Cancelling,
            (RunPhase::Running | RunPhase::Cancelling, EventKind::RunFinished { outcome }) => {
                if let Some(step) = self.steps.values().find(|step| !step.phase.is_ended()) {
                    return Err(format!("step {} has not ended", step.seed.id));
                }
                self.finished_at = Some(event.at);
                self.phase = RunPhase::Finished(*outcome);
            }
            (phase, kind) => return Err(format!("{kind:?} in a run that is {phase:?}")),
        }
        Ok(())
    }

    fn apply_to_step(&mut self, id: &StepId, event: &Event) -> Result<(), String> {
        let starts =
            matches!(event.kind, EventKind::StepStarted { .. } | EventKind::ShardStarted { .. });
        match self.phase {
            RunPhase::Running if starts && self.paused.is_some() => {
                return Err(format!("{id} starts in a run that is paused"));
            }
            RunPhase::Running => {}
            RunPhase::Cancelling if !starts && event.kind.asked().is_none() => {}
            phase => return Err(format!("a step event in a run that is {phase:?}")),
        }
        if let EventKind::StepBlocked { because, .. } = &event.kind {
            let other = self.steps.get(because).map(|step| step.phase);
            if !other.is_some_and(|phase| phase.is_ended() && phase != StepPhase::Succeeded) {
                return Err(format!("{id} blocked by {because}, which is {other:?}"));
            }
        }
        let step = self.steps.get_mut(id).ok_or_else(|| format!("there is no step {id}"))?;
        match &event.kind {
            EventKind::ShardStarted { shard, .. }
            | EventKind::ShardSucceeded { shard, .. }
            | EventKind::ShardFailed { shard, .. } => {
                if step.phase != StepPhase::Running {
                    return Err(format!("a shard of step {id}, which is {:?}", step.phase));
                }
                let found = step.shards.get_mut(*shard as usize);
                let found = found.ok_or_else(|| format!("step {id} has no shard {shard}"))?;
                apply_to_shard(found, event).map_err(|what| format!("{id}#{shard}: {what}"))
            }
            _ => step.apply(event).map_err(|what| format!("{id}: {what}")),
        }
    }
}

impl StepState {
    fn apply(&mut self, event: &Event) -> Result<(), String> {
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
    fn reopen(&mut self) {
        let all = self.phase == StepPhase::Succeeded;
        for shard in &mut self.shards {
            if all || !matches!(shard.phase, ShardPhase::Succeeded(_)) {
                shard.phase = ShardPhase::Pending;
            }
        }
        self.phase = StepPhase::Pending;
        (self.started_at, self.finished_at) = (None, None);
        (self.output, self.failure, self.because) = (None, None, None);
    }
}

impl ShardState {
    /// Does not wait for its next try any longer.
    fn hurry(&mut self) {
        if matches!(self.phase, ShardPhase::Waiting { .. }) {
            self.phase = ShardPhase::Pending;
        }
    }
}

fn apply_to_shard(shard: &mut ShardState, event: &Event) -> Result<(), String> {
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
fn interrupt(shard: &mut ShardState) {
    shard.tries = 0;
    if matches!(shard.phase, ShardPhase::Running | ShardPhase::Waiting { .. }) {
        shard.phase = ShardPhase::Pending;
    }
}

fn seeded(info: &RunInfo) -> Result<BTreeMap<StepId, StepState>, String> {
    let mut steps = BTreeMap::new();
    for seed in &info.steps {
        let shard = ShardState { phase: ShardPhase::Pending, attempts: 0, tries: 0 };
        let step = StepState {
            seed: seed.clone(),
            phase: StepPhase::Pending,
            shards: vec![shard; seed.shards.max(1) as usize],
            started_at: None,
            finished_at: None,
            output: None,
            failure: None,
            because: None,
            awaits: None,
            approved: None,
        };
        if steps.insert(seed.id.clone(), step).is_some() {
            return Err(format!("two steps are called {}", seed.id));
        }
    }
    Ok(steps)
}
