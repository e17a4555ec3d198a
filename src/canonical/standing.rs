//! Everything that can be checked of canonical stores by themselves, without a snapshot: each
//! acquisition against its manifest, each version against its documents, the ledger's chain.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use futures::TryStreamExt;
use tokio_util::sync::CancellationToken;

use super::catalog;
use super::catalogs::{acquisition, is_acquisition};
use super::cited::cited;
use super::in_place::{hash_below, hash_one, read_in_place};
use super::layout::{part_of, version_of};
use super::ledger::{self, HeadDocument};
use super::stores::CanonicalStores;
use super::verify::Verified;
use super::withdrawals::{Withdrawals, still_here};
use crate::digest::BothDigests;
use crate::model::{DatasetVersionId, Failure, Finding, FindingKind, Meter, Zone};

/// The digests of so many raw objects are remembered for the versions that were made of them;
/// more are hashed again.
const REMEMBERED: usize = 100_000;

/// Whether anything lies in a zone of these stores.
pub(crate) async fn is_canonical(stores: &CanonicalStores) -> Result<bool, Failure> {
    let known = Zone::ALL.into_iter().filter(|zone| *zone != Zone::Other).collect();
    Ok(stores.walk(&known).try_next().await?.is_some())
}

/// What is verified by itself.
pub(crate) struct Standing<'a> {
    /// The canonical stores.
    pub(crate) stores: &'a CanonicalStores,
    /// What was withdrawn: it should not be there.
    pub(crate) withdrawals: &'a Withdrawals,
    /// How many objects at once.
    pub(crate) at_once: usize,
    /// Where the work says how far it is.
    pub(crate) meter: &'a Meter,
    /// Whether it should stop.
    pub(crate) cancel: &'a CancellationToken,
}

/// Verifies canonical stores by themselves. One acquisition or version is in memory at a time.
/// What may change (work, quarantine) is held against nothing.
pub(crate) async fn verify_standing(standing: &Standing<'_>) -> Result<Verified, Failure> {
    let mut check = Check {
        standing,
        stores: standing.stores,
        raw: HashMap::new(),
        objects: 0,
        bytes: 0,
        findings: Vec::new(),
    };
    check.acquisitions().await?;
    for (dataset, version) in check.versions().await? {
        check.version(&dataset, &version).await?;
    }
    check.strangers().await?;
    let audit = check.stores.of_zone(Zone::Audit);
    let ledger = ledger::verify(audit, None, HeadDocument::Expected).await?;
    check.findings.extend(ledger.findings);
    let cited = cited(standing.stores, standing.withdrawals, &check.findings).await?;
    check.findings.extend(cited);
    check.findings.retain(|finding| !standing.withdrawals.explains(finding));
    Ok(Verified {
        ok: check.findings.is_empty(),
        snapshot: None,
        objects_checked: check.objects,
        bytes_checked: check.bytes,
        findings: check.findings,
    })
}

type Objects = BTreeMap<String, Option<BothDigests>>;

struct Check<'a> {
    standing: &'a Standing<'a>,
    stores: &'a CanonicalStores,
    /// Raw objects that were hashed.
    raw: HashMap<String, BothDigests>,
    objects: u64,
    bytes: u64,
    findings: Vec<Finding>,
}

