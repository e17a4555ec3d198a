use std::io::{self, Write};
use std::time::Duration;

use super::words;
use crate::journal::{Ask, Event, EventKind, Listener, RunInfo, RunState, StepState};
use crate::model::{ApprovedBy, Board, Failure, Outcome, StepId, size};

/// Plain lines for logs of CI jobs and for pipes: one for each thing that happened to a step.
pub(crate) struct Lines<W> {
    out: W,
    board: Board,
}

impl<W: Write + Send> Lines<W> {
    /// Writes to `out`: the error stream, never the output.
    pub(crate) fn new(out: W, board: Board) -> Self {
        Self { out, board }
    }
}

impl<W: Write + Send> Listener for Lines<W> {
    fn name(&self) -> &'static str {
        "the progress lines"
    }

    fn on_event(&mut self, event: &Event, state: &RunState) -> io::Result<()> {
        if let Some(text) = line(event, state, &self.board) {
            writeln!(self.out, "{}  {text}", event.at.format("%H:%M:%SZ"))?;
            self.out.flush()?;
        }
        Ok(())
    }
}

/// Says an event in one line; `None` where it would only be noise.
pub(super) fn line(event: &Event, state: &RunState, board: &Board) -> Option<String> {
    let text = match &event.kind {
        EventKind::RunStarted(info) => run_started(info, state),
        EventKind::RunResumed { .. } => {
            format!("resumed   run {}: {}", state.run, steps_done(state))
        }
        EventKind::StepStarted { step } => started(step, state.steps.get(step)?),
        EventKind::ShardFailed { step, shard, failure, retry_in: Some(wait) } => {
            retried(step, *shard, failure, *wait, state.steps.get(step)?)
        }
        EventKind::StepSucceeded { step, .. } => {
            format!("done      {step}  {}", counts(state.steps.get(step)?, board))
        }
        EventKind::StepFailed { step, failure } => failed(step, failure),
        EventKind::StepBlocked { step, because } => {
            format!("blocked   {step}  because {because} did not succeed")
        }
        EventKind::StepReopened { step } => format!("again     {step}"),
        EventKind::StepCancelled { step } => format!("cancelled {step}"),
        EventKind::StepRetried { step, ask } => format!("again     {step}  {}", wish(ask)),
        EventKind::StepSkipped { step, ask } => format!("skipped   {step}  {}", wish(ask)),
        EventKind::ApprovalAwaited { step } => awaited(step, state),
        EventKind::StepApproved { step, ask } => format!("approved  {step}  {}", wish(ask)),
        EventKind::ReadersAwaited { step, readers } => {
            format!("waiting   {step}  for {}; {}", readers.by, readers.unblock)
        }
        EventKind::ReadersGone { step } => format!("going on  {step}  nobody is waited for"),
        EventKind::RunPaused { ask } => format!(
            "paused    {}; what is in flight ends; go on with: coppice continue {} --reason TEXT",
            wish(ask),
            state.run
        ),
        EventKind::RunContinued { ask } => format!("continued {}", wish(ask)),
        EventKind::CancelRequested {} => "stopping  waiting for what is in flight".to_owned(),
        EventKind::RunFinished { outcome } => finished(*outcome, state),
        EventKind::Unknown { kind, .. } => format!("unknown   {kind}, written by a later version"),
        EventKind::ShardStarted { .. }
        | EventKind::ShardSucceeded { .. }
        | EventKind::ShardFailed { retry_in: None, .. } => return None,
    };
    Some(text)
}

fn wish(ask: &Ask) -> String {
    format!("by {}: {}", ask.actor.principal, ask.reason)
}

fn awaited(step: &StepId, state: &RunState) -> String {
    let by = state.steps.get(step).and_then(|step| step.seed.approve);
    let whose = match (by, &state.info) {
        (Some(ApprovedBy::Other), Some(info)) => {
            format!(" by another than {}", info.request.actor.principal)
        }
        _ => String::new(),
    };
    format!(
        "waiting   {step}  for approval{whose}: coppice approve {} {step} --reason TEXT",
        state.run
    )
}

