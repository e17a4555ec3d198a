//! Do the evidence references of the ledger lead to what the catalogs hold? History may name what
//! is not there any more, so what leads nowhere warns.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};
use serde::Deserialize;

use super::catalog::{self, Offers};
use super::layout::RECORDS;
use super::stores::CanonicalStores;
use super::withdrawals::Withdrawals;
use crate::model::{DatasetVersionId, EvidenceRef, Failure, Finding, FindingKind, Zone};
use crate::store::{Store, Walked};

/// A record larger than this is none.
const LIMIT: u64 = 4 << 20;
/// Records, or versions, read at once.
const READS: usize = 16;
/// So many different references are followed.
const FOLLOWED: usize = 100_000;
/// So many that lead nowhere are named.
const NAMED: usize = 1000;

/// What a record says of a dataset version.
#[derive(Deserialize)]
struct Record {
    subject: String,
    evidence_refs: Vec<String>,
}

/// The record that names a reference first, and the version that it is about.
struct Citing {
    key: String,
    dataset: String,
    version: DatasetVersionId,
}

/// Follows the references of all records that are about a dataset version. Of versions that
/// something is wrong with already a record could only say the same again; those that were
/// withdrawn are history.
pub(super) async fn cited(
    stores: &CanonicalStores,
    withdrawals: &Withdrawals,
    known: &[Finding],
) -> Result<Vec<Finding>, Failure> {
    let versions = catalog::versions(stores).await?;
    if versions.is_empty() {
        return Ok(Vec::new());
    }
    let mut citations = Citations::default();
    citations.read(stores.of_zone(Zone::Audit)).await?;
    let wrong: BTreeSet<_> = known.iter().filter_map(|f| f.dataset_version_id.as_ref()).collect();
    citations.all.retain(|reference, citing| {
        let of_reference = match reference.parse() {
            Ok(EvidenceRef::Dcat { version, .. }) => Some(version),
            _ => None,
        };
        let mut about = [Some(&citing.version), of_reference.as_ref()].into_iter().flatten();
        about.all(|version| !wrong.contains(version) && !withdrawals.erases_version(version))
    });
    let mut offers = Offers::default();
    let mut reads =
        futures::stream::iter(versions)
            .map(|known| async move {
                catalog::read_version(stores, &known.dataset, &known.version).await
            })
            .buffered(READS);
    while let Some((_, _, documents)) = reads.try_next().await? {
        offers.add(&documents);
    }
    Ok(citations.findings(&offers))
}

#[derive(Default)]
struct Citations {
    all: BTreeMap<String, Citing>,
    more: bool,
}

impl Citations {
    async fn read(&mut self, store: &Store) -> Result<(), Failure> {
        let reads = store.walk(RECORDS).try_filter_map(|walked| async {
            Ok(match walked {
                Walked::Object(meta) => Some(meta.key),
                Walked::Unreadable { .. } => None,
            })
        });
        let reads = reads.map_ok(|key| async move {
            match store.read(&key, LIMIT).await {
                Ok(read) => Ok((key, read.map(|(bytes, _)| bytes))),
                // The ledger's own check names it.
                Err(error) if error.is_of_one_object() => Ok((key, None)),
                Err(error) => Err(error),
            }
        });
        let mut reads = reads.try_buffered(READS).boxed();
        while let Some((key, bytes)) = reads.try_next().await? {
            if let Some(bytes) = bytes {
                self.take(&key, &bytes);
            }
        }
        Ok(())
    }

    fn take(&mut self, key: &str, bytes: &Bytes) {
        // A record of another form is the ledger's to complain of.
        let Ok(record) = serde_json::from_slice::<Record>(bytes) else { return };
        let Ok(EvidenceRef::Dcat { dataset, version, .. }) = record.subject.parse() else { return };
        for reference in record.evidence_refs {
            if self.all.contains_key(&reference) {
                continue;
            }
            if self.all.len() == FOLLOWED {
                self.more = true;
                return;
            }
            let (key, dataset, version) = (key.to_owned(), dataset.clone(), version.clone());
            self.all.insert(reference, Citing { key, dataset, version });
        }
    }

    fn findings(self, offers: &Offers) -> Vec<Finding> {
        let mut findings = Vec::new();
        let mut unnamed = 0_u64;
        for (reference, citing) in self.all {
            let (hint, expected) = match reference.parse::<EvidenceRef>() {
                Err(error) => (error.to_string(), "an evidence reference"),
                Ok(read) if offers.resolves(&read) => continue,
                Ok(_) => {
                    let hint = format!(
                        "the ledger rests an event of {} on it, and the catalog does not have it; \
                         where it was not withdrawn, restore it from a snapshot",
                        citing.dataset
                    );
                    (hint, "something of the catalog")
                }
            };
            if findings.len() == NAMED {
                unnamed += 1;
                continue;
            }
            let finding = Finding::warning(FindingKind::DanglingLink, hint).at(citing.key);
            let finding = finding.of_version(Some(&citing.version));
            findings.push(finding.differs(expected, reference));
        }
        for (what, is) in [
            (format!("{unnamed} more references of the ledger lead nowhere"), unnamed > 0),
            (
                format!("the ledger has more than {FOLLOWED} references; no more were followed"),
                self.more,
            ),
        ] {
            if is {
                findings.push(Finding::warning(FindingKind::DanglingLink, what).at(RECORDS));
            }
        }
        findings
    }
}
