use std::path::{Path, PathBuf};

use crate::digest::Digest;
use crate::model::{Code, Failure};
use crate::projection::Refusal;
use crate::store::StoreError;

/// Says why a file-like target could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FilesError {
    #[error("failed to use the projection store")]
    Store(#[from] StoreError),
    #[error("failed to read `{key}`: it is gone")]
    Missing { key: String },
    #[error("failed to read `{key}`: it is no document of this kind")]
    Malformed { key: String, source: serde_json::Error },
    #[error("failed to read `{key}`: its bytes are not those that were published")]
    Altered { key: String, expected: Digest, actual: Digest },
    #[error("failed to use the local file {}", path.display())]
    Local { path: PathBuf, source: std::io::Error },
    #[error(transparent)]
    Refused(#[from] Refusal),
    #[error("failed to publish `{key}`: another process published something else under it")]
    Taken { key: String },
    #[error("failed to take {what}: others were first {tries} times")]
    Contended { what: &'static str, tries: u32 },
    #[error("a file task was lost")]
    Lost(#[source] tokio::task::JoinError),
    #[error("the run was asked to stop")]
    Cancelled,
}

impl FilesError {
    /// Whether what was published is not there any more as it was.
    pub(super) fn is_damage(&self) -> bool {
        matches!(self, Self::Altered { .. } | Self::Missing { .. } | Self::Malformed { .. })
    }

    pub(super) fn local(path: &Path, source: std::io::Error) -> Self {
        Self::Local { path: path.to_owned(), source }
    }
}

impl From<FilesError> for Failure {
    fn from(error: FilesError) -> Self {
        let error = match error {
            FilesError::Cancelled => return Self::cancelled(),
            FilesError::Store(error) => return error.into(),
            FilesError::Refused(refusal) => return refusal.into(),
            error => error,
        };
        let text = error.to_string();
        let failure = match &error {
            FilesError::Local { source, .. } => of_disk(source, text),
            FilesError::Taken { .. } | FilesError::Contended { .. } => {
                Self::transient(Code::Locked, text)
                    .hint("another process writes to the same projection store; see `coppice runs`")
            }
            FilesError::Altered { .. }
            | FilesError::Malformed { .. }
            | FilesError::Missing { .. } => Self::permanent(Code::StepFailed, text)
                .hint("run it again: a damaged generation is built anew under another name"),
            FilesError::Lost(_)
            | FilesError::Store(_)
            | FilesError::Refused(_)
            | FilesError::Cancelled => Self::permanent(Code::Internal, text),
        };
        failure.because(&error)
    }
}

fn of_disk(source: &std::io::Error, text: String) -> Failure {
    if source.kind() == std::io::ErrorKind::StorageFull {
        return Failure::permanent(Code::NoSpace, text)
            .hint("free space under the state directory");
    }
    Failure::permanent(Code::StepFailed, text)
}
