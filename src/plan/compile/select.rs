use std::collections::BTreeSet;

use super::resolve::ResolvedJob;
use super::shoots::references;
use crate::model::{JobId, RunMode};
use crate::plan::hint::did_you_mean;
use crate::plan::{BackTo, Facts, LoadedPlan, Problem};

/// Refuses jobs that were asked for and that the plan does not have.
pub(super) fn are_known(plan: &LoadedPlan, facts: &Facts) -> Result<(), Vec<Problem>> {
    let unknown = facts.only.iter().filter(|id| !plan.jobs.contains_key(id));
    let problems: Vec<_> = unknown
        .map(|id| {
            let hint = did_you_mean(id.as_str(), plan.jobs.keys().map(JobId::as_str));
            Problem::of_file(&plan.file, format!("no job named `{id}`")).hint(hint)
        })
        .collect();
    if problems.is_empty() { Ok(()) } else { Err(problems) }
}

/// The jobs that a run takes, dependencies first.
pub(super) fn jobs(
    plan: &LoadedPlan,
    all: Vec<ResolvedJob>,
    facts: &Facts,
    mode: RunMode,
) -> Result<Vec<ResolvedJob>, Vec<Problem>> {
    let asked = |id: &JobId| facts.only.is_empty() || facts.only.contains(id);
    let mut taken: BTreeSet<JobId> = BTreeSet::new();
    loop {
        let before = taken.len();
        for job in &all {
            let mut dependant = job.needs.iter().any(|needed| taken.contains(needed));
            if facts.back_to == BackTo::Nothing {
                dependant |= references(job).any(|needed| taken.contains(needed));
            }
            let take = match mode {
                // What is live may go back, and what is made of it with it.
                RunMode::Rollback => {
                    facts.live.contains_key(&job.id) && (asked(&job.id) || dependant)
                }
                _ => asked(&job.id) || dependant,
            };
            if take {
                taken.insert(job.id.clone());
            }
        }
        if mode != RunMode::Rollback {
            for job in all.iter().rev().filter(|job| taken.contains(&job.id)).collect::<Vec<_>>() {
                let missing = job.needs.iter().filter(|id| !in_place(id, &all, facts, mode));
                taken.extend(missing.cloned());
            }
        }
        if taken.len() == before {
            break;
        }
    }
    if mode == RunMode::Rollback && taken.is_empty() {
        let what = if facts.only.is_empty() { "no job" } else { "none of these jobs" };
        let problem = Problem::of_file(&plan.file, format!("{what} is live, so none can go back"));
        return Err(vec![problem]);
    }
    Ok(all.into_iter().filter(|job| taken.contains(&job.id)).collect())
}

/// Whether a rebuild can be made out of what is live: proven, and what the job would build now.
fn in_place(id: &JobId, all: &[ResolvedJob], facts: &Facts, mode: RunMode) -> bool {
    let current = all.iter().find(|job| &job.id == id).map(|job| &job.generation);
    mode == RunMode::Rebuild && current.is_some() && facts.live.get(id) == current
}
