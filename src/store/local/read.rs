use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::UNIX_EPOCH;

use bytes::Bytes;
use chrono::DateTime;
use futures::StreamExt;

use super::Local;
use crate::store::backend::ByteStream;
use crate::store::{Attributes, Meta, Pin, StoreError};

/// How much is read at once; enough for all cores to hash it together.
const CHUNK: usize = 1024 * 1024;

pub(super) fn head(local: &Local, key: &str) -> Result<Option<Meta>, StoreError> {
    let path = local.path(key)?;
    match fs::metadata(&path) {
        Ok(found) if found.is_file() => {
            stays_inside(local, &path, key)?;
            Ok(Some(meta(key, &found)))
        }
        Ok(_) => Ok(None),
        Err(error) if is_absent(&error) => Ok(None),
        Err(error) => Err(StoreError::io(local.what(key), error)),
    }
}

/// Opens a file in the given state. A small one is read at once, a larger one ahead of its reader.
pub(super) fn open(
    local: &Local,
    key: &str,
    pin: Option<&Pin>,
) -> Result<Option<(Meta, ByteStream)>, StoreError> {
    let path = local.path(key)?;
    // Opening a FIFO would wait for a writer, so the kind is asked first.
    if head(local, key)?.is_none() {
        return Ok(None);
    }
    let mut file = match File::open(&path) {
        Ok(file) => file,
        Err(error) if is_absent(&error) => return Ok(None),
        Err(error) => return Err(StoreError::io(local.what(key), error)),
    };
    let seen = meta(key, &file.metadata().map_err(|e| StoreError::io(local.what(key), e))?);
    if pin.is_some_and(|pin| *pin != seen.pin) {
        return Err(StoreError::Changed { what: local.what(key) });
    }
    if seen.size <= CHUNK as u64 {
        let bytes = next(local, &mut file, &seen, 0)?.unwrap_or_default();
        next(local, &mut file, &seen, bytes.len() as u64)?;
        let all = (!bytes.is_empty()).then_some(Ok(bytes));
        return Ok(Some((seen, futures::stream::iter(all).boxed())));
    }
    Ok(Some((seen.clone(), read_ahead(local.clone(), file, seen))))
}

/// Reads on a thread of its own, two chunks ahead; stops when the reader goes away.
fn read_ahead(local: Local, mut file: File, seen: Meta) -> ByteStream {
    let (sender, receiver) = tokio::sync::mpsc::channel(2);
    tokio::task::spawn_blocking(move || {
        let mut done = 0;
        while let Some(part) = next(&local, &mut file, &seen, done).transpose() {
            done += part.as_ref().map_or(0, |bytes| bytes.len() as u64);
            let failed = part.is_err();
            if sender.blocking_send(part).is_err() || failed {
                return;
            }
        }
    });
    futures::stream::unfold(receiver, |mut receiver| async move {
        receiver.recv().await.map(|part| (part, receiver))
    })
    .boxed()
}

/// The next chunk; at the end, proves that the file is still in the state in which it was opened.
fn next(
    local: &Local,
    file: &mut File,
    seen: &Meta,
    done: u64,
) -> Result<Option<Bytes>, StoreError> {
    let failed = |error| StoreError::io(local.what(&seen.key), error);
    let left = usize::try_from(seen.size - done).unwrap_or(CHUNK).min(CHUNK);
    let mut chunk = Vec::with_capacity(left);
    file.take(left as u64).read_to_end(&mut chunk).map_err(failed)?;
    if chunk.len() == left && left > 0 {
        return Ok(Some(chunk.into()));
    }
    let now = meta(&seen.key, &file.metadata().map_err(failed)?);
    if left > 0 || now.pin != seen.pin {
        return Err(StoreError::Changed { what: local.what(&seen.key) });
    }
    Ok(None)
}

/// Refuses a path that a symbolic link leads out of the store.
pub(super) fn stays_inside(local: &Local, path: &Path, key: &str) -> Result<(), StoreError> {
    let real = fs::canonicalize(path).map_err(|e| StoreError::io(local.what(key), e))?;
    if real.starts_with(local.root()) {
        return Ok(());
    }
    let why = io::Error::other("a symbolic link leads out of the store");
    Err(StoreError::Other { what: local.what(key), source: why.into() })
}

pub(super) fn meta(key: &str, found: &Metadata) -> Meta {
    let since = found.modified().ok().and_then(|at| at.duration_since(UNIX_EPOCH).ok());
    let micros = since.unwrap_or_default().as_micros();
    // The form of `object_store`, so that its readers can be held to the same state.
    let etag = format!("{:x}-{:x}-{:x}", found.ino(), micros, found.len());
    let modified = i64::try_from(micros).ok().and_then(DateTime::from_timestamp_micros);
    Meta {
        key: key.to_owned(),
        size: found.len(),
        pin: Pin { etag: Some(etag), version: None },
        modified: modified.unwrap_or_default(),
        attributes: Attributes::default(),
    }
}

/// Whether an error only says that there is no such file.
pub(super) fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}
