//! Copies one object into blobs: read once, both digests in one pass, pieces written meanwhile.

use bytes::{Bytes, BytesMut};
use futures::TryStreamExt;
use tokio::task::{JoinHandle, JoinSet};

use crate::canonical::backup::{BackupError, BackupStore, Blob, PIECE, Piece};
use crate::digest::{Blake3Hasher, BothDigests, BothHashers, Digest};
use crate::model::Meter;
use crate::store::{ByteStream, StoreError};

/// Below this, hashing costs less than handing it to another thread.
const HASH_HERE: usize = 64 * 1024;

/// How many pieces of one object are in memory: gathered, hashed, written.
pub(super) const PIECES: u64 = 3;

/// An object that is in the backup store.
#[derive(Debug)]
pub(super) struct Copied {
    pub(super) digests: BothDigests,
    pub(super) pieces: Option<Digest>,
    /// How many bytes were not there before.
    pub(super) written: u64,
}

/// Which side failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum CopyError {
    #[error(transparent)]
    Source(StoreError),
    #[error(transparent)]
    Target(#[from] BackupError),
}

pub(super) async fn copy(
    to: &BackupStore,
    mut bytes: ByteStream,
    meter: &Meter,
) -> Result<Copied, CopyError> {
    let mut pieces = Pieces::new(to.clone());
    let mut gathered = BytesMut::new();
    while let Some(part) = bytes.try_next().await.map_err(CopyError::Source)? {
        meter.add_bytes(part.len() as u64);
        if gathered.len() + part.len() > PIECE {
            let room = PIECE - gathered.len();
            gathered.extend_from_slice(&part[..room]);
            pieces.next(std::mem::take(&mut gathered).freeze()).await?;
            gathered.extend_from_slice(&part[room..]);
        } else {
            gathered.extend_from_slice(&part);
        }
    }
    Ok(pieces.finish(gathered.freeze()).await?)
}

type Hashed = (BothHashers, Digest, Bytes);

/// The pieces of one object: one is hashed while the one before is written and the next is read.
struct Pieces {
    to: BackupStore,
    whole: Option<BothHashers>,
    hashing: Option<JoinHandle<Hashed>>,
    writing: JoinSet<Result<u64, BackupError>>,
    list: Vec<Piece>,
    written: u64,
}

impl Pieces {
    fn new(to: BackupStore) -> Self {
        Self {
            to,
            whole: Some(BothHashers::default()),
            hashing: None,
            writing: JoinSet::new(),
            list: Vec::new(),
            written: 0,
        }
    }

    /// Takes a full piece that is not the last.
    async fn next(&mut self, piece: Bytes) -> Result<(), BackupError> {
        self.settle().await?;
        let mut whole = self.whole.take().unwrap_or_default();
        self.hashing = Some(tokio::task::spawn_blocking(move || {
            whole.update(&piece);
            let mut own = Blake3Hasher::default();
            own.update(&piece);
            (whole, own.finish(), piece)
        }));
        Ok(())
    }

    /// Ends the hashing that is under way, and starts to write what it named.
    async fn settle(&mut self) -> Result<(), BackupError> {
        let Some(hashing) = self.hashing.take() else { return Ok(()) };
        let (whole, digest, piece) = hashing.await.map_err(lost)?;
        self.whole = Some(whole);
        self.list.push(Piece { digest, size: piece.len() as u64 });
        // One write at a time, so that memory stays bounded by the pieces.
        self.drain().await?;
        let to = self.to.clone();
        self.writing.spawn(async move { put(&to, &digest, piece).await });
        Ok(())
    }

    async fn drain(&mut self) -> Result<(), BackupError> {
        while let Some(done) = self.writing.join_next().await {
            self.written += done.map_err(lost)??;
        }
        Ok(())
    }

    async fn finish(mut self, last: Bytes) -> Result<Copied, BackupError> {
        self.settle().await?;
        if self.list.is_empty() {
            return self.finish_whole(last).await;
        }
        self.next(last).await?;
        self.settle().await?;
        self.drain().await?;
        let list = self.to.put_pieces(&self.list).await?;
        let digests = self.whole.take().unwrap_or_default().finish();
        Ok(Copied { digests, pieces: Some(list), written: self.written })
    }

    /// An object of one piece is its own blob, and is hashed once.
    async fn finish_whole(self, bytes: Bytes) -> Result<Copied, BackupError> {
        let hashed = bytes.clone();
        let hash = move || {
            let mut both = BothHashers::default();
            both.update(&hashed);
            both.finish()
        };
        let digests = if bytes.len() < HASH_HERE {
            hash()
        } else {
            tokio::task::spawn_blocking(hash).await.map_err(lost)?
        };
        let written = put(&self.to, &digests.blake3, bytes).await?;
        Ok(Copied { digests, pieces: None, written })
    }
}

async fn put(to: &BackupStore, name: &Digest, bytes: Bytes) -> Result<u64, BackupError> {
    let size = bytes.len() as u64;
    Ok(match to.put(name, bytes).await? {
        Blob::Written => size,
        Blob::Present => 0,
    })
}

fn lost(error: tokio::task::JoinError) -> BackupError {
    BackupError::damaged("the work of a thread", error)
}
