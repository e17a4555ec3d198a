use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};
use serde::{Deserialize, Serialize};

use super::{BackupError, BackupStore};
use crate::canonical::shard::Entry;
use crate::digest::{Digest, canonical_json};
use crate::store::{ByteStream, StoreError};

/// A blob is at most so large: its name is known only after hashing, and a copy on the server's
/// side ends at 5 GiB.
pub(crate) const PIECE: usize = 16 * 1024 * 1024;

/// A list of pieces or a packed shard that is larger is none.
const LIMIT: u64 = 1024 * 1024 * 1024;

/// One piece of a large object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Piece {
    /// The BLAKE3 of its bytes, and the name of its blob.
    pub(crate) digest: Digest,
    /// Its size in bytes.
    pub(crate) size: u64,
}

/// Whether a blob was there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Blob {
    /// It is new.
    Written,
    /// It was there, as large as it must be.
    Present,
}

impl BackupStore {
    /// The key of a blob.
    pub(crate) fn blob_key(name: &Digest) -> String {
        let hex = name.hex();
        format!("blobs/blake3/{}/{hex}", &hex[..2])
    }

    /// Whether a blob of an object or piece is there and as large as it must be.
    pub(crate) async fn has(&self, name: &Digest, size: u64) -> Result<bool, BackupError> {
        let found = self.store().head(&Self::blob_key(name)).await?;
        Ok(found.is_some_and(|meta| meta.size == size))
    }

    /// Stores bytes under their name. One that is there in another size is damaged, and put
    /// right.
    pub(crate) async fn put(&self, name: &Digest, bytes: Bytes) -> Result<Blob, BackupError> {
        let key = Self::blob_key(name);
        let pin = match self.store().head(&key).await? {
            Some(meta) if meta.size == bytes.len() as u64 => return Ok(Blob::Present),
            found => found.map(|meta| meta.pin),
        };
        self.store().compare_and_swap(&key, bytes, pin.as_ref()).await?;
        Ok(Blob::Written)
    }

    /// Reads a small blob as it is, unproven.
    pub(crate) async fn blob(&self, name: &Digest) -> Result<Bytes, BackupError> {
        match self.store().read(&Self::blob_key(name), LIMIT).await? {
            Some((bytes, _)) => Ok(bytes),
            None => Err(BackupError::Missing { name: *name }),
        }
    }

    /// Stores the list of an object's pieces, which is itself a blob.
    pub(crate) async fn put_pieces(&self, pieces: &[Piece]) -> Result<Digest, BackupError> {
        let bytes = canonical_json(&pieces)?;
        let name = Digest::blake3(&bytes);
        self.put(&name, bytes.into()).await?;
        Ok(name)
    }

    /// Reads the list of an object's pieces, proven.
    pub(crate) async fn pieces(&self, name: &Digest) -> Result<Vec<Piece>, BackupError> {
        let bytes = self.blob(name).await?;
        let actual = Digest::blake3(&bytes);
        if actual != *name {
            return Err(BackupError::damaged("a list of pieces", format!("it is {actual}")));
        }
        serde_json::from_slice(&bytes)
            .map_err(|error| BackupError::damaged("a list of pieces", error))
    }

    /// Opens an object of a snapshot; the reader proves the bytes. `Missing` names a blob that is
    /// not there, though a stream may find that out only on its way.
    pub(crate) async fn object(&self, entry: &Entry) -> Result<ByteStream, BackupError> {
        let names: Vec<Digest> = match &entry.pieces {
            None => vec![entry.digest],
            Some(list) => self.pieces(list).await?.iter().map(|piece| piece.digest).collect(),
        };
        // A missing piece is told before anything is written.
        for name in names.iter().skip(1) {
            if self.store().head(&Self::blob_key(name)).await?.is_none() {
                return Err(BackupError::Missing { name: *name });
            }
        }
        let Some(first) = names.first() else { return Ok(futures::stream::empty().boxed()) };
        let first = self.open_blob(first).await?;
        let backup = self.clone();
        let rest = futures::stream::iter(names.into_iter().skip(1))
            .then(move |name| {
                let backup = backup.clone();
                async move {
                    backup.open_blob(&name).await.map_err(|error| match error {
                        BackupError::Store(error) => error,
                        other => StoreError::Changed { what: other.to_string() },
                    })
                }
            })
            .try_flatten();
        Ok(first.chain(rest).boxed())
    }

    async fn open_blob(&self, name: &Digest) -> Result<ByteStream, BackupError> {
        match self.store().stream(&Self::blob_key(name), None).await? {
            Some((_, bytes)) => Ok(bytes),
            None => Err(BackupError::Missing { name: *name }),
        }
    }
}
