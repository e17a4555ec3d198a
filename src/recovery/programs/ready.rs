use std::path::{Path, PathBuf};

use super::variables::variables;
use crate::model::{Code, CommandSink, Failure};
use crate::plan::CommandSpec;
use crate::recovery::World;

/// Whether a job's programs could be run here: they are found, and so are their secrets. Those that
/// lie beside the job were found when the plan was read, and are copied as executables.
pub(in crate::recovery) fn ready(world: &World, sink: &CommandSink) -> Result<(), Failure> {
    let base = world.setting.plan.parent().unwrap_or(Path::new("/"));
    let programs = [Some(&sink.program), sink.check.as_ref().map(|check| &check.program)];
    for program in programs.into_iter().flatten().filter(|program| !program.contains('/')) {
        in_path(program)?;
    }
    variables(&sink.env, base)?;
    Ok(())
}

/// Whether the program of a plan's command could be started here; it is started where it lies.
pub(in crate::recovery) fn command_ready(
    world: &World,
    command: &CommandSpec,
) -> Result<(), Failure> {
    startable(&command.program, world.setting.plan.parent().unwrap_or(Path::new("/")))
}

fn startable(program: &str, base: &Path) -> Result<(), Failure> {
    if !program.contains('/') {
        return in_path(program);
    }
    // As people write it, without the `./`.
    let file: PathBuf = base.join(program).components().collect();
    let (why, hint) = if !file.is_file() {
        ("is no file", "put it there, or correct the plan: its path is from the plan's folder")
    } else if may_run(&file) {
        return Ok(());
    } else {
        ("may not be run by this user", "chmod +x it")
    };
    let message = format!("the program {} {why}", file.display());
    Err(Failure::permanent(Code::StepFailed, message).hint(hint).plain())
}

fn in_path(program: &str) -> Result<(), Failure> {
    let paths = std::env::var_os("PATH").unwrap_or_default();
    let mut files = std::env::split_paths(&paths).map(|folder| folder.join(program));
    if files.any(|file| file.is_file() && may_run(&file)) {
        return Ok(());
    }
    let message = format!("the program `{program}` is not found in PATH");
    Err(Failure::permanent(Code::StepFailed, message)
        .hint("install it on this machine, or have PATH lead to it")
        .plain())
}

fn may_run(file: &Path) -> bool {
    rustix::fs::access(file, rustix::fs::Access::EXEC_OK).is_ok()
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_program_is_startable_where_it_is_an_executable_file() {
        let folder = tempfile::tempdir().unwrap();
        let base = folder.path();
        fs::create_dir(base.join("bin")).unwrap();
        for (name, mode) in [("run.sh", 0o755), ("plain.sh", 0o644)] {
            fs::write(base.join(name), "#!/bin/sh\n").unwrap();
            fs::set_permissions(base.join(name), Permissions::from_mode(mode)).unwrap();
        }
        let absolute = base.join("run.sh").display().to_string();
        for program in ["./run.sh", "bin/../run.sh", &absolute, "sh"] {
            assert!(startable(program, base).is_ok(), "{program}");
        }
        for (program, why) in [
            ("./none.sh", "is no file"),
            ("./bin", "is no file"),
            ("./plain.sh", "may not be run"),
            // Without a slash it is not looked for beside the plan.
            ("run.sh", "not found in PATH"),
        ] {
            let failure = startable(program, base).unwrap_err();
            assert!(failure.message.contains(why), "{}", failure.message);
        }
    }
}
