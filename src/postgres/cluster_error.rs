use std::io;
use std::path::{Path, PathBuf};

use super::connect::PgError;
use crate::model::{Code, Failure};

/// Why there is no private cluster.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ClusterError {
    /// No PostgreSQL with PostGIS is installed, or not the one that the data need.
    #[error("failed to find an installed PostgreSQL {}with PostGIS", .major.as_ref().map(|m| format!("{m} ")).unwrap_or_default())]
    NotInstalled {
        /// The version that existing data need.
        major: Option<String>,
    },
    /// As root, PostgreSQL needs another user.
    #[error("failed to find the user `postgres`, as whom the server must run")]
    NoUser,
    /// The server's user cannot reach its data.
    #[error("failed to make a cluster in {}: the user `postgres` cannot enter {}", .data.display(), .shut.display())]
    Shut {
        /// Where the data should be.
        data: PathBuf,
        /// The folder that is closed to the user.
        shut: PathBuf,
    },
    /// A file or folder does not do what it must.
    #[error("failed to {what} {}", .path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// With what.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// Somebody else's folder stands where the socket must be.
    #[error("failed to use {} for the socket: it belongs to somebody else", .0.display())]
    Socket(PathBuf),
    /// One of PostgreSQL's programs failed.
    #[error("failed to run {tool}: {said}")]
    Tool {
        /// The program.
        tool: &'static str,
        /// The end of what it said.
        said: String,
    },
    /// The server runs but does not do as asked.
    #[error("failed to prepare the private cluster")]
    Server(#[from] PgError),
}

impl From<ClusterError> for Failure {
    fn from(error: ClusterError) -> Self {
        let failure = Self::permanent(Code::StepFailed, error.to_string());
        match error {
            ClusterError::NotInstalled { .. } => {
                failure.hint("install postgresql and postgis, such as postgresql-15-postgis-3")
            }
            ClusterError::NoUser => {
                failure.hint("install PostgreSQL's own package, or do not run as root")
            }
            ClusterError::Shut { .. } => failure
                .hint("let others enter it (chmod o+x), or keep the state elsewhere, such as /var/lib/coppice"),
            ClusterError::Io { ref source, .. } if source.kind() == io::ErrorKind::StorageFull => {
                Self { code: Code::NoSpace, ..failure }.because(source)
            }
            ClusterError::Io { ref source, .. } => failure.because(source),
            ClusterError::Socket(_) => failure.hint("remove that folder"),
            ClusterError::Tool { .. } => failure.hint("read server.log beside the cluster's data"),
            ClusterError::Server(error) => error.into(),
        }
    }
}

/// Wraps an error of the file system with what was tried.
pub(super) fn failed<'a>(
    what: &'static str,
    path: &'a Path,
) -> impl Fn(io::Error) -> ClusterError + 'a {
    move |source| ClusterError::Io { what, path: path.to_owned(), source }
}
