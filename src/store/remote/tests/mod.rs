//! What a server may do to its clients, and what ours makes of it.

mod asked;
mod broken;
mod emulated;
mod etags;
mod listed;
mod others;
mod refused;
mod trusted;

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};

use crate::digest::Digest;
use crate::store::{ByteStream, Expected, OnConflict, Published, Store, StoreError};

/// Bytes that do not repeat.
fn noise(size: usize) -> Vec<u8> {
    let mut bytes = vec![0; size];
    blake3::Hasher::new().finalize_xof().fill(&mut bytes);
    bytes
}

fn parts(bytes: &[u8]) -> ByteStream {
    let parts: Vec<_> = bytes.chunks(1 << 20).map(|p| Ok(Bytes::copy_from_slice(p))).collect();
    stream::iter(parts).boxed()
}

async fn publish(store: &Store, key: &str, bytes: &[u8]) -> Result<Published, StoreError> {
    let expected = Expected { digest: Digest::blake3(bytes), size: bytes.len() as u64 };
    store.publish(key, parts(bytes), &expected, OnConflict::Replace).await
}

async fn content(store: &Store, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
    let Some((_, parts)) = store.stream(key, None).await? else { return Ok(None) };
    let parts: Vec<Bytes> = parts.try_collect().await?;
    Ok(Some(parts.concat()))
}

async fn names(store: &Store) -> Result<Vec<String>, StoreError> {
    store.walk("").map_ok(|walked| walked.name().to_owned()).try_collect().await
}
