use futures::{StreamExt, TryStreamExt};
use tokio_util::sync::CancellationToken;

use super::{Pinned, Verified, VerifiedShard, extra_objects};
use crate::canonical::backup::BackupStore;
use crate::canonical::compare::{described, difference, finding, measure};
use crate::canonical::layout::HEADS;
use crate::canonical::withdrawals::{gone, still_here};
use crate::canonical::{CanonicalStores, Entry, Filter, Manifest, ShardRef, Withdrawals};
use crate::digest::Digest;
use crate::model::{Failure, Finding, FindingKind, Meter};

const WRONG: &str = "restore it from the snapshot with `coppice restore`; find out what changed it";

/// How canonical stores are held against a snapshot.
pub(crate) struct Verify<'a> {
    /// Where the snapshot is.
    pub(crate) backup: &'a BackupStore,
    /// What is held against it.
    pub(crate) stores: &'a CanonicalStores,
    /// Which objects are meant.
    pub(crate) filter: &'a Filter,
    /// What was withdrawn: it should not be there.
    pub(crate) withdrawals: &'a Withdrawals,
    /// All shards of the snapshot that the objects of a version may be in.
    pub(crate) shards: &'a [ShardRef],
    /// How many objects at once.
    pub(crate) at_once: usize,
    /// Where the work says how far it is.
    pub(crate) meter: &'a Meter,
    /// Asks the work to stop.
    pub(crate) cancel: &'a CancellationToken,
}

enum Outcome {
    Right(Pinned),
    Found {
        finding: Finding,
        bytes: u64,
    },
    /// The ledger's head goes its own way; the ledger's own check judges it.
    Head {
        bytes: u64,
    },
}

impl Verify<'_> {
    /// Reads every object of a shard and holds it against its entry. A head document that
    /// differs is left to the ledger's check, since a ledger may have grown.
    pub(crate) async fn shard(&self, shard: &ShardRef) -> Result<VerifiedShard, Failure> {
        let entries = self.backup.shard(shard).await?;
        let (erased, meant): (Vec<_>, Vec<_>) = entries
            .into_iter()
            .filter(|entry| self.filter.holds(&entry.key))
            .partition(|entry| self.withdrawals.erases(&entry.key));
        let work = futures::stream::iter(meant).map(|entry| async move {
            let outcome = self.object(&entry).await?;
            self.meter.add_rows(1);
            Ok::<_, Failure>(outcome)
        });
        let mut work = work.buffered(self.at_once).boxed();
        let findings = self.withdrawn(shard, &erased).await?;
        let mut done = VerifiedShard { findings, ..VerifiedShard::default() };
        while let Some(outcome) = work.try_next().await? {
            done.objects += 1;
            match outcome {
                Outcome::Right(pinned) => {
                    done.bytes += pinned.size;
                    done.pins.push(pinned);
                }
                Outcome::Found { finding, bytes } => {
                    done.bytes += bytes;
                    done.findings.push(finding);
                }
                Outcome::Head { bytes } => done.bytes += bytes,
            }
        }
        Ok(done)
    }

    /// What is to be said of what was erased out of a shard.
    async fn withdrawn(&self, shard: &ShardRef, erased: &[Entry]) -> Result<Vec<Finding>, Failure> {
        if erased.is_empty() {
            return Ok(Vec::new());
        }
        let mut keys = Vec::new();
        // A version may be cut into several shards.
        for part in self.shards.iter().filter(|part| part.prefix == shard.prefix) {
            keys.extend(self.backup.shard(part).await?.into_iter().map(|entry| entry.key));
        }
        let whole = self.withdrawals.leaves_whole(keys.iter().map(String::as_str));
        let mut findings = Vec::new();
        for entry in erased {
            let version = entry.dataset_version_id.as_ref();
            // A document is needed, and so is all of what was erased as a whole.
            let whole = version.is_none_or(|v| whole && !self.withdrawals.erases_version(v));
            findings.push(match self.stores.of_key(&entry.key).head(&entry.key).await? {
                Some(meta) => still_here(&entry.key, version, meta.size),
                None => gone(&entry.key, version, whole),
            });
        }
        Ok(findings)
    }

    async fn object(&self, entry: &Entry) -> Result<Outcome, Failure> {
        if self.cancel.is_cancelled() {
            return Err(Failure::cancelled());
        }
        let found = |kind, actual: String| Outcome::Found {
            finding: finding(kind, entry, actual, WRONG),
            bytes: 0,
        };
        let read = async {
            let store = self.stores.of_key(&entry.key);
            let Some((meta, bytes)) = store.stream(&entry.key, None).await? else {
                return Ok(None);
            };
            let (digest, size) = measure(bytes, self.meter).await?;
            Ok(Some((meta, digest, size)))
        };
        let (meta, digest, size) = match read.await {
            Ok(Some(read)) => read,
            Ok(None) => return Ok(found(FindingKind::Missing, "nothing".to_owned())),
            Err(error) => {
                let error: crate::store::StoreError = error;
                if error.is_of_one_object() {
                    return Ok(found(FindingKind::Unreadable, error.in_full()));
                }
                return Err(error.into());
            }
        };
        Ok(match difference(entry, &digest, size) {
            None => Outcome::Right(Pinned {
                key: meta.key,
                pin: meta.pin,
                size,
                digest,
                // Both were taken of the same bytes when they were sealed.
                sha256: entry.sha256,
            }),
            Some(_) if entry.key.starts_with(HEADS) => Outcome::Head { bytes: size },
            Some(kind) => Outcome::Found {
                finding: finding(kind, entry, described(&digest, size), WRONG),
                bytes: size,
            },
        })
    }
}

/// Proves canonical stores against a snapshot: every object that it names, and what is there
/// beside them. The ledger's and the catalog's own checks are not part of it.
pub(crate) async fn verify_against(
    verify: &Verify<'_>,
    snapshot: Digest,
    manifest: &Manifest,
) -> Result<Verified, Failure> {
    let shards = manifest.shards.iter().filter(|shard| verify.filter.may_hold(shard));
    let (objects, bytes) =
        shards.clone().fold((0, 0), |(o, b), shard| (o + shard.objects, b + shard.bytes));
    verify.meter.set_totals(Some(bytes), Some(objects));
    let mut all = VerifiedShard::default();
    for shard in shards {
        let done = verify.shard(shard).await?;
        all.objects += done.objects;
        all.bytes += done.bytes;
        all.findings.extend(done.findings);
    }
    all.findings
        .extend(extra_objects(verify.stores, verify.backup, manifest, verify.filter).await?);
    Ok(Verified {
        ok: all.findings.is_empty(),
        snapshot: Some(snapshot),
        objects_checked: all.objects,
        bytes_checked: all.bytes,
        findings: all.findings,
    })
}
