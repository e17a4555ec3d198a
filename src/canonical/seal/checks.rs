//! What is checked of a platform beside its bytes when it is sealed: labels, ledger, catalogs.

use std::collections::BTreeMap;

use super::SealOptions;
use crate::canonical::CanonicalStores;
use crate::canonical::ledger::{self, HeadDocument};
use crate::model::{DatasetVersionId, Failure, PolicyLabel, Zone};

type Labels = BTreeMap<(String, DatasetVersionId), PolicyLabel>;

impl SealOptions {
    /// Options for a whole platform: its ledger is verified now, its catalogs are held against
    /// the bytes once those are sealed.
    pub(crate) async fn checked(from: &CanonicalStores, labels: Labels) -> Result<Self, Failure> {
        let audit = from.of_zone(Zone::Audit);
        let ledger = ledger::verify(audit, None, HeadDocument::Expected).await?;
        Ok(Self { labels, known_findings: ledger.findings, catalogs: true, ..Self::default() })
    }
}
