use std::fmt::Write;

use super::words;
use crate::model::Outcome;
use crate::receipt::{Predicate, Receipt};

/// What a run came to in one line, for the log of a scheduler.
pub(crate) fn one_line(receipt: &Receipt) -> String {
    let predicate = &receipt.predicate;
    let took = predicate.finished_at - predicate.started_at;
    let took = words::time(took.to_std().unwrap_or_default());
    let outcome = outcome(predicate);
    let mode = words::mode(predicate.mode);
    let mut line = format!("coppice: {outcome}: {mode} of {} in {took}", predicate.environment);
    let objectives = &predicate.objectives;
    let measured = [
        ("RTO", objectives.rto_actual_seconds, objectives.rto_target_seconds),
        ("RPO", objectives.rpo_actual_seconds, objectives.rpo_target_seconds),
    ];
    for (name, actual, target) in measured {
        objective(&mut line, name, actual, target);
    }
    let shown = predicate.projections.iter().filter(|job| job.is_right() && job.live);
    let count = shown.count();
    let _infallible = write!(line, "; {count} of {} projections live", predicate.projections.len());
    let down = predicate.projections.iter().filter(|job| job.is_taken_down()).count();
    if down > 0 {
        let _infallible = write!(line, ", {down} taken down");
    }
    let blocking = predicate.findings.iter().filter(|finding| finding.blocks()).count();
    let warning = predicate.findings.len() - blocking;
    let _infallible = write!(line, "; findings: {blocking} block, {warning} warn");
    let _infallible = write!(line, "; run {}", predicate.run_id);
    line
}

fn outcome(predicate: &Predicate) -> &'static str {
    match (predicate.outcome, predicate.objectives.met) {
        (Outcome::Recovered, Some(false)) => "recovered too late",
        (outcome, _) => outcome.name(),
    }
}

fn objective(line: &mut String, name: &str, actual: Option<u64>, target: Option<u64>) {
    let actual = actual.map_or_else(|| "not measured".to_owned(), words::seconds);
    let _infallible = write!(line, "; {name} {actual}");
    if let Some(target) = target {
        let _infallible = write!(line, " of {}", words::seconds(target));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::receipt::samples;

    #[test]
    fn a_run_is_told_in_one_line() {
        insta::assert_snapshot!(one_line(&samples::receipt(&samples::whole())));
        insta::assert_snapshot!(one_line(&samples::receipt(&samples::broken())));
    }
}
