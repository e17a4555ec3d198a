//! One decision over all that is proven. Its output is durable before the first switch.

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;

use super::go_back::{last_set, nothing_to_go_back_to, taken_down, together};
use crate::digest::Digest;
use crate::engine::{Action, StepContext};
use crate::model::{
    Code, DecideOutput, DecidedChange, Failure, Fate, JobId, Output, Preview, Previews,
    ProveOutput, StepId, Thing,
};
use crate::plan::{BackTo, Candidate, CutoverPolicy, DecideParams, StepSpec};
use crate::projection::Change;
use crate::recovery::{World, params, rollback};

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
        let set = if self.params.rollback { self.back().await? } else { self.proven(cx).await? };
        self.prepare(&set).await?;
        let set = set
            .into_iter()
            .map(|change| DecidedChange { job: change.job, from: change.from, to: change.to })
            .collect();
        Output::of(&DecideOutput { set })
    }

    async fn preview(&self, before: &Previews) -> Result<Preview, Failure> {
        let mut preview = Preview::default();
        if self.params.rollback {
            let set = match self.back().await {
                Err(failure) if failure.code == Code::StepFailed => {
                    return Ok(Preview::blocked(failure.message));
                }
                set => set?,
            };
            for _ in &set {
                preview.add(Thing::Generation, Fate::Switch, None, None);
            }
            let words = set.iter().map(in_words).collect::<Vec<_>>().join(", ");
            let others = self.others(&set).await?.map(|others| format!("; {others}"));
            preview.note = Some(words + &others.unwrap_or_default());
            return Ok(preview);
        }
        let candidates = self.params.jobs.iter();
        let proven = candidates.filter(|candidate| is_proven(candidate, before));
        let chosen = closed(&self.params.jobs, &proven.map(|it| it.job.clone()).collect());
        if self.params.policy == CutoverPolicy::All && chosen.len() < self.params.jobs.len() {
            return Ok(Preview::blocked(incomplete(&self.params.jobs, &chosen).message));
        }
        let changes = self.changes(&chosen).await?;
        let switched = changes.len();
        preview.note = self.others(&changes).await?;
        for index in 0..chosen.len() {
            let fate = if index < switched { Fate::Switch } else { Fate::Keep };
            preview.add(Thing::Generation, fate, None, None);
        }
        Ok(preview)
    }
}

/// Whether nothing known stands in the way of a job's proof.
fn is_proven(candidate: &Candidate, before: &Previews) -> bool {
    before.why_not(&StepId::of(&["prove", candidate.job.as_str()])).is_none()
}

fn in_words(change: &Change) -> String {
    let name = |digest: Option<Digest>| digest.map_or_else(|| "nothing".to_owned(), |d| d.short());
    match change.to {
        Some(_) => {
            format!("{}: {} goes back to {}", change.job, name(change.from), name(change.to))
        }
        None => format!("{}: {} is taken down", change.job, name(change.from)),
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
        self.changes(&chosen).await
    }

    /// What is to be switched so that the chosen jobs are live as they were built.
    async fn changes(&self, chosen: &[&Candidate]) -> Result<Vec<Change>, Failure> {
        let mut set = Vec::new();
        for candidate in chosen {
            if !self.world.targets.is_there(&candidate.sink) {
                set.push(change(candidate, None, candidate.generation));
                continue;
            }
            let target = self.world.targets.of(&candidate.sink).await?;
            let from = target.live(&candidate.job).await?;
            // Live by the record is not enough: readers may have lost the name of it.
            let change = change(candidate, from, candidate.generation);
            if from != change.to || !change.is_shown(&*target).await? {
                set.push(change);
            }
        }
        Ok(set)
    }

    /// What others have put on what would be switched.
    async fn others(&self, set: &[Change]) -> Result<Option<String>, Failure> {
        let mut found = Vec::new();
        for change in set.iter().filter(|change| self.world.targets.is_there(&change.sink)) {
            let target = self.world.targets.of(&change.sink).await?;
            found.extend(target.others(&change.job, &change.sink).await?);
        }
        Ok((!found.is_empty()).then(|| found.join("; ")))
    }

    /// What a rollback switches.
    async fn back(&self) -> Result<Vec<Change>, Failure> {
        let mut found = Vec::new();
        for candidate in &self.params.jobs {
            let target = self.world.targets.of(&candidate.sink).await?;
            let live = target.live(&candidate.job).await?;
            found.push((candidate, live, target.last_switch(&candidate.job).await?));
        }
        if self.params.back_to == BackTo::Nothing {
            let live = found.into_iter().map(|(candidate, live, _)| (candidate, live));
            return taken_down(&self.params.asked, live.collect());
        }
        found = match self.params.asked.as_slice() {
            [] => last_set(found),
            asked => together(asked, found)?,
        };
        nothing_to_go_back_to(&self.params.asked, &found)?;
        let (mut set, mut denied) = (Vec::new(), Vec::new());
        for (candidate, from, last) in found {
            let to = last.and_then(|last| last.former);
            if let Some(to) = to {
                denied.extend(rollback::denied(&self.world, &self.params, candidate, to).await?);
            }
            set.push(change(candidate, from, to));
        }
        if denied.is_empty() { Ok(set) } else { Err(rollback::refused(denied)) }
    }

    async fn prepare(&self, set: &[Change]) -> Result<(), Failure> {
        for (target, changes) in self.world.targets.grouped(set).await? {
            target.prepare(&changes).await?;
        }
        Ok(())
    }
}

pub(super) fn change(candidate: &Candidate, from: Option<Digest>, to: Option<Digest>) -> Change {
    Change { job: candidate.job.clone(), sink: candidate.sink.clone(), from, to }
}

/// The candidates that are proven and whose needs are all in the set, in their order. Tables may
/// refer to each other in a circle, so one is taken out after the other until all fit.
fn closed<'a>(jobs: &'a [Candidate], proven: &BTreeSet<JobId>) -> Vec<&'a Candidate> {
    // A need that is no candidate is live and proven already: the run was compiled so.
    let is_candidate = |need: &JobId| jobs.iter().any(|job| job.job == *need);
    let mut inside: BTreeSet<&JobId> =
        jobs.iter().map(|job| &job.job).filter(|job| proven.contains(*job)).collect();
    loop {
        let before = inside.len();
        for job in jobs {
            if job.needs.iter().any(|need| is_candidate(need) && !inside.contains(need)) {
                inside.remove(&job.job);
            }
        }
        if inside.len() == before {
            break;
        }
    }
    jobs.iter().filter(|job| inside.contains(&job.job)).collect()
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
    use crate::recovery::actions::go_back::tests::candidate;

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
        // Tables that refer to one that comes later, and in a circle.
        let jobs = [
            candidate("postgis/a", &["postgis/c"]),
            candidate("postgis/b", &["postgis/d"]),
            candidate("postgis/c", &["postgis/a"]),
            candidate("postgis/d", &[]),
        ];
        let proven = ["a", "b", "c"].map(|job| format!("postgis/{job}").parse().unwrap()).into();
        let set: Vec<_> = closed(&jobs, &proven).iter().map(|c| c.job.to_string()).collect();
        assert_eq!(set, ["postgis/a", "postgis/c"]);
    }
}