impl Check<'_> {
    fn go_on(&self) -> Result<(), Failure> {
        if self.standing.cancel.is_cancelled() { Err(Failure::cancelled()) } else { Ok(()) }
    }

    async fn acquisitions(&mut self) -> Result<(), Failure> {
        let store = self.stores.of_zone(Zone::Raw);
        let mut work = hash_below(store, "raw", self.standing.at_once, self.standing.meter);
        let (mut folder, mut objects) = (String::new(), Objects::new());
        while let Some(read) = work.try_next().await? {
            self.go_on()?;
            let (key, both) = match read {
                Ok(pinned) => {
                    let (blake3, sha256, size) = (pinned.digest, pinned.sha256, pinned.size);
                    self.objects += 1;
                    self.bytes += size;
                    if self.standing.withdrawals.erases(&pinned.key) {
                        self.findings.push(still_here(&pinned.key, None, size));
                    }
                    (pinned.key, Some(BothDigests { blake3, sha256, size }))
                }
                Err(finding) => {
                    let key = finding.key.clone().unwrap_or_default();
                    self.findings.push(finding);
                    (key, None)
                }
            };
            if part_of(&key) != folder {
                self.acquisition(&folder, std::mem::take(&mut objects)).await?;
                part_of(&key).clone_into(&mut folder);
            }
            objects.insert(key, both);
        }
        self.acquisition(&folder, objects).await
    }

    async fn acquisition(&mut self, folder: &str, objects: Objects) -> Result<(), Failure> {
        if !is_acquisition(folder) {
            let stray = |key: &String| {
                let hint = "it belongs to no acquisition; nothing knows of it";
                Finding::warning(FindingKind::Extra, hint).at(key)
            };
            self.findings.extend(objects.keys().map(stray));
            return Ok(());
        }
        for (key, both) in &objects {
            if let Some(both) = both.filter(|_| self.raw.len() < REMEMBERED) {
                self.raw.insert(key.clone(), both);
            }
        }
        let found = acquisition(self.stores, folder, objects).await?;
        self.findings.extend(found);
        Ok(())
    }

    /// The versions that catalog, releases or artifacts speak of.
    async fn versions(&mut self) -> Result<BTreeSet<(String, DatasetVersionId)>, Failure> {
        let known = catalog::versions(self.stores).await?;
        let mut versions: BTreeSet<_> =
            known.into_iter().map(|known| (known.dataset, known.version)).collect();
        let mut walk = self.stores.of_zone(Zone::Processed).walk("processed");
        while let Some(walked) = walk.try_next().await? {
            if let Some((dataset, version)) = version_of(walked.name()) {
                versions.insert((dataset.to_owned(), version));
                continue;
            }
            let hint = "it belongs to no dataset version; nothing knows of it";
            self.findings.push(Finding::warning(FindingKind::Extra, hint).at(walked.name()));
        }
        Ok(versions)
    }

    async fn version(&mut self, dataset: &str, version: &DatasetVersionId) -> Result<(), Failure> {
        self.go_on()?;
        let Standing { stores, withdrawals, at_once, meter, cancel } = self.standing;
        let read =
            read_in_place(stores, dataset, version, withdrawals, *at_once, meter, cancel).await?;
        self.objects += read.objects;
        self.bytes += read.bytes;
        self.findings.extend(read.findings);
        let own = read.pins.into_iter().map(|pinned| {
            let (blake3, sha256, size) = (pinned.digest, pinned.sha256, pinned.size);
            (pinned.key, BothDigests { blake3, sha256, size })
        });
        let (mut known, raw) = (own.collect::<HashMap<_, _>>(), &self.raw);
        let mut lost = Vec::new();
        let of_sources = |sources: BTreeSet<String>| {
            let lost = &mut lost;
            async move {
                for source in sources {
                    let both = match raw.get(&source) {
                        Some(both) => Some(*both),
                        None => match hash_one(stores.of_key(&source), &source, meter).await {
                            Ok(both) => both,
                            Err(error) if error.is_of_one_object() => None,
                            Err(error) => return Err(error.into()),
                        },
                    };
                    match both {
                        Some(both) => drop(known.insert(source, both)),
                        None => lost.push(source),
                    }
                }
                Ok(known)
            }
        };
        let found = catalog::verify_version(stores, dataset, version, of_sources).await?;
        self.findings.extend(found);
        for source in lost {
            self.findings.push(catalog::lost_source(source, version));
        }
        Ok(())
    }

    /// What lies beside the zones.
    async fn strangers(&mut self) -> Result<(), Failure> {
        let mut walk = self.stores.walk(&BTreeSet::from([Zone::Other]));
        let mut known = BTreeSet::new();
        self.findings.extend(self.stores.misplaced().await?);
        while let Some(walked) = walk.try_next().await? {
            let top = walked.name().split('/').next().unwrap_or_default().to_owned();
            if known.insert(top.clone()) {
                let hint = "it belongs to no zone; nothing else knows of it";
                self.findings.push(Finding::warning(FindingKind::UnknownZone, hint).at(top));
            }
        }
        Ok(())
    }
}
