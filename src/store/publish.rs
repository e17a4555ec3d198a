//! Verified publication: hashed while written, visible only if the digest matches.

use bytes::Bytes;
use futures::TryStreamExt;

use super::backend::{Backend, Commit, Condition, Staged, give_up};
use super::{Attributes, ByteStream, Expected, OnConflict, Published, StoreError};
use crate::digest::{Blake3Hasher, Digest};

/// Below this, hashing costs less than handing it to another thread.
const HASH_HERE: usize = 64 * 1024;

pub(super) async fn publish(
    backend: &dyn Backend,
    key: &str,
    bytes: ByteStream,
    expected: &Expected,
    attributes: &Attributes,
    on_conflict: OnConflict,
) -> Result<Published, StoreError> {
    let mut staged = backend.stage(key, expected.size, attributes).await?;
    let (digest, size) = match fill(&mut *staged, bytes, expected.size, key).await {
        Ok(found) => found,
        Err(error) => {
            give_up(staged, key).await;
            return Err(error);
        }
    };
    if digest != expected.digest || size != expected.size {
        give_up(staged, key).await;
        return Ok(Published::Differs { digest, size });
    }
    let condition = match on_conflict {
        OnConflict::Keep => Condition::Absent,
        OnConflict::Replace => Condition::Any,
        OnConflict::ReplaceIf(pin) => Condition::Is(pin),
    };
    Ok(match staged.commit(condition).await? {
        Commit::Done => Published::Written,
        Commit::Refused => Published::Exists,
    })
}

/// Writes and hashes each part at the same time. Bytes past the expected size are hashed, for the
/// finding, but not written: a blob that grew without end must not fill the target.
async fn fill(
    staged: &mut dyn Staged,
    mut bytes: ByteStream,
    expected: u64,
    key: &str,
) -> Result<(Digest, u64), StoreError> {
    let mut hasher = Blake3Hasher::default();
    while let Some(part) = bytes.try_next().await? {
        let write = async {
            if hasher.size() + part.len() as u64 <= expected {
                staged.write(part.clone()).await?;
            }
            Ok(())
        };
        let hash = hash(hasher.clone(), part.clone(), key);
        let ((), done) = tokio::try_join!(write, hash)?;
        hasher = done;
    }
    Ok((hasher.finish(), hasher.size()))
}

async fn hash(
    mut hasher: Blake3Hasher,
    part: Bytes,
    key: &str,
) -> Result<Blake3Hasher, StoreError> {
    if part.len() < HASH_HERE {
        hasher.update(&part);
        return Ok(hasher);
    }
    let work = move || {
        hasher.update(&part);
        hasher
    };
    tokio::task::spawn_blocking(work).await.map_err(|e| StoreError::task(key, e))
}
