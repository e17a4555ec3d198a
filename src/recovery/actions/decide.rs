//! One decision over all that is proven. Its output is durable before the first switch.

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;

use crate::engine::{Action, StepContext};
use crate::model::{Code, DecideOutput, DecidedChange, Failure, JobId, Output, ProveOutput};
use crate::plan::{Candidate, CutoverPolicy, DecideParams, StepSpec};
use crate::projection::Change;
use crate::recovery::{World, params};

struct Decide {
    params: DecideParams,
    world: Arc<World>,
}

/// Binds a `Decide` step.
pub(crate) fn bind(spec: &StepSpec, world: &Arc<World>) -> Result<Arc<dyn Action>, Failure> {
    Ok(Arc::new(Decide { params: params(spec)?, world: world.clone() }))
}

#[async_trait]
impl Action for Decide {
    async fn run(&self, cx: &StepContext) -> Result<Output, Failure> {
        let set = if self.params.rollback { self.former().await? } else { self.proven(cx).await? };
        self.prepare(&set).await?;
        let set = set
            .into_iter()
            .map(|change| DecidedChange { job: change.job, from: change.from, to: change.to })
            .collect();
        Output::of(&DecideOutput { set })
    }
}

impl Decide {
    async fn proven(&self, cx: &StepContext) -> Result<Vec<Change>, Failure> {
        let mut proven = BTreeSet::new();
        for output in cx.inputs.values() {
            // Gates are among what it waits for, and give no proof.
            if let Ok(prove) = output.read::<ProveOutput>()
                && prove.proof.proven
            {
                proven.insert(prove.job);
            }
        }
        let chosen = closed(&self.params.jobs, &proven);
        if self.params.policy == CutoverPolicy::All && chosen.len() < self.params.jobs.len() {
            return Err(incomplete(&self.params.jobs, &chosen));
        }
        let mut set = Vec::new();
        for candidate in chosen {
            let target = self.world.targets.of(&candidate.sink).await?;
            let from = target.live(&candidate.job).await?;
            if from != candidate.generation {
                set.push(change(candidate, from, candidate.generation));
            }
        }
        Ok(set)
    }

    async fn former(&self) -> Result<Vec<Change>, Failure> {
        let mut set = Vec::new();
        for candidate in &self.params.jobs {
            let target = self.world.targets.of(&candidate.sink).await?;
            let from = target.live(&candidate.job).await?;
            let Some(to) = target.former(&candidate.job).await? else {
                return Err(Failure::permanent(
                    Code::StepFailed,
                    format!("{} has no former generation to go back to", candidate.job),
                )
                .hint("nothing was changed; leave the job out with --only of the others"));
            };
            set.push(change(candidate, from, Some(to)));
        }
        Ok(set)
    }

    async fn prepare(&self, set: &[Change]) -> Result<(), Failure> {
        for (target, changes) in self.world.targets.grouped(set).await? {
            target.prepare(&changes).await?;
        }
        Ok(())
    }
}

fn change(
    candidate: &Candidate,
    from: Option<crate::digest::Digest>,
    to: Option<crate::digest::Digest>,
) -> Change {
    Change { job: candidate.job.clone(), sink: candidate.sink.clone(), from, to }
}

/// The candidates that are proven and whose needs are all in the set; dependencies stand first.
fn closed<'a>(jobs: &'a [Candidate], proven: &BTreeSet<JobId>) -> Vec<&'a Candidate> {
    let mut inside = BTreeSet::new();
    let mut set = Vec::new();
    for candidate in jobs {
        // A need that is no candidate is live and proven already: the run was compiled so.
        let is_candidate = |need: &JobId| jobs.iter().any(|job| job.job == *need);
        let whole = candidate.needs.iter().all(|n| inside.contains(n) || !is_candidate(n));
        if proven.contains(&candidate.job) && whole {
            inside.insert(candidate.job.clone());
            set.push(candidate);
        }
    }
    set
}

fn incomplete(jobs: &[Candidate], chosen: &[&Candidate]) -> Failure {
    let missing: Vec<_> = jobs
        .iter()
        .filter(|job| !chosen.iter().any(|c| c.job == job.job))
        .map(|job| job.job.to_string())
        .collect();
    Failure::permanent(
        Code::GateShut,
        format!("the plan says `cutover: all`, and {} is not proven", missing.join(", ")),
    )
    .hint("repair what blocks it and resume, or let the plan say `cutover: proven`")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{GraphSink, Sink};

    fn candidate(job: &str, needs: &[&str]) -> Candidate {
        Candidate {
            job: job.parse().unwrap(),
            generation: None,
            sink: Sink::Graph(GraphSink { graph_profile_version: 1 }),
            needs: needs.iter().map(|n| n.parse().unwrap()).collect(),
        }
    }

    #[test]
    fn a_job_whose_need_is_unproven_stays_out() {
        let jobs = [
            candidate("graph/a", &[]),
            candidate("graph/b", &[]),
            candidate("graph/c", &["graph/a"]),
        ];
        let proven = ["graph/b", "graph/c"].iter().map(|j| j.parse().unwrap()).collect();
        let set: Vec<_> = closed(&jobs, &proven).iter().map(|c| c.job.to_string()).collect();
        assert_eq!(set, ["graph/b"]);
    }
}
