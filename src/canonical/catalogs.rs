//! The catalogs of a snapshot's versions and the manifests of its acquisitions, checked against
//! the digests that it has of their bytes.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::backup::BackupStore;
use super::catalog::{self, CatalogError};
use super::filter::Filter;
use super::layout::{part_of, version_of};
use super::manifest::ShardRef;
use super::shard::Entry;
use super::stores::CanonicalStores;
use crate::digest::BothDigests;
use crate::model::{DatasetVersionId, Failure, Finding, FindingKind, Zone};

/// A document larger than this is none.
const DOCUMENT_LIMIT: u64 = 64 << 20;

/// Documents and what a snapshot knows of the bytes.
pub(super) struct Catalogs<'a> {
    /// Where the documents are read.
    pub(super) stores: &'a CanonicalStores,
    /// Where the snapshot is.
    pub(super) backup: &'a BackupStore,
    /// All its shards: a version's documents speak of raw objects too.
    pub(super) shards: &'a [ShardRef],
    /// Whether a shard is checked.
    pub(super) meant: &'a (dyn Fn(&ShardRef) -> bool + Sync),
}

impl Catalogs<'_> {
    /// Checks one version after the other, so that memory holds the digests of one, then the
    /// acquisitions; what is blocked already is left out.
    pub(super) async fn findings(
        &self,
        known: &[Finding],
        into: &mut impl Extend<Finding>,
    ) -> Result<(), Failure> {
        let blocked: BTreeSet<_> = known
            .iter()
            .filter(|finding| finding.blocks())
            .filter_map(|finding| finding.dataset_version_id.clone())
            .collect();
        for (dataset, version) in self.versions() {
            if blocked.contains(&version) {
                continue;
            }
            let mut lost = Vec::new();
            let digests = async |sources: BTreeSet<String>| {
                let known = self.digests(&dataset, &version, &sources).await?;
                let raw = sources.into_iter().filter(|key| Zone::of_key(key) == Zone::Raw);
                lost.extend(raw.filter(|key| !known.contains_key(key)));
                Ok(known)
            };
            let found = catalog::verify_version(self.stores, &dataset, &version, digests).await?;
            into.extend(found);
            into.extend(lost.into_iter().map(|key| catalog::lost_source(key, &version)));
        }
        self.acquisitions(known, into).await
    }

    fn versions(&self) -> BTreeSet<(String, DatasetVersionId)> {
        let of_version = |shard: &&ShardRef| {
            matches!(shard.zone, Zone::Processed | Zone::Catalog) && (self.meant)(shard)
        };
        // The prefix of a version's shards ends with the version's folder.
        let named = self.shards.iter().filter(of_version).filter_map(|shard| {
            version_of(&format!("{}x", shard.prefix)).map(|(name, v)| (name.to_owned(), v))
        });
        named.collect()
    }

    /// The digests of a version's own objects, and of the others that its documents speak of.
    async fn digests(
        &self,
        dataset: &str,
        version: &DatasetVersionId,
        sources: &BTreeSet<String>,
    ) -> Result<HashMap<String, BothDigests>, Failure> {
        let mut known = sealed_digests(self.backup, self.shards, sources).await?;
        let own = |shard: &&ShardRef| {
            version_of(&format!("{}x", shard.prefix)) == Some((dataset, version.clone()))
        };
        for shard in self.shards.iter().filter(own) {
            let entries = self.backup.shard(shard).await?;
            known.extend(entries.into_iter().map(|entry| (entry.key.clone(), both(&entry))));
        }
        Ok(known)
    }

    /// Holds each acquisition whose objects are right against its own manifest.
    async fn acquisitions(
        &self,
        known: &[Finding],
        into: &mut impl Extend<Finding>,
    ) -> Result<(), Failure> {
        let blocked: BTreeSet<&str> =
            known.iter().filter_map(|f| f.key.as_deref()).map(part_of).collect();
        let is_meant = |shard: &&ShardRef| shard.zone == Zone::Raw && (self.meant)(shard);
        let folders: BTreeSet<&str> =
            self.shards.iter().filter(is_meant).map(|shard| shard.prefix.as_str()).collect();
        for folder in folders {
            if blocked.contains(folder) || !is_acquisition(folder) {
                continue;
            }
            let mut objects = BTreeMap::new();
            for shard in self.shards.iter().filter(|shard| shard.prefix == folder) {
                for entry in self.backup.shard(shard).await? {
                    let both = both(&entry);
                    objects.insert(entry.key, Some(both));
                }
            }
            into.extend(acquisition(self.stores, folder, objects).await?);
        }
        Ok(())
    }
}

/// What the objects of a snapshot hash to, of these keys.
pub(crate) async fn sealed_digests(
    backup: &BackupStore,
    shards: &[ShardRef],
    keys: &BTreeSet<String>,
) -> Result<HashMap<String, BothDigests>, Failure> {
    let parts: BTreeSet<&str> = keys.iter().map(|key| part_of(key)).collect();
    let mut known = HashMap::new();
    for shard in shards.iter().filter(|shard| parts.contains(shard.prefix.as_str())) {
        let entries = backup.shard(shard).await?;
        let meant = entries.into_iter().filter(|entry| keys.contains(&entry.key));
        known.extend(meant.map(|entry| (entry.key.clone(), both(&entry))));
    }
    Ok(known)
}

/// Holds the acquisitions of a snapshot, where they stand, against their own manifests; `known` is
/// what is wrong with their objects already.
pub(crate) async fn acquisitions(
    stores: &CanonicalStores,
    backup: &BackupStore,
    shards: &[ShardRef],
    filter: &Filter,
    known: &[Finding],
) -> Result<Vec<Finding>, Failure> {
    let meant = |shard: &ShardRef| filter.may_hold(shard);
    let mut findings = Vec::new();
    let catalogs = Catalogs { stores, backup, shards, meant: &meant };
    catalogs.acquisitions(known, &mut findings).await?;
    Ok(findings)
}

/// Holds the objects of an acquisition against its manifest.
pub(super) async fn acquisition(
    stores: &CanonicalStores,
    folder: &str,
    objects: BTreeMap<String, Option<BothDigests>>,
) -> Result<Vec<Finding>, Failure> {
    let key = catalog::manifest_key(folder);
    let bytes = match stores.of_zone(Zone::Raw).read(&key, DOCUMENT_LIMIT).await {
        Ok(read) => read.map(|(bytes, _)| bytes),
        Err(error) if error.is_of_one_object() => {
            let finding = Finding::blocking(FindingKind::Unreadable, error.in_full()).at(key);
            return Ok(vec![finding]);
        }
        Err(error) => return Err(error.into()),
    };
    let folder = folder.to_owned();
    let check = move || catalog::check_raw(&folder, bytes.as_deref(), &objects);
    let findings = tokio::task::spawn_blocking(check).await.map_err(CatalogError::from)?;
    Ok(findings?)
}

/// Whether a part of the manifest is `raw/<dataset>/<acquisition>/`.
pub(super) fn is_acquisition(part: &str) -> bool {
    part.starts_with("raw/") && part.matches('/').count() == 3
}

fn both(entry: &Entry) -> BothDigests {
    BothDigests { blake3: entry.digest, sha256: entry.sha256, size: entry.size }
}
