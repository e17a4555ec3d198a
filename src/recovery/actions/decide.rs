//! One decision over all that is proven. Its output is durable before the first switch.

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;

use crate::digest::Digest;
use crate::engine::{Action, StepContext};
use crate::model::{
    Code, DecideOutput, DecidedChange, Failure, Fate, JobId, Output, Preview, Previews,
    ProveOutput, StepId, Thing,
};
use crate::plan::{Candidate, CutoverPolicy, DecideParams, StepSpec};
use crate::projection::{Change, LastSwitch};
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
            preview.note = Some(set.iter().map(in_words).collect::<Vec<_>>().join(", "));
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
        if self.params.take_down {
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

fn change(candidate: &Candidate, from: Option<Digest>, to: Option<Digest>) -> Change {
    Change { job: candidate.job.clone(), sink: candidate.sink.clone(), from, to }
}

/// What was asked for goes away from readers. What is made of it, and is live, would be left without:
/// whoever wants that says so.
fn taken_down(
    asked: &[JobId],
    found: Vec<(&Candidate, Option<Digest>)>,
) -> Result<Vec<Change>, Failure> {
    let is_asked = |job: &JobId| asked.contains(job);
    let mut set = Vec::new();
    for (candidate, live) in found {
        let job = &candidate.job;
        match (is_asked(job), live) {
            (true, None) => return Err(not_live(job)),
            (true, live) => set.push(change(candidate, live, None)),
            (false, None) => {}
            (false, Some(_)) => {
                if let Some(need) = candidate.needs.iter().find(|need| is_asked(need)) {
                    return Err(still_needed(need, job));
                }
            }
        }
    }
    Ok(set)
}

fn not_live(job: &JobId) -> Failure {
    Failure::permanent(Code::StepFailed, format!("{job} is not live; nothing was changed"))
        .hint("`coppice generations` shows what is live")
}

fn still_needed(need: &JobId, by: &JobId) -> Failure {
    let message =
        format!("{need} cannot be taken down: {by} is live and made of it; nothing was changed");
    let hint = format!("take both down: `--only {need} --only {by} --take-down`");
    Failure::permanent(Code::StepFailed, message).hint(hint)
}

/// A job with what is live of it and how that came to be.
type Found<'a> = (&'a Candidate, Option<Digest>, Option<LastSwitch>);

/// The jobs that the last cutover switched: a rollback reverses that one, and no other. One that
/// halted half way is reversed as far as it came.
fn last_set(mut found: Vec<Found<'_>>) -> Vec<Found<'_>> {
    let last = found.iter().filter_map(|(.., last)| last.as_ref());
    let run = last.max_by_key(|last| last.at).map(|last| last.run);
    found.retain(|(.., last)| last.as_ref().map(|last| last.run) == run);
    found
}

/// The jobs that were asked for, and what was switched together with them because it is made of
/// them. What is made of them and is older was made of what comes back, and stays. What was
/// switched by itself since was made of what goes: its former generation would not fit either.
fn together<'a>(asked: &[JobId], found: Vec<Found<'a>>) -> Result<Vec<Found<'a>>, Failure> {
    let mut taken: Vec<Found<'_>> = Vec::new();
    for one in found {
        let (candidate, _, last) = &one;
        let needs = taken.iter().filter(|(need, ..)| candidate.needs.contains(&need.job));
        let (mut goes, mut newer) = (asked.contains(&candidate.job), None);
        for (need, _, needed) in needs {
            match (last, needed) {
                (Some(last), Some(needed)) if last.run == needed.run => goes = true,
                (Some(last), Some(needed)) if last.at > needed.at => newer = Some(&need.job),
                _ => {}
            }
        }
        if let Some(need) = newer {
            return Err(apart(&candidate.job, need));
        }
        if goes {
            taken.push(one);
        }
    }
    Ok(taken)
}

