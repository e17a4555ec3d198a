//! What steps hand on: the output of each kind of step that a receipt reads.

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Code, CommandRun, DatasetVersionId, Failure, Finding, JobId, Proof, RunId};
use crate::digest::Digest;

/// What a step or shard gives to those that wait for it. Small: it goes into the journal; what is
/// large goes into a journal blob and is named here.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Output {
    /// What the kind of step says.
    pub value: Value,
    /// The defects found on the way that did not stop it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<Finding>,
}

impl Output {
    /// Wraps a typed value.
    pub fn of(value: &impl Serialize) -> Result<Self, Failure> {
        let value = serde_json::to_value(value).map_err(|error| {
            Failure::permanent(Code::Internal, "failed to write a step's output").because(&error)
        })?;
        Ok(Self { value, findings: Vec::new() })
    }

    /// Adds the defects found on the way.
    #[must_use]
    pub fn with_findings(mut self, findings: Vec<Finding>) -> Self {
        self.findings = findings;
        self
    }

    /// Reads the value as a typed one.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, Failure> {
        T::deserialize(&self.value).map_err(|error| {
            Failure::permanent(Code::Internal, "failed to read a step's output").because(&error)
        })
    }
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// Every step succeeded.
    Recovered,
    /// Some step failed or was blocked; what is live is proven.
    Partial,
    /// A switch failed after the decision; the receipt says what is live.
    Halted,
    /// Given up on purpose.
    Cancelled,
}

impl Outcome {
    /// The name as in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Recovered => "recovered",
            Self::Partial => "partial",
            Self::Halted => "halted",
            Self::Cancelled => "cancelled",
        }
    }
}

/// What `RestoreObjects` and `RestoreLedger` did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestoreOutput {
    /// Objects that are at the target now.
    pub objects: u64,
    /// The bytes that were written.
    pub bytes: u64,
    /// Objects written.
    pub restored: u64,
    /// Objects that were there already, with the right digest.
    pub kept: u64,
    /// Objects with another digest that were put aside first.
    pub displaced: u64,
    /// Objects among those written whose bytes came out of the rehearsal that the run takes over
    /// from, and not out of the backup.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub promoted: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for it")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// What `VerifyObjects`, `VerifyVersion`, `VerifyCatalog` and `VerifyLedger` read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct VerifyOutput {
    /// Objects, documents or records checked.
    pub objects: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// What `Rebuild` built.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RebuildOutput {
    /// The job.
    pub job: JobId,
    /// The kind of projection.
    pub kind: String,
    /// The generation.
    pub generation: Digest,
    /// Rows that the query gave and the target took.
    pub rows: u64,
    /// The multiset digest of the rows on their way in.
    pub canonical_digest: String,
    /// What was read of each dataset, where it was built now.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub read: Vec<InputRows>,
    /// The proof on record, where the generation was complete already.
    #[serde(default)]
    pub unchanged: Option<Proof>,
    /// What its program did, where one was run now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ran: Option<CommandRun>,
    /// How it stands to the rehearsal that the run takes over from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub promotion: Option<Promotion>,
}

/// How a projection stands to the rehearsal that its run takes over from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Promotion {
    /// The rehearsal.
    pub run: RunId,
    /// Why it was not taken over but built again; null: it was taken over.
    pub why_not: Option<String>,
}

/// What a job read of a dataset version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct InputRows {
    /// The dataset.
    pub dataset: String,
    /// The version.
    pub version: DatasetVersionId,
    /// Rows that the query got.
    pub rows: u64,
    /// Rows that could not be read as declared, and were left out.
    pub refused: u64,
    /// Rows among those that it got whose geometry was repaired.
    pub repaired: u64,
}

/// What `Prove` found: a proof that holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProveOutput {
    /// The job.
    pub job: JobId,
    /// The proof.
    #[serde(flatten)]
    pub proof: Proof,
}

/// What `Decide` decided: durable before the first switch.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DecideOutput {
    /// The jobs that go live, dependencies first.
    pub set: Vec<DecidedChange>,
}

/// One job of a decision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DecidedChange {
    /// The job.
    pub job: JobId,
    /// What was live before.
    pub from: Option<Digest>,
    /// What is live afterwards.
    pub to: Option<Digest>,
}

/// What `Switch` did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SwitchOutput {
    /// When the first live name changed.
    pub first_at: DateTime<Utc>,
    /// When the last one did.
    pub last_at: DateTime<Utc>,
}

/// What `ReadBack` found under the live names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReadBackOutput {
    /// What is live.
    pub live: Vec<LiveGeneration>,
    /// When the last one was read.
    pub at: DateTime<Utc>,
}

/// What `DropFormer` dropped.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DropOutput {
    /// Generations that are gone.
    pub dropped: Vec<LiveGeneration>,
    /// Generations that were to go and could not, such as one that others built upon.
    pub kept: Vec<LiveGeneration>,
}

/// A job's generation, such as the live one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LiveGeneration {
    /// The job.
    pub job: JobId,
    /// The generation.
    pub generation: Digest,
}
