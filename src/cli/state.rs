//! Where the journal, receipts and scratch live.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::access::SecretRef;
use crate::journal::{Journal, JournalError, SharedJournal, SqliteJournal};
use crate::model::{Code, Failure, RunId};

/// What to do where there is no run.
pub(crate) const START: &str = "`coppice rehearse PLAN --env ENV`; or are the runs in another \
                                --state or COPPICE_STATE?";

/// The state directory, and the journal where that is elsewhere.
#[derive(Debug, Clone)]
pub(crate) struct State {
    dir: PathBuf,
    /// Where the URL of a journal is that machines share.
    shared: Option<SecretRef>,
}

impl State {
    /// Takes `--state`, else `/var/lib/coppice` as root, else `$XDG_STATE_HOME/coppice`; and the
    /// reference of `--journal`, if there is one.
    pub(crate) fn find(given: Option<&Path>, journal: Option<&str>) -> Result<Self, Failure> {
        let found = match given {
            Some(path) => path.to_owned(),
            None if rustix::process::geteuid().is_root() => PathBuf::from("/var/lib/coppice"),
            None => home()?,
        };
        let dir = std::path::absolute(&found).map_err(|error| cannot(&found).because(&error))?;
        // A variable that is set to nothing is not set.
        let journal = journal.filter(|text| !text.is_empty());
        let shared = journal.map(str::parse::<SecretRef>).transpose().map_err(|error| {
            let message = format!("failed to read --journal: {error}");
            Failure::permanent(Code::Usage, message)
                .hint("name where the URL is, such as env:NAME or file:PATH; never the URL itself")
        })?;
        Ok(Self { dir, shared })
    }

    /// The directory itself.
    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// Where the URL of the journal is, if it is one that machines share.
    pub(crate) fn shared(&self) -> Option<&SecretRef> {
        self.shared.as_ref()
    }

    /// Opens the journal, made where it is missing.
    pub(crate) async fn journal(&self) -> Result<Arc<dyn Journal>, Failure> {
        let make = tokio::fs::create_dir_all(&self.dir);
        make.await.map_err(|error| cannot(&self.dir).because(&error))?;
        match &self.shared {
            None => Ok(Arc::new(SqliteJournal::open(&self.local()).await?)),
            Some(reference) => {
                let url = reference.resolve(Path::new(""))?;
                Ok(Arc::new(SharedJournal::open(url.expose()).await?))
            }
        }
    }

    /// Opens the journal where there is one: who only looks makes none.
    pub(crate) async fn journal_if_any(&self) -> Result<Option<Arc<dyn Journal>>, Failure> {
        // What cannot be looked at is told by opening it.
        if self.shared.is_none() && matches!(self.local().try_exists(), Ok(false)) {
            return Ok(None);
        }
        self.journal().await.map(Some)
    }

    /// Opens the journal that a run is in.
    pub(crate) async fn journal_of(&self, run: RunId) -> Result<Arc<dyn Journal>, Failure> {
        let journal = self.journal_if_any().await?;
        journal.ok_or_else(|| JournalError::NoSuchRun { run }.into())
    }

    /// Where runs are looked for, for people.
    pub(crate) fn place(&self) -> String {
        match &self.shared {
            None => self.dir.display().to_string(),
            Some(reference) => format!("the journal at the URL of {reference}"),
        }
    }

    /// Says that there is no run to look at, and where none was found.
    pub(crate) fn no_runs(&self) -> Failure {
        let message = format!("there are no runs yet in {}", self.place());
        Failure::permanent(Code::Usage, message).hint(format!("start with {START}"))
    }

    fn local(&self) -> PathBuf {
        self.dir.join("journal.sqlite")
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

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_only_looks_makes_no_state_and_is_told_where_none_is() {
        let dir = tempfile::tempdir().unwrap();
        let nowhere = dir.path().join("state");
        let state = State::find(Some(&nowhere), None).unwrap();
        assert!(state.journal_if_any().await.unwrap().is_none());
        assert!(!nowhere.exists());
        let message = state.no_runs().message;
        assert!(message.contains(&nowhere.display().to_string()), "{message}");
        state.journal().await.unwrap();
        assert!(state.journal_if_any().await.unwrap().is_some());
    }
}
