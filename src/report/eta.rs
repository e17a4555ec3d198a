use std::time::Duration;

use super::pace::approximate;
use crate::journal::{RunState, StepPhase, StepState};
use crate::model::{Board, Reading};

/// Says how long the rest may take, `elapsed` into the run: the plan's estimates, corrected by
/// how the run did so far. `None` where a step that is left has no estimate, or nothing was done
/// yet to correct by.
pub(super) fn left(state: &RunState, board: &Board, elapsed: Duration) -> Option<Duration> {
    let (mut done, mut open) = (0.0, 0.0);
    for step in state.steps.values() {
        let Some(estimate) = step.seed.estimate_seconds else {
            if step.phase.is_ended() {
                continue;
            }
            return None;
        };
        let estimate = approximate(estimate);
        let part = match step.phase {
            StepPhase::Succeeded | StepPhase::Failed => 1.0,
            StepPhase::Running => fraction(step, board),
            StepPhase::Pending => 0.0,
            StepPhase::Blocked | StepPhase::Cancelled | StepPhase::Skipped => continue,
        };
        done += estimate * part;
        open += estimate * (1.0 - part);
    }
    let left = (done > 0.0).then(|| elapsed.as_secs_f64() * open / done)?;
    Duration::try_from_secs_f64(left).ok()
}

/// How much of a running step is done: by bytes or rows where their total is known, else by
/// shards.
pub(super) fn fraction(step: &StepState, board: &Board) -> f64 {
    let shards = approximate(step.shards_done() as u64) / approximate(step.shards.len() as u64);
    let counted = board.read(&step.seed.id).and_then(|reading| of_totals(&reading));
    counted.unwrap_or(shards).clamp(0.0, 1.0)
}

fn of_totals(reading: &Reading) -> Option<f64> {
    let part = |done: u64, total: Option<u64>| {
        total.filter(|total| *total > 0).map(|total| approximate(done) / approximate(total))
    };
    part(reading.bytes, reading.bytes_total).or_else(|| part(reading.rows, reading.rows_total))
}
