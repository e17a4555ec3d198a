//! What a rollback switches: the last set, some jobs with what went live together with them, or
//! nothing in the place of what is live.

use super::decide::change;
use crate::digest::Digest;
use crate::model::{Code, Failure, JobId};
use crate::plan::Candidate;
use crate::projection::{Change, LastSwitch};

/// What was asked for goes away from readers. What is made of it, and is live, would be left without:
/// whoever wants that says so.
pub(super) fn taken_down(
    asked: &[JobId],
    found: Vec<(&Candidate, Option<Digest>)>,
) -> Result<Vec<Change>, Failure> {
    let is_asked = |job: &JobId| asked.contains(job);
    let (mut set, mut left) = (Vec::new(), Vec::new());
    for (candidate, live) in found {
        match live {
            None if is_asked(&candidate.job) => return Err(not_live(&candidate.job)),
            Some(_) if is_asked(&candidate.job) => set.push(change(candidate, live, None)),
            Some(_) if candidate.needs.iter().any(is_asked) => left.push(candidate.job.as_str()),
            _ => {}
        }
    }
    if left.is_empty() { Ok(set) } else { Err(still_needed(&left)) }
}

fn not_live(job: &JobId) -> Failure {
    Failure::permanent(Code::StepFailed, format!("{job} is not live; nothing was changed"))
        .hint("`coppice generations` shows what is live")
}

fn still_needed(by: &[&str]) -> Failure {
    let message = format!(
        "what is live is made of it, or refers to it: {}; nothing was changed",
        by.join(", ")
    );
    let more: Vec<_> = by.iter().map(|job| format!("--only {job}")).collect();
    let hint = format!("take that down with it: add {}", more.join(" "));
    Failure::permanent(Code::StepFailed, message).hint(hint)
}

/// A job with what is live of it and how that came to be.
pub(super) type Found<'a> = (&'a Candidate, Option<Digest>, Option<LastSwitch>);

/// The jobs that the last cutover switched: a rollback reverses that one, and no other. One that
/// halted half way is reversed as far as it came.
pub(super) fn last_set(mut found: Vec<Found<'_>>) -> Vec<Found<'_>> {
    let last = found.iter().filter_map(|(.., last)| last.as_ref());
    let run = last.max_by_key(|last| last.at).map(|last| last.run);
    found.retain(|(.., last)| last.as_ref().map(|last| last.run) == run);
    found
}

/// The jobs that were asked for, and what was switched together with them because it is made of
/// them. What is made of them and is older was made of what comes back, and stays. What was
/// switched by itself since was made of what goes: its former generation would not fit either.
pub(super) fn together<'a>(
    asked: &[JobId],
    found: Vec<Found<'a>>,
) -> Result<Vec<Found<'a>>, Failure> {
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
pub(super) fn nothing_to_go_back_to(asked: &[JobId], found: &[Found<'_>]) -> Result<(), Failure> {
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

#[cfg(test)]
pub(super) mod tests {
    use chrono::DateTime;

    use super::*;
    use crate::model::{Audience, GraphSink, RunId, Sink};

    pub(in crate::recovery::actions) fn candidate(job: &str, needs: &[&str]) -> Candidate {
        Candidate {
            job: job.parse().unwrap(),
            generation: None,
            sink: Sink::Graph(GraphSink { graph_profile_version: 1 }),
            needs: needs.iter().map(|n| n.parse().unwrap()).collect(),
            audience: Audience::Governed,
        }
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
        assert!(needed.message.contains("is made of it, or refers to it: tiles/b"), "{needed:?}");
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
