//! Whether a former generation may go live again: labels tighten and data are withdrawn while it
//! lies there, and a rollback must not undo that.

use super::World;
use crate::digest::Digest;
use crate::model::{
    Audience, Code, DatasetVersionId, Failure, Finding, FindingKind, JobId, MadeOf, PolicyLabel,
};
use crate::plan::{Candidate, DecideParams};
use crate::projection::{Generation, Held};

/// Why a generation of a job may not go live again; nothing where it may. One that is not whole and
/// proven is an error.
pub(super) async fn denied(
    world: &World,
    params: &DecideParams,
    candidate: &Candidate,
    to: Digest,
) -> Result<Vec<Finding>, Failure> {
    let job = &candidate.job;
    let generation = Generation { job: job.clone(), digest: to, sink: candidate.sink.clone() };
    let target = world.targets.of(&candidate.sink).await?;
    let (Held::Live(proof) | Held::Complete(proof)) = target.holds(&generation).await? else {
        return Err(gone(job, to));
    };
    let Some(made_of) = proof.made_of else { return Ok(vec![unknown(job, to)]) };
    let withdrawals = world.withdrawals().await?;
    let MadeOf { versions, withdrawals: known } = made_of;
    let mut findings = Vec::new();
    for (version, then) in versions {
        if withdrawals.erased_since(&version, known) {
            findings.push(erased(job, &version));
        }
        // Of a version that is not there any more counts what is on record, and the list.
        let label = match params.labels.get(&version) {
            Some(now) => *now,
            None => withdrawals.at_least(&version, then),
        };
        if !label.is_some_and(|label| label.may_reach(candidate.audience)) {
            findings.push(label_denies(job, &version, label, candidate.audience));
        }
    }
    Ok(findings)
}

/// Nothing is changed, of none of the jobs.
pub(super) fn refused(findings: Vec<Finding>) -> Failure {
    let mut jobs: Vec<&str> =
        findings.iter().flat_map(|finding| &finding.blocks).map(String::as_str).collect();
    jobs.dedup();
    let why = findings.first().map(|first| first.kind.name()).unwrap_or_default();
    let message = format!(
        "the former generation of {} may not go live again ({why}); nothing was changed",
        jobs.join(", ")
    );
    Failure::permanent(Code::GateShut, message)
        .hint("roll the other jobs back with --only, and build these anew with `coppice rebuild`")
        .with_findings(findings)
}

/// Somebody took it away, or its proof did not hold.
fn gone(job: &JobId, former: Digest) -> Failure {
    let message = format!(
        "the former generation {} of {job} is not whole and proven at the target any more; nothing \
         was changed",
        former.short()
    );
    Failure::permanent(Code::StepFailed, message).hint(format!(
        "go forward: put the plan and jobs back as they were, then `coppice rebuild --only {job}`"
    ))
}

fn of_job(finding: Finding, job: &JobId) -> Finding {
    Finding { blocks: vec![job.to_string()], ..finding }
}

fn unknown(job: &JobId, generation: Digest) -> Finding {
    let hint = format!(
        "the former generation of {job} was proven by a version of coppice that did not record \
         what it was made of, so nobody can tell who may see it: build it anew"
    );
    let finding = Finding::blocking(FindingKind::PolicyLabelMissing, hint);
    of_job(finding.differs("what it was made of", generation.short()), job)
}

fn erased(job: &JobId, version: &DatasetVersionId) -> Finding {
    let hint = format!("the former generation of {job} was made of data that were erased since");
    of_job(Finding::blocking(FindingKind::Withdrawn, hint).of_version(Some(version)), job)
}

fn label_denies(
    job: &JobId,
    version: &DatasetVersionId,
    label: Option<PolicyLabel>,
    audience: Audience,
) -> Finding {
    let hint = format!(
        "the former generation of {job} was made of data that may not reach a {} target now",
        audience.name()
    );
    let label = label.map_or("missing or unknown", PolicyLabel::name);
    let finding = Finding::blocking(FindingKind::PolicyDenied, hint).of_version(Some(version));
    of_job(finding.differs("public or public_generalized", label), job)
}
