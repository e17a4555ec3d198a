use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use chrono::Utc;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use super::dispatcher::Dispatcher;
use super::executor::{Executor, Task, Work};
use super::keeper::Keeper;
use super::scheduler::{Decision, decide, next_due};
use super::{Unit, retry, settle};
use crate::journal::{
    Answer, EventKind, Journal, Request, RunPhase, RunState, ShardPhase, StepState,
};
use crate::model::{Code, Failure, FailureKind, Holdup, Output, RunId, StepId};
use crate::plan::RecoveryGraph;

/// How long work in flight may take to notice that the run stops.
const DRAIN: Duration = Duration::from_secs(30);

/// How often the driving process looks for what others ask of the run.
const LISTEN: Duration = Duration::from_millis(500);

/// A piece of work that came back.
struct Done {
    unit: Unit,
    joined: bool,
    result: Result<Output, Failure>,
}

/// Drives one run: decide, record, act, wait.
pub(crate) struct Drive<'a> {
    journal: Arc<dyn Journal>,
    dispatcher: Dispatcher,
    keeper: Keeper,
    /// Whether to wait for approvals here, or to end the process and be resumed.
    waits: bool,
    /// When to look for requests again.
    listen_at: Instant,
    executor: Arc<dyn Executor>,
    graph: &'a RecoveryGraph,
    /// The caller's wish.
    cancel: CancellationToken,
    /// What the work sees: also when the journal or the lease is lost.
    stop: CancellationToken,
    flying: JoinSet<Done>,
    joining: BTreeSet<StepId>,
}

impl<'a> Drive<'a> {
    /// Starts to hold the lease.
    pub(crate) fn new(
        journal: Arc<dyn Journal>,
        dispatcher: Dispatcher,
        executor: Arc<dyn Executor>,
        graph: &'a RecoveryGraph,
        cancel: CancellationToken,
        waits: bool,
    ) -> Self {
        Self {
            keeper: Keeper::start(Arc::clone(&journal), dispatcher.lease().clone()),
            journal,
            waits,
            listen_at: Instant::now(),
            dispatcher,
            executor,
            graph,
            stop: cancel.child_token(),
            cancel,
            flying: JoinSet::new(),
            joining: BTreeSet::new(),
        }
    }

    /// Runs until every step ended, or the run was asked to stop and came to rest, or nothing but
    /// an approval is missing and nobody waits for it here.
    pub(crate) async fn finish(mut self) -> Result<RunState, Failure> {
        match self.turns().await {
            Ok(()) => Ok(self.dispatcher.into_state()),
            Err(failure) => {
                // Nothing can be acknowledged any more: what is in flight comes to rest unheard.
                self.stop.cancel();
                let rest = async { while self.flying.join_next().await.is_some() {} };
                if timeout(DRAIN, rest).await.is_err() {
                    tracing::warn!("work in flight did not stop by itself");
                }
                Err(interrupted(failure, self.dispatcher.state().run))
            }
        }
    }

    async fn turns(&mut self) -> Result<(), Failure> {
        loop {
            if self.listen_at <= Instant::now() {
                self.listen().await?;
            }
            let tasks = self.turn()?;
            self.dispatcher.commit().await?;
            for task in tasks {
                self.spawn(task);
            }
            match self.dispatcher.state().phase {
                RunPhase::Finished(_) => return Ok(()),
                RunPhase::Cancelling if self.flying.is_empty() => return Ok(()),
                RunPhase::Cancelling => self.drain().await?,
                RunPhase::New | RunPhase::Running
                    if !self.waits && self.only_approval_is_missing() =>
                {
                    return Ok(());
                }
                RunPhase::New | RunPhase::Running => self.wait().await?,
            }
        }
    }

    /// Takes what others asked of the run since the last look.
    async fn listen(&mut self) -> Result<(), Failure> {
        self.listen_at = Instant::now() + LISTEN;
        if self.dispatcher.state().phase != RunPhase::Running {
            return Ok(());
        }
        self.look()?;
        let requests = match self.journal.requests(self.dispatcher.state().run).await {
            Ok(requests) => requests,
            Err(error) => {
                tracing::warn!(%error, "requests to this run were not read; trying again");
                return Ok(());
            }
        };
        requests.iter().try_for_each(|request| self.hear(request))
    }

