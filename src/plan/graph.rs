//! The recovery graph: what `compile` makes, the journal keeps and the engine runs.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::digest::Digest;
use crate::model::{ApprovedBy, RunMode, StepId};

/// What a step waits for in another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum When {
    /// It succeeded.
    Succeeded,
    /// It ended, however.
    Ended,
}

/// A pool of permits; it limits how much of one kind of work goes on at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Pool {
    /// Moving and hashing bytes.
    Transfer,
    /// Running queries and filling projections.
    Query,
    /// Small decisions.
    Control,
}

/// What a step does; the action that does it is found by this.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum StepKind {
    /// Checks markers and takes locks before anything is written.
    Fence,
    /// Runs a command of the plan: before the first write, or once all is live.
    Command,
    /// Copies objects of a zone out of the snapshot, verified while written.
    RestoreObjects,
    /// Copies the ledger's records, the head last.
    RestoreLedger,
    /// Reads objects back and holds them against the manifest.
    VerifyObjects,
    /// Proves one dataset version in place against its checksums.
    VerifyVersion,
    /// Proves the catalog: documents, links, checksums.
    VerifyCatalog,
    /// Proves the ledger: chain, head, checkpoints.
    VerifyLedger,
    /// Opens or stays shut; what waits behind a shut gate is blocked.
    Gate,
    /// Fills one generation of a projection.
    Rebuild,
    /// Reads a generation back and holds it against what went in.
    Prove,
    /// Makes the one decision over all that is proven.
    Decide,
    /// Puts the decided generations live.
    Switch,
    /// Reads the live names back.
    ReadBack,
    /// Drops former generations that are older than those to be kept.
    DropFormer,
    /// Clears scratch.
    CleanUp,
    /// Folds the receipt, stores it, and appends the ledger entry that cites it.
    Receipt,
}

impl fmt::Display for StepKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = serde_json::to_value(self).ok();
        f.pad(name.as_ref().and_then(Value::as_str).unwrap_or("step"))
    }
}

/// A node of the recovery graph.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct StepSpec {
    /// Stable name, such as `rebuild/postgis/places`.
    pub(crate) id: StepId,
    /// What it does.
    pub(crate) kind: StepKind,
    /// What the action needs to know; leaves it no choice.
    pub(crate) params: Value,
    /// Into how many resumable pieces it is cut; at least 1.
    pub(crate) shards: u32,
    /// Which pool its shards take a permit of.
    pub(crate) pool: Pool,
    /// What it waits for.
    pub(crate) after: Vec<(StepId, When)>,
    /// What it would do, in a few words for people.
    pub(crate) action: String,
    /// How long it may take, where that can be told; else `None`.
    pub(crate) estimate_seconds: Option<u64>,
}

/// A compiled plan: leaves no choices. Steps stand in an order in which they could run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct RecoveryGraph {
    /// What the run is for.
    pub(crate) mode: RunMode,
    /// The environment.
    pub(crate) environment: String,
    /// The digest of the plan's files and of the facts that it was compiled with.
    pub(crate) plan_digest: Digest,
    /// The snapshot, where the mode has one.
    pub(crate) snapshot: Option<Digest>,
    /// Limits that the engine keeps.
    pub(crate) limits: super::Limits,
    /// Which steps wait for approval, and whose.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) approvals: BTreeMap<StepId, ApprovedBy>,
    /// The steps.
    pub(crate) steps: Vec<StepSpec>,
}
