//! What the action of each step kind needs to know: the typed form of `StepSpec::params`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{BackTo, CommandSpec, CutoverPolicy, Expect, SignaturePolicy};
use crate::digest::Digest;
use crate::model::{
    Audience, DatasetVersionId, FindingName, JobId, OnBadRow, PolicyLabel, ReadAs, Sink, Zone,
};

/// `RestoreObjects`: one shard of the step is one manifest shard of the zone and part, in order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RestoreObjectsParams {
    /// The snapshot.
    pub(crate) snapshot: Digest,
    /// The zone.
    pub(crate) zone: Zone,
    /// Which of its keys.
    pub(crate) part: Part,
}

/// Which keys of a zone a step takes; visibility is ordered, so a zone may come in parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Part {
    /// All keys of a zone that is neither catalog nor audit.
    All,
    /// `catalog/`: the documents; of versions whose artifacts are proven.
    Documents,
    /// `releases/`: of versions whose gate is open.
    Releases,
    /// `audit/` without `audit/ledger/heads/`: records and checkpoints.
    Records,
    /// `audit/ledger/heads/`: last of all.
    Head,
}

impl Part {
    /// Whether a key of the part's zone belongs to the part.
    pub(crate) fn holds(self, key: &str) -> bool {
        match self {
            Self::All => true,
            Self::Releases => key.starts_with("releases/"),
            Self::Documents => !key.starts_with("releases/"),
            Self::Head => key.starts_with("audit/ledger/heads/"),
            Self::Records => !key.starts_with("audit/ledger/heads/"),
        }
    }
}

/// `VerifyObjects`: the same shards as the `RestoreObjects` step of the zone and part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct VerifyObjectsParams {
    /// The snapshot.
    pub(crate) snapshot: Digest,
    /// The zone.
    pub(crate) zone: Zone,
    /// Which of its keys.
    pub(crate) part: Part,
}

/// `VerifyVersion`: proves a version in place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct VerifyVersionParams {
    /// The dataset.
    pub(crate) dataset: String,
    /// The version.
    pub(crate) version: DatasetVersionId,
}

/// `VerifyCatalog`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct VerifyCatalogParams {
    /// The snapshot whose known findings count; a rebuild has none.
    #[serde(default)]
    pub(crate) snapshot: Option<Digest>,
    /// The dataset versions to prove.
    pub(crate) versions: Vec<(String, DatasetVersionId)>,
    /// The findings that the operator lets pass.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) accept: Vec<FindingName>,
}

/// `VerifyLedger`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct VerifyLedgerParams {
    /// The snapshot whose head the chain must hold; a rebuild has none.
    pub(crate) snapshot: Option<Digest>,
    /// How the head's signature is held.
    pub(crate) signatures: SignaturePolicy,
}

/// `Command`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct CommandParams {
    /// When it is run.
    pub(crate) phase: Phase,
    /// What is run.
    pub(crate) command: CommandSpec,
}

/// When a plan's command is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Phase {
    /// Before the first write.
    Freeze,
    /// Once all that goes live was read back.
    Enable,
}

impl Phase {
    /// The name in plans and step ids.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Freeze => "freeze",
            Self::Enable => "enable",
        }
    }
}

/// `Gate`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "gate", rename_all = "kebab-case")]
pub(crate) enum GateParams {
    /// The manifest and its shards are what their names say, and every transfer came to its end.
    Manifest,
    /// The ledger's chain is whole.
    Ledger,
    /// No blocking finding concerns the dataset version.
    CanonicalIntact {
        /// The version.
        version: DatasetVersionId,
    },
    /// Nothing that was erased is left where no version's gate would tell.
    Withdrawals {
        /// How many entries the list has.
        entries: u64,
    },
    /// Never open: nothing is left of what the job reads, since it was erased as a whole.
    Erased {
        /// The job.
        job: JobId,
        /// The datasets that it reads and that have no version any more.
        datasets: Vec<String>,
        /// The versions that were erased and are not there: theirs among them.
        versions: Vec<DatasetVersionId>,
    },
    /// The strictest label of a job's inputs may go where the job would take it: decided when
    /// compiled.
    Policy {
        /// The job.
        job: JobId,
        /// The strictest label of its transitive inputs; `None` is missing or unknown.
        label: Option<PolicyLabel>,
        /// Where it would go.
        audience: Audience,
        /// Whether it may.
        allowed: bool,
    },
}