fn run_started(info: &RunInfo, state: &RunState) -> String {
    let steps = words::counted(info.steps.len() as u64, "step");
    let mode = words::mode(info.mode);
    format!("started   {mode} of {}: run {}, {steps}", info.environment, state.run)
}

fn started(id: &StepId, step: &StepState) -> String {
    match step.shards.len() {
        1 => format!("started   {id}"),
        shards => format!("started   {id}  in {shards} shards"),
    }
}

fn retried(id: &StepId, shard: u32, failure: &Failure, wait: Duration, step: &StepState) -> String {
    let tries = step.shards.get(shard as usize).map_or(1, |shard| shard.attempts);
    let name = if step.shards.len() == 1 { id.to_string() } else { format!("{id}#{shard}") };
    format!("retrying  {name}  in {}: try {tries} failed: {failure}", words::time(wait))
}

fn failed(id: &StepId, failure: &Failure) -> String {
    let hint = failure.hint.as_ref().map(|hint| format!("; {hint}")).unwrap_or_default();
    format!("failed    {id}  {failure}{hint}")
}

fn finished(outcome: Outcome, state: &RunState) -> String {
    let took = state.started_at.zip(state.finished_at);
    let took = took.and_then(|(from, to)| (to - from).to_std().ok()).map(words::time);
    let took = took.map(|took| format!(" after {took}")).unwrap_or_default();
    format!("finished  {}{took}: {}", outcome.name(), steps_done(state))
}

fn steps_done(state: &RunState) -> String {
    let succeeded = crate::journal::StepPhase::Succeeded;
    let done = state.steps.values().filter(|step| step.phase == succeeded).count();
    format!("{done} of {} steps succeeded", state.steps.len())
}

/// What a step counted, and how long it took.
fn counts(step: &StepState, board: &Board) -> String {
    let reading = board.read(&step.seed.id);
    let rows = reading.map_or(0, |reading| reading.rows);
    let bytes = reading.map_or(0, |reading| reading.bytes);
    let took = step.took().and_then(|took| took.to_std().ok()).map(words::time);
    let noun = noun(&step.seed.kind);
    let one = noun.strip_suffix('s').unwrap_or(noun);
    let rows = (rows > 0).then(|| words::counted(rows, one));
    let bytes = (bytes > 0).then(|| size(bytes));
    let parts: Vec<String> = [rows, bytes, took].into_iter().flatten().collect();
    parts.join(", ")
}

/// What a kind of step counts.
pub(super) fn noun(kind: &str) -> &'static str {
    match kind {
        "rebuild" | "prove" => "rows",
        "verify-ledger" | "restore-ledger" => "records",
        "restore-objects" | "verify-objects" | "verify-version" => "objects",
        _ => "items",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::samples::{events, fold, info};
    use crate::model::{Holdup, RunId};

    #[test]
    fn a_wait_for_readers_is_one_line_and_so_is_its_end() {
        let step: StepId = "cutover/switch".parse().unwrap();
        let readers =
            Holdup { by: "pid 7 of kim".into(), unblock: "they end by themselves".into() };
        let events = events([
            EventKind::RunStarted(Box::new(info(&[("cutover/switch", "switch", 1)]))),
            EventKind::StepStarted { step: step.clone() },
            EventKind::ShardStarted { step: step.clone(), shard: 0, attempt: 1 },
            EventKind::ReadersAwaited { step: step.clone(), readers },
            EventKind::ReadersGone { step },
        ]);
        let (state, board) = (fold(RunId::now(), &events), Board::default());
        let lines: Vec<_> = events.iter().filter_map(|event| line(event, &state, &board)).collect();
        assert_eq!(
            lines[lines.len() - 2..],
            [
                "waiting   cutover/switch  for pid 7 of kim; they end by themselves",
                "going on  cutover/switch  nobody is waited for",
            ]
        );
    }
}
