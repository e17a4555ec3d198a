//! What somebody beside the driving process asks of a run, and what became of it.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::model::{Actor, StepId};

/// What can be asked of a run that goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum AskKind {
    /// Nothing more may start.
    Pause,
    /// What was paused goes on.
    Continue,
    /// A step is tried again, or at once.
    Retry,
    /// A step is given up for good.
    Skip,
    /// A step that waits for approval may start.
    Approve,
}

impl AskKind {
    /// The name as in receipts; the command that asks it has it too.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Pause => "pause",
            Self::Continue => "continue",
            Self::Retry => "retry",
            Self::Skip => "skip",
            Self::Approve => "approve",
        }
    }
}

/// Something asked, before the journal numbered it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct NewRequest {
    /// What.
    pub(crate) kind: AskKind,
    /// Of which step; `None`: of the run.
    pub(crate) step: Option<StepId>,
    /// Who asks.
    pub(crate) actor: Actor,
    /// Why.
    pub(crate) reason: String,
}

/// Something asked of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Request {
    /// Its number in the run, from 1.
    pub(crate) seq: u64,
    /// When.
    pub(crate) at: DateTime<Utc>,
    /// What.
    pub(crate) asked: NewRequest,
}

impl Request {
    /// What the event that it becomes says of it.
    pub(crate) fn ask(&self) -> Ask {
        let NewRequest { actor, reason, .. } = self.asked.clone();
        Ask { request: self.seq, actor, reason }
    }
}

/// What became of a request; written with the events that it became.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    /// The request.
    pub(crate) seq: u64,
    /// Why nothing was done; `None`: it was done.
    pub(crate) refused: Option<String>,
}

/// Who asked for an event, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Ask {
    /// The number of the request.
    pub(crate) request: u64,
    /// Who.
    pub(crate) actor: Actor,
    /// Why.
    pub(crate) reason: String,
}
