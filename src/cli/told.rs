//! Files that tell monitoring and CI what a run came to.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use chrono::Utc;

use super::exit::Exit;
use super::output::{self, Trouble};
use super::report_args::ReportArgs;
use super::state::State;
use crate::access::Redactor;
use crate::model::{Code, Failure, Redact, RunMode};
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
        }
        Ok(())
    }

    /// Writes what was asked for. What the run came to counts more than who hears of it.
    pub(super) async fn tell(&self, state: &State, ended: Ended<'_>) {
        if let Err(failure) = self.write(state, ended).await {
            output::note(&format!("{}; the run itself: see below", failure.message));
        }
    }

    /// A failed command is told too: metrics that stand still look good.
    async fn write(&self, state: &State, ended: Ended<'_>) -> Result<(), Failure> {
        let (exit, receipt) = match ended {
            Ok(ended) => ended,
            Err(trouble) => (trouble.exit(), None),
        };
        if let Some(path) = &self.args.textfile {
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
