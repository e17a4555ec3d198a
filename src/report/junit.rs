//! A receipt as `JUnit` XML, for systems that show the results of tests.

use chrono::{DateTime, Utc};
use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

use crate::model::RunMode;
use crate::receipt::{GateLine, Predicate, ProjectionLine, ProjectionOutcome, Receipt, StepLine};

/// Gates, steps and projections as the cases of three suites. What was held back is skipped, with
/// what it waited for.
pub(crate) fn junit(receipt: &Receipt) -> Result<String, quick_junit::SerializeError> {
    let predicate = &receipt.predicate;
    let mut report = Report::new(format!("coppice {} {}", predicate.mode, predicate.environment));
    report.set_timestamp(predicate.started_at.fixed_offset());
    report.set_time(between(predicate.started_at, predicate.finished_at));
    report.add_test_suite(suite("gates", predicate, predicate.gates.iter().map(gate)));
    report.add_test_suite(suite("steps", predicate, predicate.steps.iter().map(step)));
    let projections = predicate.projections.iter().map(projection);
    report.add_test_suite(suite("projections", predicate, projections));
    report.to_string()
}

/// A run without a receipt: it did not begin, waits, or had nothing to do.
pub(crate) struct Unbegun {
    /// What it was for.
    pub(crate) mode: RunMode,
    /// The environment.
    pub(crate) environment: String,
    /// The code of what stopped it, and what happened; none: there was nothing to do.
    pub(crate) trouble: Option<(String, String)>,
}

/// Such a run as one case.
pub(crate) fn junit_unbegun(unbegun: &Unbegun) -> Result<String, quick_junit::SerializeError> {
    let Unbegun { mode, environment, trouble } = unbegun;
    let status = match trouble {
        None => TestCaseStatus::success(),
        Some((code, message)) => {
            let mut status = TestCaseStatus::non_success(NonSuccessKind::Error);
            status.set_type(code).set_message(message);
            status
        }
    };
    let mut report = Report::new(format!("coppice {mode} {environment}"));
    let mut suite = TestSuite::new("run");
    suite.add_test_case(case("run", "begin", status));
    report.add_test_suite(suite);
    report.to_string()
}

fn suite(name: &str, predicate: &Predicate, cases: impl Iterator<Item = TestCase>) -> TestSuite {
    let mut suite = TestSuite::new(name);
    suite.set_timestamp(predicate.started_at.fixed_offset());
    suite.add_property(("run_id", predicate.run_id.to_string().as_str()));
    suite.add_test_cases(cases);
    suite
}

fn gate(gate: &GateLine) -> TestCase {
    let status =
        if gate.open { TestCaseStatus::success() } else { failure("gate-shut", &gate.evidence) };
    case("gate", &gate.id, status)
}

fn step(step: &StepLine) -> TestCase {
    let status = match (&step.failure, step.outcome.as_str()) {
        (Some(failed), _) => {
            let hint = failed.hint.as_deref().unwrap_or_default();
            failure(failed.code.name(), &format!("{}\n{hint}", failed.message))
        }
        (None, "succeeded" | "running") => TestCaseStatus::success(),
        (None, outcome) => skipped(&match &step.because {
            Some(because) => format!("{outcome}: {because} did not succeed"),
            None => outcome.to_owned(),
        }),
    };
    let mut case = case("step", step.id.as_str(), status);
    if let Some((from, to)) = step.worked() {
        case.set_time(between(from, to));
    }
    case
}

fn projection(line: &ProjectionLine) -> TestCase {
    let status = match line.outcome {
        ProjectionOutcome::Failed => failure("step-failed", "its build or its proof failed"),
        ProjectionOutcome::Blocked | ProjectionOutcome::NotAttempted => {
            skipped(line.outcome.name())
        }
        _ if line.is_right() => TestCaseStatus::success(),
        _ => failure("step-failed", "it was not read back under its live name"),
    };
    case("projection", &line.job.to_string(), status)
}

fn case(class: &str, name: &str, status: TestCaseStatus) -> TestCase {
    let mut case = TestCase::new(name, status);
    case.set_classname(format!("coppice.{class}"));
    case
}

fn failure(kind: &str, why: &str) -> TestCaseStatus {
    let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
    status.set_type(kind).set_message(why.trim_end());
    status
}

fn skipped(why: &str) -> TestCaseStatus {
    let mut status = TestCaseStatus::skipped();
    status.set_message(why);
    status
}

fn between(from: DateTime<Utc>, to: DateTime<Utc>) -> std::time::Duration {
    (to - from).to_std().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::receipt::samples;

    #[test]
    fn a_partial_recovery_has_failures_and_skipped_cases() {
        insta::assert_snapshot!(junit(&samples::receipt(&samples::broken())).unwrap());
    }
}
