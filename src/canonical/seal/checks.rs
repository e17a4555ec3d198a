//! What is checked of a platform beside its bytes when it is sealed: labels, ledger, catalogs.

use std::collections::BTreeMap;

use super::SealOptions;
use crate::canonical::ledger::{self, HeadDocument};
use crate::canonical::{CanonicalStores, catalog};
use crate::model::{DatasetVersionId, Failure, PolicyLabel, Zone};

type Labels = BTreeMap<(String, DatasetVersionId), PolicyLabel>;

impl SealOptions {
    /// Options for a whole platform: its labels are read and its ledger is verified now, its
    /// catalogs are held against the bytes once those are sealed.
    pub(crate) async fn checked(from: &CanonicalStores) -> Result<Self, Failure> {
        let audit = from.of_zone(Zone::Audit);
        let ledger = ledger::verify(audit, None, HeadDocument::Expected).await?;
        Ok(Self {
            labels: labels(from).await?,
            known_findings: ledger.findings,
            catalogs: true,
            ..Self::default()
        })
    }
}

/// The policy label of each dataset version that the catalog knows; an unknown one is none.
async fn labels(from: &CanonicalStores) -> Result<Labels, Failure> {
    let versions = catalog::versions(from).await?;
    let versions: Vec<_> =
        versions.into_iter().map(|known| (known.dataset, known.version)).collect();
    let raw = catalog::labels(from, &versions).await?;
    Ok(raw.into_iter().filter_map(|(name, label)| Some((name, label.parse().ok()?))).collect())
}
