//! Reading the plan that a command names, and choosing its environment.

use super::args::EnvArgs;
use super::output::Trouble;
use crate::model::{Code, Failure};
use crate::plan::{LoadedPlan, load};

/// A plan, and the environment that is meant.
pub(super) struct Chosen {
    pub(super) plan: LoadedPlan,
    pub(super) env: String,
}

/// Reads the plan; the environment may be left out where there is exactly one.
pub(super) fn choose(args: &EnvArgs) -> Result<Chosen, Trouble> {
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
