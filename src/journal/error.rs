use super::{Holder, IllegalTransition};
use crate::digest::Digest;
use crate::model::{Code, Failure, RunId};

/// Says why the journal did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum JournalError {
    /// Another process drives the run or fills the target.
    #[error("{target} is held by {holder}, for run {run}")]
    Held {
        /// The run or target.
        target: String,
        /// By whom.
        holder: Box<Holder>,
        /// For which run.
        run: RunId,
    },
    /// The lease was taken over or given back.
    #[error("run {run} is driven by somebody else now: epoch {epoch} is stale")]
    Stale {
        /// The run.
        run: RunId,
        /// The epoch that is not the newest.
        epoch: u64,
    },
    /// Nothing is recorded under the id.
    #[error("there is no run {run}")]
    NoSuchRun {
        /// The id.
        run: RunId,
    },
    /// No bytes are stored under the name.
    #[error("the journal has no blob {name}")]
    NoSuchBlob {
        /// The name.
        name: Digest,
    },
    /// A later Coppice wrote it.
    #[error("failed to open the journal: format {found} is newer than {known}")]
    Newer {
        /// Its format.
        found: i64,
        /// The newest that this Coppice knows.
        known: i64,
    },
    /// What is stored does not make sense.
    #[error("the journal is damaged: {what}")]
    Damaged {
        /// What and where.
        what: String,
    },
    /// The events of a run do not follow each other.
    #[error("failed to fold the events of a run")]
    Illegal(#[from] IllegalTransition),
    /// A record has no JSON form.
    #[error("failed to encode a journal record")]
    Encode(#[from] serde_json::Error),
    /// The file or its folder.
    #[error("failed to open the journal at {path}")]
    Open {
        /// Where.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// The database.
    #[error("failed to {doing}")]
    Database {
        /// What was tried.
        doing: &'static str,
        /// Why it failed.
        source: sqlx::Error,
    },
}

impl JournalError {
    /// Whether the database was busy with other processes for longer than the wait.
    pub(super) fn is_busy(&self) -> bool {
        let Self::Database { source: sqlx::Error::Database(error), .. } = self else {
            return false;
        };
        // The primary result code is the low byte: SQLITE_BUSY or SQLITE_LOCKED.
        let code = error.code().and_then(|code| code.parse::<u32>().ok()).unwrap_or_default();
        matches!(code & 0xff, 5 | 6)
    }

    fn is_full(&self) -> bool {
        let Self::Database { source: sqlx::Error::Database(error), .. } = self else {
            return false;
        };
        error.code().is_some_and(|code| code == "13")
    }
}

impl From<JournalError> for Failure {
    fn from(error: JournalError) -> Self {
        let busy = error.is_busy();
        let failure = match &error {
            JournalError::Held { run, .. } => Failure::fenced(Code::Locked, error.to_string())
                .hint(format!("wait for it, look with `coppice status {run}`, or stop it there")),
            JournalError::Stale { run, .. } => Failure::fenced(Code::Locked, error.to_string())
                .hint(format!("see who drives it with `coppice status {run}`")),
            JournalError::NoSuchRun { .. } => Failure::permanent(Code::Usage, error.to_string())
                .hint("list the runs with `coppice runs`; check --state"),
            JournalError::Newer { .. } => Failure::permanent(Code::Journal, error.to_string())
                .hint("use the newer coppice that wrote it"),
            _ if error.is_full() => Failure::permanent(Code::NoSpace, error.to_string())
                .hint("free space under the state directory, then `coppice resume`"),
            _ if busy => Failure::transient(Code::Journal, error.to_string())
                .hint("another process keeps the journal busy; then `coppice resume`"),
            _ => Failure::permanent(Code::Journal, error.to_string())
                .hint("check the disk and rights under the state directory, then `coppice resume`"),
        };
        match std::error::Error::source(&error) {
            Some(source) => failure.because(source),
            None => failure,
        }
    }
}
