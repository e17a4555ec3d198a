use std::io::{Read, Write};
use std::path::Path as LocalPath;

use bytes::{Bytes, BytesMut};
use futures::{StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutMode, PutPayload, WriteMultipart};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::mpsc;

use super::FilesError;
use crate::digest::{BothHashers, Digest};
use crate::projection::StageContext;

/// Bytes that move as one part; a file of at most one part is one put.
const PART: usize = 8 << 20;
/// Parts under way at one time.
const PARTS_IN_FLIGHT: usize = 4;

type Result<T> = std::result::Result<T, FilesError>;

pub(super) fn failed(
    verb: &'static str,
    key: &Path,
) -> impl FnOnce(object_store::Error) -> FilesError {
    let key = key.to_string();
    move |source| FilesError::Store { verb, key, source }
}

/// Reads a small object, if it is there.
pub(super) async fn read(store: &dyn ObjectStore, key: &Path) -> Result<Option<Bytes>> {
    match store.get(key).await {
        Ok(found) => Ok(Some(found.bytes().await.map_err(failed("read", key))?)),
        Err(object_store::Error::NotFound { .. }) => Ok(None),
        Err(source) => Err(failed("read", key)(source)),
    }
}

pub(super) fn parse<T: DeserializeOwned>(key: &Path, bytes: &[u8]) -> Result<T> {
    serde_json::from_slice(bytes)
        .map_err(|source| FilesError::Malformed { key: key.to_string(), source })
}

/// Puts a document unless the key is taken; says whether it was put.
pub(super) async fn create(
    store: &dyn ObjectStore,
    key: &Path,
    document: &impl Serialize,
) -> Result<bool> {
    let bytes = serde_json::to_vec_pretty(document)
        .map_err(|source| FilesError::Malformed { key: key.to_string(), source })?;
    match store.put_opts(key, PutPayload::from(bytes), PutMode::Create.into()).await {
        Ok(_) => Ok(true),
        Err(
            object_store::Error::AlreadyExists { .. } | object_store::Error::Precondition { .. },
        ) => Ok(false),
        Err(source) => Err(failed("create", key)(source)),
    }
}

/// The keys and sizes below a prefix.
pub(super) async fn list(store: &dyn ObjectStore, prefix: &Path) -> Result<Vec<(Path, u64)>> {
    let found = store.list(Some(prefix)).map_ok(|meta| (meta.location, meta.size));
    found.try_collect().await.map_err(failed("list", prefix))
}

pub(super) async fn delete(store: &dyn ObjectStore, key: &Path) -> Result<()> {
    match store.delete(key).await {
        Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
        Err(source) => Err(failed("delete", key)(source)),
    }
}

/// Copies a local file into the store; reading and hashing run beside the transfer. Gives its
/// size and digest.
pub(super) async fn upload(
    store: &dyn ObjectStore,
    from: &LocalPath,
    key: &Path,
    cx: &StageContext,
) -> Result<(u64, Digest)> {
    let (sender, mut parts) = mpsc::channel::<Bytes>(2);
    let path = from.to_owned();
    let reader = tokio::task::spawn_blocking(move || read_parts(&path, &sender));
    let first = parts.recv().await.unwrap_or_default();
    if first.len() < PART {
        cx.meter.add_bytes(first.len() as u64);
        store.put(key, first.into()).await.map_err(failed("write", key))?;
    } else {
        let upload = store.put_multipart(key).await.map_err(failed("write", key))?;
        let mut upload = WriteMultipart::new_with_chunk_size(upload, PART);
        let mut next = Some(first);
        while let Some(part) = next {
            if cx.cancel.is_cancelled() {
                upload.abort().await.map_err(failed("abort writing", key))?;
                return Err(FilesError::Cancelled);
            }
            upload.wait_for_capacity(PARTS_IN_FLIGHT).await.map_err(failed("write", key))?;
            cx.meter.add_bytes(part.len() as u64);
            upload.put(part);
            next = parts.recv().await;
        }
        upload.finish().await.map_err(failed("write", key))?;
    }
    reader.await.map_err(FilesError::Lost)?
}

fn read_parts(path: &LocalPath, sender: &mpsc::Sender<Bytes>) -> Result<(u64, Digest)> {
    let mut file = std::fs::File::open(path).map_err(|e| FilesError::local(path, e))?;
    let mut hashers = blake3::Hasher::new();
    let mut size = 0;
    loop {
        let mut part = Vec::with_capacity(PART);
        let taken = (&mut file).take(PART as u64).read_to_end(&mut part);
        let taken = taken.map_err(|e| FilesError::local(path, e))?;
        hashers.update_rayon(&part);
        size += taken as u64;
        // A receiver that is gone has failed for a reason of its own, which is reported.
        if taken == 0 || sender.blocking_send(part.into()).is_err() || taken < PART {
            return Ok((
                size,
                Digest::new(crate::digest::Algorithm::Blake3, *hashers.finalize().as_bytes()),
            ));
        }
    }
}

/// Copies an object into a local file, and gives the digest of what was written.
pub(super) async fn download(
    store: &dyn ObjectStore,
    key: &Path,
    to: &LocalPath,
) -> Result<Digest> {
    let mut chunks = store.get(key).await.map_err(failed("read", key))?.into_stream();
    let (sender, receiver) = mpsc::channel::<Bytes>(8);
    let path = to.to_owned();
    let writer = tokio::task::spawn_blocking(move || write_parts(&path, receiver));
    while let Some(chunk) = chunks.next().await {
        if sender.send(chunk.map_err(failed("read", key))?).await.is_err() {
            break;
        }
    }
    drop(sender);
    writer.await.map_err(FilesError::Lost)?
}

fn write_parts(path: &LocalPath, mut parts: mpsc::Receiver<Bytes>) -> Result<Digest> {
    let wrap = |e| FilesError::local(path, e);
    let mut file = std::fs::File::create(path).map_err(wrap)?;
    let mut hasher = blake3::Hasher::new();
    while let Some(part) = parts.blocking_recv() {
        hasher.update(&part);
        file.write_all(&part).map_err(wrap)?;
    }
    Ok(Digest::new(crate::digest::Algorithm::Blake3, *hasher.finalize().as_bytes()))
}
