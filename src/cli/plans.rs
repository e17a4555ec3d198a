//! Reading the plan that a command names, and choosing its environment.

use std::path::Path;

use super::args::EnvArgs;
use super::output::Trouble;
use crate::model::hint::did_you_mean;
use crate::model::{Code, Failure};
use crate::plan::{LoadedPlan, Problem, load};

/// A plan, and the environment that is meant.
pub(super) struct Chosen {
    pub(super) plan: LoadedPlan,
    pub(super) env: String,
}

/// Reads the plan; the environment may be left out where there is exactly one.
pub(super) fn choose(args: &EnvArgs) -> Result<Chosen, Trouble> {
    if matches!(args.plan.try_exists(), Ok(false)) {
        return Err(vec![missing(&args.plan)].into());
    }
    let plan = load(&args.plan)?;
    let known = &plan.plan.spec.environments;
    let env = match (&args.env, known.len()) {
        (Some(env), _) => env.clone(),
        (None, 1) => known.keys().next().cloned().unwrap_or_default(),
        (None, _) => {
            let names: Vec<_> = known.keys().map(String::as_str).collect();
            return Err(Failure::permanent(
                Code::Usage,
                format!("the plan has several environments: {}", names.join(", ")),
            )
            .hint("say which with --env NAME, or set COPPICE_ENV")
            .into());
        }
    };
    plan.environment(&env).map_err(|problem| vec![problem])?;
    Ok(Chosen { plan, env })
}

/// Says where a plan was looked for, and what is there in its place.
fn missing(path: &Path) -> Problem {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let message = format!("there is no such file; looked for {}", absolute.display());
    let folder = absolute.parent().unwrap_or(&absolute);
    let hint = if folder.is_dir() {
        let plans = beside(path, folder);
        did_you_mean(&path.display().to_string(), plans.iter().map(String::as_str))
            .unwrap_or_else(|| format!("no plan (*.yaml) is in {}", folder.display()))
    } else {
        format!("there is no folder {} either", folder.display())
    };
    Problem::of_file(path.display().to_string(), message).hint(hint)
}

/// The files of a folder that can be plans, as they would be typed.
fn beside(path: &Path, folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let names = entries.map(|entry| path.with_file_name(entry.file_name()));
    let plans = names.filter(|name| name.extension().is_some_and(|e| e == "yaml" || e == "yml"));
    plans.map(|name| name.display().to_string()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_that_is_not_there_is_told_with_what_is() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("kansas.yaml"), "").unwrap();
        let problem = missing(&dir.path().join("kansas.yml"));
        assert!(problem.message.ends_with("kansas.yml"), "{problem:?}");
        let meant = dir.path().join("kansas.yaml").display().to_string();
        assert_eq!(problem.hint.unwrap(), format!("did you mean `{meant}`?"));
        let nowhere = missing(&dir.path().join("plan/kansas.yaml"));
        assert!(nowhere.hint.unwrap().contains("no folder"));
    }
}
