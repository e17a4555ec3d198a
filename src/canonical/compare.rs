//! Holds what was read against what a snapshot says of it.

use futures::TryStreamExt;

use super::shard::Entry;
use crate::digest::{Blake3Hasher, Digest};
use crate::model::{Finding, FindingKind, Meter};
use crate::store::{ByteStream, StoreError};

/// Below this, hashing costs less than handing it to another thread.
const HASH_HERE: usize = 64 * 1024;

/// Hashes a stream; the next part is read meanwhile where the store reads ahead.
pub(super) async fn measure(
    mut bytes: ByteStream,
    meter: &Meter,
) -> Result<(Digest, u64), StoreError> {
    let mut hasher = Blake3Hasher::default();
    while let Some(part) = bytes.try_next().await? {
        meter.add_bytes(part.len() as u64);
        if part.len() < HASH_HERE {
            hasher.update(&part);
            continue;
        }
        let work = move || {
            hasher.update(&part);
            hasher
        };
        hasher = tokio::task::spawn_blocking(work)
            .await
            .map_err(|error| StoreError::task("the work of a thread", error))?;
    }
    Ok((hasher.finish(), hasher.size()))
}

/// What is wrong with bytes that should be those of `entry`.
pub(super) fn difference(entry: &Entry, digest: &Digest, size: u64) -> Option<FindingKind> {
    match size.cmp(&entry.size) {
        std::cmp::Ordering::Less => Some(FindingKind::Truncated),
        std::cmp::Ordering::Greater => Some(FindingKind::Grown),
        std::cmp::Ordering::Equal if *digest != entry.digest => Some(FindingKind::Altered),
        std::cmp::Ordering::Equal => None,
    }
}

/// A finding on an object of a snapshot; it holds its dataset version back.
pub(super) fn finding(
    kind: FindingKind,
    entry: &Entry,
    actual: impl ToString,
    hint: &str,
) -> Finding {
    Finding::blocking(kind, hint)
        .at(&entry.key)
        .of_version(entry.dataset_version_id.as_ref())
        .differs(described(&entry.digest, entry.size), actual)
}

/// A digest and size in words.
pub(super) fn described(digest: &Digest, size: u64) -> String {
    format!("{digest}, {size} bytes")
}