    /// Records whom steps wait for, where that has changed since the last look.
    fn look(&mut self) -> Result<(), Failure> {
        let steps = self.dispatcher.state().steps.values();
        let kinds = steps.filter_map(|step| waits_for(step, self.executor.holdup(&step.seed.id)));
        let kinds: Vec<_> = kinds.collect();
        kinds.into_iter().try_for_each(|kind| self.dispatcher.stage(kind))
    }

    fn hear(&mut self, request: &Request) -> Result<(), Failure> {
        let refused = match settle(self.graph, self.dispatcher.state(), request) {
            Ok(kinds) => {
                kinds.into_iter().try_for_each(|kind| self.dispatcher.stage(kind))?;
                None
            }
            Err(why) => Some(why),
        };
        self.dispatcher.reply(Answer { seq: request.seq, refused });
        Ok(())
    }

    fn only_approval_is_missing(&self) -> bool {
        let state = self.dispatcher.state();
        self.flying.is_empty()
            && next_due(state).is_none()
            && state.paused.is_none()
            && state.steps.values().any(StepState::awaits_approval)
    }

    /// Stages all that can happen now, and gives the work that follows once it is durable.
    fn turn(&mut self) -> Result<Vec<Task>, Failure> {
        let mut tasks = Vec::new();
        loop {
            let mut decisions = decide(self.graph, self.dispatcher.state(), Utc::now());
            decisions.retain(|decision| match decision {
                Decision::Join { step } => !self.joining.contains(step),
                _ => true,
            });
            if decisions.is_empty() {
                return Ok(tasks);
            }
            for decision in decisions {
                tasks.extend(self.take(decision)?);
            }
            if matches!(self.dispatcher.state().phase, RunPhase::Finished(_)) {
                return Ok(tasks);
            }
        }
    }

    fn take(&mut self, decision: Decision) -> Result<Option<Task>, Failure> {
        let state = self.dispatcher.state();
        let (kind, task) = match decision {
            Decision::Block { step, because } => (EventKind::StepBlocked { step, because }, None),
            Decision::Await { step } => (EventKind::ApprovalAwaited { step }, None),
            Decision::Start { step } => (EventKind::StepStarted { step }, None),
            Decision::StartShard { step, shard } => {
                let attempt = 1 + state.steps[&step].shards[shard as usize].attempts;
                let task = self.task(&step, shard, attempt, Work::Shard);
                (EventKind::ShardStarted { step, shard, attempt }, Some(task))
            }
            Decision::Join { step } => {
                let shards = outputs(&state.steps[&step]);
                let task = self.task(&step, 0, 1, Work::Join(shards));
                self.joining.insert(step);
                return Ok(Some(task));
            }
            Decision::Fail { step } => {
                let failure = failure_of(&state.steps[&step]);
                (EventKind::StepFailed { step, failure }, None)
            }
            Decision::Finish => (EventKind::RunFinished { outcome: state.outcome() }, None),
        };
        self.dispatcher.stage(kind)?;
        Ok(task)
    }

    fn task(&self, step: &StepId, shard: u32, attempt: u32, work: Work) -> Task {
        let (state, epoch) = (self.dispatcher.state(), self.dispatcher.lease().epoch);
        let unit = Unit { run: state.run, step: step.clone(), shard, attempt, epoch };
        let spec = self.graph.steps.iter().find(|spec| spec.id == *step);
        let waits = spec.into_iter().flat_map(|spec| &spec.after);
        let inputs: BTreeMap<StepId, Output> = waits
            .filter_map(|(id, _)| Some((id.clone(), state.steps.get(id)?.output.clone()?)))
            .collect();
        Task { unit, inputs, work, cancel: self.stop.child_token() }
    }

