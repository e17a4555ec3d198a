//! Where the journal, receipts and scratch live.

use std::path::{Path, PathBuf};

use crate::journal::SqliteJournal;
use crate::model::{Code, Failure};

/// The state directory.
#[derive(Debug, Clone)]
pub(crate) struct State(PathBuf);

impl State {
    /// Takes `--state`, else `/var/lib/coppice` as root, else `$XDG_STATE_HOME/coppice`.
    pub(crate) fn find(given: Option<&Path>) -> Result<Self, Failure> {
        let found = match given {
            Some(path) => path.to_owned(),
            None if rustix::process::geteuid().is_root() => PathBuf::from("/var/lib/coppice"),
            None => home()?,
        };
        std::path::absolute(&found).map(Self).map_err(|error| cannot(&found).because(&error))
    }

    /// The directory itself.
    pub(crate) fn dir(&self) -> &Path {
        &self.0
    }

    /// Opens the journal, made where it is missing.
    pub(crate) async fn journal(&self) -> Result<SqliteJournal, Failure> {
        tokio::fs::create_dir_all(&self.0).await.map_err(|e| cannot(&self.0).because(&e))?;
        Ok(SqliteJournal::open(&self.0.join("journal.sqlite")).await?)
    }
}

fn home() -> Result<PathBuf, Failure> {
    let set = |name| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    set("XDG_STATE_HOME")
        .or_else(|| set("HOME").map(|home| home.join(".local/state")))
        .map(|state| state.join("coppice"))
        .ok_or_else(|| {
            Failure::permanent(Code::Usage, "failed to find the state directory")
                .hint("give --state DIR, or set COPPICE_STATE")
        })
}

fn cannot(path: &Path) -> Failure {
    Failure::permanent(
        Code::Journal,
        format!("failed to use the state directory {}", path.display()),
    )
    .hint("give --state DIR of a directory that you may write to")
}
