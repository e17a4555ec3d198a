use crate::digest::CanonicalError;
use crate::model::{Code, Failure};
use crate::store::StoreError;

/// Why nothing could be appended to the ledger.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LedgerError {
    /// The store did not do what it was asked.
    #[error("failed to use the audit ledger's store")]
    Store(#[from] StoreError),
    /// There are records and no head.
    #[error("failed to find the audit ledger's head, though it has records")]
    HeadMissing,
    /// The head is not a head.
    #[error("failed to read the audit ledger's head")]
    HeadUnreadable,
    /// Other writers were always first.
    #[error("failed to append to the audit ledger: other writers came first {tries} times")]
    Busy { tries: u32 },
    /// The head moved while a restore was about to move it.
    #[error("failed to move the audit ledger's head to the snapshot's: it moved meanwhile")]
    Moved,
    /// The snapshot's own head document is damaged.
    #[error("failed to prove the snapshot's copy of the audit ledger's head: it is damaged")]
    SnapshotHead,
    /// Another record stands under the record's own name.
    #[error("failed to write the ledger record `{key}`: other bytes stand there")]
    Occupied { key: String },
    /// The event type cannot be part of a key.
    #[error("failed to name a ledger record by `{event_type}`: letters, digits, `-` and `.` only")]
    EventType { event_type: String },
    /// The record has no canonical form.
    #[error("failed to write a ledger record as JSON")]
    Json(#[from] serde_json::Error),
    /// The record has no canonical form.
    #[error("failed to write a ledger record in its canonical form")]
    Canonical(#[from] CanonicalError),
}

impl From<LedgerError> for Failure {
    fn from(error: LedgerError) -> Self {
        let text = error.to_string();
        match error {
            LedgerError::Store(error) => error.into(),
            LedgerError::Busy { .. } => Self::transient(Code::StepFailed, text)
                .hint("many writers append at once; try again in a moment"),
            LedgerError::HeadMissing | LedgerError::HeadUnreadable => {
                Self::permanent(Code::GateShut, text)
                    .hint("verify the ledger and restore its head from a snapshot; append nothing")
            }
            LedgerError::SnapshotHead => Self::permanent(Code::GateShut, text)
                .hint("run `coppice verify URL`; recover from another snapshot or replica"),
            LedgerError::Moved => Self::permanent(Code::GateShut, text)
                .hint("something appends to the ledger during the restore: stop it, run again"),
            LedgerError::Occupied { .. } => Self::permanent(Code::GateShut, text)
                .hint("verify the ledger: somebody wrote under the name of another record"),
            LedgerError::EventType { .. } | LedgerError::Json(_) | LedgerError::Canonical(_) => {
                Self::permanent(Code::Internal, text).because(&error)
            }
        }
    }
}
