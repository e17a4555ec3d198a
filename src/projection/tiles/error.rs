use std::path::{Path, PathBuf};

use crate::model::{Code, Failure, JobId};
use crate::postgres::PgError;
use crate::projection::files::FilesError;

/// Says why tiles could not be made, kept or read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TilesError {
    #[error(transparent)]
    Server(#[from] PgError),
    #[error(transparent)]
    Files(#[from] FilesError),
    #[error("failed to make tiles: {0}")]
    Sink(String),
    #[error("failed to make tiles: no generation of `{0}` to make them of")]
    Input(JobId),
    #[error("failed to keep a tile: {0}")]
    Row(&'static str),
    #[error("failed to write or read a PMTiles archive")]
    Archive(#[from] pmtiles::PmtError),
    #[error("failed to read a tile as Mapbox Vector Tile")]
    Tile(#[from] quick_protobuf::Error),
    #[error("failed to use the local file {}", path.display())]
    Local { path: PathBuf, source: std::io::Error },
    #[error("a tile task was lost")]
    Lost(#[source] tokio::task::JoinError),
    /// What came in had failed already.
    #[error("{0}")]
    Source(Box<Failure>),
}

impl TilesError {
    pub(super) fn local(path: &Path) -> impl Fn(std::io::Error) -> Self + '_ {
        move |source| Self::Local { path: path.to_owned(), source }
    }
}

impl From<TilesError> for Failure {
    fn from(error: TilesError) -> Self {
        let text = error.to_string();
        match error {
            TilesError::Server(error) => error.into(),
            TilesError::Files(error) => error.into(),
            TilesError::Source(failure) => *failure,
            TilesError::Sink(_) => {
                Self::permanent(Code::PlanInvalid, text).hint("correct the layers of the sink")
            }
            TilesError::Input(_) => Self::permanent(Code::PlanInvalid, text)
                .hint("name the job of each layer among the job's inputs"),
            TilesError::Local { ref source, .. } => {
                let full = source.kind() == std::io::ErrorKind::StorageFull;
                let code = if full { Code::NoSpace } else { Code::StepFailed };
                Self::permanent(code, text).because(source).hint("look at the state directory")
            }
            TilesError::Archive(_) | TilesError::Tile(_) => Self::permanent(Code::StepFailed, text)
                .because(&error)
                .hint("discard the generation and rebuild the job"),
            TilesError::Row(_) | TilesError::Lost(_) => {
                Self::permanent(Code::Internal, text).because(&error)
            }
        }
    }
}
