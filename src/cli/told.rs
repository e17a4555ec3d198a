//! Files that tell monitoring and CI what a run came to.

use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use chrono::Utc;

use super::exit::Exit;
use super::output::{self, Trouble};
use super::report_args::ReportArgs;
use super::state::State;
use crate::access::Redactor;
use crate::model::{Code, Failure, Redact, RunMode};
use crate::plan::load;
use crate::receipt::Receipt;
use crate::recovery;
use crate::report::{self, Ran, Unbegun};

/// How a run ended, as far as it came.
type Ended<'a> = Result<(Exit, Option<&'a Receipt>), &'a Trouble>;

/// What is told of a run, and where.
pub(super) struct Told {
    pub(super) args: ReportArgs,
    /// The plan's name; of one that cannot be read, that of its file.
    pub(super) plan: String,
    pub(super) file: PathBuf,
    pub(super) environment: String,
    pub(super) mode: RunMode,
    pub(super) redactor: Arc<Redactor>,
}

impl Told {
    /// Finds out before the run that its files could not be written.
    pub(super) fn check(&self) -> Result<(), Failure> {
        for path in [&self.args.textfile, &self.args.junit].into_iter().flatten() {
            let folder = folder(path);
            if !folder.is_dir() {
                let message = format!("no folder {} for {}", folder.display(), path.display());
                return Err(Failure::permanent(Code::Usage, message)
                    .hint("make the folder, or name another file"));
            }
            try_to_write(path)?;
        }
        Ok(())
    }

    /// Writes what was asked for, and gives the exit code of the command: what the run came to counts
    /// more than who hears of it, but a good one that nobody hears of is not good.
    pub(super) async fn tell(&self, state: &State, ended: Ended<'_>) -> Exit {
        let exit = exit_of(ended);
        let Err(failure) = self.write(state, ended).await else { return exit };
        let told = [&[failure.message][..], &failure.causes[..]].concat().join(": ");
        let place = if ended.is_ok() { "above" } else { "below" };
        output::note(&format!("{told}; the run itself: see {place}"));
        match exit {
            Exit::Done | Exit::Missed => Exit::Found,
            other => other,
        }
    }

    /// Whether the plan has the environment. Metrics of a name that is a slip would stand in for
    /// those of the right one.
    fn is_of_plan(&self) -> bool {
        let Ok(plan) = load(&self.file) else { return true };
        plan.environment(&self.environment).is_ok()
    }

    /// A failed command is told too: metrics that stand still look good.
    async fn write(&self, state: &State, ended: Ended<'_>) -> Result<(), Failure> {
        let exit = exit_of(ended);
        let receipt = ended.ok().and_then(|(_, receipt)| receipt);
        let textfile = self.args.textfile.as_ref();
        if let Some(path) = textfile.filter(|_| exit != Exit::Usage || self.is_of_plan()) {
            let journal = state.journal().await?;
            let (file, environment) = (&self.file, &self.environment);
            let last_success =
                recovery::last_success(&*journal, file, environment, self.mode).await?;
            let ran = Ran {
                plan: &self.plan,
                environment: &self.environment,
                mode: self.mode,
                at: Utc::now(),
                exit_code: exit as u8,
                last_success,
            };
            let text = report::textfile(&ran, receipt).map_err(|e| cannot(path).because(&e))?;
            write(path, &text)?;
        }
        if let Some(path) = &self.args.junit {
            let text = match (receipt, ended) {
                (Some(receipt), _) => report::junit(receipt),
                (None, ended) => report::junit_unbegun(&self.unbegun(ended)),
            };
            write(path, text.map_err(|e| cannot(path).because(&e))?.as_bytes())?;
        }
        Ok(())
    }

    /// What is told of a run that has no receipt: a former file must not speak for it.
    fn unbegun(&self, ended: Ended<'_>) -> Unbegun {
        let trouble = match ended {
            Ok((Exit::Done, _)) => None,
            Ok(_) => Some(("gate-shut".to_owned(), "it waits for an approval".to_owned())),
            Err(trouble) => {
                let (code, message) = trouble.told();
                Some((code, self.redactor.text(&message)))
            }
        };
        Unbegun { mode: self.mode, environment: self.environment.clone(), trouble }
    }
}

fn exit_of(ended: Ended<'_>) -> Exit {
    match ended {
        Ok((exit, _)) => exit,
        Err(trouble) => trouble.exit(),
    }
}

/// Makes a file beside the one that is meant, and takes it away: what is there stays as it is.
fn try_to_write(path: &Path) -> Result<(), Failure> {
    let usage = |failure: Failure| {
        Failure { code: Code::Usage, ..failure }
            .hint("name a file in a folder that you may write to")
    };
    if path.is_dir() {
        return Err(usage(cannot(path).because(&std::io::Error::from(ErrorKind::IsADirectory))));
    }
    let tried = tempfile::NamedTempFile::new_in(folder(path));
    tried.map(drop).map_err(|error| usage(cannot(path).because(&error)))
}

fn folder(path: &Path) -> PathBuf {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    parent.unwrap_or(Path::new(".")).to_owned()
}

fn cannot(path: &Path) -> Failure {
    Failure::permanent(Code::StepFailed, format!("failed to write {}", path.display()))
}

/// A reader meets the former file or the whole new one.
fn write(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let work = || -> std::io::Result<()> {
        let mut staging = tempfile::NamedTempFile::new_in(folder(path))?;
        staging.write_all(bytes)?;
        staging.as_file().sync_all()?;
        let readable = std::os::unix::fs::PermissionsExt::from_mode(0o644);
        staging.as_file().set_permissions(readable)?;
        staging.persist(path)?;
        Ok(())
    };
    work().map_err(|error| cannot(path).because(&error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_written_is_told_before_the_run_with_its_cause() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("coppice.prom");
        std::fs::write(&file, "former").unwrap();
        try_to_write(&file).unwrap();
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "former");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "it left something");
        // Nobody makes a file in the second, not even root.
        for bad in [folder.path(), Path::new("/proc/coppice.prom")] {
            let refused = try_to_write(bad).unwrap_err();
            assert_eq!(refused.code, Code::Usage);
            assert!(!refused.causes.is_empty() && refused.hint.is_some(), "{refused:?}");
        }
    }

    /// What is told of a rehearsal of the plan beside the sources.
    fn told(environment: &str) -> Told {
        Told {
            args: ReportArgs::default(),
            plan: "kansas".to_owned(),
            file: Path::new(env!("CARGO_MANIFEST_DIR")).join("plans/kansas.yaml"),
            environment: environment.to_owned(),
            mode: RunMode::Rehearse,
            redactor: Arc::default(),
        }
    }

    #[test]
    fn an_environment_that_the_plan_does_not_have_is_a_slip() {
        assert!(told("dev").is_of_plan());
        assert!(!told("dve").is_of_plan());
        // Of a plan that cannot be read nobody knows.
        let file = PathBuf::from("/nowhere/kansas.yaml");
        assert!(Told { file, ..told("dve") }.is_of_plan());
    }
}
