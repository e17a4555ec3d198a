use futures::TryStreamExt;

use super::checkpoint::CHECKPOINTS;
use super::record::{HEAD, RECORDS};
use super::report::{AnchoredHead, HeadDocument};
use super::source::Source;
use super::verify::verify_source;
use crate::canonical::backup::BackupStore;
use crate::canonical::manifest::Manifest;
use crate::digest::Digest;
use crate::model::{Finding, FindingKind};
use crate::store::{Store, StoreError};

/// How the ledger at a target stands to a snapshot's, before anything is restored.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Target {
    /// Why nothing may be written to it: its history is another than the snapshot's.
    pub(crate) forked: Vec<Finding>,
    /// The newest record that its checkpoints know of and that neither it nor the snapshot has.
    pub(crate) lost_head: Option<Digest>,
}

/// Looks at the ledger as it would be once the snapshot's records were restored to the target;
/// writes nothing.
pub(crate) async fn target(
    store: &Store,
    backup: &BackupStore,
    manifest: &Manifest,
) -> Result<Target, StoreError> {
    if is_absent(store).await? {
        return Ok(Target::default());
    }
    let anchor = AnchoredHead::of(manifest);
    let source = Source::Restored { store, backup, shards: manifest.shards.clone() };
    let report = verify_source(&source, anchor.as_ref(), HeadDocument::YetToCome).await?;
    let forked = |finding: &Finding| finding.kind == FindingKind::LedgerForked && finding.blocks();
    let forked = report.findings.into_iter().filter(forked).collect();
    Ok(Target { forked, lost_head: report.lost_head })
}

async fn is_absent(store: &Store) -> Result<bool, StoreError> {
    for prefix in [RECORDS, CHECKPOINTS] {
        if store.walk(prefix).try_next().await?.is_some() {
            return Ok(false);
        }
    }
    Ok(store.head(HEAD).await?.is_none())
}

impl AnchoredHead {
    /// The head that a manifest holds, if it has a ledger.
    pub(crate) fn of(manifest: &Manifest) -> Option<Self> {
        let event_hash = manifest.ledger_head?;
        Some(Self { event_hash, records: None, as_of: Some(manifest.as_of) })
    }
}
