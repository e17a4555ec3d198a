use std::io;

use crate::journal::{Ask, Event, EventKind, Listener, RunState};
use crate::model::{DatasetVersionId, Failure};

/// Log records: one for each event, with the run, the step and the dataset version it is about.
pub(crate) struct Logs;

impl Listener for Logs {
    fn name(&self) -> &'static str {
        "the event log"
    }

    fn on_event(&mut self, event: &Event, state: &RunState) -> io::Result<()> {
        let (kind, _) = event.kind.to_parts().map_err(io::Error::other)?;
        let step = event.kind.step();
        let seed = step.and_then(|step| state.steps.get(step)).map(|step| &step.seed);
        let version: Option<&DatasetVersionId> = seed.and_then(|seed| seed.about.version.as_ref());
        let failure = failure(&event.kind);
        let (shard, attempt) = shard(&event.kind);
        macro_rules! record {
            ($level:expr) => {
                tracing::event!(
                    $level,
                    run_id = %state.run,
                    audit_ref = state.run.audit_ref(),
                    step_id = step.map(display),
                    dataset_version_id = version.map(display),
                    seq = event.seq,
                    epoch = event.epoch,
                    event = kind,
                    shard,
                    attempt,
                    code = failure.map(|failure| failure.code.name()),
                    error = failure.map(display),
                    causes = failure.map(|failure| failure.causes.join(": ")),
                    hint = failure.and_then(|failure| failure.hint.as_deref()),
                    "{}",
                    message(&event.kind)
                )
            };
        }
        match &event.kind {
            EventKind::StepFailed { .. } => record!(tracing::Level::ERROR),
            EventKind::ShardFailed { .. } | EventKind::StepBlocked { .. } => {
                record!(tracing::Level::WARN);
            }
            EventKind::ShardStarted { .. } | EventKind::ShardSucceeded { .. } => {
                record!(tracing::Level::DEBUG);
            }
            _ => record!(tracing::Level::INFO),
        }
        Ok(())
    }
}

fn failure(kind: &EventKind) -> Option<&Failure> {
    match kind {
        EventKind::ShardFailed { failure, .. } | EventKind::StepFailed { failure, .. } => {
            Some(failure)
        }
        _ => None,
    }
}

fn shard(kind: &EventKind) -> (Option<u32>, Option<u32>) {
    match kind {
        EventKind::ShardStarted { shard, attempt, .. } => (Some(*shard), Some(*attempt)),
        EventKind::ShardSucceeded { shard, .. } | EventKind::ShardFailed { shard, .. } => {
            (Some(*shard), None)
        }
        _ => (None, None),
    }
}

fn asked(what: &str, ask: &Ask) -> String {
    format!("{what} by {}: {}", ask.actor.principal, ask.reason)
}

fn message(kind: &EventKind) -> String {
    match kind {
        EventKind::RunStarted(info) => format!("{} of {} started", info.mode, info.environment),
        EventKind::RunResumed { holder } => format!("run resumed by {holder}"),
        EventKind::StepStarted { .. } => "step started".into(),
        EventKind::ShardStarted { .. } => "shard started".into(),
        EventKind::ShardSucceeded { .. } => "shard succeeded".into(),
        EventKind::ShardFailed { retry_in: Some(_), .. } => "shard failed, tried again".into(),
        EventKind::ShardFailed { .. } => "shard failed".into(),
        EventKind::StepSucceeded { .. } => "step succeeded".into(),
        EventKind::StepFailed { .. } => "step failed".into(),
        EventKind::StepBlocked { because, .. } => format!("step blocked by {because}"),
        EventKind::StepReopened { .. } => "step to be done again".into(),
        EventKind::StepCancelled { .. } => "step cancelled".into(),
        EventKind::StepRetried { ask, .. } => asked("step to be tried again", ask),
        EventKind::StepSkipped { ask, .. } => asked("step skipped", ask),
        EventKind::ApprovalAwaited { .. } => "step waits for approval".into(),
        EventKind::StepApproved { ask, .. } => asked("step approved", ask),
        EventKind::ReadersAwaited { readers, .. } => format!("step waits for {}", readers.by),
        EventKind::ReadersGone { .. } => "step waits for nobody any more".into(),
        EventKind::RunPaused { ask } => asked("run paused", ask),
        EventKind::RunContinued { ask } => asked("run continued", ask),
        EventKind::CancelRequested {} => "asked to stop".into(),
        EventKind::RunFinished { outcome } => format!("run finished: {}", outcome.name()),
        EventKind::Unknown { kind, .. } => format!("unknown event {kind}"),
    }
}
