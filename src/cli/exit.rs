//! The exit codes, and which one holds where several would.

use crate::model::{Code, Failure, FailureKind};

/// How a command ended. The order of the precedence is 2, 5, 130, 4, 1, 3, 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Done.
    Done = 0,
    /// A gate is shut, a finding, a step failed, or a partial recovery.
    Found = 1,
    /// Usage or plan error; nothing was done.
    Usage = 2,
    /// Recovered, but an objective was missed.
    Missed = 3,
    /// Waiting for an approval.
    Waiting = 4,
    /// The target belongs to another environment or run.
    Fenced = 5,
    /// Interrupted; can be resumed.
    Interrupted = 130,
}

impl Exit {
    /// The code of a failed command.
    pub(crate) fn of(failure: &Failure) -> Self {
        match (failure.kind, failure.code) {
            (_, Code::Usage | Code::PlanInvalid) => Self::Usage,
            (FailureKind::Fenced, _) | (_, Code::Fenced | Code::Locked) => Self::Fenced,
            (FailureKind::Cancelled, _) => Self::Interrupted,
            _ => Self::Found,
        }
    }
}

impl From<Exit> for std::process::ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}
