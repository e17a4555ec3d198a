use std::any::Any;
use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::FutureExt;
use tokio_util::sync::CancellationToken;

use super::{Bind, Blobs, StepContext, Unit, seed};
use crate::model::{Board, Code, Failure, Holdup, Output, Redact, StepId, Touched};
use crate::plan::{RecoveryGraph, StepKind, StepSpec};

/// A piece of work with all that it needs.
pub(crate) struct Task {
    /// Its name.
    pub(crate) unit: Unit,
    /// What the steps gave that it waits for.
    pub(crate) inputs: BTreeMap<StepId, Output>,
    /// What to do with them.
    pub(crate) work: Work,
    /// Asks it to stop.
    pub(crate) cancel: CancellationToken,
}

/// What a task does.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Work {
    /// One shard.
    Shard,
    /// The step's output of its shards' outputs.
    Join(Vec<Output>),
}

/// Where work is done.
#[async_trait]
pub(crate) trait Executor: Send + Sync {
    /// Does one piece, once.
    async fn execute(&self, task: Task) -> Result<Output, Failure>;

    /// Says whom a step waits for that is being worked on; goes into the journal.
    fn holdup(&self, step: &StepId) -> Option<Holdup>;
}

/// Does the work in this process.
pub(crate) struct InProcess {
    bind: Arc<dyn Bind>,
    steps: BTreeMap<StepId, StepSpec>,
    board: Board,
    blobs: Arc<dyn Blobs>,
    redact: Arc<dyn Redact>,
    timeout: Duration,
}

impl InProcess {
    /// Works on the steps of `graph`.
    pub(crate) fn new(
        bind: Arc<dyn Bind>,
        graph: &RecoveryGraph,
        board: Board,
        blobs: Arc<dyn Blobs>,
        redact: Arc<dyn Redact>,
    ) -> Self {
        let steps = graph.steps.iter().map(|spec| (spec.id.clone(), spec.clone())).collect();
        let timeout = Duration::from_secs(graph.limits.step_timeout_seconds.max(1));
        Self { bind, steps, board, blobs, redact, timeout }
    }

    async fn work(&self, spec: &StepSpec, task: Task) -> Result<Output, Failure> {
        let meter = match &task.work {
            Work::Shard => self.board.meter_of_try(&spec.id, task.unit.shard, spec.shards.max(1)),
            Work::Join(_) => crate::model::Meter::default(),
        };
        let cx = StepContext {
            unit: task.unit,
            inputs: task.inputs,
            cancel: task.cancel,
            meter,
            blobs: Arc::clone(&self.blobs),
        };
        let action = self.bind.bind(spec)?;
        match task.work {
            Work::Shard => action.run(&cx).await,
            Work::Join(shards) => action.join(&cx, shards).await,
        }
    }
}

#[async_trait]
impl Executor for InProcess {
    async fn execute(&self, task: Task) -> Result<Output, Failure> {
        let Some(spec) = self.steps.get(&task.unit.step) else {
            let message = format!("there is no step {} in the graph", task.unit.step);
            return Err(Failure::permanent(Code::Internal, message));
        };
        // Before anybody else hears of it: what comes back goes into the journal.
        match self.attempt(spec, task).await {
            Ok(output) => Ok(self.redact.output(output)),
            Err(failure) => Err(self.redacted(spec, failure)),
        }
    }

    fn holdup(&self, step: &StepId) -> Option<Holdup> {
        let holdup = self.board.holdup(step)?;
        Some(Holdup { by: self.redact.text(&holdup.by), ..holdup })
    }
}

impl InProcess {
    async fn attempt(&self, spec: &StepSpec, task: Task) -> Result<Output, Failure> {
        let cancel = task.cancel.clone();
        let work = AssertUnwindSafe(self.work(spec, task)).catch_unwind();
        match tokio::time::timeout(self.timeout, work).await {
            Ok(Ok(result)) => result,
            Ok(Err(panic)) => Err(panicked(spec, panic.as_ref())),
            Err(_elapsed) => {
                // Threads that the work started see this; the work itself is dropped.
                cancel.cancel();
                let seconds = self.timeout.as_secs();
                let message = format!("{} did not end within {seconds} s", spec.id);
                Err(Failure::transient(Code::StepFailed, message)
                    .hint("raise limits.step_timeout_seconds in the plan if it needs longer")
                    .plain())
            }
        }
    }

    fn redacted(&self, spec: &StepSpec, failure: Failure) -> Failure {
        let about = seed::about(spec);
        let touched = match spec.kind {
            // A gate reads findings alone, and those were redacted when they were found.
            StepKind::Gate => Touched::default(),
            _ => Touched { job: about.job.as_ref(), version: about.version.as_ref() },
        };
        self.redact.failure(touched, failure)
    }
}

fn panicked(spec: &StepSpec, panic: &(dyn Any + Send)) -> Failure {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no message");
    let mut failure = Failure::permanent(Code::Internal, format!("{} met a bug", spec.id))
        .hint("report it with the log; the other steps went on");
    failure.causes.push(format!("panic: {text}"));
    failure
}