    fn spawn(&mut self, task: Task) {
        let executor = Arc::clone(&self.executor);
        let attempts = self.graph.limits.attempts;
        let span = self.span(&task.unit);
        let work = async move {
            let (unit, joined) = (task.unit.clone(), matches!(task.work, Work::Join(_)));
            let result = match task.work {
                Work::Shard => executor.execute(task).await,
                Work::Join(_) => join(executor.as_ref(), task, attempts).await,
            };
            Done { unit, joined, result }
        };
        self.flying.spawn(work.instrument(span));
    }

    /// What every log record of a piece of work says of it.
    fn span(&self, unit: &Unit) -> tracing::Span {
        let about = self.dispatcher.state().steps.get(&unit.step).map(|step| &step.seed.about);
        let version = about.and_then(|about| about.version.as_ref());
        tracing::info_span!(
            "work",
            run_id = %unit.run,
            audit_ref = unit.run.audit_ref(),
            step_id = %unit.step,
            dataset_version_id = version.map(tracing::field::display),
            shard = unit.shard,
            attempt = unit.attempt,
        )
    }

    /// Waits until something comes back, a try is due, somebody wants the run to stop, or it is
    /// time to look whether somebody wants something else.
    async fn wait(&mut self) -> Result<(), Failure> {
        let due = next_due(self.dispatcher.state());
        let wait = due.map(|due| (due - Utc::now()).to_std().unwrap_or_default());
        let state = self.dispatcher.state();
        let asked = state.paused.is_some() || state.steps.values().any(StepState::awaits_approval);
        if self.flying.is_empty() && wait.is_none() && !asked {
            // Better a bug that is told than a recovery that waits for ever.
            let message = "nothing is in flight, nothing can start, and the run has not ended";
            return Err(Failure::permanent(Code::Internal, message));
        }
        tokio::select! {
            Some(done) = self.flying.join_next() => self.collect(done),
            () = sleep(wait.unwrap_or_default()), if wait.is_some() => Ok(()),
            () = sleep_until(self.listen_at) => Ok(()),
            () = self.cancel.cancelled() => self.dispatcher.stage(EventKind::CancelRequested {}),
            failure = self.keeper.lost() => Err(failure),
        }
    }

    /// Waits for what is in flight, and for no longer than it takes to notice.
    async fn drain(&mut self) -> Result<(), Failure> {
        tokio::select! {
            Some(done) = self.flying.join_next() => self.collect(done),
            () = sleep(DRAIN) => {
                tracing::warn!("work in flight did not stop by itself; it is done again on resume");
                self.flying.shutdown().await;
                Ok(())
            }
            failure = self.keeper.lost() => Err(failure),
        }
    }

    /// Stages what came back, and all else that is back by now: one commit for all.
    fn collect(&mut self, first: Result<Done, tokio::task::JoinError>) -> Result<(), Failure> {
        let mut next = Some(first);
        while let Some(done) = next {
            let done = done.map_err(|error| {
                Failure::permanent(Code::Internal, "a task of the engine died").because(&error)
            })?;
            self.came_back(done)?;
            next = self.flying.try_join_next();
        }
        Ok(())
    }

    fn came_back(&mut self, done: Done) -> Result<(), Failure> {
        let Unit { step, shard, .. } = done.unit;
        if done.joined {
            self.joining.remove(&step);
        }
        let cancelled = self.cancel.is_cancelled();
        let kind = match (done.result, done.joined) {
            (Ok(output), true) => EventKind::StepSucceeded { step, output },
            (Ok(output), false) => EventKind::ShardSucceeded { step, shard, output },
            (Err(failure), true) if cancelled && failure.kind == FailureKind::Cancelled => {
                return Ok(());
            }
            (Err(failure), true) => EventKind::StepFailed { step, failure },
            (Err(failure), false) => {
                let retry_in = self.wait_before_retry(&step, shard, &failure, cancelled);
                EventKind::ShardFailed { step, shard, failure, retry_in }
            }
        };
        self.dispatcher.stage(kind)
    }

