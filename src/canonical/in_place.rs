//! Reads a dataset version where it stands, without a snapshot: what it hashes to, and its pins.

use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use tokio_util::sync::CancellationToken;

use super::stores::CanonicalStores;
use super::verify::{Pinned, VerifiedShard};
use super::withdrawals::{Withdrawals, gone, still_here};
use crate::digest::{BothDigests, BothHashers};
use crate::model::{DatasetVersionId, Failure, Finding, FindingKind, Meter};
use crate::store::{ByteStream, Store, StoreError, Walked};

const ZONES: [&str; 2] = ["processed", "catalog"];

/// Hashes every object of a version, artifacts and catalog; an object that cannot be read is a
/// finding. Whether the digests are right is for the catalog's check to say.
pub(crate) async fn read_in_place(
    stores: &CanonicalStores,
    dataset: &str,
    version: &DatasetVersionId,
    withdrawals: &Withdrawals,
    at_once: usize,
    meter: &Meter,
    cancel: &CancellationToken,
) -> Result<VerifiedShard, Failure> {
    let mut done = VerifiedShard::default();
    for zone in ZONES {
        let prefix = format!("{zone}/{dataset}/{version}");
        let mut work = hash_below(stores.of_key(&prefix), &prefix, at_once, meter);
        while let Some(read) = work.try_next().await? {
            if cancel.is_cancelled() {
                return Err(Failure::cancelled());
            }
            match read {
                Ok(pinned) if withdrawals.erases(&pinned.key) => {
                    done.findings.push(still_here(&pinned.key, Some(version), pinned.size));
                }
                Ok(pinned) => {
                    done.objects += 1;
                    done.bytes += pinned.size;
                    done.pins.push(pinned);
                }
                Err(finding) => done.findings.push(finding.of_version(Some(version))),
            }
        }
    }
    withdrawn(&mut done, dataset, version, withdrawals);
    Ok(done)
}

/// What was erased of a version and is not there any more. An owner who erased a version as a
/// whole has deleted its documents too, so that nobody asks for it.
fn withdrawn(
    done: &mut VerifiedShard,
    dataset: &str,
    version: &DatasetVersionId,
    withdrawals: &Withdrawals,
) {
    let folders = ZONES.map(|zone| format!("{zone}/{dataset}/{version}/"));
    let erased = folders.iter().flat_map(|folder| withdrawals.erased_below(folder));
    let there = |key: &str| done.findings.iter().any(|found| found.key.as_deref() == Some(key));
    let erased: Vec<&str> = erased.filter(|key| !there(key)).collect();
    let present = done.pins.iter().map(|pinned| pinned.key.as_str());
    let whole = withdrawals.leaves_whole(present.chain(erased.iter().copied()));
    done.findings.extend(erased.into_iter().map(|key| gone(key, Some(version), whole)));
}

/// Hashes every object below a prefix, in the order of their keys; one that cannot be read is a
/// finding.
pub(super) fn hash_below<'a>(
    store: &'a Store,
    prefix: &str,
    at_once: usize,
    meter: &'a Meter,
) -> BoxStream<'a, Result<Result<Pinned, Finding>, StoreError>> {
    let work =
        store.walk(prefix).map(move |walked| async move { object(store, walked?, meter).await });
    work.buffered(at_once).boxed()
}

/// Hashes one object; `None` where there is none.
pub(super) async fn hash_one(
    store: &Store,
    key: &str,
    meter: &Meter,
) -> Result<Option<BothDigests>, StoreError> {
    match store.stream(key, None).await? {
        Some((_, bytes)) => Ok(Some(hash(bytes, meter).await?)),
        None => Ok(None),
    }
}

async fn object(
    store: &Store,
    walked: Walked,
    meter: &Meter,
) -> Result<Result<Pinned, Finding>, StoreError> {
    let unreadable = |name: String, why: String| {
        let hint = format!("it cannot be read ({why}): restore it from a snapshot");
        Ok(Err(Finding::blocking(FindingKind::Unreadable, hint).at(name)))
    };
    let meta = match walked {
        Walked::Object(meta) => meta,
        Walked::Unreadable { name, why } => return unreadable(name, why),
    };
    let read = match store.stream(&meta.key, Some(&meta.pin)).await {
        Ok(Some((_, bytes))) => hash(bytes, meter).await,
        Ok(None) => return unreadable(meta.key, "it went away".to_owned()),
        Err(error) => Err(error),
    };
    match read {
        Ok(both) => {
            meter.add_rows(1);
            Ok(Ok(Pinned {
                key: meta.key,
                pin: meta.pin,
                size: both.size,
                digest: both.blake3,
                sha256: both.sha256,
            }))
        }
        Err(error) if error.is_of_one_object() => unreadable(meta.key, error.in_full()),
        Err(error) => Err(error),
    }
}

/// Hashes a stream both ways, off the asynchronous threads.
async fn hash(mut bytes: ByteStream, meter: &Meter) -> Result<BothDigests, StoreError> {
    let mut hashers = BothHashers::default();
    while let Some(part) = bytes.try_next().await? {
        meter.add_bytes(part.len() as u64);
        let work = move || {
            hashers.update(&part);
            hashers
        };
        hashers = tokio::task::spawn_blocking(work)
            .await
            .map_err(|error| StoreError::task("the work of a thread", error))?;
    }
    Ok(hashers.finish())
}