/// A job that went live for the first time, together with what goes back, is not live afterwards: it
/// was not before. But a rollback that would only take away is no way back.
fn nothing_to_go_back_to(asked: &[JobId], found: &[Found<'_>]) -> Result<(), Failure> {
    let has_former = |one: &&Found<'_>| one.2.as_ref().is_some_and(|last| last.former.is_some());
    let wanted = |one: &&Found<'_>| asked.contains(&one.0.job);
    let new = found.iter().find(|one| wanted(one) && !has_former(one));
    let new =
        new.or_else(|| if found.iter().any(|one| has_former(&one)) { None } else { found.first() });
    let message = match new {
        Some((candidate, ..)) => {
            format!("{} has no former generation to go back to", candidate.job)
        }
        None if found.is_empty() => {
            "no projection has a former generation to go back to".to_owned()
        }
        None => return Ok(()),
    };
    let hint = "nothing was changed; `coppice generations` shows what there is to go back to; else \
                go forward: put the plan and jobs back as they were, then `coppice rebuild`";
    Err(Failure::permanent(Code::StepFailed, message).hint(hint))
}

fn apart(job: &JobId, need: &JobId) -> Failure {
    let message = format!(
        "{job} went live by a later run than {need}, of which it is made, so the former \
         generations of the two do not fit together; nothing was changed"
    );
    let hint = format!(
        "roll {job} back alone with `--only {job}` until both are of one run, or build anew what \
         you want with `coppice rebuild --only {need}`"
    );
    Failure::permanent(Code::StepFailed, message).hint(hint)
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
    use chrono::DateTime;

    use super::*;
    use crate::model::{Audience, GraphSink, RunId, Sink};

    fn candidate(job: &str, needs: &[&str]) -> Candidate {
        Candidate {
            job: job.parse().unwrap(),
            generation: None,
            sink: Sink::Graph(GraphSink { graph_profile_version: 1 }),
            needs: needs.iter().map(|n| n.parse().unwrap()).collect(),
            audience: Audience::Governed,
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

    #[test]
    fn a_rollback_takes_what_the_last_cutover_switched_and_nothing_else() {
        let jobs = ["graph/a", "graph/b", "graph/c", "graph/d"].map(|job| candidate(job, &[]));
        let runs = [RunId::now(), RunId::now()];
        let switched = |run: usize, at| {
            let at = DateTime::from_timestamp(at, 0).unwrap();
            Some(LastSwitch { former: None, run: runs[run], at })
        };
        // The older run was stopped and switched last.
        let last = [switched(0, 20), switched(1, 10), switched(0, 21), None];
        let found = jobs.iter().zip(last).map(|(job, last)| (job, None, last)).collect();
        let set: Vec<_> = last_set(found).iter().map(|(c, ..)| c.job.to_string()).collect();
        assert_eq!(set, ["graph/a", "graph/c"]);
    }

    #[test]
    fn a_job_is_taken_down_when_nothing_live_is_made_of_it() {
        let jobs = [candidate("postgis/a", &[]), candidate("tiles/b", &["postgis/a"])];
        let live = Some(Digest::blake3(b"live"));
        let down = |asked: &[&str], dependant: Option<Digest>| {
            let asked: Vec<JobId> = asked.iter().map(|job| job.parse().unwrap()).collect();
            taken_down(&asked, vec![(&jobs[0], live), (&jobs[1], dependant)])
                .map(|set| set.iter().map(|it| (it.job.to_string(), it.to)).collect::<Vec<_>>())
        };
        let a = ("postgis/a".to_owned(), None);
        assert_eq!(down(&["postgis/a"], None), Ok(vec![a.clone()]));
        let both = down(&["postgis/a", "tiles/b"], live).unwrap();
        assert_eq!(both, [a, ("tiles/b".to_owned(), None)]);
        let needed = down(&["postgis/a"], live).unwrap_err();
        assert!(needed.message.contains("tiles/b is live and made of it"), "{needed:?}");
        assert!(down(&["tiles/b"], None).unwrap_err().message.contains("is not live"));
    }

    #[test]
    fn what_is_made_of_a_job_goes_back_with_it_only_where_they_went_live_together() {
        let jobs = [candidate("postgis/a", &[]), candidate("tiles/b", &["postgis/a"])];
        let asked = ["postgis/a".parse().unwrap()];
        let runs = [RunId::now(), RunId::now()];
        let taken = |dependant: (usize, i64)| {
            let switches = [(0, 10), dependant].map(|(run, at)| {
                let at = DateTime::from_timestamp(at, 0).unwrap();
                Some(LastSwitch { former: None, run: runs[run], at })
            });
            let found = jobs.iter().zip(switches).map(|(job, last)| (job, None, last)).collect();
            together(&asked, found).map(|found| found.len())
        };
        assert_eq!(taken((0, 11)), Ok(2));
        // It was blocked when its need changed, and is still made of the former one.
        assert_eq!(taken((1, 5)), Ok(1));
        let apart = taken((1, 20)).unwrap_err();
        assert!(apart.message.starts_with("tiles/b went live by a later run than postgis/a"));
    }
}
