//! Everything that is checked of canonical stores against a snapshot: objects, ledger, catalogs.

use super::catalogs::Catalogs;
use super::cited::cited;
use super::filter::Filter;
use super::known::Known;
use super::ledger::{self, AnchoredHead, HeadDocument};
use super::manifest::{Manifest, ShardRef};
use super::verify::{Verified, Verify, verify_against};
use crate::digest::Digest;
use crate::model::{Failure, Finding, Zone};

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
    let everything = *verify.filter == Filter::default();
    let meant = |shard: &ShardRef| verify.filter.may_hold(shard);
    let catalogs = Catalogs {
        stores: verify.stores,
        backup: verify.backup,
        shards: &manifest.shards,
        meant: &meant,
    };
    let mut found = Vec::new();
    catalogs.findings(&verified.findings, &mut found).await?;
    found.retain(|finding| !verify.withdrawals.explains(finding));
    let known = Known::of(verify.backup, manifest).await?;
    verified.findings.extend(known.judge(found));
    if everything {
        verified.findings.extend(verify.stores.misplaced().await?);
        let cited = cited(verify.stores, verify.withdrawals, &verified.findings).await?;
        verified.findings.extend(cited);
    }
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
