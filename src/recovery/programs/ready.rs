use std::path::Path;

use super::variables::variables;
use crate::model::{Code, CommandSink, Failure};
use crate::recovery::World;

/// Whether a job's programs could be run here: they are found, and so are their secrets.
pub(in crate::recovery) fn ready(world: &World, sink: &CommandSink) -> Result<(), Failure> {
    let base = world.setting.plan.parent().unwrap_or(Path::new("/"));
    let programs = [Some(&sink.program), sink.check.as_ref().map(|check| &check.program)];
    for program in programs.into_iter().flatten().filter(|program| !program.contains('/')) {
        let paths = std::env::var_os("PATH").unwrap_or_default();
        if !std::env::split_paths(&paths).any(|folder| folder.join(program).is_file()) {
            let message = format!("the program `{program}` is not found in PATH");
            return Err(Failure::permanent(Code::StepFailed, message)
                .hint("install it on this machine, or have PATH lead to it")
                .plain());
        }
    }
    variables(&sink.env, base)?;
    Ok(())
}
