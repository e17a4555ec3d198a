use std::collections::BTreeMap;

use super::fold::output_of;
use super::{ProjectionLine, ProjectionOutcome};
use crate::journal::{RunState, StepPhase, StepState};
use crate::model::{
    CommandRun, DecideOutput, DecidedChange, Failure, JobId, Proof, ReadBackOutput, RebuildOutput,
    RunMode,
};

/// What became of every projection that the run was about, in the order of the plan.
pub(super) fn projections(
    state: &RunState,
    mode: RunMode,
    read_back: Option<&ReadBackOutput>,
) -> Result<Vec<ProjectionLine>, Failure> {
    let mut lines = Vec::new();
    if mode == RunMode::Rollback {
        let decided: Option<DecideOutput> = output_of(state, "decide")?;
        lines.extend(decided.unwrap_or_default().set.iter().map(rolled_back));
    }
    let proofs = proofs(state);
    for step in state.in_order().filter(|step| step.seed.kind == "rebuild") {
        if let Some(job) = &step.seed.about.job {
            lines.push(rebuilt(job, step, proofs.get(job).copied())?);
        }
    }
    for line in &mut lines {
        let live = read_back.iter().flat_map(|read| &read.live);
        let mut live = live.filter(|live| live.job == line.job);
        line.live = live.any(|live| Some(live.generation) == line.generation);
    }
    Ok(lines)
}

fn proofs(state: &RunState) -> BTreeMap<&JobId, &StepState> {
    let steps = state.steps.values().filter(|step| step.seed.kind == "prove");
    steps.filter_map(|step| Some((step.seed.about.job.as_ref()?, step))).collect()
}

fn rebuilt(
    job: &JobId,
    rebuild: &StepState,
    prove: Option<&StepState>,
) -> Result<ProjectionLine, Failure> {
    let mut line = empty(job, ProjectionOutcome::NotAttempted);
    line.generation = rebuild.seed.about.generation;
    let built: Option<RebuildOutput> = match &rebuild.output {
        Some(output) => Some(output.read()?),
        None => None,
    };
    let read: Option<Proof> = match prove.and_then(|prove| prove.output.as_ref()) {
        Some(output) => Some(output.read()?),
        None => None,
    };
    let good = built.as_ref().map_or(ProjectionOutcome::Rebuilt, good);
    let proof = read.or_else(|| built.as_ref().and_then(|built| built.unchanged.clone()));
    line.outcome = outcome(rebuild.phase, prove.map(|prove| prove.phase), proof.as_ref(), good);
    if let Some(built) = built {
        line.generation = Some(built.generation);
        line.rows = Some(built.rows);
        line.canonical_digest = Some(built.canonical_digest);
        line.inputs = built.read;
        // What a program printed stays in the journal.
        line.ran = built.ran.map(CommandRun::without_words);
        line.promotion = built.promotion;
    }
    if let Some(proof) = proof {
        line.rows = Some(proof.rows);
        line.canonical_digest = Some(proof.canonical_digest);
        line.projection_digest = Some(proof.projection_digest);
        line.proven = proof.proven;
        line.proof_at = Some(proof.proof_at);
        line.covers = Some(proof.covers);
    }
    Ok(line)
}

/// How a projection came to be what it should be, where it is.
fn good(built: &RebuildOutput) -> ProjectionOutcome {
    let taken = built.promotion.as_ref().is_some_and(|promotion| promotion.why_not.is_none());
    match &built.unchanged {
        Some(_) => ProjectionOutcome::Unchanged,
        None if taken => ProjectionOutcome::Promoted,
        None => ProjectionOutcome::Rebuilt,
    }
}

/// A projection is good when it is built and its proof holds; else the first step that did not
/// succeed says why.
fn outcome(
    rebuild: StepPhase,
    prove: Option<StepPhase>,
    proof: Option<&Proof>,
    good: ProjectionOutcome,
) -> ProjectionOutcome {
    let proven = proof.is_some_and(|proof| proof.proven);
    let of = |phase| match phase {
        StepPhase::Blocked => ProjectionOutcome::Blocked,
        StepPhase::Failed => ProjectionOutcome::Failed,
        StepPhase::Pending | StepPhase::Running | StepPhase::Cancelled | StepPhase::Skipped => {
            ProjectionOutcome::NotAttempted
        }
        StepPhase::Succeeded if !proven => ProjectionOutcome::Failed,
        StepPhase::Succeeded => good,
    };
    match prove {
        Some(prove) if rebuild == StepPhase::Succeeded => of(prove),
        _ => of(rebuild),
    }
}

fn rolled_back(change: &DecidedChange) -> ProjectionLine {
    let mut line = empty(&change.job, ProjectionOutcome::RolledBack);
    line.generation = change.to;
    line
}

fn empty(job: &JobId, outcome: ProjectionOutcome) -> ProjectionLine {
    ProjectionLine {
        job: job.clone(),
        kind: job.kind().to_owned(),
        generation: None,
        outcome,
        live: false,
        rows: None,
        inputs: Vec::new(),
        ran: None,
        promotion: None,
        canonical_digest: None,
        projection_digest: None,
        proven: false,
        proof_at: None,
        covers: None,
    }
}
