use std::io;
use std::path::PathBuf;

use arrow::error::ArrowError;

use crate::model::{Code, Failure};

/// Says why the files of a program could not be kept or read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CommandError {
    #[error("the rows are no files of a program")]
    Row,
    #[error("failed to use the file {}", path.display())]
    File { path: PathBuf, source: io::Error },
    /// Its name is declared in the job.
    #[error("the output `{name}` changed after its program had ended")]
    Changed { name: String },
    #[error("failed to hold names of files in columns")]
    Columns(#[from] ArrowError),
    #[error("a task of the command was lost")]
    Lost(#[from] tokio::task::JoinError),
}

impl From<CommandError> for Failure {
    fn from(error: CommandError) -> Self {
        let text = error.to_string();
        let failure = match &error {
            CommandError::File { source, .. } if source.kind() == io::ErrorKind::StorageFull => {
                Self::permanent(Code::NoSpace, text).hint("free space under the state directory")
            }
            CommandError::File { .. } => Self::permanent(Code::StepFailed, text),
            CommandError::Changed { .. } => Self::permanent(Code::StepFailed, text)
                .hint("look for what else writes into the state directory; run again")
                .plain(),
            CommandError::Row | CommandError::Columns(_) | CommandError::Lost(_) => {
                Self::permanent(Code::Internal, text)
            }
        };
        match std::error::Error::source(&error) {
            Some(source) => failure.because(source),
            None => failure,
        }
    }
}
