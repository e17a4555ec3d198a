//! The jobs that `--only` names: held against the plan, so that a slip is told with what was meant.

use super::near::near;
use crate::model::{Code, Failure, JobId};
use crate::plan::LoadedPlan;

/// The jobs that are named.
pub(super) fn jobs(given: &[String], plan: &LoadedPlan) -> Result<Vec<JobId>, Failure> {
    given.iter().map(|name| job(name, plan)).collect()
}

/// The jobs that are to be taken down. What is nearest to a name is another job, and healthy, so
/// that it is not offered.
pub(super) fn taken_down(given: &[String], plan: &LoadedPlan) -> Result<Vec<JobId>, Failure> {
    let job = |name: &String| match name.parse::<JobId>() {
        Ok(job) if plan.jobs.contains_key(&job) => Ok(job),
        _ if name.contains(',') => Err(unknown(name).hint(apart(name))),
        _ => Err(unknown(name).hint(
            "if its job file has left the plan, put it back first (git has it), take it down, and \
             remove it again; `coppice generations` names what is live",
        )),
    };
    given.iter().map(job).collect()
}

/// One that reads as a job may be unknown still: the compiler tells all such at once.
fn job(name: &str, plan: &LoadedPlan) -> Result<JobId, Failure> {
    if let Ok(job) = name.parse() {
        return Ok(job);
    }
    let failure = unknown(name);
    if name.contains(',') {
        return Err(failure.hint(apart(name)));
    }
    Err(match near(name, plan.jobs.keys().map(JobId::as_str)) {
        Some(hint) => failure.hint(hint),
        None => failure,
    })
}

fn unknown(name: &str) -> Failure {
    Failure::permanent(Code::Usage, format!("no job named `{name}`"))
}

/// How several jobs are named.
fn apart(names: &str) -> String {
    let names = names.split(',').map(str::trim).filter(|name| !name.is_empty());
    let each: Vec<_> = names.map(|name| format!("--only {name}")).collect();
    format!("repeat --only: {}", each.join(" "))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn kansas() -> LoadedPlan {
        crate::plan::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("plans/kansas.yaml")).unwrap()
    }

    #[test]
    fn a_slip_is_told_with_what_was_meant() {
        let plan = kansas();
        let hint = |name: &str| jobs(&[name.to_owned()], &plan).unwrap_err().hint.unwrap();
        assert!(hint("places").contains("`postgis/places`"), "{}", hint("places"));
        let two = hint("postgis/places,tiles/kansas");
        assert_eq!(two, "repeat --only: --only postgis/places --only tiles/kansas");
        assert!(jobs(&["postgis/places".to_owned()], &plan).is_ok());
    }

    #[test]
    fn nothing_is_offered_in_place_of_what_is_taken_down() {
        let plan = kansas();
        for name in ["graph/kansa", "kansas"] {
            let hint = taken_down(&[name.to_owned()], &plan).unwrap_err().hint.unwrap();
            assert!(hint.contains("git has it") && !hint.contains("did you mean"), "{hint}");
        }
        assert!(taken_down(&["graph/kansas".to_owned()], &plan).is_ok());
    }
}
