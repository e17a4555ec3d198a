//! What a run takes beside the jobs that were asked for, and why.

use std::collections::{BTreeMap, VecDeque};

use super::output;
use crate::model::{Failure, JobId};
use crate::plan::{Candidate, DecideParams, RecoveryGraph, StepKind};
use crate::recovery::params;

/// Says which jobs were added to those asked for.
pub(super) fn tell(asked: &[JobId], graph: &RecoveryGraph) -> Result<(), Failure> {
    if asked.is_empty() {
        return Ok(());
    }
    let Some(spec) = graph.steps.iter().find(|spec| spec.kind == StepKind::Decide) else {
        return Ok(());
    };
    let decide: DecideParams = params(spec)?;
    for (job, why) in added(asked, &decide.jobs) {
        output::note(&format!("{job} is added: {why}"));
    }
    Ok(())
}

/// The jobs that were not asked for, in their order. The reason of each names a job that is nearer
/// to what was asked for, never one that is there for its own sake.
fn added<'a>(asked: &'a [JobId], jobs: &'a [Candidate]) -> Vec<(&'a JobId, String)> {
    let mut reached: BTreeMap<&JobId, Option<String>> =
        asked.iter().map(|job| (job, None)).collect();
    let mut queue: VecDeque<&JobId> = asked.iter().collect();
    while let Some(from) = queue.pop_front() {
        for job in jobs.iter().filter(|job| job.needs.contains(from)) {
            reach(&mut reached, &mut queue, &job.job, || format!("it is made of {from}"));
        }
        for need in jobs.iter().filter(|job| job.job == *from).flat_map(|job| &job.needs) {
            reach(&mut reached, &mut queue, need, || format!("{from} is made of it"));
        }
    }
    let more = jobs.iter().filter(|job| !asked.contains(&job.job));
    more.map(|job| {
        let why = reached.remove(&job.job).flatten();
        (&job.job, why.unwrap_or_else(|| "the plan asks for it".to_owned()))
    })
    .collect()
}

fn reach<'a>(
    reached: &mut BTreeMap<&'a JobId, Option<String>>,
    queue: &mut VecDeque<&'a JobId>,
    job: &'a JobId,
    why: impl FnOnce() -> String,
) {
    reached.entry(job).or_insert_with(|| {
        queue.push_back(job);
        Some(why())
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{GraphSink, Sink};

    #[test]
    fn what_is_added_comes_with_its_reason() {
        let candidate = |job: &str, needs: &[&str]| Candidate {
            job: job.parse().unwrap(),
            generation: None,
            sink: Sink::Graph(GraphSink { graph_profile_version: 1 }),
            needs: needs.iter().map(|need| need.parse().unwrap()).collect(),
            audience: crate::model::Audience::Governed,
        };
        let jobs = [
            candidate("postgis/a", &[]),
            candidate("postgis/b", &[]),
            candidate("tiles/c", &["postgis/a", "postgis/b"]),
        ];
        let asked = ["postgis/b".parse().unwrap()];
        let said: Vec<_> =
            added(&asked, &jobs).into_iter().map(|(job, why)| format!("{job}: {why}")).collect();
        assert_eq!(said, ["postgis/a: tiles/c is made of it", "tiles/c: it is made of postgis/b"]);
        let all: Vec<_> = jobs.iter().map(|job| job.job.clone()).collect();
        assert!(added(&all, &jobs).is_empty());
    }
}
