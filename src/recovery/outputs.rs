//! What steps of a recovery hand to each other, beyond what a receipt reads.

use serde::{Deserialize, Serialize};

use crate::canonical::ledger::Standing;
use crate::digest::Digest;
use crate::model::{DatasetVersionId, RestoreOutput, Verdict, VerifyOutput};

/// What a verifying step read, and where the pins of what it read are kept.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct VerifiedOutput {
    /// Counts.
    #[serde(flatten)]
    pub(crate) read: VerifyOutput,
    /// The pins, by dataset version.
    #[serde(default)]
    pub(crate) pins: Vec<PinnedShard>,
}

/// Pins of objects that were verified together.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct PinnedShard {
    /// The dataset version that they belong to, if any.
    pub(crate) version: Option<DatasetVersionId>,
    /// The journal blob that lists them.
    pub(crate) blob: Digest,
}

/// What an open gate hands to what waits behind it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct GateOutput {
    /// Why it is open.
    #[serde(flatten)]
    pub(crate) verdict: Verdict,
    /// The journal blobs with the pins of the version that it guards.
    #[serde(default)]
    pub(crate) pins: Vec<Digest>,
}

/// What a restoring step of the ledger did, for what follows it.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct RestoredLedger {
    /// Counts.
    #[serde(flatten)]
    pub(crate) moved: RestoreOutput,
    /// The last lost record that the checkpoints at the target knew of, before anything was
    /// written there.
    pub(crate) lost_head: Option<Digest>,
}

/// What the ledger's verification found out, for the step that moves its head and for the record
/// that a run appends to it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct LedgerOutput {
    /// Counts.
    #[serde(flatten)]
    pub(crate) read: VerifyOutput,
    /// The last lost record that a checkpoint knows of.
    pub(crate) lost_head: Option<Digest>,
    /// The head as the snapshot has it.
    pub(crate) snapshot_head: Option<Digest>,
    /// How the head document at the target stands to it.
    pub(crate) standing: Standing,
    /// The head document's last record.
    pub(crate) head: Option<Digest>,
}
