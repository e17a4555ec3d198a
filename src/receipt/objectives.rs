use chrono::{DateTime, TimeDelta, Utc};

use super::projections::projections;
use super::{Objectives, ProjectionLine};
use crate::journal::{RunRequest, RunState};
use crate::model::{Failure, Outcome, ReadBackOutput};

/// Measures what was promised. `started_at` is the run's first start.
pub(super) fn objectives(
    state: &RunState,
    request: &RunRequest,
    started_at: DateTime<Utc>,
    read_back: Option<&ReadBackOutput>,
) -> Objectives {
    let incident_at = request.incident_at.unwrap_or(started_at);
    // After a switch that failed, what was read back is what is live, and not what was to be.
    let read_back = read_back.filter(|_| state.outcome() != Outcome::Halted);
    // As long as a projection is not live, nobody knows how long that takes.
    let read_back = read_back.filter(|read| is_all_live(state, read));
    let to_live = read_back.map(|read| seconds(read.at - started_at));
    let lost = request.as_of.map(|as_of| seconds(incident_at - as_of));
    // A run that was to bring something live and did not missed its time; one without is not
    // measured.
    let was_to_go_live = state.steps.values().any(|step| step.seed.kind == "read-back");
    let in_time = request.rto_target_seconds.and_then(|target| match to_live {
        Some(actual) => Some(actual <= target),
        None => was_to_go_live.then_some(false),
    });
    let little_lost = request.rpo_target_seconds.zip(lost).map(|(target, actual)| actual <= target);
    Objectives {
        rto_target_seconds: request.rto_target_seconds,
        rto_actual_seconds: to_live,
        rpo_target_seconds: request.rpo_target_seconds,
        rpo_actual_seconds: lost,
        incident_at,
        incident_source: if request.incident_at.is_some() { "given" } else { "run-start" }.into(),
        since_incident_seconds: read_back.map(|read| seconds(read.at - incident_at)),
        met: match (in_time, little_lost) {
            (None, None) => None,
            (time, data) => Some(time.unwrap_or(true) && data.unwrap_or(true)),
        },
    }
}

/// Whether all that the run was about is live, or down where that was asked for.
fn is_all_live(state: &RunState, read_back: &ReadBackOutput) -> bool {
    let Some(info) = state.info.as_deref() else { return false };
    projections(state, info.mode, Some(read_back))
        .is_ok_and(|lines| lines.iter().all(ProjectionLine::is_right))
}

/// Whole seconds, begun ones counted: a target is not met by rounding.
fn seconds(time: TimeDelta) -> u64 {
    let millis = u64::try_from(time.num_milliseconds()).unwrap_or_default();
    millis.div_ceil(1000)
}

/// The output of the one step that reads live names back, if it succeeded.
pub(super) fn read_back(state: &RunState) -> Result<Option<ReadBackOutput>, Failure> {
    super::fold::output_of(state, "read-back")
}

#[cfg(test)]
mod tests {
    use crate::journal::EventKind;
    use crate::receipt::samples::{broken, receipt};

    #[test]
    fn what_is_live_in_part_has_missed_its_time_however_fast_it_was() {
        let mut events = broken();
        let Some(EventKind::RunStarted(info)) = events.first_mut().map(|event| &mut event.kind)
        else {
            panic!("it never started");
        };
        info.request.rto_target_seconds = Some(3600);
        let of = receipt(&events).predicate.objectives;
        assert_eq!((of.rto_target_seconds, of.rto_actual_seconds), (Some(3600), None));
        assert_eq!((of.since_incident_seconds, of.met), (None, Some(false)));
    }
}
