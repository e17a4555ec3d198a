//! The defects that the stores had when they were sealed: kept with the snapshot, and told apart
//! from new ones when it is recovered.

use std::collections::HashSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::backup::{BackupError, BackupStore};
use super::layout::RELEASES;
use super::manifest::{Manifest, State};
use crate::digest::{Digest, canonical_json};
use crate::model::{DatasetVersionId, Finding, FindingKind, Severity};

/// A manifest lists so many; all of more are in a blob.
pub(crate) const LISTED: usize = 1000;

/// What the blob of findings unpacks to at most.
const UNPACKED: u64 = 1024 * 1024 * 1024;

/// The blob with all findings of a snapshot: zstd JSON Lines.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct AllFindings {
    /// The BLAKE3 of its uncompressed bytes, and the name of its blob.
    pub(crate) digest: Digest,
    /// How many.
    pub(crate) count: u64,
}

impl BackupStore {
    /// Keeps all findings in a blob, where they are more than a manifest lists, and leaves the
    /// first in the list.
    pub(crate) async fn put_findings(
        &self,
        findings: &mut Vec<Finding>,
    ) -> Result<Option<AllFindings>, BackupError> {
        if findings.len() <= LISTED {
            return Ok(None);
        }
        let mut lines = Vec::new();
        for finding in findings.iter() {
            lines.extend(canonical_json(finding)?);
            lines.push(b'\n');
        }
        let digest = Digest::blake3(&lines);
        let packed = zstd::encode_all(&lines[..], 3).map_err(damaged)?;
        self.store().create(&Self::blob_key(&digest), packed.into()).await?;
        let count = findings.len() as u64;
        findings.truncate(LISTED);
        Ok(Some(AllFindings { digest, count }))
    }

    /// All findings that a snapshot was sealed with.
    pub(crate) async fn known_findings(
        &self,
        manifest: &Manifest,
    ) -> Result<Vec<Finding>, BackupError> {
        use std::io::Read;
        let Some(all) = &manifest.all_findings else { return Ok(manifest.known_findings.clone()) };
        let packed = self.blob(&all.digest).await?;
        let mut lines = Vec::new();
        let reader = zstd::Decoder::new(&packed[..]).map_err(damaged)?;
        reader.take(UNPACKED).read_to_end(&mut lines).map_err(damaged)?;
        let actual = Digest::blake3(&lines);
        if actual != all.digest {
            return Err(BackupError::damaged(WHAT, format!("it is {actual}")));
        }
        let lines = lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        lines.map(|line| serde_json::from_slice(line).map_err(damaged)).collect()
    }
}

const WHAT: &str = "the list of known findings";

fn damaged(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> BackupError {
    BackupError::damaged(WHAT, error)
}

/// What tells one defect of a document from another. Not its hint: that is worded by the version
/// of the program.
type Identity = (FindingKind, Option<String>, Option<String>, Option<String>);

fn identity(finding: &Finding) -> Identity {
    (finding.kind, finding.key.clone(), finding.expected.clone(), finding.actual.clone())
}

/// What a snapshot was known to be like.
#[derive(Debug, Default)]
pub(crate) struct Known {
    harmless: HashSet<Identity>,
    suspect: Vec<Finding>,
    releases: Vec<Finding>,
}

impl Known {
    /// Reads what a snapshot was sealed with.
    pub(crate) async fn of(backup: &BackupStore, manifest: &Manifest) -> Result<Self, BackupError> {
        let all = backup.known_findings(manifest).await?;
        let of_release = |finding: &&Finding| {
            finding.key.as_deref().is_some_and(|key| key.starts_with(RELEASES))
        };
        let releases = all.iter().filter(of_release).cloned().collect();
        let (lived_with, rest): (Vec<_>, Vec<_>) = all.into_iter().partition(is_lived_with);
        let suspect = rest.into_iter().filter(|finding| is_of_bytes(finding.kind));
        let known = Self {
            harmless: lived_with.iter().map(identity).collect(),
            releases: Vec::new(),
            suspect: match manifest.state {
                State::Suspect => suspect.collect(),
                State::Clean => Vec::new(),
            },
        };
        Ok(Self { releases: known.judge(releases), ..known })
    }

    /// Lets pass what production lived with: a known defect of a document's form only warns, and
    /// a new one blocks. All other kinds are left as they are.
    pub(crate) fn judge(&self, mut findings: Vec<Finding>) -> Vec<Finding> {
        for finding in &mut findings {
            if is_lived_with(finding) && self.harmless.contains(&identity(finding)) {
                finding.severity = Severity::Warns;
                finding.blocks.clear();
            }
        }
        findings
    }

    /// Why a snapshot is suspect, as far as it concerns these versions: their bytes were not what
    /// they had been, or not to be had. And what their releases say, which come back only after
    /// the gates.
    pub(crate) fn against(&self, versions: &[(String, DatasetVersionId)]) -> Vec<Finding> {
        let concerns = |finding: &&Finding| {
            let of = finding.dataset_version_id.as_ref();
            of.is_some_and(|of| versions.iter().any(|(_, version)| version == of))
        };
        let known = self.suspect.iter().chain(&self.releases);
        // Which versions those are of that were not kept, nobody can tell.
        let of_all = self.suspect.iter().filter(|finding| finding.key.is_none()).map(|finding| {
            let blocks = versions.iter().map(|(_, version)| version.to_string()).collect();
            Finding { blocks, ..finding.clone() }
        });
        known.filter(concerns).cloned().chain(of_all).collect()
    }
}

/// Defects of form: the data are what they are all the same. Of a document that does not parse
/// nothing can be verified.
fn is_lived_with(finding: &Finding) -> bool {
    use FindingKind as K;
    matches!(finding.kind, K::ChecksumNotMultihash | K::UnknownExtension | K::SchemaInvalid)
        && !finding.says_nothing()
}

fn is_of_bytes(kind: FindingKind) -> bool {
    use FindingKind as K;
    matches!(kind, K::Missing | K::Altered | K::Truncated | K::Grown | K::Unreadable)
}
