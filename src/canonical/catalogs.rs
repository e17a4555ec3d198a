//! The catalogs of a snapshot's versions, checked against the digests that it has of their bytes.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use super::backup::BackupStore;
use super::catalog;
use super::layout::version_of;
use super::manifest::ShardRef;
use super::stores::CanonicalStores;
use crate::digest::BothDigests;
use crate::model::{DatasetVersionId, Failure, Finding, Zone};

/// Checks one version after the other, so that memory holds the digests of one; those that are
/// blocked already are left out.
pub(super) async fn catalog_findings(
    stores: &CanonicalStores,
    backup: &BackupStore,
    shards: impl IntoIterator<Item = &ShardRef>,
    known: &[Finding],
) -> Result<Vec<Finding>, Failure> {
    let blocked: BTreeSet<_> = known
        .iter()
        .filter(|finding| finding.blocks())
        .filter_map(|finding| finding.dataset_version_id.clone())
        .collect();
    let mut findings = Vec::new();
    for ((dataset, version), shards) in by_version(shards) {
        if blocked.contains(&version) {
            continue;
        }
        let digests = digests(backup, &shards).await?;
        let lookup = Arc::new(move |key: &str| digests.get(key).copied());
        findings.extend(catalog::verify(stores, &[(dataset, version)], lookup).await?);
    }
    Ok(findings)
}

type Versions<'a> = BTreeMap<(String, DatasetVersionId), Vec<&'a ShardRef>>;

fn by_version<'a>(shards: impl IntoIterator<Item = &'a ShardRef>) -> Versions<'a> {
    let mut versions = Versions::new();
    for shard in shards {
        let of_versions = matches!(shard.zone, Zone::Processed | Zone::Catalog);
        // The prefix of a version's shards ends with the version's folder.
        let within = format!("{}x", shard.prefix);
        if let Some((dataset, version)) = version_of(&within).filter(|_| of_versions) {
            versions.entry((dataset.to_owned(), version)).or_default().push(shard);
        }
    }
    versions
}

async fn digests(
    backup: &BackupStore,
    shards: &[&ShardRef],
) -> Result<HashMap<String, BothDigests>, Failure> {
    let mut known = HashMap::new();
    for shard in shards {
        for entry in backup.shard(shard).await? {
            let both = BothDigests { blake3: entry.digest, sha256: entry.sha256, size: entry.size };
            known.insert(entry.key, both);
        }
    }
    Ok(known)
}
