//! What is live at a target that no job of the plan fills: its job was taken out of the plan, or
//! fills another target by now. Readers still have it, and no recovery looks after it.

use std::sync::Arc;

use super::targets::{TargetKind, Targets};
use crate::digest::Digest;
use crate::model::{Failure, JobId};
use crate::plan::LoadedPlan;
use crate::projection::Projection;

/// Something live without a job.
pub(super) struct Orphan {
    /// The job that filled it.
    pub(super) job: JobId,
    /// The generation that is live.
    pub(super) live: Digest,
    /// Where it is live.
    pub(super) target: Arc<dyn Projection>,
    /// Whether the plan has the job, and has it fill another target.
    pub(super) moved: bool,
    kind: TargetKind,
}

impl Orphan {
    /// What it is, for who has to decide.
    pub(super) fn told(&self) -> String {
        let place = match self.kind {
            TargetKind::Database => "in the database",
            TargetKind::GraphServer => "on the SPARQL server",
            TargetKind::Files => "in the projections store",
        };
        if self.moved {
            format!("still live {place}, and its job fills another target now")
        } else {
            format!("live {place}, and no job of the plan fills it")
        }
    }
}

/// Looks for them at every target that there is. A plan that is about some jobs alone says nothing
/// of what lies beside them.
pub(super) async fn orphans(targets: &Targets, plan: &LoadedPlan) -> Result<Vec<Orphan>, Failure> {
    let mut orphans = Vec::new();
    if !plan.plan.spec.only.is_empty() {
        return Ok(orphans);
    }
    for (kind, target) in targets.all().await? {
        for (job, live) in target.all_live().await? {
            let planned = plan.jobs.get(&job).map(|loaded| targets.kind(&loaded.job.spec.sink));
            if planned != Some(kind) {
                let moved = planned.is_some();
                orphans.push(Orphan { job, live, target: target.clone(), moved, kind });
            }
        }
    }
    orphans.sort_by(|one, other| one.job.cmp(&other.job));
    Ok(orphans)
}