impl GateParams {
    /// The gate's id, as in receipts: `manifest`, `ledger`, `canonical-intact/<version>`,
    /// `withdrawals`, `erased/<job>`, `policy/<job>`.
    pub(crate) fn id(&self) -> String {
        match self {
            Self::Manifest => "manifest".to_owned(),
            Self::Ledger => "ledger".to_owned(),
            Self::Withdrawals { .. } => "withdrawals".to_owned(),
            Self::CanonicalIntact { version } => format!("canonical-intact/{version}"),
            Self::Erased { job, .. } => format!("erased/{job}"),
            Self::Policy { job, .. } => format!("policy/{job}"),
        }
    }
}

/// `Rebuild`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct RebuildParams {
    /// The job.
    pub(crate) job: JobId,
    /// The generation that it builds.
    pub(crate) generation: Digest,
    /// What it fills.
    pub(crate) sink: Sink,
    /// The SQL, unless the sink has none.
    pub(crate) query: Option<String>,
    /// What it reads, pinned.
    pub(crate) inputs: Vec<ResolvedInput>,
    /// Who reads it.
    pub(crate) audience: Audience,
    /// The strictest label of its transitive inputs.
    pub(crate) label: Option<PolicyLabel>,
    /// The label of each of them, as it counts on the policy date.
    #[serde(default)]
    pub(crate) labels: BTreeMap<DatasetVersionId, Option<PolicyLabel>>,
    /// What must hold of its rows.
    pub(crate) expect: Expect,
    /// What is done with rows that cannot be read as declared.
    #[serde(default, skip_serializing_if = "OnBadRow::is_refuse")]
    pub(crate) on_bad_row: OnBadRow,
    /// The files that its program brings along, by their names beside the job.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) files: BTreeMap<String, PinnedFile>,
}

/// A file of the plan, pinned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PinnedFile {
    /// Where it is, relative to the plan's folder.
    pub(crate) path: String,
    /// The BLAKE3 of its bytes.
    pub(crate) digest: Digest,
}

/// An input with nothing left to choose.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "input", rename_all = "kebab-case")]
pub(crate) enum ResolvedInput {
    /// A dataset version as a table.
    Dataset {
        /// The table's name in the query.
        table: String,
        /// The dataset.
        dataset: String,
        /// The version.
        version: DatasetVersionId,
        /// The digest over its artifacts.
        artifacts: Digest,
        /// What its artifacts do not say of themselves.
        #[serde(default, skip_serializing_if = "ReadAs::is_plain")]
        read: ReadAs,
    },
    /// The generation of another job in this run.
    Projection {
        /// The job.
        job: JobId,
        /// Its generation.
        generation: Digest,
        /// What that job fills.
        sink: Sink,
    },
    /// The catalogs of these versions.
    Catalog {
        /// Dataset, version, and the digest over the catalog's documents.
        versions: Vec<(String, DatasetVersionId, Digest)>,
    },
}

/// `Prove`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct ProveParams {
    /// The job.
    pub(crate) job: JobId,
    /// The generation.
    pub(crate) generation: Digest,
    /// What it fills.
    pub(crate) sink: Sink,
    /// What it reads, pinned.
    pub(crate) inputs: Vec<ResolvedInput>,
    /// The label of each dataset version that it is made of.
    #[serde(default)]
    pub(crate) labels: BTreeMap<DatasetVersionId, Option<PolicyLabel>>,
    /// Whether a proof on record is trusted for a generation that is complete already.
    pub(crate) trust_record: bool,
    /// The files that the check of a command brings along, by their names beside the job.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) files: BTreeMap<String, PinnedFile>,
}

/// `Decide`, `Switch` and `ReadBack`: the set is every proven job whose dependencies are in it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct DecideParams {
    /// Whether one blocked job stops the cutover.
    pub(crate) policy: CutoverPolicy,
    /// The jobs, dependencies first.
    pub(crate) jobs: Vec<Candidate>,
    /// Rollback: each job goes to its former generation and nothing is asked of proofs.
    pub(crate) rollback: bool,
    /// Rollback: the jobs that were asked for; none: what the last cutover switched, all of it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) asked: Vec<JobId>,
    /// Rollback: what the jobs go back to.
    #[serde(default, skip_serializing_if = "BackTo::is_former")]
    pub(crate) back_to: BackTo,
    /// Rollback: the label of each version that is there, as it counts now.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) labels: BTreeMap<DatasetVersionId, Option<PolicyLabel>>,
}

/// A job that may go live.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Candidate {
    /// The job.
    pub(crate) job: JobId,
    /// The generation to go live; a rollback reads it from the target.
    pub(crate) generation: Option<Digest>,
    /// What it fills.
    pub(crate) sink: Sink,
    /// The jobs that it is derived from.
    pub(crate) needs: Vec<JobId>,
    /// Who reads it.
    #[serde(default = "everybody")]
    pub(crate) audience: Audience,
}

/// Of a graph that does not say who reads a projection: anybody.
fn everybody() -> Audience {
    Audience::Public
}
