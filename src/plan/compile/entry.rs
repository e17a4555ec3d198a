use std::collections::{BTreeMap, BTreeSet};

use super::resolve::{self, ResolvedJob};
use super::steps::{Steps, id};
use super::{approvals, commands, name, roots, select, shoots};
use crate::digest::Digest;
use crate::model::{DatasetVersionId, RunMode};
use crate::plan::{Facts, Input, LoadedPlan, Problem, RecoveryGraph, StepKind};

/// Makes the graph of a run out of a plan and the facts that were pinned for it. Pure: reads no
/// file, no clock, no store.
pub(crate) fn compile(
    plan: &LoadedPlan,
    facts: &Facts,
    mode: RunMode,
) -> Result<RecoveryGraph, Vec<Problem>> {
    let environment = plan.environment(&facts.environment).map_err(|problem| vec![problem])?;
    let broken = |message: String| vec![Problem::of_file(&plan.file, message)];
    unambiguous(plan, facts)?;
    select::are_known(plan, facts)?;
    not_empty(plan, facts, mode)?;
    let jobs = match mode {
        // Nothing is built, so nothing is asked of datasets.
        RunMode::Rollback => resolve::without_inputs(plan),
        _ => resolve::jobs(plan, facts),
    }?;
    let jobs = select::jobs(plan, jobs, facts, mode)?;
    let spec = &plan.plan.spec;
    let mut steps = Steps::default();
    steps.add(id(&["fence"]), StepKind::Fence, Vec::new()).action("check markers, take locks");
    commands::freeze(&mut steps, environment, mode);
    match (mode, &facts.snapshot) {
        (RunMode::Restore | RunMode::Rehearse, Some(snapshot)) => {
            roots::recover(&mut steps, spec, facts, snapshot);
            shoots::regrow(&mut steps, facts, &jobs, mode);
            roots::publish(&mut steps, snapshot);
            roots::withdrawals(&mut steps, facts);
            shoots::cut_over(&mut steps, spec, facts, &jobs, mode);
            roots::head(&mut steps, snapshot);
        }
        (RunMode::Restore | RunMode::Rehearse, None) => {
            return Err(broken("there is no snapshot to recover from".to_owned()));
        }
        (RunMode::Rebuild, _) => {
            roots::prove_in_place(&mut steps, spec, facts, &inputs(&jobs));
            shoots::regrow(&mut steps, facts, &jobs, mode);
            roots::withdrawals(&mut steps, facts);
            shoots::cut_over(&mut steps, spec, facts, &jobs, mode);
        }
        (RunMode::Rollback, _) => shoots::cut_over(&mut steps, spec, facts, &jobs, mode),
    }
    commands::hold_back(&mut steps, environment, mode);
    commands::enable(&mut steps, environment, mode);
    shoots::end(&mut steps, facts, mode);
    if let Some(bug) = steps.broken.first() {
        return Err(broken(bug.clone()));
    }
    let steps = steps.finish();
    let recovers = matches!(mode, RunMode::Restore | RunMode::Rehearse);
    Ok(RecoveryGraph {
        mode,
        environment: facts.environment.clone(),
        plan_digest: name::plan(plan, facts, mode).map_err(|error| broken(error.to_string()))?,
        snapshot: snapshot_of(facts).filter(|_| recovers),
        limits: spec.limits.clone(),
        approvals: approvals::of(plan, facts, mode, &steps)?,
        steps,
    })
}

fn snapshot_of(facts: &Facts) -> Option<Digest> {
    facts.snapshot.as_ref().map(|snapshot| snapshot.digest)
}

/// Without any dataset each input of each job would be a problem of its own.
fn not_empty(plan: &LoadedPlan, facts: &Facts, mode: RunMode) -> Result<(), Vec<Problem>> {
    let inputs = plan.jobs.values().flat_map(|loaded| &loaded.job.spec.inputs);
    let reads = inputs.clone().any(|input| matches!(input, Input::Dataset { .. }));
    if mode == RunMode::Rollback || !facts.versions.is_empty() || !reads {
        return Ok(());
    }
    let (message, hint) = match mode {
        RunMode::Rebuild => (
            format!(
                "no version of any dataset is in the canonical store of `{}`",
                facts.environment
            ),
            "bring it back with `coppice restore`; if it is not lost, look at the store's url",
        ),
        _ => (
            "no version of any dataset is in the snapshot".to_owned(),
            "see whether the right store was sealed: `coppice snapshots`; or name another with --snapshot",
        ),
    };
    Err(vec![Problem::of_file(&plan.file, message).hint(hint.to_owned())])
}

/// A version id is the name of a gate; two datasets that share one could open each other's.
fn unambiguous(plan: &LoadedPlan, facts: &Facts) -> Result<(), Vec<Problem>> {
    let mut seen: BTreeMap<&DatasetVersionId, &str> = BTreeMap::new();
    let mut problems = Vec::new();
    for version in &facts.versions {
        if let Some(other) = seen.insert(&version.version, &version.dataset) {
            let message = format!(
                "the datasets `{other}` and `{}` both have a version `{}`",
                version.dataset, version.version
            );
            problems.push(Problem::of_file(&plan.file, message));
        }
    }
    if problems.is_empty() { Ok(()) } else { Err(problems) }
}

/// The dataset versions that some job is derived from.
fn inputs(jobs: &[ResolvedJob]) -> Vec<(String, DatasetVersionId)> {
    let all: BTreeSet<_> = jobs
        .iter()
        .flat_map(|job| &job.versions)
        .map(|(version, lineage)| (lineage.dataset.clone(), version.clone()))
        .collect();
    all.into_iter().collect()
}
