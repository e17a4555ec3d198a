//! What a run takes beside the jobs that were asked for, and why.

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

fn added<'a>(asked: &[JobId], jobs: &'a [Candidate]) -> Vec<(&'a JobId, String)> {
    let taken = |id: &JobId| jobs.iter().any(|job| job.job == *id);
    let more = jobs.iter().filter(|job| !asked.contains(&job.job));
    more.map(|job| {
        let needed = jobs.iter().find(|other| other.needs.contains(&job.job));
        let made_of: Vec<_> = job.needs.iter().filter(|need| taken(need)).collect();
        let why = match (made_of.as_slice(), needed) {
            ([first, ..], _) => format!("it is made of {first}"),
            ([], Some(other)) => format!("{} is made of it", other.job),
            ([], None) => "the plan asks for it".to_owned(),
        };
        (&job.job, why)
    })
    .collect()
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
        assert_eq!(said, ["postgis/a: tiles/c is made of it", "tiles/c: it is made of postgis/a"]);
        let all: Vec<_> = jobs.iter().map(|job| job.job.clone()).collect();
        assert!(added(&all, &jobs).is_empty());
    }
}
