//! Which steps of a graph wait for approval.

use std::collections::BTreeMap;

use crate::model::{ApprovedBy, JobId, RunMode, StepId};
use crate::plan::{Approve, Facts, LoadedPlan, Problem, StepSpec};

/// The steps that the environment's patterns name. A rehearsal goes unattended.
pub(super) fn of(
    plan: &LoadedPlan,
    facts: &Facts,
    mode: RunMode,
    steps: &[StepSpec],
) -> Result<BTreeMap<StepId, ApprovedBy>, Vec<Problem>> {
    let environment = plan.environment(&facts.environment).map_err(|problem| vec![problem])?;
    let Some(Approve { steps: patterns, by }) = &environment.approve else {
        return Ok(BTreeMap::new());
    };
    let whole = matches!(mode, RunMode::Restore | RunMode::Rehearse) && facts.scope.is_none();
    let (mut found, mut problems) = (BTreeMap::new(), Vec::new());
    for pattern in patterns {
        let named = steps.iter().filter(|step| matches(pattern, step.id.as_str()));
        let named: Vec<_> = named.map(|step| (step.id.clone(), *by)).collect();
        // A rehearsal runs none of the plan's commands.
        let command = pattern.starts_with("freeze/") || pattern.starts_with("enable/");
        let whole = whole && !(command && mode == RunMode::Rehearse);
        if named.is_empty() && (whole || !may_name(pattern, plan)) {
            let message = format!(
                "environment `{}`: no step is called `{pattern}`, so nobody would be asked",
                facts.environment
            );
            let hint = "take out `approve` and look at the names with `coppice plan`".to_owned();
            problems.push(Problem::of_file(&plan.file, message).hint(hint));
        }
        found.extend(named);
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    Ok(if mode == RunMode::Rehearse { BTreeMap::new() } else { found })
}

/// Steps that are called so whatever the plan.
const FIXED: [&str; 7] = [
    "fence",
    "cutover/decide",
    "cutover/switch",
    "cutover/read-back",
    "cutover/drop-former",
    "receipt",
    "clean-up",
];

/// Families of steps of which only a restore knows the members.
const FAMILIES: [&str; 5] = ["restore/", "verify/", "gate/", "freeze/", "enable/"];

/// Whether a pattern may name a step of another mode, or of the whole: such have more steps.
fn may_name(pattern: &str, plan: &LoadedPlan) -> bool {
    let of_job = |job: &JobId| ["rebuild", "prove"].map(|verb| format!("{verb}/{job}"));
    pattern.starts_with('*')
        || FIXED.iter().any(|name| matches(pattern, name))
        || FAMILIES.iter().any(|family| pattern.starts_with(family))
        || plan.jobs.keys().flat_map(of_job).any(|name| matches(pattern, &name))
}

/// Whether a name is what a pattern says; `*` stands for any text.
fn matches(pattern: &str, name: &str) -> bool {
    let Some((before, after)) = pattern.split_once('*') else { return pattern == name };
    let Some(rest) = name.strip_prefix(before) else { return false };
    let ends = rest.char_indices().map(|(at, _)| at).chain([rest.len()]);
    ends.into_iter().any(|at| matches(after, &rest[at..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_text_and_all_else_for_itself() {
        for (pattern, name, fits) in [
            ("cutover/decide", "cutover/decide", true),
            ("cutover/decide", "cutover/decided", false),
            ("rebuild/*", "rebuild/postgis/places", true),
            ("rebuild/*", "prove/postgis/places", false),
            ("*/postgis/*", "prove/postgis/places", true),
            ("*/places", "prove/postgis/places", true),
            ("*", "fence", true),
            ("fence*", "fence", true),
            ("", "fence", false),
        ] {
            assert_eq!(matches(pattern, name), fits, "{pattern} {name}");
        }
    }
}
