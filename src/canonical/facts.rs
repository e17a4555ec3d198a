//! What a snapshot holds, counted and named, for whoever plans a recovery from it.

use std::collections::{BTreeMap, BTreeSet};

use super::backup::{BackupError, BackupStore};
use super::content::ContentDigest;
use super::layout::{RELEASES, version_of};
use super::manifest::{Manifest, ShardRef};
use super::shard::Entry;
use super::withdrawals::Withdrawals;
use crate::digest::Digest;
use crate::model::{DatasetVersionId, PolicyLabel, Zone};

/// What a snapshot holds.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct SnapshotContent {
    /// By zone, what it holds.
    pub(crate) zones: BTreeMap<Zone, ZoneContent>,
    /// The dataset versions, by dataset and version.
    pub(crate) versions: Vec<VersionContent>,
}

/// What a zone holds.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct ZoneContent {
    /// How many objects.
    pub(crate) objects: u64,
    /// How many bytes they have together.
    pub(crate) bytes: u64,
    /// Its shards, in the manifest's order. No shard holds keys of two parts, so a part is chosen
    /// by the shard's prefix.
    pub(crate) shards: Vec<ShardRef>,
}

/// What a snapshot holds of a dataset version.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct VersionContent {
    /// The dataset.
    pub(crate) dataset: String,
    /// The version.
    pub(crate) version: DatasetVersionId,
    /// Who may see it; `None` is deny.
    pub(crate) policy_label: Option<PolicyLabel>,
    /// Whether `releases/` names it.
    pub(crate) released: bool,
    /// The content digest over its `artifacts/`.
    pub(crate) artifacts: Digest,
    /// The content digest over its catalog documents.
    pub(crate) catalog: Digest,
    /// Whether it was erased as a whole.
    pub(crate) withdrawn: bool,
}

#[derive(Default)]
struct Gathered {
    policy_label: Option<PolicyLabel>,
    artifacts: ContentDigest,
    catalog: ContentDigest,
    withdrawn: bool,
}

/// Reads through a snapshot's shards; only names and digests are kept. What was withdrawn counts
/// as not there.
pub(crate) async fn snapshot_content(
    backup: &BackupStore,
    manifest: &Manifest,
    withdrawals: &Withdrawals,
) -> Result<SnapshotContent, BackupError> {
    let mut zones: BTreeMap<Zone, ZoneContent> = BTreeMap::new();
    let mut versions: BTreeMap<(String, DatasetVersionId), Gathered> = BTreeMap::new();
    let mut released = BTreeSet::new();
    for shard in &manifest.shards {
        let zone = zones.entry(shard.zone).or_default();
        zone.objects += shard.objects;
        zone.bytes += shard.bytes;
        zone.shards.push(shard.clone());
        // Other parts say nothing of versions.
        if !matches!(shard.zone, Zone::Processed | Zone::Catalog) {
            continue;
        }
        for entry in backup.shard(shard).await? {
            if let Some(name) = released_by(&entry.key) {
                released.insert(name);
            } else {
                gather(&entry, withdrawals, &mut versions);
            }
        }
    }
    let versions = versions.into_iter().map(|(name, gathered)| VersionContent {
        released: released.contains(&name),
        dataset: name.0,
        version: name.1,
        policy_label: gathered.policy_label,
        artifacts: gathered.artifacts.finish(),
        catalog: gathered.catalog.finish(),
        withdrawn: gathered.withdrawn,
    });
    Ok(SnapshotContent { zones, versions: versions.collect() })
}

fn gather(
    entry: &Entry,
    withdrawals: &Withdrawals,
    versions: &mut BTreeMap<(String, DatasetVersionId), Gathered>,
) {
    let Some((dataset, version)) = version_of(&entry.key) else { return };
    let withdrawn = withdrawals.erases_version(&version);
    let gathered = versions.entry((dataset.to_owned(), version)).or_default();
    gathered.policy_label = gathered.policy_label.or(entry.policy_label);
    gathered.withdrawn = withdrawn;
    if withdrawals.erases(&entry.key) {
        return;
    }
    if entry.zone == Zone::Catalog {
        gathered.catalog.add(&entry.key, &entry.digest);
    } else if entry.key.split('/').nth(3) == Some("artifacts") {
        gathered.artifacts.add(&entry.key, &entry.digest);
    }
}

/// The label of each version of a snapshot, for whoever only names what was found in it. A
/// version whose shard cannot be read has none.
pub(crate) async fn sealed_labels(
    backup: &BackupStore,
    manifest: &Manifest,
) -> Result<BTreeMap<(String, DatasetVersionId), Option<PolicyLabel>>, BackupError> {
    let mut labels = BTreeMap::new();
    let versions = |shard: &&ShardRef| matches!(shard.zone, Zone::Processed | Zone::Catalog);
    for shard in manifest.shards.iter().filter(versions) {
        let entries = match backup.shard(shard).await {
            Ok(entries) => entries,
            Err(error) if error.finding().is_some() => {
                if let Some((dataset, version)) = version_of(&format!("{}x", shard.prefix)) {
                    labels.insert((dataset.to_owned(), version), None);
                }
                continue;
            }
            Err(error) => return Err(error),
        };
        for entry in entries {
            if let Some((dataset, version)) = version_of(&entry.key) {
                let label = entry.policy_label;
                labels.entry((dataset.to_owned(), version)).or_insert(label);
            }
        }
    }
    Ok(labels)
}

/// The dataset version that a `releases/<dataset>/<version>/release.json` releases.
pub(crate) fn released_by(key: &str) -> Option<(String, DatasetVersionId)> {
    let rest = key.strip_prefix(RELEASES)?.strip_suffix("/release.json")?;
    let (dataset, version) = rest.split_once('/')?;
    Some((dataset.to_owned(), version.parse().ok()?))
}
