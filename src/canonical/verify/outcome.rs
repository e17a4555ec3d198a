use serde::{Deserialize, Serialize};

use crate::canonical::layout::is_mutable;
use crate::digest::Digest;
use crate::model::{Finding, FindingKind, Severity};
use crate::store::Pin;

/// What a verification came to; its JSON is part of the contract.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Verified {
    /// Whether nothing was found.
    pub(crate) ok: bool,
    /// The snapshot; none where canonical stores were verified by themselves.
    pub(crate) snapshot: Option<Digest>,
    /// How many objects were read.
    pub(crate) objects_checked: u64,
    /// How many bytes they had.
    pub(crate) bytes_checked: u64,
    /// What was found.
    pub(crate) findings: Vec<Finding>,
}

/// What the verification of one shard came to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct VerifiedShard {
    /// How many objects were read.
    pub(crate) objects: u64,
    /// How many bytes they had.
    pub(crate) bytes: u64,
    /// What was found.
    pub(crate) findings: Vec<Finding>,
    /// The objects that are right, in the state in which they were read.
    pub(crate) pins: Vec<Pinned>,
}

const KEPT: &str = "it stays as it is, as --existing keep says; --existing replace puts it aside";

impl VerifiedShard {
    /// Only warns of other content in places that may change: somebody wants it there.
    pub(crate) fn keep_existing(&mut self) {
        use FindingKind as K;
        for finding in &mut self.findings {
            let is_other = matches!(finding.kind, K::Altered | K::Truncated | K::Grown);
            if is_other && finding.key.as_deref().is_some_and(is_mutable) {
                finding.severity = Severity::Warns;
                finding.blocks.clear();
                KEPT.clone_into(&mut finding.hint);
            }
        }
    }
}

/// An object that was proven, and the state in which it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Pinned {
    /// Its key.
    pub(crate) key: String,
    /// The state; a later read is held to it.
    pub(crate) pin: Pin,
    /// Its size in bytes.
    pub(crate) size: u64,
    /// The BLAKE3 of its bytes.
    pub(crate) digest: Digest,
    /// The SHA-256 of its bytes.
    pub(crate) sha256: Digest,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_only_warns_where_content_may_change() {
        let found = |kind, key: &str| Finding::blocking(kind, "restore it").at(key);
        let (draft, source) = ("work/d/draft.csv", "raw/d/1/a.csv");
        let mut shard = VerifiedShard {
            findings: vec![
                found(FindingKind::Truncated, draft),
                found(FindingKind::Grown, draft),
                found(FindingKind::Altered, draft),
                found(FindingKind::Missing, draft),
                found(FindingKind::Truncated, source),
            ],
            ..VerifiedShard::default()
        };
        shard.keep_existing();
        let blocks: Vec<bool> = shard.findings.iter().map(Finding::blocks).collect();
        assert_eq!(blocks, [false, false, false, true, true]);
        assert!(shard.findings[0].hint.contains("--existing keep"), "{}", shard.findings[0].hint);
        assert_eq!(shard.findings[4].hint, "restore it");
    }
}
