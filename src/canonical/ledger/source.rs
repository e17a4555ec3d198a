use std::cmp::Ordering;
use std::pin::Pin;

use bytes::{Bytes, BytesMut};
use futures::stream::{BoxStream, Peekable};
use futures::{StreamExt, TryStreamExt};

use super::record::{DOCUMENT_LIMIT, RECORDS};
use crate::canonical::backup::{BackupError, BackupStore};
use crate::canonical::manifest::ShardRef;
use crate::canonical::shard::Entry;
use crate::model::Zone;
use crate::store::{Store, StoreError, Walked};

/// Where the records of a ledger are read.
#[derive(Clone)]
pub(super) enum Source<'a> {
    /// As they are.
    AsIs(&'a Store),
    /// As they would be once a snapshot's records were restored there.
    Restored { store: &'a Store, backup: &'a BackupStore, shards: Vec<ShardRef> },
}

/// What the walk came upon.
#[derive(Debug)]
pub(super) enum Met {
    Stored(Walked),
    Sealed(Box<Entry>),
}

type Mets<'a> = BoxStream<'a, Result<Met, StoreError>>;
type Walks<'a> = Peekable<BoxStream<'a, Result<Walked, StoreError>>>;
type Entries<'a> = Peekable<BoxStream<'a, Result<Entry, StoreError>>>;

impl Source<'_> {
    /// The store with the head and the checkpoints.
    pub(super) fn store(&self) -> &Store {
        match self {
            Self::AsIs(store) | Self::Restored { store, .. } => store,
        }
    }

    /// Every record, by the bytes of its key.
    pub(super) fn walk(&self) -> Mets<'_> {
        let walk = self.store().walk(RECORDS);
        match self {
            Self::AsIs(_) => walk.map_ok(Met::Stored).boxed(),
            Self::Restored { backup, shards, .. } => {
                merged(walk.peekable(), entries(backup, shards).peekable())
            }
        }
    }

    /// Reads a record; `None` if it is gone.
    pub(super) async fn read(&self, met: &Met) -> Result<Option<Bytes>, StoreError> {
        match (self, met) {
            (Self::Restored { backup, .. }, Met::Sealed(entry)) => sealed(backup, entry).await,
            (_, Met::Sealed(entry)) => self.stored(&entry.key).await,
            (_, Met::Stored(walked)) => self.stored(walked.name()).await,
        }
    }

    async fn stored(&self, key: &str) -> Result<Option<Bytes>, StoreError> {
        Ok(self.store().read(key, DOCUMENT_LIMIT).await?.map(|(bytes, _)| bytes))
    }
}

/// The records of a snapshot, one shard of it in memory.
fn entries<'a>(
    backup: &'a BackupStore,
    shards: &'a [ShardRef],
) -> BoxStream<'a, Result<Entry, StoreError>> {
    let of_audit = shards.iter().filter(|shard| shard.zone == Zone::Audit);
    futures::stream::iter(of_audit)
        .then(|shard| async { backup.shard(shard).await.map_err(of_backup) })
        .map_ok(|entries| {
            let records = entries.into_iter().filter(|entry| entry.key.starts_with(RECORDS));
            futures::stream::iter(records.map(Ok))
        })
        .try_flatten()
        .boxed()
}

/// Both in one order. What the target has in the size that it should have is read there.
fn merged<'a>(walk: Walks<'a>, entries: Entries<'a>) -> Mets<'a> {
    let step = |(mut walk, mut entries): (Walks<'a>, Entries<'a>)| async move {
        let order = match (Pin::new(&mut walk).peek().await, Pin::new(&mut entries).peek().await) {
            (None, None) => return Ok(None),
            (Some(Ok(walked)), Some(Ok(entry))) => {
                walked.name().as_bytes().cmp(entry.key.as_bytes())
            }
            (Some(_), Some(Ok(_)) | None) => Ordering::Less,
            (_, Some(_)) => Ordering::Greater,
        };
        let walked = match order {
            Ordering::Greater => None,
            _ => walk.try_next().await?,
        };
        let entry = match order {
            Ordering::Less => None,
            _ => entries.try_next().await?,
        };
        let met = match (walked, entry) {
            (Some(Walked::Object(meta)), Some(entry)) if meta.size != entry.size => {
                Some(Met::Sealed(Box::new(entry)))
            }
            (Some(walked), _) => Some(Met::Stored(walked)),
            (None, entry) => entry.map(|entry| Met::Sealed(Box::new(entry))),
        };
        Ok(met.map(|met| (met, (walk, entries))))
    };
    futures::stream::try_unfold((walk, entries), step).boxed()
}

/// Reads a small object of a snapshot, unproven; `None` if its blob is gone.
pub(super) async fn sealed(
    backup: &BackupStore,
    entry: &Entry,
) -> Result<Option<Bytes>, StoreError> {
    if entry.size > DOCUMENT_LIMIT {
        let what = format!("`{}` in the snapshot", entry.key);
        return Err(StoreError::TooLarge { what, size: entry.size, limit: DOCUMENT_LIMIT });
    }
    let mut bytes = match backup.object(entry).await {
        Ok(bytes) => bytes,
        Err(BackupError::Missing { .. }) => return Ok(None),
        Err(error) => return Err(of_backup(error)),
    };
    let mut all = BytesMut::new();
    while let Some(part) = bytes.try_next().await? {
        all.extend_from_slice(&part);
    }
    Ok(Some(all.freeze()))
}

fn of_backup(error: BackupError) -> StoreError {
    match error {
        BackupError::Store(error) => error,
        error => StoreError::Other { what: "the snapshot's ledger".into(), source: error.into() },
    }
}
