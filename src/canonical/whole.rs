//! Everything that is checked of canonical stores against a snapshot: objects, ledger, catalogs.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use super::catalog;
use super::layout::version_of;
use super::ledger::{self, AnchoredHead, HeadDocument};
use super::manifest::{Manifest, ShardRef};
use super::verify::{Verified, Verify, verify_against};
use crate::digest::{BothDigests, Digest};
use crate::model::{DatasetVersionId, Failure, Finding, Zone};

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
    verified.findings.extend(catalogs);
    verified.ok = verified.findings.is_empty();
    Ok(verified)
}

async fn ledger_findings(
    verify: &Verify<'_>,
    manifest: &Manifest,
) -> Result<Vec<Finding>, Failure> {
    let anchor = AnchoredHead::of(manifest);
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
        let digests = digests(verify, manifest, &dataset, &version).await?;
        let lookup = Arc::new(move |key: &str| digests.get(key).copied());
        let found = catalog::verify(verify.stores, &[(dataset, version)], lookup).await?;
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

async fn digests(
    verify: &Verify<'_>,
    manifest: &Manifest,
    dataset: &str,
    version: &DatasetVersionId,
) -> Result<HashMap<String, BothDigests>, Failure> {
    let mut known = HashMap::new();
    for shard in manifest.shards.iter().filter(|shard| is_of_versions(verify, shard)) {
        if version_of(&shard.prefix) != Some((dataset, version.clone())) {
            continue;
        }
        for entry in verify.backup.shard(shard).await? {
            let both = BothDigests { blake3: entry.digest, sha256: entry.sha256, size: entry.size };
            known.insert(entry.key, both);
        }
    }
    Ok(known)
}
