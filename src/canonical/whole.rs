//! Everything that is checked of canonical stores against a snapshot: objects, ledger, catalogs.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::catalog::{self, CatalogError};
use super::layout::{part_of, version_of};
use super::ledger::{self, AnchoredHead, HeadDocument};
use super::manifest::{Manifest, ShardRef};
use super::shard::Entry;
use super::stores::CanonicalStores;
use super::verify::{Verified, Verify, verify_against};
use crate::digest::{BothDigests, Digest};
use crate::model::{DatasetVersionId, Failure, Finding, FindingKind, Zone};

/// A document larger than this is none.
const DOCUMENT_LIMIT: u64 = 64 << 20;

/// Proves canonical stores against a snapshot: every object, what is there beside them, the
/// ledger's chain, and the catalog of each version whose objects are right.
pub(crate) async fn verify_whole(
    verify: &Verify<'_>,
    snapshot: Digest,
    manifest: &Manifest,
) -> Result<Verified, Failure> {
    let mut verified = verify_against(verify, snapshot, manifest).await?;
    if verify.filter.holds(ledger::HEAD) {
        verified.findings.extend(ledger_findings(verify, manifest).await?);
    }
    let catalogs = catalog_findings(verify, manifest, &verified.findings).await?;
    let acquisitions = raw_findings(verify, manifest, &verified.findings).await?;
    verified.findings.extend(catalogs.into_iter().chain(acquisitions));
    verified.ok = verified.findings.is_empty();
    Ok(verified)
}

async fn ledger_findings(
    verify: &Verify<'_>,
    manifest: &Manifest,
) -> Result<Vec<Finding>, Failure> {
    let anchor = manifest.ledger_head.map(|event_hash| AnchoredHead {
        event_hash,
        records: None,
        as_of: Some(manifest.as_of),
    });
    let store = verify.stores.of_zone(Zone::Audit);
    Ok(ledger::verify(store, anchor.as_ref(), HeadDocument::Expected).await?.findings)
}

/// One version after the other, so that memory holds the digests of one.
async fn catalog_findings(
    verify: &Verify<'_>,
    manifest: &Manifest,
    known: &[Finding],
) -> Result<Vec<Finding>, Failure> {
    let blocked: BTreeSet<_> = known
        .iter()
        .filter(|finding| finding.blocks())
        .filter_map(|finding| finding.dataset_version_id.clone())
        .collect();
    let mut findings = Vec::new();
    for (dataset, version) in versions(verify, manifest) {
        if blocked.contains(&version) {
            continue;
        }
        let known = |sources| digests(verify, manifest, &dataset, &version, sources);
        let found = catalog::verify_version(verify.stores, &dataset, &version, known).await?;
        findings.extend(found.into_iter().filter(|one| !verify.withdrawals.explains(one)));
    }
    Ok(findings)
}

fn is_of_versions(verify: &Verify<'_>, shard: &ShardRef) -> bool {
    matches!(shard.zone, Zone::Processed | Zone::Catalog) && verify.filter.may_hold(shard)
}

fn versions(verify: &Verify<'_>, manifest: &Manifest) -> BTreeSet<(String, DatasetVersionId)> {
    let shards = manifest.shards.iter().filter(|shard| is_of_versions(verify, shard));
    let named = shards.filter_map(|shard| version_of(&shard.prefix));
    named.map(|(dataset, version)| (dataset.to_owned(), version)).collect()
}

/// Holds each acquisition whose objects are right against its own manifest.
async fn raw_findings(
    verify: &Verify<'_>,
    manifest: &Manifest,
    known: &[Finding],
) -> Result<Vec<Finding>, Failure> {
    let blocked: BTreeSet<&str> =
        known.iter().filter_map(|f| f.key.as_deref()).map(part_of).collect();
    let is_meant = |shard: &&ShardRef| shard.zone == Zone::Raw && verify.filter.may_hold(shard);
    let shards = manifest.shards.iter().filter(is_meant);
    let folders: BTreeSet<&str> = shards.map(|shard| shard.prefix.as_str()).collect();
    let mut findings = Vec::new();
    for folder in folders {
        if blocked.contains(folder) || !is_acquisition(folder) {
            continue;
        }
        let mut objects = BTreeMap::new();
        for shard in manifest.shards.iter().filter(|shard| shard.prefix == folder) {
            for entry in verify.backup.shard(shard).await? {
                let both = both(&entry);
                objects.insert(entry.key, Some(both));
            }
        }
        findings.extend(acquisition(verify.stores, folder, objects).await?);
    }
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

/// The digests of a version's own objects, and of the others that its documents speak of.
async fn digests(
    verify: &Verify<'_>,
    manifest: &Manifest,
    dataset: &str,
    version: &DatasetVersionId,
    sources: BTreeSet<String>,
) -> Result<HashMap<String, BothDigests>, Failure> {
    let parts: BTreeSet<&str> = sources.iter().map(|source| part_of(source)).collect();
    let mut known = HashMap::new();
    for shard in &manifest.shards {
        let own = version_of(&shard.prefix) == Some((dataset, version.clone()));
        if !own && !parts.contains(shard.prefix.as_str()) {
            continue;
        }
        for entry in verify.backup.shard(shard).await? {
            if own || sources.contains(&entry.key) {
                let both = both(&entry);
                known.insert(entry.key, both);
            }
        }
    }
    Ok(known)
}