    fn wait_before_retry(
        &self,
        step: &StepId,
        shard: u32,
        failure: &Failure,
        cancelled: bool,
    ) -> Option<Duration> {
        if cancelled && failure.kind == FailureKind::Cancelled {
            return Some(Duration::ZERO);
        }
        let tries = self.dispatcher.state().steps[step].shards[shard as usize].tries;
        retry::wait(failure, tries, self.graph.limits.attempts, retry::jitter())
    }
}

/// What is to be said of whom a step waits for, if it was not said already.
fn waits_for(step: &StepState, now: Option<Holdup>) -> Option<EventKind> {
    // The end of a try ends its wait too.
    if step.phase.is_ended() || !step.has_running_shard() {
        return None;
    }
    let (id, before) = (step.seed.id.clone(), step.held_up.as_ref().map(|held| &held.by));
    match now {
        Some(readers) if before != Some(&readers) => {
            Some(EventKind::ReadersAwaited { step: id, readers })
        }
        None if before.is_some() => Some(EventKind::ReadersGone { step: id }),
        _ => None,
    }
}

/// Joins, trying again what may pass: a join is no event, so its tries are not either.
async fn join(executor: &dyn Executor, task: Task, attempts: u32) -> Result<Output, Failure> {
    let Task { unit, inputs, work, cancel } = task;
    for tries in 1.. {
        let task = Task {
            unit: Unit { attempt: tries, ..unit.clone() },
            inputs: inputs.clone(),
            work: work.clone(),
            cancel: cancel.child_token(),
        };
        let failure = match executor.execute(task).await {
            Ok(output) => return Ok(output),
            Err(failure) => failure,
        };
        let Some(wait) = retry::wait(&failure, tries, attempts, retry::jitter()) else {
            return Err(failure);
        };
        if cancel.run_until_cancelled(sleep(wait)).await.is_none() {
            break;
        }
    }
    Err(Failure::cancelled())
}

fn outputs(step: &StepState) -> Vec<Output> {
    let output = |phase: &ShardPhase| match phase {
        ShardPhase::Succeeded(output) => Some(output.clone()),
        _ => None,
    };
    step.shards.iter().filter_map(|shard| output(&shard.phase)).collect()
}

/// The first shard's failure with the findings of all of them.
fn failure_of(step: &StepState) -> Failure {
    let mut failures = step.shards.iter().filter_map(|shard| match &shard.phase {
        ShardPhase::Failed(failure) => Some(failure.clone()),
        _ => None,
    });
    let mut first = failures
        .next()
        .unwrap_or_else(|| Failure::permanent(Code::Internal, "a step failed without a reason"));
    first.findings.extend(failures.flat_map(|failure| failure.findings));
    first
}

/// A journal that did not answer for a while, or that lets nobody in any more, interrupts the run, no
/// more: what was written holds.
fn interrupted(failure: Failure, run: RunId) -> Failure {
    match (failure.kind, failure.code) {
        (FailureKind::Transient { .. }, Code::Journal) => Failure {
            kind: FailureKind::Cancelled,
            hint: Some(format!(
                "see that the journal can be written again, then `coppice resume {run}`"
            )),
            ..failure
        },
        (FailureKind::Permanent, Code::Credentials) => {
            let first = failure.hint.unwrap_or_default();
            let hint = Some(format!("{first}, then `coppice resume {run}`"));
            Failure { kind: FailureKind::Cancelled, hint, ..failure }
        }
        _ => failure,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_journal_that_stays_away_interrupts_and_one_that_is_held_by_another_does_not() {
        let run = RunId::now();
        let away = interrupted(Failure::transient(Code::Journal, "no answer"), run);
        assert_eq!((away.kind, away.code), (FailureKind::Cancelled, Code::Journal));
        assert!(away.hint.unwrap().contains(&format!("coppice resume {run}")));
        let shut = Failure::permanent(Code::Credentials, "no").hint("look");
        let shut = interrupted(shut, run);
        assert_eq!((shut.kind, shut.code), (FailureKind::Cancelled, Code::Credentials));
        assert_eq!(shut.hint, Some(format!("look, then `coppice resume {run}`")));
        let stale = Failure::fenced(Code::Locked, "stale");
        assert_eq!(interrupted(stale.clone(), run), stale);
    }
}
