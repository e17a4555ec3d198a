use std::io::{Read, Write};
use std::path::Path;

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::mpsc;
use tokio_util::io::ReaderStream;

use super::FilesError;
use crate::digest::{Blake3Hasher, Digest};
use crate::projection::StageContext;
use crate::store::{
    ByteStream, Created, Expected, Meta, OnConflict, Pin, Published, Store, StoreError, Walked,
};

/// How much of a file moves at a time.
const PART: usize = 1 << 20;
/// No listing, proof or pointer comes near this size.
const DOCUMENT: u64 = 64 << 20;

type Result<T> = std::result::Result<T, FilesError>;

/// Reads a document with the state that it is in, if it is there.
pub(super) async fn read<T: DeserializeOwned>(
    store: &Store,
    key: &str,
) -> Result<Option<(T, Bytes, Pin)>> {
    let Some((bytes, meta)) = store.read(key, DOCUMENT).await? else { return Ok(None) };
    let document = serde_json::from_slice(&bytes)
        .map_err(|source| FilesError::Malformed { key: key.to_owned(), source })?;
    Ok(Some((document, bytes, meta.pin)))
}

fn to_bytes(key: &str, document: &impl Serialize) -> Result<Bytes> {
    serde_json::to_vec_pretty(document)
        .map(Bytes::from)
        .map_err(|source| FilesError::Malformed { key: key.to_owned(), source })
}

/// Puts a document where there is none; says whether it was put.
pub(super) async fn create(store: &Store, key: &str, document: &impl Serialize) -> Result<bool> {
    Ok(store.create(key, to_bytes(key, document)?).await? == Created::Written)
}

/// Puts a document in the place of the one in state `old`; an error when that is there no more.
pub(super) async fn replace(
    store: &Store,
    key: &str,
    document: &impl Serialize,
    old: Option<&Pin>,
) -> Result<()> {
    if store.compare_and_swap(key, to_bytes(key, document)?, old).await? {
        return Ok(());
    }
    Err(FilesError::Taken { key: key.to_owned() })
}

/// The objects below a prefix, by their keys.
pub(super) async fn list(store: &Store, prefix: &str) -> Result<Vec<Meta>> {
    let objects = store.walk(prefix).try_filter_map(|walked| async {
        Ok(match walked {
            Walked::Object(meta) => Some(meta),
            // We never write what cannot be read or named.
            Walked::Unreadable { .. } => None,
        })
    });
    Ok(objects.try_collect().await?)
}

/// Copies a local file into the store, verified; gives its size and digest.
pub(super) async fn upload(
    store: &Store,
    from: &Path,
    key: &str,
    cx: &StageContext,
) -> Result<(u64, Digest)> {
    let path = from.to_owned();
    let hash = tokio::task::spawn_blocking(move || hash_file(&path));
    let (size, digest) = hash.await.map_err(FilesError::Lost)??;
    let wrap = |source| FilesError::local(from, source);
    let file = tokio::fs::File::open(from).await.map_err(wrap)?;
    let (meter, cancel, what) = (cx.meter.clone(), cx.cancel.clone(), from.display().to_string());
    let broken = move |source: std::io::Error| StoreError::Other {
        what: what.clone(),
        source: source.into(),
    };
    let bytes: ByteStream = ReaderStream::with_capacity(file, PART)
        .map_err(broken)
        .inspect_ok(move |part| meter.add_bytes(part.len() as u64))
        .boxed();
    let expected = Expected { digest, size };
    let publish = store.publish(key, bytes, &expected, OnConflict::Replace);
    let published = tokio::select! {
        () = cancel.cancelled() => return Err(FilesError::Cancelled),
        published = publish => published?,
    };
    match published {
        Published::Written | Published::Exists => Ok((size, digest)),
        Published::Differs { digest: actual, .. } => {
            Err(FilesError::Altered { key: key.to_owned(), expected: digest, actual })
        }
    }
}

/// The size and digest of a local file.
pub(super) fn hash_file(path: &Path) -> Result<(u64, Digest)> {
    let wrap = |source| FilesError::local(path, source);
    let mut file = std::fs::File::open(path).map_err(wrap)?;
    let mut hasher = Blake3Hasher::default();
    let mut part = vec![0; PART];
    loop {
        match file.read(&mut part).map_err(wrap)? {
            0 => return Ok((hasher.size(), hasher.finish())),
            read => hasher.update(&part[..read]),
        }
    }
}

/// Copies an object into a local file, and gives the digest of what was written.
pub(super) async fn download(store: &Store, key: &str, to: &Path) -> Result<Option<Digest>> {
    let Some((_, mut parts)) = store.stream(key, None).await? else { return Ok(None) };
    let (sender, receiver) = mpsc::channel::<Bytes>(8);
    let path = to.to_owned();
    let writer = tokio::task::spawn_blocking(move || write_parts(&path, receiver));
    while let Some(part) = parts.try_next().await? {
        if sender.send(part).await.is_err() {
            // The writer failed, and says why below.
            break;
        }
    }
    drop(sender);
    writer.await.map_err(FilesError::Lost)?.map(Some)
}

fn write_parts(path: &Path, mut parts: mpsc::Receiver<Bytes>) -> Result<Digest> {
    let wrap = |source| FilesError::local(path, source);
    let mut file = std::fs::File::create(path).map_err(wrap)?;
    let mut hasher = Blake3Hasher::default();
    while let Some(part) = parts.blocking_recv() {
        hasher.update(&part);
        file.write_all(&part).map_err(wrap)?;
    }
    Ok(hasher.finish())
}
