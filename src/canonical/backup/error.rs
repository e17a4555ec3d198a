use crate::canonical::shard::ShardError;
use crate::digest::{CanonicalError, Digest};
use crate::model::{Code, Failure, Finding, FindingKind};
use crate::store::StoreError;

/// Why a backup store did not give what was asked of it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BackupError {
    /// There is no backup store.
    #[error("failed to find a backup store at {url}: it has no coppice.json")]
    NotABackup { url: String },
    /// Something else lies where a backup store was to be made.
    #[error("failed to make a backup store at {url}: something else is there, such as `{found}`")]
    Occupied { url: String, found: String },
    /// Written by a later program.
    #[error("failed to read {what}: its version {version} is newer than this program")]
    Version { what: String, version: u32 },
    /// No snapshot fits.
    #[error("failed to find a snapshot in {url}: {why}")]
    NoSnapshot { url: String, why: String, damaged: Vec<Finding> },
    /// A blob that is named is not there.
    #[error("failed to find the blob {name}")]
    Missing { name: Digest },
    /// A document's bytes are not those of its name.
    #[error("failed to prove {what}: it is damaged")]
    Damaged {
        what: String,
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The store itself.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A document has no canonical form.
    #[error(transparent)]
    Canonical(#[from] CanonicalError),
}

impl BackupError {
    pub(crate) fn damaged(
        what: impl Into<String>,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self::Damaged { what: what.into(), source: source.into() }
    }

    /// The finding, if the reason is that something in the backup is damaged and not that the
    /// backup cannot be reached.
    pub(crate) fn finding(&self) -> Option<FindingKind> {
        match self {
            Self::Missing { .. } => Some(FindingKind::Missing),
            Self::Damaged { .. } => Some(FindingKind::Altered),
            Self::Store(error) if error.is_of_one_object() => Some(FindingKind::Unreadable),
            _ => None,
        }
    }
}

impl From<ShardError> for BackupError {
    fn from(error: ShardError) -> Self {
        match error {
            ShardError::Canonical(error) => Self::Canonical(error),
            error => Self::damaged("a shard of the manifest", error),
        }
    }
}

impl From<BackupError> for Failure {
    fn from(error: BackupError) -> Self {
        let error = match error {
            BackupError::Store(error) => return error.into(),
            other => other,
        };
        let text = error.to_string();
        let failure = match &error {
            BackupError::NotABackup { .. } => Self::permanent(Code::SnapshotMissing, text)
                .hint("give the URL that `coppice snapshot --to` was given"),
            BackupError::Occupied { .. } => Self::permanent(Code::Usage, text)
                .hint("give an empty place, or check that --from and --to are not exchanged"),
            BackupError::Version { .. } => Self::permanent(Code::SnapshotMissing, text)
                .hint("use the version of coppice that sealed it, or a later one"),
            BackupError::NoSnapshot { damaged, .. } => Self::permanent(Code::SnapshotMissing, text)
                .hint("list what there is with `coppice snapshots URL`")
                .with_findings(damaged.clone()),
            BackupError::Missing { .. } | BackupError::Damaged { .. } => {
                Self::permanent(Code::GateShut, text)
                    .hint("run `coppice verify URL`; recover from another snapshot or replica")
            }
            BackupError::Canonical(_) | BackupError::Store(_) => {
                Self::permanent(Code::Internal, text)
            }
        };
        match std::error::Error::source(&error) {
            Some(source) => failure.because(source),
            None => failure,
        }
    }
}
