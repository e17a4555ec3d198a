use std::io;
use std::time::Duration;

use crate::model::{Code, Failure};

use super::Captured;

/// Why a program did not do what it was started for.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProcessError {
    /// It could not be started.
    #[error("failed to start {program}")]
    Start {
        /// The program.
        program: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Nobody could tell how it ended.
    #[error("lost sight of {program}")]
    Lost {
        /// The program.
        program: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It took too long and was killed with all that it had started.
    #[error("{program} was killed after {}", humantime::format_duration(*limit))]
    TimedOut {
        /// The program.
        program: String,
        /// How long it might take.
        limit: Duration,
        /// What it had printed.
        output: Box<Captured>,
    },
    /// It ended with something else than 0.
    #[error("{program} ended with {how}")]
    Failed {
        /// The program.
        program: String,
        /// Its exit code, or the signal that ended it.
        how: String,
        /// What it had printed.
        output: Box<Captured>,
    },
    /// The run was asked to stop; it was killed with all that it had started.
    #[error("{program} was stopped with the run")]
    Cancelled {
        /// The program.
        program: String,
    },
}

impl From<ProcessError> for Failure {
    fn from(error: ProcessError) -> Self {
        let message = error.to_string();
        let failed = |hint: &str| Self::permanent(Code::StepFailed, message.clone()).hint(hint);
        match &error {
            ProcessError::Cancelled { .. } => Self::cancelled(),
            ProcessError::Start { source, .. } => {
                failed("is it there, and may this user run it?").because(source)
            }
            ProcessError::Lost { source, .. } => {
                failed("look whether it still runs").because(source)
            }
            ProcessError::TimedOut { output, .. } => {
                said(failed("raise its `timeout` if it needs longer").class("timeout"), output)
            }
            ProcessError::Failed { output, how, .. } => {
                let hint = "read what it said, put that right, run again or resume";
                said(failed(hint).class(how.clone()), output)
            }
        }
    }
}

/// What a program said last stands among the causes.
fn said(mut failure: Failure, output: &Captured) -> Failure {
    failure.causes.extend(output.last_words());
    failure
}
