//! Files that tell monitoring and CI what a run came to.

use std::io::Write;
use std::path::{Path, PathBuf};

use chrono::Utc;

use super::exit::Exit;
use super::output::{self, Trouble};
use super::report_args::ReportArgs;
use super::state::State;
use crate::journal::RunSummary;
use crate::model::{Code, Failure, Outcome, RunMode};
use crate::receipt::Receipt;
use crate::report::{self, Ran};

/// What is told of a run, and where.
pub(super) struct Told {
    pub(super) args: ReportArgs,
    pub(super) plan: String,
    pub(super) environment: String,
    pub(super) mode: RunMode,
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
    pub(super) async fn tell(
        &self,
        state: &State,
        ended: &Result<(Exit, Option<Receipt>), Trouble>,
    ) {
        if let Err(failure) = self.write(state, ended).await {
            output::note(&format!("{}; the run itself: see below", failure.message));
        }
    }

    /// A failed command is told too: metrics that stand still look good.
    async fn write(
        &self,
        state: &State,
        ended: &Result<(Exit, Option<Receipt>), Trouble>,
    ) -> Result<(), Failure> {
        let (exit, receipt) = match ended {
            Ok((exit, receipt)) => (*exit, receipt.as_ref()),
            Err(trouble) => (trouble.exit(), None),
        };
        if let Some(path) = &self.args.textfile {
            let runs = state.journal().await?.runs().await?;
            let ran = Ran {
                plan: &self.plan,
                environment: &self.environment,
                mode: self.mode,
                at: Utc::now(),
                exit_code: exit as u8,
                last_success: self.last_success(&runs),
            };
            let text = report::textfile(&ran, receipt).map_err(|e| cannot(path).because(&e))?;
            write(path, &text)?;
        }
        if let (Some(path), Some(receipt)) = (&self.args.junit, receipt) {
            let text = report::junit(receipt).map_err(|e| cannot(path).because(&e))?;
            write(path, text.as_bytes())?;
        }
        Ok(())
    }

    fn last_success(&self, runs: &[RunSummary]) -> Option<chrono::DateTime<Utc>> {
        let good = runs.iter().filter(|run| {
            run.outcome == Some(Outcome::Recovered)
                && run.mode == self.mode
                && run.environment == self.environment
        });
        good.filter_map(|run| run.finished_at).max()
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
