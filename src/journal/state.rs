use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use super::step::{StepPhase, StepState, apply_to_shard, interrupt, seeded};
use super::{Ask, AskKind, Event, EventKind, RunInfo};
use crate::model::{Finding, Outcome, RunId, StepId};

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
                self.steps.values_mut().for_each(|step| step.held_up = None);
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
                apply_to_shard(found, event).map_err(|what| format!("{id}#{shard}: {what}"))?;
                step.worked_at.get_or_insert(event.at);
                if !step.has_running_shard() {
                    step.held_up = None;
                }
                Ok(())
            }
            _ => step.apply(event).map_err(|what| format!("{id}: {what}")),
        }
    }
}
