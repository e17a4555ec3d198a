//! When the embargo of a sealed version ends, by the catalog that was sealed with it.

use chrono::{DateTime, Utc};
use futures::TryStreamExt;

use super::backup::BackupStore;
use super::catalog::{Documents, describe};
use super::manifest::Manifest;
use super::shard::Entry;
use crate::digest::Digest;
use crate::model::{DatasetVersionId, Failure};

/// A catalog document larger than this is none.
const LIMIT: u64 = 64 << 20;

/// Reads the catalog of a version out of a snapshot. What cannot be read tells no date.
pub(crate) async fn sealed_embargo(
    backup: &BackupStore,
    manifest: &Manifest,
    dataset: &str,
    version: &DatasetVersionId,
) -> Result<Option<DateTime<Utc>>, Failure> {
    let prefix = format!("catalog/{dataset}/{version}/");
    let mut documents = Vec::new();
    for shard in manifest.shards.iter().filter(|shard| shard.prefix == prefix) {
        for entry in backup.shard(shard).await? {
            match document(backup, &entry).await? {
                Some(bytes) => documents.push((entry.key, bytes)),
                None => return Ok(None),
            }
        }
    }
    let (dataset, version) = (dataset.to_owned(), version.clone());
    let parse = move || {
        let (documents, _) = Documents::parse(&dataset, &version, &documents);
        describe(&documents).and_then(|described| described.embargo_until)
    };
    // A parser that met a bug tells no date either.
    Ok(tokio::task::spawn_blocking(parse).await.unwrap_or_default())
}

/// The bytes of a document, proven; `None` where its blob is damaged.
async fn document(backup: &BackupStore, entry: &Entry) -> Result<Option<bytes::Bytes>, Failure> {
    if entry.size > LIMIT {
        return Ok(None);
    }
    let stream = match backup.object(entry).await {
        Ok(stream) => stream,
        Err(error) if error.finding().is_some() => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let gathered = stream.try_fold(Vec::new(), |mut all, part| async move {
        all.extend_from_slice(&part);
        Ok(all)
    });
    match gathered.await {
        Ok(bytes) if Digest::blake3(&bytes) == entry.digest => Ok(Some(bytes.into())),
        Ok(_) => Ok(None),
        Err(error) if error.is_of_one_object() => Ok(None),
        Err(error) => Err(error.into()),
    }
}
