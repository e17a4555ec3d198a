use super::{Holder, IllegalTransition};
use crate::digest::Digest;
use crate::model::{Code, Failure, RunId};
use crate::postgres::PgError;

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
    /// The URL of a shared journal does not say which server.
    #[error("failed to read the URL of the shared journal")]
    Address(#[from] PgError),
    /// The database of a shared journal.
    #[error("failed to {doing} in the shared journal at {place}")]
    Shared {
        /// What was tried.
        doing: &'static str,
        /// Host, port and database.
        place: String,
        /// Why it failed.
        source: sqlx::Error,
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
    /// Says at which server of a shared journal it happened.
    pub(super) fn at(self, place: &str) -> Self {
        match self {
            Self::Database { doing, source } => {
                Self::Shared { doing, place: place.to_owned(), source }
            }
            other => other,
        }
    }

    /// The server of a shared journal said nothing for so long.
    pub(super) fn silent(time: std::time::Duration) -> Self {
        let silent = format!("no answer within {} s", time.as_secs());
        let source = std::io::Error::new(std::io::ErrorKind::TimedOut, silent);
        Self::Database { doing: "be heard", source: sqlx::Error::Io(source) }
    }

    /// Whether the server of a shared journal could not be reached, is starting or stopping, or was
    /// busy with others for longer than a wait: another try may help.
    pub(super) fn is_lost(&self) -> bool {
        let (Self::Database { source, .. } | Self::Shared { source, .. }) = self else {
            return false;
        };
        match source {
            sqlx::Error::Io(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed
            | sqlx::Error::Protocol(_) => true,
            sqlx::Error::Database(_) => match state(source).as_deref() {
                // Serialization, deadlock, a wait for a lock; shut down, crashed, starting; the
                // session was ended; too many connections.
                Some(
                    "40001" | "40P01" | "55P03" | "57P01" | "57P02" | "57P03" | "57P05" | "25P03"
                    | "53300",
                ) => true,
                Some(state) => state.starts_with("08"),
                None => false,
            },
            _ => false,
        }
    }

    /// Whether the database was busy with other processes for longer than the wait.
    pub(super) fn is_busy(&self) -> bool {
        // The primary result code is the low byte: SQLITE_BUSY or SQLITE_LOCKED.
        let code = self.sqlite_code().and_then(|code| code.parse::<u32>().ok()).unwrap_or_default();
        matches!(code & 0xff, 5 | 6)
    }

    fn is_full(&self) -> bool {
        self.sqlite_code().is_some_and(|code| code == "13")
    }

    fn sqlite_code(&self) -> Option<String> {
        let Self::Database { source: sqlx::Error::Database(error), .. } = self else {
            return None;
        };
        let error = error.try_downcast_ref::<sqlx::sqlite::SqliteError>()?;
        sqlx::error::DatabaseError::code(error).map(std::borrow::Cow::into_owned)
    }
}

/// The five characters by which a server names an error.
fn state(error: &sqlx::Error) -> Option<String> {
    error.as_database_error()?.code().map(std::borrow::Cow::into_owned)
}

/// Why a shared journal did not do what it was asked, and what to do about it.
fn of_shared(error: &JournalError, source: &sqlx::Error) -> Failure {
    let message = error.to_string();
    if error.is_lost() {
        return Failure::transient(Code::Journal, message).hint(
            "see that its PostgreSQL server is up and can be reached from here; a run that was \
             interrupted goes on with `coppice resume`",
        );
    }
    let state = state(source).unwrap_or_default();
    let failure = match (source, state.as_str()) {
        (sqlx::Error::Tls(_), _) => Failure::permanent(Code::Credentials, message).hint(
            "the server's certificate was not accepted; name its root with sslrootcert in the URL",
        ),
        (_, "28000" | "28P01") => Failure::permanent(Code::Credentials, message)
            .hint("check user and password in the secret that --journal names, and pg_hba.conf"),
        (_, "42501") => Failure::permanent(Code::Credentials, message)
            .hint("the role lacks a privilege: docs/operate.md has the grants"),
        (_, "53100") => Failure::permanent(Code::NoSpace, message)
            .hint("free disk space on the journal's server, then `coppice resume`"),
        (_, "3D000") => Failure::permanent(Code::Journal, message)
            .hint("create the database that the URL names; the journal makes its schema itself"),
        _ => Failure::permanent(Code::Journal, message)
            .hint("see the log of the journal's server, then `coppice resume`"),
    };
    if state.is_empty() { failure } else { failure.class(format!("postgres {state}")) }
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
                .hint("list the runs with `coppice runs`; check --state and --journal"),
            JournalError::Address(_) => Failure::permanent(Code::Usage, error.to_string()).hint(
                "the secret that --journal names holds postgres://user:password@host/database",
            ),
            JournalError::Shared { source, .. } => of_shared(&error, source),
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
