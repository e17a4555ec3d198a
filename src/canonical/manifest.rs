//! The manifest: one document that names every object of a snapshot through its shards.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::known::AllFindings;
use crate::digest::{CanonicalError, Digest, canonical_json};
use crate::model::{Finding, Zone};

/// The version of the manifest's format that this program writes.
pub(crate) const VERSION: u32 = 1;

/// A sealed copy of the canonical stores at one time; the snapshot is named by the BLAKE3 of this
/// document's RFC 8785 bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Manifest {
    /// The version of this format.
    pub(crate) version: u32,
    /// Whether it may be recovered from without being named.
    pub(crate) state: State,
    /// When the walk began.
    pub(crate) as_of: DateTime<Utc>,
    /// When it ended.
    pub(crate) sealed_at: DateTime<Utc>,
    /// Where it came from.
    pub(crate) source: Source,
    /// The hash of the ledger's last record, read before anything else; `None` where there is no
    /// ledger.
    pub(crate) ledger_head: Option<Digest>,
    /// The defects that the stores had when they were sealed; of many the first.
    pub(crate) known_findings: Vec<Finding>,
    /// All of them, where they are more than are listed here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) all_findings: Option<AllFindings>,
    /// The shards, in the order of the walk; those of one prefix follow each other by key.
    pub(crate) shards: Vec<ShardRef>,
    /// The recovery plans and rebuild jobs, sealed with the data.
    pub(crate) plan_files: Vec<PlanFile>,
}

/// Whether a snapshot may be recovered from without being named.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum State {
    /// Everything was read, and nothing immutable had changed or gone.
    Clean,
    /// Something could not be read, or something immutable had changed or gone.
    Suspect,
}

/// Where a snapshot came from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Source {
    /// The environment, where the plan or the store's marker tells it.
    pub(crate) environment: Option<String>,
    /// The store, as an URL.
    pub(crate) store: String,
    /// The zones that lie in a store of their own.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) zones: BTreeMap<Zone, String>,
    /// The program that sealed it.
    pub(crate) tool: String,
}

/// A shard of the manifest, and what it holds in all.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct ShardRef {
    /// The zone of its keys.
    pub(crate) zone: Zone,
    /// What all its keys begin with.
    pub(crate) prefix: String,
    /// The BLAKE3 of its uncompressed bytes, and the name of its blob.
    pub(crate) digest: Digest,
    /// How many objects.
    pub(crate) objects: u64,
    /// How many bytes they have together.
    pub(crate) bytes: u64,
}

/// A plan or job file that was sealed with the data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct PlanFile {
    /// Its path, relative to the plan's folder.
    pub(crate) path: String,
    /// The BLAKE3 of its bytes, and the name of its blob.
    pub(crate) digest: Digest,
    /// Its size in bytes.
    pub(crate) size: u64,
}

impl Manifest {
    /// The bytes that are stored.
    pub(crate) fn bytes(&self) -> Result<Vec<u8>, CanonicalError> {
        canonical_json(self)
    }

    /// How many objects.
    pub(crate) fn objects(&self) -> u64 {
        self.shards.iter().map(|shard| shard.objects).sum()
    }

    /// How many bytes they have together.
    pub(crate) fn total_bytes(&self) -> u64 {
        self.shards.iter().map(|shard| shard.bytes).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first released form: it must stay readable, byte for byte.
    const SAMPLE: &str = concat!(
        r#"{"as_of":"2026-11-01T00:00:00Z","known_findings":[],"ledger_head":null,"#,
        r#""plan_files":[],"sealed_at":"2026-11-01T00:00:05Z","shards":[{"bytes":3,"digest":"#,
        r#""blake3:d74981efa70a0c880b8d8c1985d075dbcbf679b99a5f9914e5aaf96b831a9e24","#,
        r#""objects":1,"prefix":"raw/d/a/","zone":"raw"}],"source":{"environment":"dev","#,
        r#""store":"file:///x","tool":"coppice 0.1.0"},"state":"clean","version":1}"#
    );

    #[test]
    fn a_manifest_of_the_first_version_is_read_and_written_as_it_was() {
        let manifest: Manifest = serde_json::from_str(SAMPLE).unwrap();
        assert_eq!(manifest.objects(), 1);
        assert_eq!(String::from_utf8(manifest.bytes().unwrap()).unwrap(), SAMPLE);
    }
}
