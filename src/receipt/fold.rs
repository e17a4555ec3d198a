use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::de::DeserializeOwned;

use super::objectives::{objectives, read_back};
use super::projections::projections;
use super::statement::{PREDICATE, STATEMENT};
use super::{
    Accepted, Drill, GateLine, Intervention, Moved, Predicate, Receipt, StepFailure, StepLine,
    Subject,
};
use crate::journal::{Asked, RunInfo, RunState, ShardPhase, StepPhase, StepState};
use crate::model::{
    Code, Failure, Finding, FindingName, ReadBackOutput, RestoreOutput, RunMode, SwitchOutput,
    Verdict,
};

/// Folds a run into its receipt. `at` is when: the end of a run that has not ended, because the
/// step that stores the receipt comes before it. What is not public was hidden before it came into
/// the journal.
pub(crate) fn fold(state: &RunState, at: DateTime<Utc>) -> Result<Receipt, Failure> {
    let never = || Failure::permanent(Code::Journal, format!("run {} never started", state.run));
    let info = state.info.as_deref().ok_or_else(never)?;
    let started_at = state.started_at.ok_or_else(never)?;
    let live = read_back(state)?;
    let findings = findings(state);
    let steps: Vec<StepLine> = state.in_order().map(step_line).collect();
    let request = info.request.clone();
    let predicate = Predicate {
        run_id: state.run,
        audit_ref: state.run.audit_ref(),
        mode: info.mode,
        environment: info.environment.clone(),
        scope: request.scope.clone(),
        started_at,
        finished_at: state.finished_at.unwrap_or(at),
        outcome: state.outcome(),
        plan_digest: info.plan_digest,
        snapshot: info.snapshot,
        restored: moved(state)?,
        gates: gates(state)?,
        projections: projections(state, info.mode, live.as_ref())?,
        cutover_window_ms: window(state)?,
        objectives: objectives(state, &request, started_at, live.as_ref()),
        drill: drill(state, info, &findings, &steps),
        steps,
        interventions: state.asked.iter().map(intervention).collect(),
        actor: request.actor,
        reason: request.reason,
        git_commit: request.git_commit,
        as_of: request.as_of,
        policy_date: request.policy_date,
        tools: request.tools,
        promotes: request.promotes,
        not_covered: request.not_covered,
        accepted: accepted(&request.accept, &findings),
        findings,
    };
    Ok(Receipt {
        statement: STATEMENT.to_owned(),
        subject: subjects(live.as_ref()),
        predicate_type: PREDICATE.to_owned(),
        predicate,
    })
}

/// The output of the first succeeded step of a kind.
pub(super) fn output_of<T: DeserializeOwned>(
    state: &RunState,
    kind: &str,
) -> Result<Option<T>, Failure> {
    let mut outputs = state.in_order().filter(|step| step.seed.kind == kind);
    outputs.find_map(|step| step.output.as_ref()).map(crate::model::Output::read).transpose()
}

fn subjects(live: Option<&ReadBackOutput>) -> Vec<Subject> {
    let live = live.iter().flat_map(|read| &read.live);
    live.map(|live| {
        let name = live.generation.algorithm().name().to_owned();
        let digest = BTreeMap::from([(name, live.generation.hex())]);
        Subject { name: live.job.to_string(), digest }
    })
    .collect()
}

fn moved(state: &RunState) -> Result<Moved, Failure> {
    let mut sum = Moved::default();
    let restores = ["restore-objects", "restore-ledger"];
    for step in state.steps.values().filter(|step| restores.contains(&step.seed.kind.as_str())) {
        let Some(output) = &step.output else { continue };
        let one: RestoreOutput = output.read()?;
        sum.objects += one.objects;
        sum.bytes += one.bytes;
        sum.restored += one.restored;
        sum.kept += one.kept;
        sum.displaced += one.displaced;
        sum.promoted += one.promoted;
    }
    Ok(sum)
}

fn gates(state: &RunState) -> Result<Vec<GateLine>, Failure> {
    let gates = state.in_order().filter(|step| step.seed.kind == "gate");
    gates.map(gate_line).collect()
}

