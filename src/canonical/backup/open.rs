use bytes::Bytes;
use futures::TryStreamExt;
use serde::{Deserialize, Serialize};

use super::BackupError;
use crate::canonical::manifest::{self, Manifest, ShardRef};
use crate::canonical::shard::{self, Entry};
use crate::digest::{Digest, canonical_json};
use crate::store::{Created, OWN, Store, Walked};

const FORMAT_KEY: &str = "coppice.json";
const FORMAT: &str = "coppice-backup";
const FORMAT_VERSION: u32 = 1;

/// A manifest is a list of shards; a larger one is none.
const MANIFEST_LIMIT: u64 = 1024 * 1024 * 1024;
const SMALL: u64 = 64 * 1024;

/// The document at the root of a backup store.
#[derive(Debug, Serialize, Deserialize)]
struct Format {
    format: String,
    version: u32,
}

/// A place with snapshots. Read-only for everything but sealing and upkeep.
#[derive(Debug, Clone)]
pub(crate) struct BackupStore {
    store: Store,
}

impl BackupStore {
    /// Opens a backup store that is there.
    pub(crate) async fn open(store: Store) -> Result<Self, BackupError> {
        match read_format(&store).await? {
            Some(_) => Ok(Self { store }),
            None => Err(BackupError::NotABackup { url: store.url().to_owned() }),
        }
    }

    /// Opens a backup store, or makes one where nothing is yet.
    pub(crate) async fn init(store: Store) -> Result<Self, BackupError> {
        if read_format(&store).await?.is_none() {
            if let Some(found) = anything(&store).await? {
                return Err(BackupError::Occupied { url: store.url().to_owned(), found });
            }
            let format = Format { format: FORMAT.to_owned(), version: FORMAT_VERSION };
            store.create(FORMAT_KEY, canonical_json(&format)?.into()).await?;
        }
        Ok(Self { store })
    }

    /// Whether a store is a backup store.
    pub(crate) async fn is_at(store: &Store) -> Result<bool, BackupError> {
        match read_format(store).await {
            Ok(found) => Ok(found.is_some()),
            Err(BackupError::Damaged { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The store itself.
    pub(crate) fn store(&self) -> &Store {
        &self.store
    }

    /// The key of a snapshot's manifest.
    pub(crate) fn manifest_key(snapshot: &Digest) -> String {
        format!("snapshots/{}.json", snapshot.hex())
    }

    /// Reads a snapshot's manifest, proven to be the one that is named.
    pub(crate) async fn manifest(&self, snapshot: &Digest) -> Result<Manifest, BackupError> {
        let key = Self::manifest_key(snapshot);
        let Some((bytes, _)) = self.store.read(&key, MANIFEST_LIMIT).await? else {
            let why = format!("there is no snapshot {snapshot}");
            let url = self.store.url().to_owned();
            return Err(BackupError::NoSnapshot { url, why, damaged: Vec::new() });
        };
        let actual = Digest::blake3(&bytes);
        if actual != *snapshot {
            return Err(BackupError::damaged(&key, format!("its bytes hash to {actual}")));
        }
        let version: Version =
            serde_json::from_slice(&bytes).map_err(|error| BackupError::damaged(&key, error))?;
        if version.version > manifest::VERSION {
            return Err(BackupError::Version { what: key, version: version.version });
        }
        serde_json::from_slice(&bytes).map_err(|error| BackupError::damaged(&key, error))
    }

    /// Stores a manifest; from here on the snapshot exists.
    pub(crate) async fn seal(&self, manifest: &Manifest) -> Result<Digest, BackupError> {
        let bytes = manifest.bytes()?;
        let snapshot = Digest::blake3(&bytes);
        self.store.create(&Self::manifest_key(&snapshot), bytes.into()).await?;
        Ok(snapshot)
    }

    /// Reads a shard, proven to be the one that is named.
    pub(crate) async fn shard(&self, shard: &ShardRef) -> Result<Vec<Entry>, BackupError> {
        let packed = self.blob(&shard.digest).await?;
        let name = shard.digest;
        let unpack = move || shard::unpack(&name, &packed);
        let entries = tokio::task::spawn_blocking(unpack)
            .await
            .map_err(|error| BackupError::damaged("a shard of the manifest", error))?;
        Ok(entries?)
    }

    /// Stores a shard; says whether it was new.
    pub(crate) async fn put_shard(
        &self,
        prefix: &str,
        entries: Vec<Entry>,
    ) -> Result<(ShardRef, u64), BackupError> {
        let prefix = prefix.to_owned();
        let pack = move || shard::pack(&prefix, &entries);
        let (shard, packed) = tokio::task::spawn_blocking(pack)
            .await
            .map_err(|error| BackupError::damaged("a shard of the manifest", error))??;
        let size = packed.len() as u64;
        let key = Self::blob_key(&shard.digest);
        let written = self.store.create(&key, Bytes::from(packed)).await?;
        Ok((shard, if written == Created::Written { size } else { 0 }))
    }
}

/// The part of a manifest that every version has.
#[derive(Deserialize)]
struct Version {
    version: u32,
}

async fn read_format(store: &Store) -> Result<Option<Format>, BackupError> {
    let Some((bytes, _)) = store.read(FORMAT_KEY, SMALL).await? else { return Ok(None) };
    let format: Format =
        serde_json::from_slice(&bytes).map_err(|error| BackupError::damaged(FORMAT_KEY, error))?;
    if format.format != FORMAT {
        let why = format!("its format is `{}`, not `{FORMAT}`", format.format);
        return Err(BackupError::damaged(FORMAT_KEY, why));
    }
    if format.version > FORMAT_VERSION {
        let what = format!("the backup store {}", store.url());
        return Err(BackupError::Version { what, version: format.version });
    }
    Ok(Some(format))
}

/// The first thing in a store that is not Coppice's own.
async fn anything(store: &Store) -> Result<Option<String>, BackupError> {
    let first: Option<Walked> = store.walk("").try_next().await?;
    Ok(first.map(|found| found.name().to_owned()).filter(|name| !name.starts_with(OWN)))
}
