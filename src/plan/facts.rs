//! What `resolve` found out: all that `compile` may know of the world.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::Part;
use crate::digest::Digest;
use crate::model::{DatasetVersionId, FindingName, JobId, PolicyLabel, Zone, label_at};

/// Everything that was pinned before compiling.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Facts {
    /// The environment's name.
    pub(crate) environment: String,
    /// The snapshot to recover from; a rebuild has none.
    pub(crate) snapshot: Option<SnapshotFacts>,
    /// The dataset versions that the snapshot, or the canonical store in place, holds.
    pub(crate) versions: Vec<VersionFacts>,
    /// The date at which embargoes are judged.
    pub(crate) policy_date: DateTime<Utc>,
    /// The PostgreSQL and `PostGIS` that will run, as `PostgreSQL 15 / PostGIS 3.3`.
    pub(crate) server: String,
    /// The builder's version of each kind of projection: raised when its output would change.
    pub(crate) builders: BTreeMap<String, u32>,
    /// Which generation of which job is live and proven at the targets.
    pub(crate) live: BTreeMap<JobId, Digest>,
    /// A filtered restore: whether the target holds a ledger already.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) ledger_in_place: bool,
    /// What a filter left in, for the receipt's scope; `None` is everything.
    pub(crate) scope: Option<String>,
    /// The jobs asked for; empty is all.
    pub(crate) only: Vec<JobId>,
    /// Rebuild: prove again what is recorded as proven.
    pub(crate) reprove: bool,
    /// Rollback: what the jobs asked for go back to.
    #[serde(default, skip_serializing_if = "BackTo::is_former")]
    pub(crate) back_to: BackTo,
    /// How often a job's generation was found damaged while live: such a job is built anew under
    /// another name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) editions: BTreeMap<JobId, u32>,
    /// The findings of the catalog that the operator lets pass, by the names of `FindingName`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) accept: Vec<FindingName>,
    /// Rehearsal: leave scratch as it is, for a look.
    pub(crate) keep: bool,
    /// The list of withdrawals, where the environment has one.
    #[serde(default)]
    pub(crate) withdrawals: Option<ListFacts>,
    /// The versions that it erases as a whole, and of which nothing is left.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) erased: Vec<DatasetVersionId>,
}

/// What a rollback puts in the place of what is live.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum BackTo {
    /// What was live before.
    #[default]
    Former,
    /// Nothing: readers get no generation of the job.
    Nothing,
}

impl BackTo {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
    pub(crate) fn is_former(&self) -> bool {
        *self == Self::Former
    }
}

/// What is known of the list of withdrawals.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ListFacts {
    /// The BLAKE3 of its bytes.
    pub(crate) digest: Digest,
    /// Its entries.
    pub(crate) entries: u64,
}

/// What is known of the snapshot.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct SnapshotFacts {
    /// The digest of its manifest.
    pub(crate) digest: Digest,
    /// When its walk began.
    pub(crate) as_of: DateTime<Utc>,
    /// What it holds, by zone and by the part of the zone that one step takes.
    pub(crate) zones: BTreeMap<Zone, BTreeMap<Part, ZoneFacts>>,
}

impl SnapshotFacts {
    /// What it holds of a part of a zone; `None` where that is nothing.
    pub(crate) fn part(&self, zone: Zone, part: Part) -> Option<ZoneFacts> {
        self.zones.get(&zone)?.get(&part).copied().filter(|facts| facts.objects > 0)
    }
}

/// How much a part of a zone holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ZoneFacts {
    /// Objects.
    pub(crate) objects: u64,
    /// Bytes.
    pub(crate) bytes: u64,
    /// Manifest shards with keys of the part: one resumable piece of work each.
    pub(crate) shards: u32,
}

/// What is known of one dataset version before its bytes are verified.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct VersionFacts {
    /// The dataset.
    pub(crate) dataset: String,
    /// The version.
    pub(crate) version: DatasetVersionId,
    /// Who may see it, by the catalog and the withdrawals; `None` is missing or unknown: deny.
    pub(crate) policy_label: Option<PolicyLabel>,
    /// When an embargo ends.
    pub(crate) embargo_until: Option<DateTime<Utc>>,
    /// Whether `releases/` names it as the released one.
    pub(crate) released: bool,
    /// How many rows it holds, where the catalog says so.
    pub(crate) rows: Option<u64>,
    /// How many bytes its artifacts hold.
    pub(crate) bytes: u64,
    /// The digest over the sorted `(key, blake3)` of its artifacts.
    pub(crate) artifacts: Digest,
    /// The digest over the sorted `(key, blake3)` of its catalog documents.
    pub(crate) catalog: Digest,
    /// Whether it was erased as a whole.
    #[serde(default)]
    pub(crate) withdrawn: bool,
    /// A filtered restore: whether it is not restored, but proven where it stands at the target.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) in_place: bool,
}

impl VersionFacts {
    /// The label that counts on the policy date.
    pub(crate) fn label(&self, policy_date: DateTime<Utc>) -> Option<PolicyLabel> {
        label_at(self.policy_label, self.embargo_until, policy_date)
    }
}
