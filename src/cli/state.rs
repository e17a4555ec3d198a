//! Where the journal, receipts and scratch live.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::access::SecretRef;
use crate::journal::{Journal, SharedJournal, SqliteJournal};
use crate::model::{Code, Failure};

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
            None => Ok(Arc::new(SqliteJournal::open(&self.dir.join("journal.sqlite")).await?)),
            Some(reference) => {
                let url = reference.resolve(Path::new(""))?;
                Ok(Arc::new(SharedJournal::open(url.expose()).await?))
            }
        }
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