/// What could not be evaluated is shut.
fn gate_line(step: &StepState) -> Result<GateLine, Failure> {
    if let Some(output) = &step.output {
        let Verdict { id, open, evidence, .. } = output.read()?;
        return Ok(GateLine { id, open, evidence });
    }
    let evidence = match (&step.failure, &step.because) {
        (Some(failure), _) => failure.message.clone(),
        (None, Some(because)) => format!("not evaluated: {because} did not succeed"),
        (None, None) => "not evaluated".to_owned(),
    };
    let id = step.seed.about.gate.clone().unwrap_or_else(|| step.seed.id.to_string());
    Ok(GateLine { id, open: false, evidence })
}

/// Every defect that any try of any shard, or a step as a whole, or a gate named.
fn findings(state: &RunState) -> Vec<Finding> {
    let mut all: Vec<Finding> = Vec::new();
    for step in state.in_order() {
        for shard in &step.shards {
            match &shard.phase {
                ShardPhase::Succeeded(output) => all.extend(output.findings.iter().cloned()),
                ShardPhase::Failed(failure) => all.extend(failure.findings.iter().cloned()),
                _ => {}
            }
        }
        all.extend(step.output.iter().flat_map(|output| output.findings.iter().cloned()));
        all.extend(step.failure.iter().flat_map(|failure| failure.findings.iter().cloned()));
    }
    all.sort_by_cached_key(|finding| (finding.kind, finding.key.clone(), finding.clone().actual));
    all.dedup_by(|other, kept| merge(kept, other));
    all.sort_by_key(|finding| !finding.blocks());
    all
}

/// Takes what `other` says into `kept`, if both are about one defect: a gate names more of what
/// it holds back than the step that found it.
fn merge(kept: &mut Finding, other: &Finding) -> bool {
    let same = (kept.kind, &kept.key, &kept.dataset_version_id, &kept.expected, &kept.actual)
        == (other.kind, &other.key, &other.dataset_version_id, &other.expected, &other.actual);
    if same {
        kept.severity = kept.severity.max(other.severity);
        if kept.accepted.is_none() {
            kept.accepted.clone_from(&other.accepted);
        }
        let more = other.blocks.iter().filter(|name| !kept.blocks.contains(name));
        let more: Vec<String> = more.cloned().collect();
        kept.blocks.extend(more);
    }
    same
}

/// What the operator let pass, and whether it was met.
fn accepted(names: &[FindingName], findings: &[Finding]) -> Vec<Accepted> {
    let line = |name: &FindingName| {
        let finding = name.to_string();
        let met = findings.iter().any(|found| found.accepted.as_ref() == Some(&finding));
        Accepted { finding, met }
    };
    names.iter().map(line).collect()
}

fn intervention(asked: &Asked) -> Intervention {
    Intervention {
        at: asked.at,
        kind: asked.kind.name().to_owned(),
        step: asked.step.clone(),
        actor: asked.ask.actor.clone(),
        reason: asked.ask.reason.clone(),
    }
}

fn step_line(step: &StepState) -> StepLine {
    let failure = step.failure.as_ref().map(|failure| StepFailure {
        code: failure.code,
        message: failure.message.clone(),
        hint: failure.hint.clone(),
    });
    StepLine {
        id: step.seed.id.clone(),
        outcome: step.phase.name().to_owned(),
        started_at: step.started_at,
        worked_at: step.worked_at,
        finished_at: step.finished_at,
        attempts: step.attempts(),
        because: step.because.clone(),
        failure,
    }
}

fn window(state: &RunState) -> Result<Option<u64>, Failure> {
    let switched: Option<SwitchOutput> = output_of(state, "switch")?;
    Ok(switched.map(|switched| {
        let window = switched.last_at - switched.first_at;
        u64::try_from(window.num_milliseconds()).unwrap_or_default()
    }))
}

fn drill(
    state: &RunState,
    info: &RunInfo,
    findings: &[Finding],
    steps: &[StepLine],
) -> Option<Drill> {
    if info.mode != RunMode::Rehearse {
        return None;
    }
    let blocking = findings.iter().filter(|finding| finding.blocks());
    let hints = blocking.map(|finding| finding.hint.clone());
    let failed = steps.iter().filter(|step| step.outcome == StepPhase::Failed.name());
    let failed = failed.filter_map(|step| step.failure.as_ref()?.hint.clone());
    let mut corrections: Vec<String> = hints.chain(failed).collect();
    corrections.sort();
    corrections.dedup();
    Some(Drill {
        id: format!("drill/{}", state.run),
        scope: info.request.scope.clone().unwrap_or_else(|| "everything".to_owned()),
        corrections,
        sign_off: None,
    })
}
