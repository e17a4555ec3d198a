use std::path::{Path, PathBuf};

use crate::digest::Digest;
use crate::model::{Code, Failure, JobId, RunId};
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
    #[error("generation {} of `{job}` is not published", generation.short())]
    Absent { job: JobId, generation: Digest },
    #[error("generation {} of `{job}` has no proof", generation.short())]
    Unproven { job: JobId, generation: Digest },
    #[error("generation {} of `{job}` is kept: it is {what}", generation.short())]
    InUse { job: JobId, generation: Digest, what: &'static str },
    #[error("the live generation of `{job}` is {}, neither the former nor the new one", name(*live))]
    NotFormer { job: JobId, live: Option<Digest> },
    #[error("run {run} is held by a later process (epoch {theirs}, ours is {ours})")]
    Stale { run: RunId, ours: u64, theirs: u64 },
    #[error("failed to publish `{key}`: another process published something else under it")]
    Taken { key: String },
    #[error("failed to move the live pointer: others moved it {tries} times meanwhile")]
    Contended { tries: u32 },
    #[error("a file task was lost")]
    Lost(#[source] tokio::task::JoinError),
    #[error("the run was asked to stop")]
    Cancelled,
}

fn name(live: Option<Digest>) -> String {
    live.map_or_else(|| "absent".to_owned(), |digest| digest.short())
}

impl FilesError {
    pub(super) fn local(path: &Path, source: std::io::Error) -> Self {
        Self::Local { path: path.to_owned(), source }
    }
}

impl From<FilesError> for Failure {
    fn from(error: FilesError) -> Self {
        let error = match error {
            FilesError::Cancelled => return Self::cancelled(),
            FilesError::Store(error) => return error.into(),
            error => error,
        };
        let text = error.to_string();
        let failure = match &error {
            FilesError::Local { source, .. } => of_disk(source, text),
            FilesError::NotFormer { .. } => Self::fenced(Code::Fenced, text)
                .hint("another run switched this job; look at `coppice runs` and plan again"),
            FilesError::Stale { .. } => Self::fenced(Code::Locked, text)
                .hint("this process lost its claim; let the other one finish"),
            FilesError::Taken { .. } | FilesError::Contended { .. } => {
                Self::transient(Code::Locked, text)
                    .hint("another process writes to the same projection store; see `coppice runs`")
            }
            FilesError::Altered { .. }
            | FilesError::Malformed { .. }
            | FilesError::Missing { .. } => Self::permanent(Code::StepFailed, text)
                .hint("discard the generation and rebuild the job: the published copy is damaged"),
            FilesError::Absent { .. } | FilesError::Unproven { .. } => {
                Self::permanent(Code::StepFailed, text).hint("rebuild the job")
            }
            FilesError::InUse { .. } => Self::permanent(Code::StepFailed, text)
                .hint("the live and one former generation are always kept"),
            FilesError::Lost(_) | FilesError::Store(_) | FilesError::Cancelled => {
                Self::permanent(Code::Internal, text)
            }
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
